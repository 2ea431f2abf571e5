"""The data sets by name: configurations, and where their files are."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.datasets import DatasetName
from benchmarks.datasets.large_static import write_large_static
from dataplane.errors import RunError
from models.spec.split_config import TimeSplit
from pipeline.config.config import load_config
from pipeline.config.yaml_file import read_document

_CONFIGS = Path(__file__).parents[2] / "tfx_config"
_OWN = Path(__file__).parent


@dataclass(frozen=True)
class Source:
    """A data set.

    Attributes:
            config: its configuration, with the default model unless that file says otherwise.
            folder: of its files, below the data directory; absent if the data set needs no files.
            at: the cut-off k of the metrics that are compared.
            metric: chooses on validation, and is compared.
            epochs: passes that training with another system's configuration makes at most.
            withheld: share of the candidates, drawn at random, that are released when validation begins: their training
    XX
    """

    config: Path
    folder: str | None
    at: int
    metric: str
    epochs: int = 30
    withheld: float = 0.0
    makes: Callable[[Path], Path] | None = None


SOURCES: dict[DatasetName, Source] = {
    "ml-100k": Source(_CONFIGS / "movielens_100k.yaml", None, 10, "ndcg@10"),
    "ml-1m": Source(_OWN / "movielens_1m_sequences.yaml", "ml-1m", 10, "ndcg@10", epochs=10),
    "beauty": Source(_CONFIGS / "amazon_beauty.yaml", "amazon-beauty", 20, "ndcg@20"),
    "untuned": Source(_CONFIGS / "movie_export.yaml", "movie-export", 10, "ndcg@10"),
    "ml-1m cold": Source(_OWN / "movielens_1m_cold.yaml", "ml-1m", 100, "recall@100", withheld=0.1),
    "synthetic cold": Source(_OWN / "synthetic_cold.yaml", None, 100, "recall@100"),
    "large static": Source(_OWN / "large_static.yaml", None, 20, "ndcg@20", makes=write_large_static),
}


def settings(source: Source, data: Path | None, work: Path) -> list[str]:
    """The `--set` options that tell the configuration where the files are.

    Args:
        source: the data set.
        data: the directory that has its folder.
        work: keeps the interactions that are generated, or from which events are withheld.

    Raises:
        RunError: the data set has files, but `data` does not have its folder.
    """
    if source.makes is not None:
        return [f"data.interactions.path={source.makes(work)}"]
    if source.folder is None:
        return []
    if data is None or not (data / source.folder).is_dir():
        raise RunError(f"{source.config.name} reads a folder '{source.folder}': say where it is with --data DIR")
    folder = data / source.folder
    if not source.withheld:
        return [f"data.base_dir={folder}"]
    return [f"data.base_dir={folder}", f"data.interactions.path={_without_withheld(source, folder, work)}"]


def _without_withheld(source: Source, folder: Path, work: Path) -> Path:
    """Writes the interactions that are not withheld; later calls find the file."""
    file = work / f"{source.config.stem}.parquet"
    if file.is_file():
        return file
    interactions = read_document(source.config).values["data"]["interactions"]
    split = load_config(source.config, [f"data.base_dir={folder}"]).resolved_split
    assert isinstance(split, TimeSplit)
    assert split.validation_from is not None
    table, columns = pq.read_table(folder / interactions["path"]), interactions["columns"]
    candidates, of_event = np.unique(table[columns["candidate_id"]].to_numpy(), return_inverse=True)
    withheld = np.random.default_rng(1).random(len(candidates)) < source.withheld
    early = table[columns["timestamp"]].to_numpy() < split.validation_from.timestamp()
    work.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    pq.write_table(table.filter(pa.array(~(early & withheld[of_event]))), part)
    return part.rename(file)
