"""The search behind `tune`: an Optuna study of trainings on the same transformed examples, kept in a file."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.trial import TrialState

from components.trainer import TrainerParams
from dataplane.artifacts import Model, TransformedExamples, TransformGraph
from dataplane.errors import ConfigError, DivergedError
from models.spec.durable import write_atomically
from pipeline.config.config import PipelineConfig, load_config
from pipeline.config.tuning_config import Range, TuningConfig
from pipeline.execution.study_journal import open_journal

_OVER = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


@dataclass(frozen=True)
class Tuner:
    """Tries settings of a configuration and remembers how each did.

    Attributes:
        file: the configuration.
        settings: `key=value` settings laid over it.
        config: what both amount to; has a `tuning` section.
        examples: what is trained and validated on.
        graph: says what the examples' columns are.
        data_key: changes with the examples.
        directory: has the study, and the best configuration at the end.
        progress: takes lines.
    """

    file: Path
    settings: Sequence[str]
    config: PipelineConfig
    examples: TransformedExamples
    graph: TransformGraph
    data_key: str
    directory: Path
    progress: Callable[[str], None]

    @property
    def tuning(self) -> TuningConfig:
        """The section that says what to try."""
        if self.config.tuning is None:
            raise ConfigError(
                f"{self.file} has no section 'tuning', which says what to try; see pipeline/config/tuning_config.py"
            )
        return self.config.tuning

    def run(self) -> Path:
        """Goes on until there are as many trials as asked for; returns the file of the best configuration.

        Raises:
            DivergedError: no trial came to an end.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = self._study()
        while (done := len(study.get_trials(deepcopy=False, states=_OVER))) < self.tuning.trials:
            # A seed of its own for each trial: one seed for all would have a resumed study try the same again.
            study.sampler = optuna.samplers.TPESampler(
                seed=self.config.seed + done, n_startup_trials=self.tuning.startup_trials
            )
            self._try(study, study.ask())
        return self._write_best(study)

    def _study(self) -> optuna.Study:
        identity = [self.data_key, self._values(("model", "training")), sorted(self.tuning.space.items())]
        digest = hashlib.sha256(json.dumps(identity, default=lambda it: it.model_dump()).encode()).hexdigest()
        study = optuna.create_study(
            storage=open_journal(self.directory / "study.journal", self.progress),
            study_name=digest[:16],
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=self.tuning.startup_trials),
        )
        for interrupted in study.get_trials(states=(TrialState.RUNNING,)):
            study.tell(interrupted.number, state=TrialState.FAIL)
            study.enqueue_trial(interrupted.params)
            self._remove(interrupted.number)
        return study

    def _values(self, sections: Sequence[str]) -> dict[str, Any]:
        return {name: getattr(self.config, name).model_dump(mode="json") for name in sections}

    def _try(self, study: optuna.Study, trial: optuna.Trial) -> None:
        chosen = {key: _suggest(trial, key, domain) for key, domain in self.tuning.space.items()}
        told = ", ".join(f"{key}={value}" for key, value in chosen.items())
        try:
            value = self._train(trial, chosen)
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
            self.progress(f"trial {trial.number}: {told}: cut short")
        except (ConfigError, DivergedError) as error:
            study.tell(trial, state=TrialState.FAIL)
            self.progress(f"trial {trial.number}: {told}: {error}")
        else:
            study.tell(trial, value)
            self.progress(f"trial {trial.number}: {told}: {self.config.training.metric} {value:.4f}")

    def _train(self, trial: optuna.Trial, chosen: Mapping[str, Any]) -> float:
        import tensorflow as tf

        from components.trainer.executor import train

        config = load_config(self.file, [*self.settings, *(f"{key}={json.dumps(v)}" for key, v in chosen.items())])
        metric = config.training.metric

        def validated(entry: Mapping[str, float]) -> None:
            trial.report(entry[metric], int(entry["step"]))
            if trial.should_prune():
                raise optuna.TrialPruned

        tf.keras.backend.clear_session()
        output, scratch = self._places(trial.number)
        try:
            scratch.mkdir()
            report = train(
                self.examples,
                self.graph,
                Model(output),
                params=TrainerParams(
                    model=config.model,
                    training=config.training,
                    remove_seen=config.remove_seen,
                    seed=config.seed,
                    max_unmeasured_fraction=config.evaluation.max_unmeasured_fraction,
                ),
                reference=None,
                resume=None,
                progress=lambda line: None,
                scratch=scratch,
                validated=validated,
            )
        finally:
            self._remove(trial.number)
        return report.validation[metric]

    def _places(self, number: int) -> tuple[Path, Path]:
        return self.directory / f"trial-{number}", self.directory / f"trial-{number}.scratch"

    def _remove(self, number: int) -> None:
        for place in self._places(number):
            shutil.rmtree(place, ignore_errors=True)

    def _write_best(self, study: optuna.Study) -> Path:
        if not study.get_trials(states=(TrialState.COMPLETE,)):
            raise DivergedError("no trial came to an end; their errors are above")
        best = study.best_trial
        values: dict[str, Any] = {}
        for key, value in [*map(_parsed, self.settings), *best.params.items()]:
            *sections, name = key.split(".")
            place = values
            for section in sections:
                place = place.setdefault(section, {})
            place[name] = json.loads(value) if isinstance(self.tuning.space.get(key), list) else value
        file = self.directory / "best.yaml"
        metric = self.config.training.metric
        comment = f"# {metric} {best.value:.4f} on validation: trial {best.number} of {study.study_name}\n"
        text = yaml.safe_dump({"extends": str(self.file.resolve()), **values}, sort_keys=False)
        write_atomically(file, comment + text)
        return file


def _parsed(setting: str) -> tuple[str, Any]:
    key, _, text = setting.partition("=")
    return key.strip(), yaml.safe_load(text)


def _suggest(trial: optuna.Trial, key: str, domain: Range | list[Any]) -> Any:
    if not isinstance(domain, Range):
        # Optuna's choices are numbers and strings; layers are lists.
        return json.loads(trial.suggest_categorical(key, [json.dumps(choice) for choice in domain]))
    if domain.whole:
        return trial.suggest_int(key, int(domain.low), int(domain.high), log=domain.log)
    return trial.suggest_float(key, domain.low, domain.high, log=domain.log)
