"""Finds and describes data sets prepared by TensorFlow Datasets, without importing it."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataplane.errors import DataError

_MODULE = "tensorflow_datasets.core.features."


@dataclass(frozen=True)
class TfdsFeature:
    """Storage of a column in the records of a data set.

    Attributes:
        dtype: `string`, `bool`, `int64`, `float32`, …
        shape: `()` for one value, `(n,)` for a fixed number, `(None,)` for a list; None if unsupported as a column.
        labels: class names if the values are class numbers.
    """

    dtype: str
    shape: tuple[int | None, ...] | None
    labels: tuple[str, ...] = ()


def data_directory(data_dir: Path | None, base_dir: Path | None) -> Path:
    """Directory of prepared data sets: as configured, else the default of TensorFlow Datasets."""
    if data_dir is not None:
        return (base_dir or Path()) / os.path.expanduser(data_dir)  # noqa: PTH111  (see dataplane.sources.files)
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def prepared_directory(dataset: str, data_dir: Path | None, base_dir: Path | None) -> Path | None:
    """Directory of a prepared data set, of the named or the highest version; None if it is not prepared."""
    name, _, version = dataset.partition(":")
    root = data_directory(data_dir, base_dir) / name
    found = [path.parent for path in root.glob(f"{version or '*'}/features.json")]
    if not found and "/" not in name and not version:
        found = [path.parent for path in root.glob("*/*/features.json")]
        if len({path.parent for path in found}) > 1:
            raise DataError(f"{root} has several configurations of data set {name}: set 'dataset' to NAME/CONFIG")
    return max(found, key=_version, default=None)


def features(directory: Path) -> dict[str, TfdsFeature]:
    """Columns of a prepared data set; columns in nested dictionaries have names such as `outer/inner`.

    Raises:
        DataError: the description of the data set is missing or unreadable.
    """
    try:
        described = json.loads((directory / "features.json").read_text(encoding="utf-8"))
        return dict(_flat(described["featuresDict"]["features"], "", directory))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{directory / 'features.json'} does not describe a table of columns: {error}") from error


def _flat(described: dict[str, Any], prefix: str, directory: Path) -> list[tuple[str, TfdsFeature]]:
    found: list[tuple[str, TfdsFeature]] = []
    for name, feature in described.items():
        if "featuresDict" in feature:
            found += _flat(feature["featuresDict"]["features"], f"{prefix}{name}/", directory)
        else:
            found.append((prefix + name, _feature(prefix + name, feature, directory)))
    return found


def _feature(name: str, described: dict[str, Any], directory: Path) -> TfdsFeature:
    kind = described["pythonClassName"].removeprefix(_MODULE)
    if "sequence" in described:
        inner = _feature(name, described["sequence"]["feature"], directory)
        length = int(described["sequence"].get("length", -1))
        return TfdsFeature(inner.dtype, (None if length < 0 else length,) if inner.shape == () else None, inner.labels)
    if "classLabel" in described:
        return TfdsFeature("int64", (), _labels(name, directory))
    if kind in ("tensor_feature.Tensor", "scalar.Scalar", "text_feature.Text", "scalar_feature.Scalar"):
        return _tensor(described)
    return TfdsFeature("", None)


def _tensor(described: dict[str, Any]) -> TfdsFeature:
    tensor = described.get("tensor") or described.get("text") or described.get("scalar") or {}
    if tensor.get("encoding", "none") != "none":
        return TfdsFeature("", None)
    dimensions = [int(size) for size in tensor.get("shape", {}).get("dimensions", [])]
    shape = tuple(None if size < 0 else size for size in dimensions)
    return TfdsFeature(tensor.get("dtype", "string"), shape if len(shape) <= 1 else None)


def _labels(name: str, directory: Path) -> tuple[str, ...]:
    path = directory / f"{name.replace('/', '-')}.labels.txt"
    return tuple(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else ()


def _version(directory: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in directory.name.split(".") if part.isdigit())
