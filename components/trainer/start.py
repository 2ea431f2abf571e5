"""Where a training starts from, if not from random weights."""

from dataclasses import dataclass

from dataplane.artifacts.model import CarriedColumn, TrainingReport, WarmStarted
from models.spec.config import TrainingConfig
from models.spec.features import EncodedSpec
from models.spec.recipes import Recipe
from models.spec.trials import Labels, Temperature, Trial
from models.training.spectrum import Form
from models.training.warm_start import Base, Carried


@dataclass(frozen=True)
class Start:
    """The base of a training, with the choices that the training keeps.

    Attributes:
        base: the weights.
        spec: the encoded columns, with embeddings as wide as those of the base.
        recipe: how the base was made.
        temperature: divisor of the scores, or `learned`.
        labels: what a history has to predict.
        form: width and exponent of a base in closed form.
        trainings: warm trainings since the last cold one, this one included.
        towers: digest of the base's towers.
    """

    base: Base
    spec: EncodedSpec
    recipe: Recipe
    temperature: Temperature
    labels: Labels
    form: Form
    trainings: int
    towers: str

    @property
    def trial(self) -> Trial:
        """The settings that trial runs would decide."""
        return Trial(self.temperature, self.labels, self.recipe)

    def training(self, config: TrainingConfig) -> TrainingConfig:
        """The settings of a warm training."""
        settings = config.warm_start
        return config.model_copy(
            update={
                "learning_rate": settings.learning_rate or config.learning_rate,
                "max_epochs": settings.max_epochs or config.max_epochs,
            }
        )

    def suits(self, reference: TrainingReport | None) -> bool:
        """Whether a final fit, which repeats a reference, may start here: only if the reference started warm."""
        if reference is None:
            return True
        is_warm = reference.warm_start is not None and not reference.warm_start.cold
        return is_warm and reference.recipe == self.recipe

    def told(self, carried: Carried) -> WarmStarted:
        """How the report describes the start."""
        columns = {
            f"{side}.{name}": CarriedColumn(
                carried=int(it.known.sum()),
                new=it.new,
                predicted=carried.predicted.get(f"{side}.{name}", 0),
                gone=it.gone,
            )
            for (side, name), it in self.base.alignments.items()
        }
        return WarmStarted(
            trainings=self.trainings, cold="", towers=self.towers, optimizer=carried.optimizer, columns=columns
        )
