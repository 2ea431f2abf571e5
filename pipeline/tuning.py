"""The search behind `tune`: an Optuna study, kept in a file, whose trials train on the same transformed examples."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.trial import TrialState

from dataplane.artifacts import Model, TransformedExamples, TransformGraph
from dataplane.errors import ConfigError, DivergedError
from models.spec.durable import write_atomically
from models.spec.progress import Decided, Progress, Report
from pipeline.config.config import PipelineConfig, load_config
from pipeline.config.tuning_config import Range, TuningConfig
from pipeline.create_pipeline import trainer_params
from pipeline.execution.study_journal import open_journal

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


@dataclass(frozen=True)
class Tuner:
    """Trains one trial after another with other settings and records the validation metric of each.

    Attributes:
        file: the configuration.
        settings: `key=value` settings that override the file.
        config: the configuration with these settings; it has a `tuning` section.
        examples: examples for training and validation.
        graph: describes the columns of the examples.
        data_key: fingerprint of the examples.
        directory: holds the study and, at the end, the best configuration.
        progress: receives reports.
    """

    file: Path
    settings: Sequence[str]
    config: PipelineConfig
    examples: TransformedExamples
    graph: TransformGraph
    data_key: str
    directory: Path
    progress: Progress

    @property
    def tuning(self) -> TuningConfig:
        """The configuration's section `tuning`.

        Raises:
            ConfigError: the configuration has none.
        """
        if self.config.tuning is None:
            raise ConfigError(
                f"{self.file} has no section 'tuning', which lists the settings to search; see "
                "pipeline/config/tuning_config.py"
            )
        return self.config.tuning

    def run(self) -> Path:
        """Runs trials until the study has `tuning.trials` of them; returns the file of the best configuration.

        Raises:
            DivergedError: no trial finished.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = self._study()
        while (done := len(study.get_trials(deepcopy=False, states=_FINISHED))) < self.tuning.trials:
            # Each trial has its own seed; with one seed for all, a resumed study would repeat its first suggestions.
            study.sampler = optuna.samplers.TPESampler(
                seed=self.config.seed + done, n_startup_trials=self.tuning.startup_trials
            )
            self._try(study, study.ask(), f"{done + 1} of {self.tuning.trials}")
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

    def _try(self, study: optuna.Study, trial: optuna.Trial, place: str) -> None:
        chosen = {key: _suggest(trial, key, domain) for key, domain in self.tuning.space.items()}
        settings = ", ".join(f"{key}={_shown(value)}" for key, value in chosen.items())
        try:
            value = self._train(trial, chosen, f"trial {trial.number}, {place}: {settings}")
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
            self._report(trial, settings, "pruned")
        except (ConfigError, DivergedError) as error:
            study.tell(trial, state=TrialState.FAIL)
            self._report(trial, settings, str(error))
        else:
            study.tell(trial, value)
            self._report(trial, settings, f"{self.config.training.metric} {value:.4f}", value=value)

    def _report(self, trial: optuna.Trial, settings: str, outcome: str, **facts: float) -> None:
        text = f"trial {trial.number}: {settings}: {outcome}"
        self.progress(Decided(text, {"trial": trial.number, **trial.params, "outcome": outcome, **facts}))

    def _train(self, trial: optuna.Trial, chosen: Mapping[str, Any], name: str) -> float:
        import tensorflow as tf

        from components.trainer.executor import train

        config = load_config(self.file, [*self.settings, *(f"{key}={json.dumps(v)}" for key, v in chosen.items())])
        metric = config.training.metric

        def validated(entry: Mapping[str, float]) -> None:
            trial.report(entry[metric], int(entry["step"]))
            if trial.should_prune():
                raise optuna.TrialPruned

        def of_trial(report: Report) -> None:
            self.progress(f"{name}: {report}" if isinstance(report, str) else report)

        self.progress(name)
        tf.keras.backend.clear_session()
        output, scratch = self._trial_directories(trial.number)
        try:
            scratch.mkdir()
            report = train(
                self.examples,
                self.graph,
                Model(output),
                params=trainer_params(config),
                reference=None,
                resume=None,
                progress=of_trial,
                scratch=scratch,
                validated=validated,
            )
        finally:
            self._remove(trial.number)
        return report.validation[metric]

    def _trial_directories(self, number: int) -> tuple[Path, Path]:
        return self.directory / f"trial-{number}", self.directory / f"trial-{number}.scratch"

    def _remove(self, number: int) -> None:
        for directory in self._trial_directories(number):
            shutil.rmtree(directory, ignore_errors=True)

    def _write_best(self, study: optuna.Study) -> Path:
        if not study.get_trials(states=(TrialState.COMPLETE,)):
            raise DivergedError("no trial finished; the errors are listed above")
        best = study.best_trial
        values: dict[str, Any] = {}
        for key, value in [*map(_parsed, self.settings), *best.params.items()]:
            *sections, name = key.split(".")
            target = values
            for section in sections:
                target = target.setdefault(section, {})
            target[name] = json.loads(value) if isinstance(self.tuning.space.get(key), list) else value
        file = self.directory / "best.yaml"
        metric = self.config.training.metric
        comment = f"# {metric} {best.value:.4f} on validation: trial {best.number} of {study.study_name}\n"
        text = yaml.safe_dump({"extends": str(self.file.resolve()), **values}, sort_keys=False)
        write_atomically(file, comment + text)
        return file


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _parsed(setting: str) -> tuple[str, Any]:
    key, _, text = setting.partition("=")
    return key.strip(), yaml.safe_load(text)


def _suggest(trial: optuna.Trial, key: str, domain: Range | list[Any]) -> Any:
    if not isinstance(domain, Range):
        # Optuna's choices must be scalars, and a choice of layers is a list.
        return json.loads(trial.suggest_categorical(key, [json.dumps(choice) for choice in domain]))
    if domain.whole:
        return trial.suggest_int(key, int(domain.low), int(domain.high), log=domain.log)
    return trial.suggest_float(key, domain.low, domain.high, log=domain.log)
