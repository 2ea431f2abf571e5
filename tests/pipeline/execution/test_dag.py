import pytest

from components.base import Params
from pipeline.execution.dag import Pipeline
from tests.pipeline.toy_components import Add, AddParams, Finish, Source, SourceParams


@pytest.fixture
def pipeline():
    pipeline = Pipeline("toy")
    source = pipeline.add(Source(SourceParams()))
    add = pipeline.add(Add(AddParams()), examples=source["examples"])
    pipeline.add(Finish(Params()), statistics=add["statistics"])
    pipeline.add(Add(AddParams()), node_id="Apart", examples=source["examples"], after=[add])
    return pipeline


def test_nodes_are_named_after_their_component(pipeline):
    assert [node.id for node in pipeline.nodes] == ["Source", "Add", "Finish", "Apart"]


def test_downstream_follows_inputs_and_gates(pipeline):
    assert pipeline.downstream("Add") == {"Add", "Finish", "Apart"}
    assert pipeline.downstream("Finish") == {"Finish"}


@pytest.mark.parametrize(
    ("node", "needed"),
    [("Source", ["Source"]), ("Finish", ["Source", "Add", "Finish"]), ("Apart", ["Source", "Add", "Apart"])],
)
def test_a_part_is_what_a_node_needs_and_its_gates(pipeline, node, needed):
    assert [node.id for node in pipeline.until(node).nodes] == needed


def test_readers_follow_inputs_and_no_gates(pipeline):
    assert pipeline.readers("Source") == {"Add", "Finish", "Apart"}
    assert pipeline.readers("Add") == {"Finish"}


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (lambda p, n: p.add(Add(AddParams()), node_id="x"), r"missing inputs \['examples'\]"),
        (lambda p, n: p.add(Source(SourceParams()), node_id="x", y=n["examples"]), r"unknown inputs \['y'\]"),
        (lambda p, n: p.add(Finish(Params()), node_id="x", statistics=n["examples"]), "needs Statistics"),
        (lambda p, n: n["model"], "Source has no output 'model'"),
        (lambda p, n: p.add(Source(SourceParams())), "two nodes are called Source"),
    ],
)
def test_wrong_wiring_is_refused(pipeline, wire, message):
    with pytest.raises(ValueError, match=message):
        wire(pipeline, pipeline.nodes[0])
