import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.scann_indexer import IndexConfig, RecallTarget
from serving.published.local_versions import LocalVersions
from serving.server.model_host import ModelHost
from tests.components.tiny_world import make_world
from tests.serving.server.asking import JOINED
from tests.serving.server.exports import described, export
from tests.serving.server.grpc_hosting import Hosted, hosted


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`exact/1` and `scann/1`, a tree: 200 candidates with columns, of which 8 are answered; not to be changed."""
    root = tmp_path_factory.mktemp("models")
    index = IndexConfig(search="tree", recall_target=RecallTarget(recall=0.9))
    world = make_world(root / "world", candidates=200)
    return export(world, root, top_k=8, index=index, items=described(root / "examples", 200))


@pytest.fixture(scope="module")
def grpc_server(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    """Both models as version 7 of `toy`, over gRPC."""
    root = tmp_path_factory.mktemp("serving")
    for name, kind in (("toy", "exact"), ("toy-scann", "scann")):
        shutil.copytree(exported / kind / "1", root / name / "7")
    hosts = {name: ModelHost(LocalVersions(root, "toy"), name, JOINED) for name in ("toy", "toy-scann")}
    with hosted(hosts) as running:
        yield running
