"""Options stand anywhere between a command's arguments."""

from pathlib import Path

import pytest

from pipeline.cli import main


@pytest.mark.parametrize(
    "arguments",
    ["rollback shop --root ROOT 5", "rollback --root ROOT shop 5", "rollback shop 5 --root ROOT"]
    + [f"{verb} --root ROOT shop" for verb in ("versions", "status", "serve", "recommend", "clean")]
    + [f"{verb} shop --root ROOT" for verb in ("versions", "status", "serve", "recommend", "clean")],
)
def test_a_name_is_found_wherever_options_stand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str
) -> None:
    assert main(arguments.replace("ROOT", str(tmp_path)).split()) == 2
    assert capsys.readouterr().err == f"error: no pipeline 'shop' in {tmp_path}; pipelines there: none\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("rollback shop --root x five", "argument VERSION: invalid int value: 'five'"),
        ("rollback shop --root x 5 6", "unrecognized arguments: 6"),
        ("rollback shop --rot x", "unrecognized arguments: --rot"),
        ("run --root x", "the following arguments are required: CONFIG"),
        ("run a.yaml --from A --no-cache", "not allowed with argument"),
        ("status shop --root x https://user:secret@host/", "unrecognized arguments: https://***@host/"),
    ],
)
def test_other_arguments_are_refused_as_before(capsys: pytest.CaptureFixture[str], arguments: str, told: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments.split())
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_files_may_be_told_on_both_sides_of_an_option(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text(
        "user_id,item_id,timestamp\n" + "".join(f"u{n % 7},i{n % 5},{n}\n" for n in range(99))
    )
    (tmp_path / "items.csv").write_text("item_id,genre\n" + "".join(f"i{n},g{n % 2}\n" for n in range(5)))
    output = tmp_path / "mine.yaml"
    assert main(["init", str(tmp_path / "ratings.csv"), "-o", str(output), str(tmp_path / "items.csv")]) == 0
    assert "ratings.csv" in output.read_text()
    assert "items.csv" in output.read_text()


def test_help_fills_its_lines_and_leaves_examples_as_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    with pytest.raises(SystemExit):
        main(["explain", "--help"])
    shown = capsys.readouterr().out
    description = shown.split("\n\n")[1]
    assert description.count("\n") > 2
    assert max(map(len, description.splitlines())) <= 60
    assert "examples:\n  explain Trainer\n  explain quickstart/Trainer 2026" in shown
