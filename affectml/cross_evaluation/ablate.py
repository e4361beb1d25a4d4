"""The ablation over kinds of prompt (Bustos et al. 2023): what a contrastive head gains from which texts."""

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectml._progress import Say
from affectml.cross_evaluation.config import SEEDS, AblateConfig
from affectml.data import Dataset, Targets
from affectml.data.choose import SEVERAL, choose_target
from affectml.errors import BadInput
from affectml.heads import Head
from affectml.judging.scoring import Score, row_scores
from affectml.judging.systems import Systems, answers_of
from affectml.page.tables import Table, arrow, cell, headline
from affectml.prompts import CAPTION, Prompts
from affectml.training import Prepared, TrainConfig, fit, plan_for, prepare


@dataclass(frozen=True)
class AblateRow:
    """A head and a mix of prompts: {metric: value of each seed}."""

    head: str
    prompts: str
    values: dict[str, list[float]]

    def score(self, metric: str) -> Score | None:
        """Mean over seeds with its 95 % interval by Student's t; None where the metric is not defined."""
        values = np.array(self.values.get(metric, []), dtype=np.float64)
        if not len(values) or np.isnan(values).any():
            return None
        return t_interval(values)


@dataclass(frozen=True)
class Ablation:
    """All rows on the same splits, seed by seed."""

    config: AblateConfig
    dataset: str
    rows: tuple[AblateRow, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values: means, intervals, and each seed's value."""
        return {
            "dataset": self.dataset,
            "seeds": self.config.seeds,
            "notes": list(self.notes),
            "rows": [
                {
                    "head": row.head,
                    "prompts": row.prompts,
                    "scores": {metric: row.score(metric) for metric in row.values},
                    "values": row.values,
                }
                for row in self.rows
            ],
        }

    def table(self) -> Table:
        """Heads and mixes down, metrics across."""
        metrics = headline({str(i): row.values for i, row in enumerate(self.rows)})
        rows = tuple((f"{row.head}, {row.prompts}", *(cell(row.score(m)) for m in metrics)) for row in self.rows)
        note = f"mean over {self.config.seeds} seeds ± half the width of its 95 % interval (Student's t)"
        return Table(
            f"Kinds of prompt on {self.dataset}",
            ("head, prompts", *map(arrow, metrics)),
            rows,
            "\n  ".join([note, *self.notes]),
        )


def t_interval(values: NDArray[np.float64]) -> Score:
    """Mean and 95 % interval of independent values; [low, high] is the value itself where all are equal.

    >>> round(t_interval(np.array([1.0, 2.0, 3.0]))["low"], 3)
    -0.484
    """
    from affectml_metrics import student_interval

    found = student_interval(values)
    return {"value": float(found.value), "low": float(found.low), "high": float(found.high)}


def ablate_prompts(config: AblateConfig, *, say: Say = lambda line: None) -> Ablation:
    """Train the contrastive head on each mix of prompts with each seed, beside zero-shot asked with the same prompts.

    Raises BadInput for fewer than two seeds and for a mix that the data set or its taxonomy cannot give.
    """
    if config.seeds < 2:
        raise BadInput(f"seeds: expected at least 2, since an interval over seeds needs a spread; got {config.seeds}")
    dataset = Dataset.open(config.dataset)
    targets = _target(dataset, config.target)
    mixes, notes = _mixes(config, dataset, targets)
    if "split" in dataset.images.columns and dataset.images["split"].notna().any():
        notes.append("the data set's own split: seeds move the head only, and zero-shot not at all")
    training = TrainConfig(
        dataset=config.dataset,
        multilabel=targets.kind in SEVERAL,
        head="contrastive",
        hidden=config.hidden,
        templates=config.templates,
        encoder=config.encoder,
        tau=config.tau,
        threads=config.threads,
    )
    values: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for seed in range(config.seeds):
        plans = {mix: plan_for(dataset, targets, replace(training, prompts=mix, seed=seed)) for mix in mixes}
        prepared = prepare(plans[mixes[0]], _quiet if seed else say)  # what is said of the data is said once
        for mix, plan in plans.items():
            say(f"seed {seed}: {mix}")
            with_mix = prepared.under(plan)
            for name, scores in _scores(with_mix, fit(with_mix)).items():
                for metric, value in scores.items():
                    values[name, mix][metric].append(value)
    made = [AblateRow(head, mix, dict(scores)) for (head, mix), scores in values.items()]
    made.sort(key=lambda row: row.head != "zero_shot")
    return Ablation(config, dataset.name, tuple(made), tuple(notes))


def _scores(prepared: Prepared, systems: Systems) -> dict[str, dict[str, float]]:
    """{system: {metric: mean over the test images}}; zero-shot is not asked with captions, which no label has."""
    X = prepared.store.rows(prepared.split.ids("test"))
    found: dict[str, Head | None] = {"contrastive": systems.model, "zero_shot": systems.zero_shot}
    if "captions" in prepared.plan.prompts.kinds:
        del found["zero_shot"]
    return {
        name: {
            metric: float(each.double().nanmean())
            for metric, each in row_scores(answers_of(system, X, prepared.targets.kind), prepared.test).items()
        }
        for name, system in found.items()
        if system is not None
    }


def _quiet(line: str) -> None:
    """Says nothing."""


def _target(dataset: Dataset, name: str | None) -> Targets:
    """The target named, else the one that `affectml train` would take without or with --multilabel."""
    kinds = {entry.kind for entry in dataset.meta.targets.values()}
    if name is not None and name in dataset.meta.targets:
        return dataset.target(name)
    return choose_target(dataset, multilabel=not kinds & {"single", "distribution"}, name=name)


def _mixes(config: AblateConfig, dataset: Dataset, targets: Targets) -> tuple[list[str], list[str]]:
    """The mixes to train on, and why some that the paper has are not among them."""
    if config.mixes is not None:
        for mix in config.mixes:
            Prompts.parse(mix, config.templates).learned(targets.taxonomy)
        return list(config.mixes), []
    mixes, notes = ["sentiment"], []
    bare = [label for label in targets.taxonomy.labels if not targets.taxonomy.synonyms.get(label)]
    if len(bare) < len(targets.taxonomy):
        mixes += [*([] if bare else ["synonyms"]), "sentiment+synonyms"]
    if bare:
        notes.append(f"no synonyms of {', '.join(bare)} in taxonomy {targets.taxonomy.name}")
    if CAPTION in dataset.images.columns and dataset.images[CAPTION].notna().any():
        mixes += ["captions", *(f"{mix}+captions" for mix in list(mixes))]
    else:
        notes.append(f"no column {CAPTION!r} in images.parquet, so nothing was learned from captions")
    return mixes, notes


def write_ablation(result: Ablation, path: Path) -> None:
    """Write every mean, interval and seed's value as JSON."""
    from affectml._files import write_json

    write_json(path, result.to_json())


__all__ = ["SEEDS", "AblateConfig", "AblateRow", "Ablation", "ablate_prompts", "t_interval", "write_ablation"]
