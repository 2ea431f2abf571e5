"""Checks the attributes by which requests may select against the features and the candidate table."""

from collections import Counter
from collections.abc import Iterator

from components.scann_indexer import IndexConfig
from dataplane.sources.candidate_types import candidate_types
from dataplane.sources.data_config import ExampleGenParams
from models.spec.features import FeatureSpec
from models.spec.selection import MMR_LAMBDA, attribute_problem, filter_inputs, max_per_input
from pipeline.config.problems import Problem


def selection_problems(index: IndexConfig, data: ExampleGenParams, features: FeatureSpec) -> Iterator[Problem]:
    """Yields filters whose column has a type that does not fit, and inputs of the signatures that share a name."""
    if not index.selects:
        return
    types = candidate_types(data)
    kinds = {f"index.filters.{name}": it.kind for name, it in index.offered_filters.items()}
    for key, column in index.attribute_columns.items():
        problem = column in types and attribute_problem(kinds.get(key, "equals"), types[column])
        if problem:
            yield Problem(key, f"column '{column}' of the candidate table {problem}")
    inputs = {f"index.filters.{name}": filter_inputs(name, it.kind) for name, it in index.offered_filters.items()}
    inputs |= {f"index.max_per.{place}": (max_per_input(name),) for place, name in enumerate(index.max_per)}
    times = Counter(
        [MMR_LAMBDA, *features.query, *features.context, *(name for names in inputs.values() for name in names)]
    )
    for key, names in (*inputs.items(), ("index", (MMR_LAMBDA,))):
        if taken := next((name for name in names if times[name] > 1), None):
            yield Problem(key, f"two inputs of a request would be named '{taken}'; rename the filter or the feature")
