"""The last step: the run folder."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from affectml._files import new_folder, write_json, write_parquet
from affectml.data.splits import split_table
from affectml.evaluation import Answers
from affectml.runs import Run, RunInfo, reserve_run_folder, surroundings
from affectml.runs.config import command
from affectml.runs.schema import BetaInfo, DataInfo, EncoderInfo, HeadInfo, PriorInfo, PromptsInfo, SplitInfo
from affectml.training.judge import Judged
from affectml.training.prepare import Prepared


def write(judged: Judged, seconds: Mapping[str, float]) -> Run:
    """Write the run: run.json, the head, predictions of every image, metrics.json and the report."""
    prepared = judged.prepared
    plan = prepared.plan
    folder = plan.out if plan.out is not None else reserve_run_folder(named_after(plan.dataset.root))
    info = describe(judged, seconds)
    with new_folder(folder) as temporary:
        write_json(temporary / "run.json", info.to_json())
        judged.systems.model.save(temporary)
        write_parquet(temporary / "predictions.parquet", predictions(judged))
        write_json(temporary / "metrics.json", judged.result.metrics)
        from affectml.report import write_report

        write_report(Run(temporary, info), plan.dataset, prepared.test, judged.answers, judged.result)
    return Run.open(folder)


def named_after(folder: Path) -> str:
    """The name that a run takes from the data set's folder."""
    return folder.absolute().name or "run"


def describe(judged: Judged, seconds: Mapping[str, float]) -> RunInfo:
    """What run.json says."""
    prepared, head = judged.prepared, judged.systems.model
    plan, store, targets = prepared.plan, prepared.store, prepared.targets
    beta = prepared.beta
    return RunInfo(
        command=command(plan.asked, plan.out),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        config=replace(plan.config, encoder=store.specs[0] if store.specs else store.folder.name),
        threads=plan.threads,
        data=DataInfo(
            name=plan.dataset.name,
            construct=targets.meta.construct,
            question=targets.meta.question,
            target=targets.name,
            kind=targets.kind,
            fingerprint=plan.dataset.fingerprint(),
        ),
        taxonomy=targets.taxonomy.to_dict(),
        encoder=EncoderInfo(specs=list(store.specs), identity=store.identity.to_json()),
        split=_split(prepared),
        head=HeadInfo(name=head.name, report=head.report_),
        prompts=PromptsInfo(**plan.prompts.to_dict()),
        prior=_prior(judged.answers["prior"]),
        beta_prior=None if beta is None else BetaInfo(alpha=beta.alpha.tolist(), beta=beta.beta.tolist()),
        set_f1_by_tau=judged.result.by_tau,
        levels=judged.levels,
        seconds={name: round(value, 2) for name, value in seconds.items()},
        **surroundings(),
    )


def predictions(judged: Judged) -> pd.DataFrame:
    """The head's scores of every image, in any split, and its sets where it has thresholds."""
    prepared, head = judged.prepared, judged.systems.model
    targets = prepared.targets
    X = prepared.store.rows(targets.image_id)
    scores = head.scores(X).float().numpy()
    table = pd.DataFrame({"image_id": targets.image_id, "split": prepared.split.assignment})
    table = pd.concat([table, pd.DataFrame(scores, columns=list(targets.taxonomy.labels))], axis=1)
    if head.predicts_sets:
        labels = np.array(targets.taxonomy.labels, dtype=object)
        table["set"] = [list(labels[row]) for row in head.predict_sets(X).bool().numpy()]
    return table


def _split(prepared: Prepared) -> SplitInfo:
    table = split_table(prepared.split, prepared.targets)
    return SplitInfo(notes=list(prepared.split.notes), table=table.to_dict(orient="records"))


def _prior(prior: Answers) -> PriorInfo:
    """What the prior says of every image, for later evaluations."""
    return PriorInfo(shares=prior.scores[0].tolist(), set=None if prior.sets is None else prior.sets[0].tolist())
