"""Trainer: fits the two towers and exports them."""

from components.trainer.component import Trainer
from components.trainer.params import BASE_INPUTS, TrainerParams

__all__ = ["BASE_INPUTS", "Trainer", "TrainerParams"]
