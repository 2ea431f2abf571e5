"""Base of all components: a typed contract, parameters and an executor.

Component modules must import fast, without TensorFlow or Beam, because the configuration is checked against their
parameter models first. `execute` imports the executor and its libraries when it is called.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from types import NoneType
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_type_hints

from dataplane.artifacts import Artifact
from dataplane.context import ExecutionContext
from models.spec.strict import Strict

__all__ = ["Component", "ExecutionContext", "NoInputs", "Params", "Prepared"]


class Params(Strict):
    """Base of the parameters of all components: everything that can change a result besides the inputs."""


InputsT = TypeVar("InputsT")
OutputsT = TypeVar("OutputsT")
ParamsT = TypeVar("ParamsT")


@dataclass(frozen=True)
class Prepared(Generic[InputsT, OutputsT]):
    """A step that is ready to execute, with its external inputs listed.

    Attributes:
        external: digest of each external input (not an artifact), such as a source file, by its name. Part of the
            cache key.
        execute: does what `Component.execute` does, and refuses external inputs that differ from their digests.
    """

    external: Mapping[str, str]
    execute: Callable[[InputsT, OutputsT, ExecutionContext], Mapping[str, Any]]


class Component(ABC, Generic[InputsT, OutputsT, ParamsT]):
    """One step of the pipeline.

    A subclass names its contract with two frozen dataclasses of artifacts, `Inputs` and `Outputs`, and can be
    run alone: `Trainer(params).execute(Trainer.Inputs(...), Trainer.Outputs(...), ExecutionContext())`.

    Attributes:
        params: everything that can change the result besides the inputs; part of the cache key.
    """

    Inputs: ClassVar[type]
    Outputs: ClassVar[type]

    def __init__(self, params: ParamsT) -> None:
        self.params = params

    @abstractmethod
    def execute(self, inputs: InputsT, outputs: OutputsT, context: ExecutionContext) -> Mapping[str, Any]:
        """Reads `inputs`, fills the directories of `outputs`, and returns facts for the run's summary (JSON values).

        Raises:
            RunError: the data or the environment does not allow the step to finish.
        """

    def prepare(self) -> Prepared[InputsT, OutputsT]:
        """Lists the external inputs of the step, such as source files, before its cache key is computed.

        The returned value hands the list to the execution. The component itself keeps no state.

        Raises:
            RunError: an external input cannot be read.
        """
        return Prepared({}, self.execute)

    def prepare_for(self, inputs: Mapping[str, str]) -> Prepared[InputsT, OutputsT]:
        """Does what `prepare` does, for a step whose external inputs depend on its inputs.

        Args:
            inputs: for each input, the cache key of the execution that produced it, a slash, and the output's name.

        Raises:
            RunError: an external input cannot be read.
        """
        return self.prepare()

    def is_current(self, outputs: OutputsT) -> bool:
        """Whether the external results of an earlier execution, such as a published model, are still valid."""
        return True

    @classmethod
    def input_types(cls) -> dict[str, type[Artifact]]:
        """Artifact type of each input by name."""
        return _artifact_types(cls.Inputs)

    @classmethod
    def required_inputs(cls) -> frozenset[str]:
        """Names of the inputs without a default."""
        return frozenset(field.name for field in fields(cls.Inputs) if field.default is MISSING)

    @classmethod
    def output_types(cls) -> dict[str, type[Artifact]]:
        """Artifact type of each output by name."""
        return _artifact_types(cls.Outputs)


def _artifact_types(contract: type) -> dict[str, type[Artifact]]:
    hints = get_type_hints(contract)
    return {field.name: _without_none(hints[field.name]) for field in fields(contract)}


def _without_none(hint: Any) -> type[Artifact]:
    """Artifact type of an optional input such as `Model | None`."""
    artifact: type[Artifact] = next(iter(set(get_args(hint)) - {NoneType}), hint)
    return artifact


@dataclass(frozen=True)
class NoInputs:
    """Contract of a component that starts a pipeline."""
