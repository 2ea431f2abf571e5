"""Which steps of a pipeline are run, and which of them even if they are cached."""

from dataclasses import dataclass

from dataplane.errors import ConfigError
from pipeline.execution.dag import Node, Pipeline


@dataclass(frozen=True)
class Selection:
    """The steps to run, and those to execute even if they are cached.

    Attributes:
        start: execute this step and all steps after it; "" for none.
        only: execute this step and take the others from the cache or leave them out; "" for none.
        until: run this step and what it needs, and leave the others out; "" for none.
        use_cache: False executes every step.
    """

    start: str = ""
    only: str = ""
    until: str = ""
    use_cache: bool = True

    def forced(self, pipeline: Pipeline) -> frozenset[str]:
        """Ids of the steps to execute even if they are cached.

        Raises:
            ConfigError: there is no step of that name.
        """
        known = [node.id for node in pipeline.nodes]
        for option, name in (("--from", self.start), ("--only", self.only), ("--until", self.until)):
            if name and name not in known:
                raise ConfigError(f"{option} {name}: no such step; steps are {', '.join(known)}")
        if not self.use_cache:
            return frozenset(known)
        if self.only:
            return frozenset({self.only})
        return pipeline.downstream(self.start) if self.start else frozenset()

    def needed(self, pipeline: Pipeline) -> list[Node]:
        """The steps to run, in their order."""
        last = self.only or self.until
        if not last:
            return list(pipeline.nodes)
        needed = {last}
        for node in reversed(pipeline.nodes):
            if node.id in needed:
                needed |= node.upstream
        return [node for node in pipeline.nodes if node.id in needed]
