"""Evaluator: measures the model and its baselines exactly, and decides whether the model may be published."""

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
