from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.catalogue_gen import CatalogueGen, CatalogueGenParams
from components.infra_validator import InfraValidationConfig, InfraValidator
from components.scann_indexer import IndexConfig, RecallTarget, ScannIndexer, ScannIndexerParams
from dataplane.artifacts import Catalogue, Examples, InfraBlessing, ServingModel, TransformGraph
from dataplane.artifacts.catalogue import CatalogueChanges
from dataplane.dataset.sequences import read_dataset, read_entities
from dataplane.errors import DataError, RefusedError
from dataplane.files import objects
from serving.model.descriptions import read_description
from serving.model.identities import part_digest
from tests.components.tiny_world import World, make_world
from tests.contexts import in_process

NEW = [f"c{number:05d}" for number in range(10, 60)] + ["", "new 1", "new 2", "new 2"]
"""Without the first ten candidates, with two new ones, one of them twice, and one without an id."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), candidates=60)


def generate(world: World, path: Path, ids: list[str], **params: Any) -> tuple[CatalogueGen.Outputs, dict[str, Any]]:
    path.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"item": pa.array(ids, pa.string())}), path / "items.parquet")
    outputs = CatalogueGen.Outputs(Examples(path / "examples"), Catalogue(path / "catalogue"))
    generator = CatalogueGen(
        CatalogueGenParams(
            base_dir=path,
            candidates={"format": "parquet", "path": "items.parquet", "id": "item"},
            **{"refresh_of": {}, "max_bad_fraction": 0.1} | params,
        )
    )
    facts = generator.execute(
        CatalogueGen.Inputs(world.transformed_examples, world.transform_graph), outputs, in_process()
    )
    return outputs, dict(facts)


def identity(world: World) -> dict[str, str]:
    return {
        "preprocessing": part_digest(world.transform_graph.path / "saved_model"),
        "towers": part_digest(world.model.path / "towers"),
    }


def test_the_table_is_cleaned_compared_and_encoded(world: World, tmp_path: Path) -> None:
    outputs, facts = generate(world, tmp_path, NEW)
    assert (facts["candidates"], facts["added"], facts["removed"], facts["candidates_dead"]) == (52, 2, 10, 2)
    dead = pq.read_table(outputs.examples.path / "dead_letters").to_pylist()
    assert sorted((row["row"], row["reason"]) for row in dead) == [
        (50, "candidate_id is empty"),
        (53, "duplicate candidate_id"),
    ]
    candidates = read_entities(outputs.catalogue.path / "candidates")
    assert candidates.ids.to_pylist() == sorted({*NEW} - {""})
    known = read_dataset(world.transformed_examples).candidates.columns["candidate_id"][10:60]
    assert np.array_equal(candidates.columns["candidate_id"][:50], known)
    assert (candidates.columns["candidate_id"][50:] == 1).all(), "new ones have the out-of-vocabulary token"


def test_a_table_that_lacks_too_many_candidates_is_refused(world: World, tmp_path: Path) -> None:
    with pytest.raises(
        RefusedError, match=r"51 of the published model's 60 candidates are missing from the new table of 9, more"
    ):
        generate(world, tmp_path / "few", NEW[:9])
    _, facts = generate(world, tmp_path / "allowed", NEW[:9], max_removed_fraction=0.9)
    assert facts["removed"] == 51


def test_columns_that_the_model_reads_must_exist(world: World, tmp_path: Path) -> None:
    graph = TransformGraph(tmp_path / "graph")
    spec = world.transform_graph.read_json("spec.json")
    spec["features"]["candidate"] = {"genre": {"type": "categorical", "column": "kind"}}
    graph.write_json("spec.json", spec)
    other = World(world.examples, graph, world.transformed_examples, world.model)
    with pytest.raises(DataError, match="no column 'kind', but feature 'genre' of the published model reads it"):
        generate(other, tmp_path / "out", NEW)


def test_the_table_s_content_is_part_of_the_cache_key(world: World, tmp_path: Path) -> None:
    params = CatalogueGenParams(candidates={"format": "csv", "path": str(tmp_path / "t.csv"), "id": "a"}, refresh_of={})
    (tmp_path / "t.csv").write_text("a\n1\n")
    before = CatalogueGen(params).prepare().external
    (tmp_path / "t.csv").write_text("a\n2\n")
    assert CatalogueGen(params).prepare().external != before


def replaced(world: World, output: Path, path: str, replace: Callable[[], object]) -> str:
    """Message about a table that was replaced after its cache key was computed."""
    source = {"format": "csv", "path": path, "id": "item"}
    generator = CatalogueGen(CatalogueGenParams.model_validate({"candidates": source, "refresh_of": {}}))
    prepared = generator.prepare()
    replace()
    inputs = CatalogueGen.Inputs(world.transformed_examples, world.transform_graph)
    outputs = CatalogueGen.Outputs(Examples(output / "examples"), Catalogue(output / "catalogue"))
    with pytest.raises(DataError) as refused:
        prepared.execute(inputs, outputs, in_process())
    assert not outputs.catalogue.path.exists()
    generator.prepare().execute(inputs, outputs, in_process())
    return str(refused.value)


TABLE = "item\n" + "".join(f"c{number:05d}\n" for number in range(60))
SAME_SIZE = TABLE.replace("c00059", "c00060")


def test_a_table_that_is_replaced_after_its_key_was_made_is_refused(world: World, tmp_path: Path) -> None:
    for name in ("1.csv", "2.csv"):
        (tmp_path / name).write_text(TABLE)
    file, new = tmp_path / "1.csv", tmp_path / "3.csv"
    said = replaced(world, tmp_path / "same", str(file), lambda: file.write_text(SAME_SIZE))
    assert f"{file} changed while it was being read" in said
    said = replaced(world, tmp_path / "longer", str(file), lambda: file.write_text(TABLE + "new\n"))
    assert f"{file} changed after the files of candidates were listed" in said
    (tmp_path / "2.csv").write_text("item\nanother\n")
    said = replaced(world, tmp_path / "more", str(tmp_path / "*.csv"), lambda: new.write_text("item\nlast\n"))
    assert f"{new} was added after the files of candidates were listed" in said
    said = replaced(world, tmp_path / "less", str(tmp_path / "*.csv"), new.unlink)
    assert f"{new} was removed after the files of candidates were listed" in said


@pytest.mark.parametrize("store", ["s3_bucket", "gs_bucket"])
def test_an_object_that_is_replaced_after_its_key_was_made_is_refused(
    world: World, tmp_path: Path, store: str, request: pytest.FixtureRequest
) -> None:
    uri = f"{request.getfixturevalue(store)}/items.csv"
    objects.write_bytes(uri, TABLE.encode())
    said = replaced(world, tmp_path, uri, lambda: objects.write_bytes(uri, SAME_SIZE.encode()))
    assert f"{uri} changed while it was being read" in said


@pytest.fixture(scope="module")
def catalogue(world: World, tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    path = tmp_path_factory.mktemp("catalogue")
    return generate(world, path, NEW, refresh_of=identity(world))[0].catalogue


def index(world: World, catalogue: Catalogue, path: Path) -> ServingModel:
    serving_model = ServingModel(path)
    inputs = ScannIndexer.Inputs(world.transformed_examples, world.transform_graph, world.model, catalogue)
    indexer = ScannIndexer(
        ScannIndexerParams(top_k=52, index=IndexConfig(search="tree", recall_target=RecallTarget(recall=0.9)))
    )
    indexer.execute(inputs, ScannIndexer.Outputs(serving_model), in_process())
    return serving_model


def test_the_new_catalogue_is_served_and_histories_count_as_before(
    world: World, catalogue: Catalogue, tmp_path: Path
) -> None:
    serving_model = index(world, catalogue, tmp_path / "serving")
    dataset = read_dataset(world.transformed_examples)
    removed = 0
    for row, expected in enumerate(serving_model.read_json("expected_answers.json")):
        seen = dataset.events.candidate[slice(*dataset.events.offsets[row : row + 2])]
        history = {f"c{place:05d}" for place in seen}
        removed += len(history - {*NEW})
        assert set(expected["candidate_ids"]) == {*NEW} - {""} - history
    assert removed > 10, "the data should have histories with removed candidates"
    # The served model must tell the same scores: it encodes removed candidates of a history like any other.
    blessing = InfraBlessing(tmp_path / "infra")
    validator = InfraValidator(InfraValidationConfig())
    inputs = InfraValidator.Inputs(world.examples, world.transformed_examples, serving_model, catalogue)
    validator.execute(inputs, InfraValidator.Outputs(blessing), in_process())
    assert blessing.read_json("infra_blessing.json")["checks"]["expected_scores"] == 32
    description = read_description(serving_model.path / "exact")
    assert description.refresh_of == identity(world)


@pytest.mark.parametrize("part", ["preprocessing", "towers"])
def test_a_model_that_is_not_published_is_refused(
    world: World, catalogue: Catalogue, tmp_path: Path, part: str
) -> None:
    other = Catalogue(tmp_path / "catalogue")
    known = CatalogueChanges.read(catalogue)
    known.model_copy(update={"refresh_of": {**identity(world), part: "another"}}).write(other)
    (other.path / "candidates").symlink_to(catalogue.path / "candidates")
    with pytest.raises(
        RefusedError, match=f"the {part} in .* but the published model has another: the files have changed"
    ):
        index(world, other, tmp_path / "serving")
