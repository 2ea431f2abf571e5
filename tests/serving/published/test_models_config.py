import fcntl
import os
import threading
from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from serving.published.models_config import write_models_config


def parsed(text: str) -> dict[str, str]:
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    assert {model.model_platform for model in config.model_config_list.config} <= {"tensorflow"}
    return {model.name: model.base_path for model in config.model_config_list.config}


def test_the_exact_models_are_served_and_the_others_can_be(tmp_path: Path) -> None:
    directory = tmp_path / 'a "quoted" é'
    for name in ("toy", "toy-scann", "shop", "shop-scann", ".toy"):
        (directory / name / "1").mkdir(parents=True)
    for _ in range(2):  # the file itself is not taken for a model
        write_models_config(directory, suffix="-scann")
    text = (directory / "models.config").read_text(encoding="utf-8")
    assert parsed(text) == {name: str(directory / name) for name in ("shop", "toy")}
    uncommented = text.replace("  # ", "  ")
    assert parsed(uncommented) == {name: str(directory / name) for name in ("shop", "shop-scann", "toy", "toy-scann")}


def test_publishers_list_the_models_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    another = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(another, fcntl.LOCK_EX)  # as another publisher that is at it
    writing = threading.Thread(target=write_models_config, args=(tmp_path,), kwargs={"suffix": "-scann"})
    writing.start()
    writing.join(0.5)
    assert writing.is_alive()
    assert not (tmp_path / "models.config").exists()
    (tmp_path / "shop").mkdir()
    os.close(another)
    writing.join(60)
    assert parsed((tmp_path / "models.config").read_text()).keys() == {"shop", "toy"}
