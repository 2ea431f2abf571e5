"""Python, the installed packages, and whether they are what this package requires."""

import json
import platform
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from pipeline.diagnosis.finding import Finding

_DISTRIBUTION = "tfrs-pipeline"
_NAMED = ("tensorflow", "scann", "tensorflow-recommenders", "apache-beam", "pyarrow", "numpy")
_REINSTALL = "install the package again: pip install '.[serving,tune]', or `make .venv`"
_LACKING_NAMED = 3
_LOAD_SECONDS = 300
_LOAD = """
import json, tensorflow as tf
from scann.scann_ops.py import scann_ops
built = tf.sysconfig.get_build_info()
print(json.dumps({"gpus": len(tf.config.list_physical_devices("GPU")), "cuda": bool(built["is_cuda_build"])}))
"""


def packages() -> list[Finding]:
    """Python, the required packages and those of the extras."""
    try:
        required = [Requirement(text) for text in metadata.requires(_DISTRIBUTION) or ()]
        python = SpecifierSet(metadata.metadata(_DISTRIBUTION)["Requires-Python"])
    except metadata.PackageNotFoundError:
        return [Finding(_DISTRIBUTION, "not installed", "install the package: pip install .")]
    version = platform.python_version()
    fix = "" if python.contains(version) else f"use a Python {python}"
    found = [Finding("Python", f"{version}, {sys.executable}", fix)]
    found.append(Finding(_DISTRIBUTION, metadata.version(_DISTRIBUTION)))
    versions = ", ".join(f"{name} {_version(name) or 'missing'}" for name in _NAMED)
    wrong = list(_mismatches([each for each in required if _applies(each, "")]))
    wrong += _conflicts([each.name for each in required])
    found.append(Finding("packages", "; ".join(wrong) or versions, _REINSTALL if wrong else ""))
    return [*found, *_extras(required)]


def loading() -> list[Finding]:
    """Whether TensorFlow and ScaNN's op load, in a process of its own, and the GPUs that TensorFlow sees."""
    command = [sys.executable, "-c", _LOAD]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=_LOAD_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return [Finding("loading", f"TensorFlow and ScaNN did not load in {_LOAD_SECONDS} s", "look at the disk")]
    if ended.returncode:
        why = (ended.stderr.strip().splitlines() or [""])[-1]
        if ended.returncode < 0:
            why = f"the process was ended by {signal.Signals(-ended.returncode).name}"
        fix = "the processor lacks instructions of the wheels" if ended.returncode == -signal.SIGILL else _REINSTALL
        return [Finding("loading", f"TensorFlow with ScaNN does not load: {why}", fix)]
    seen = json.loads(ended.stdout.strip().splitlines()[-1])
    built = "with CUDA" if seen["cuda"] else "for the CPU alone"
    gpus = f"{seen['gpus'] or 'none'}; TensorFlow is built {built}"
    return [Finding("loading", "TensorFlow loads with ScaNN"), Finding("GPU", gpus)]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _mismatches(required: list[Requirement], needed_by: str = "") -> Iterator[str]:
    """What is missing, or installed in a version that is not wanted."""
    for each in required:
        version = _version(each.name)
        if version is None:
            yield f"{each.name} is missing{needed_by}"
        elif not each.specifier.contains(version, prereleases=True):
            yield f"{each.name} is {version}, wanted {each.specifier}{needed_by}"


def _conflicts(names: list[str]) -> list[str]:
    """What the required packages want in turn and do not find."""
    waiting, seen, wrong = list(names), set[str](), list[str]()
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in seen or _version(name) is None:
            continue
        seen.add(name)
        needs = _needs(name, {""})
        wrong += _mismatches(needs, f" for {name}")
        waiting += [each.name for each in needs]
    return wrong


def _needs(name: str, extras: Collection[str]) -> list[Requirement]:
    """What an installed package requires for some of its extras; for the extra "" what it requires anyway."""
    needs = [Requirement(text) for text in metadata.requires(name) or ()] if _version(name) else []
    return [each for each in needs if any(_applies(each, extra) for extra in extras)]


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _extras(required: list[Requirement]) -> Iterator[Finding]:
    for extra in metadata.metadata(_DISTRIBUTION).get_all("Provides-Extra") or ():
        own = [each for each in required if _applies(each, extra) and not _applies(each, "")]
        own += [needed for each in own for needed in _needs(each.name, each.extras)]
        missing = [each.name for each in own if _version(each.name) is None]
        wrong = list(_mismatches([each for each in own if each.name not in missing]))
        more = f" and {len(missing) - _LACKING_NAMED} more" if len(missing) > _LACKING_NAMED else ""
        lacks = f": lacks {', '.join(missing[:_LACKING_NAMED])}{more}" if len(missing) < len(own) else ""
        found = f"not installed{lacks}; pip install '{_DISTRIBUTION}[{extra}]'" if missing else "installed"
        if own:
            is_there = not missing
            yield Finding(f"extra {extra}", "; ".join(wrong) or found, _REINSTALL if wrong else "", is_there=is_there)
