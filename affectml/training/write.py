"""The last step: the run folder."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from affectml._files import new_folder, write_json
from affectml.footprint import trained_share
from affectml.judging.answers import FILE, PART, write_answers
from affectml.judging.figures import METRICS
from affectml.people.known import people_file
from affectml.runs import RunFolder, RunInfo, next_run_folder, surroundings
from affectml.runs.config import command
from affectml.runs.schema import BetaInfo, DataInfo, EncoderInfo, HeadInfo, PriorInfo, PromptsInfo, SplitInfo
from affectml.training.by_person import write_effects, write_judges
from affectml.training.steps import Judged, Writers


def write(
    judged: Judged,
    seconds: Mapping[str, float],
    energy: Mapping[str, Any] | None = None,
    writers: Writers = MappingProxyType({}),
) -> RunFolder:
    """Write the run: the head, run.json, every system's answers of every image, and what was found of them.

    Of a head that tells people apart also what it knows of images, and beside the folder what it knows of people.

    Args:
        judged: the training with its scores.
        seconds: what each step took, for run.json.
        energy: what it cost, see `affectml.footprint.Footprint.energy`; None where that was not metered.
        writers: what else to write, by its file: `affectml.page.WRITERS` for the report.

    Returns:
        The run folder, opened.

    Raises:
        OSError: where something of it cannot be written, on a full disk say. What could be is kept, and the error names
            it; where not even the head could, it is saved in the system's folder for temporary files.
    """
    plan, info = judged.prepared.plan, describe(judged, seconds, energy)
    places: list[Path] = []

    def next_place() -> Path:
        """A folder that nobody has taken, named after the data set's as the user calls it."""
        places.append(plan.out or next_run_folder(Path(plan.config.dataset or "").absolute().name or "run"))
        return places[-1]

    def save(folder: Path) -> None:
        judged.systems.model.save(folder)
        write_json(folder / "run.json", info.to_json())

    try:
        with new_folder(next_place(), next_place if plan.out is None else None) as temporary:
            save(temporary)
            effects: Writers = {"image_effects.parquet": write_effects} if plan.config.by_person else {}
            failed = [*_failures(RunFolder(temporary, info), judged, {**_OURS, **effects, **writers})]
    except OSError as error:
        place = Path(tempfile.mkdtemp(prefix="affectml-run-"))
        why = f"{places[-1]} could not be written ({error.strerror})"
        try:
            save(place)
        except OSError:
            shutil.rmtree(place, ignore_errors=True)
            raise error from None
        raise OSError(error.errno, f"{why}; the trained head and run.json are in {place}") from error
    run = RunFolder.open(places[-1])
    if plan.config.by_person:
        failed += _failures(run, judged, {str(people_file(run.folder)): write_judges})
    for file, cause in failed:
        kept = f"{', '.join(sorted(path.name for path in run.folder.iterdir()))} are kept in {run.folder}"
        if isinstance(cause, OSError):
            raise OSError(cause.errno, f"{file} could not be written ({cause.strerror}); {kept}") from cause
        cause.add_note(f"{file} could not be written; {kept}")
        raise cause
    return run


def _failures(run: RunFolder, judged: Judged, writers: Writers) -> Iterator[tuple[str, Exception]]:
    """Write everything else; yields what could not be written."""
    for file, written in writers.items():
        try:
            written(run, judged)
        except Exception as error:  # whatever it is: the head is worth more than the report
            yield file, error


def describe(judged: Judged, seconds: Mapping[str, float], energy: Mapping[str, Any] | None = None) -> RunInfo:
    """What run.json says."""
    prepared, head, prior = judged.prepared, judged.systems.model, judged.answers["prior"]
    plan, store, targets, beta = prepared.plan, prepared.store, prepared.targets, prepared.beta
    weights, frozen = head._saved(), {ran.parameters for ran in store.ran}
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
            kind=targets.meta.kind,
            fingerprint=plan.dataset.fingerprint(targets.name),
        ),
        taxonomy=targets.taxonomy.to_dict(),
        encoder=EncoderInfo(
            specs=list(store.specs), identity=store.identity.to_json(), ran=[ran.to_json() for ran in store.ran]
        ),
        split=SplitInfo(notes=list(prepared.split.notes), images=dict(Counter(prepared.split.assignment.tolist()))),
        head=HeadInfo(name=head.name, report=head.report_),
        prompts=PromptsInfo(**plan.prompts.to_dict()),
        prior=PriorInfo(shares=prior.scores[0].tolist(), set=None if prior.sets is None else prior.sets[0].tolist()),
        beta_prior=None if beta is None else BetaInfo(alpha=beta.alpha.tolist(), beta=beta.beta.tolist()),
        seconds={name: round(value, 2) for name, value in seconds.items()},
        energy=None if energy is None else dict(energy),
        parameters=trained_share(weights, frozen.pop() if len(frozen) == 1 else None),  # frozen: where that is known
        **surroundings(),
    )


def _write_answers(run: RunFolder, judged: Judged) -> None:
    """What each system says of every image, in any split."""
    prepared = judged.prepared
    plan, split, targets = prepared.plan, prepared.split, prepared.targets
    parts = (
        (system, ids, split.assignment[start : start + PART], answers)
        for start in range(0, len(split.assignment), PART)
        for ids in [targets.image_id[start : start + PART]]
        for system, answers in judged.systems.answers(prepared.store.features(ids), plan.levels(ids)).items()
    )
    write_answers(run.folder / FILE, plan.dataset.name, targets.taxonomy.labels, parts)


_OURS: Writers = {METRICS: lambda run, judged: judged.evaluation.write(run.folder), FILE: _write_answers}
