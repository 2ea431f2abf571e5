from pipeline.messages import laid_out

COMMAND = "python -m pipeline run a/rather/long/path/to/mine.yaml --root /another/rather/long/path"


def test_lines_break_between_words_and_commands_stay_whole() -> None:
    text = f"error: refused: {'word ' * 20}\nFinished work is kept; continue with: {COMMAND}"
    lines = laid_out(text, 60)
    assert lines[-2:] == ["Finished work is kept; continue with:", f"  {COMMAND}"]
    assert all(len(line) <= 60 for line in lines[:-1])
    assert " ".join(" ".join(lines).split()) == " ".join(text.split()), "nothing is lost"


def test_lines_that_fit_stay_as_they_are() -> None:
    table = "error: refused\n  Test       two-tower  popularity\n  recall@10     0.1000      0.2000"
    assert laid_out(table, 60) == table.split("\n")
