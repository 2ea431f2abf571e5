from pipeline.provenance.lineage_text import branch_lines


def test_a_long_branch_goes_on_beside_the_bars_of_its_tree() -> None:
    line = "  │  ├─ Transform/20261129T194956, run 20261129T194950: examples, graph"
    assert branch_lines(line, 40) == [
        "  │  ├─ Transform/20261129T194956, run",
        "  │  │    20261129T194950: examples,",
        "  │  │    graph",
    ]
    last = f"  └─ {'a' * 20} {'b' * 20}"
    assert branch_lines(last, 30) == [f"  └─ {'a' * 20}", f"       {'b' * 20}"]
    assert branch_lines(last, len(last)) == [last]
    assert branch_lines(line, None) == [line]
