"""Trainer: fits the two towers and exports them."""

from components.trainer.component import Trainer
from components.trainer.params import TrainerParams

__all__ = ["Trainer", "TrainerParams"]
