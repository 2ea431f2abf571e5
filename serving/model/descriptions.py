"""What a SavedModel of ours tells about itself in its `assets.extra/model.json`, for readers without TensorFlow."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataplane.errors import RunError

SIGNATURE = "serving_default"
DESCRIPTION = Path("assets.extra") / "model.json"
"""Where the description is in a SavedModel."""
CONTENT = "content:"
"""What digests of weights, vocabularies and configuration begin with; those of older releases are of files."""
_IMPORTABLE = ("scann",)


def read_description(model: Path) -> Mapping[str, Any]:
    """What a SavedModel of ours tells about itself.

    `identity`: digests that both models of a pair share. `refresh_of`: the identity of the model whose index was
    refreshed, null if it was trained. `signatures`: `inputs` of each, their dtype and shape by name (see
    `signature_inputs`). `features`: the specification they come from. `imports`: Python modules to be imported before
    it is loaded. `data`: the `split` and `seed` of the events it was fitted to, whether that was the `final` fit to all
    of them, and the time of the last one, `until`. `digests`: where the digests of its files are (see
    `serving.model.version_digests`). `top_k`, `remove_seen`, `libraries`.

    Raises:
        RunError: the file is not there or not JSON.
    """
    try:
        description: Mapping[str, Any] = json.loads((model / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{model} is not a serving model of this pipeline: {error}") from error
    return description


def signature_inputs(description: Mapping[str, Any], signature: str = SIGNATURE) -> Mapping[str, Mapping[str, Any]]:
    """Dtype and shape of each input of a signature, from what `read_description` returns.

    Raises:
        RunError: the model does not have this signature.
    """
    told = description.get("signatures", {})
    if signature not in told:
        raise RunError(f"the model has no signature '{signature}', only {', '.join(told) or 'none'}; export it again")
    inputs: Mapping[str, Mapping[str, Any]] = told[signature]["inputs"]
    return inputs


def modules_to_import(description: Mapping[str, Any]) -> list[str]:
    """Python modules to be imported before a model is loaded.

    A description comes with the model, so it may only name what a model of ours can need: ScaNN's op.

    Raises:
        RunError: it names another module.
    """
    named = description.get("imports", [])
    if not isinstance(named, list) or any(name not in _IMPORTABLE for name in named):
        raise RunError(f"model.json: 'imports' is {str(named)[:80]}; a model of this pipeline imports scann or nothing")
    return named


def write_description(model: Path, description: Mapping[str, Any]) -> None:
    """Puts into a SavedModel what `read_description` returns."""
    file = model / DESCRIPTION
    file.parent.mkdir(exist_ok=True)
    text = json.dumps(description, indent=2, ensure_ascii=False, allow_nan=False)
    file.write_text(text + "\n", encoding="utf-8")


def read_identity(model: Path) -> Mapping[str, Any]:
    """The digests that both models of a pair share.

    Raises:
        RunError: as `read_description`, or there is none in it.
    """
    identity = read_description(model).get("identity")
    if not isinstance(identity, dict):
        raise RunError(f"{model / DESCRIPTION} tells no identity; export the model again")
    return identity


def directory_digest(directory: Path) -> str:
    """SHA-256 over the names and contents of all files below a directory.

    `fingerprint.pb` is left out: it holds a random number.
    """
    digest = hashlib.sha256()
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != "fingerprint.pb")
    for path in files:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(directory).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()
