"""What a run on delimited text reads or refuses, for tests."""

import pytest

from dataplane.errors import DataError
from dataplane.sources.headers import check_headers
from models.spec.features import FeatureSpec
from tests.components.source_runs import csv

SPARK = {"escape": "\\"}


def messages_of(run, **settings):
    """Messages of `validate` and of the run, which both refuse."""
    problems = check_headers(run.component(interactions=csv(**settings)).params, FeatureSpec())
    with pytest.raises(DataError) as error:
        run(interactions=csv(**settings))
    return [problem.message for problem in problems], str(error.value)


def values(run, column="t"):
    return [row[column] for row in run.rows("interactions")]
