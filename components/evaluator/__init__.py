"""Evaluator: exact metrics of the model beside its baselines, and whether it may be published."""

from components.evaluator.component import Evaluator
from components.evaluator.params import (
    Baseline,
    Cutoff,
    EvaluationConfig,
    EvaluatorParams,
    Lift,
    Ratios,
    unusable_slices,
)

__all__ = [
    "Baseline",
    "Cutoff",
    "EvaluationConfig",
    "Evaluator",
    "EvaluatorParams",
    "Lift",
    "Ratios",
    "unusable_slices",
]
