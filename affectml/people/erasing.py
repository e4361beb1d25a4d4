"""Erasing a person: out of a data set, and out of every file in which a run keeps what it learned of people."""

import shlex
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from affectml._files import sha256
from affectml.data import Dataset
from affectml.data.dataset import command_for, counts_more
from affectml.errors import BadDataset, BadInput, BadRun
from affectml.people.known import ENDING, HEAD, People, open_people, save_people
from affectml.runs import RunFolder
from affectml_annotation import erasing
from affectml_annotation.exchange.dataset_folder import note_export, noted
from affectml_annotation.store import LabelStore
from affectml_annotation.store.place import default_database, holds_task, shown

__all__ = ["ErasedPeople", "Learned", "erase_people"]

_LITTER = f".*{ENDING}*.safetensors.????????.tmp"  # half written by a command that was killed


@dataclass(frozen=True)
class Learned:
    """A people file that somebody was erased from, and what its run still has of them.

    people: how many were. run: the run folder, None where it is not beside the file any more. command: what trains the
    run again, without them once the data set's target is made anew; None where the run does not say.
    """

    file: Path
    people: int
    run: Path | None
    command: str | None


@dataclass(frozen=True)
class ErasedPeople(erasing.Erased):
    """What `erase_people` did: judgements that left the data set, its files that changed, and people files.

    databases: of each label database that they were in, how many answers left it. backups: those kept beside them,
    which were gone through. named: exports and audits that still hold a name. learned: the people files. targets: those
    that count somebody who was erased, by name, with the command that makes each anew; None where nobody's answers are
    left to make it of.
    """

    learned: list[Learned] = field(default_factory=list)
    targets: dict[str, str | None] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        plain: dict[str, Any] = TypeAdapter(ErasedPeople).dump_python(self, mode="json")
        return plain

    def told(self, dataset: Path, people: Sequence[str]) -> list[str]:
        """What left, and what stays until a target is made and a run trained again, line by line."""
        lines = [f"{self.judgements} judgements of {', '.join(people)} taken out of {dataset}, for good"]
        if self.files:
            lines.append(f"  changed: {', '.join(self.files)}")
        for name, command in self.targets.items():
            again = f"make it again: {command}" if command else "nobody's answers are left: remove it from dataset.json"
            lines.append(f"  target {name} still counts them, without names; {again}")
        for where, answers in self.databases.items():
            lines.append(f"  {answers} answers taken out of {where}, for good; copies elsewhere are yours to delete")
        if self.backups:
            folders = ", ".join(sorted({shown(path.parent) for path in self.backups}))
            lines.append(f"  they are in none of the {len(self.backups)} backups in {folders} any more")
        if not self.databases:
            lines.append("  no label database was found that knows them; --db names one that lies elsewhere, of which")
            lines.append("  the next export would add them again")
        for place in self.named:
            if (place / "dataset.json").is_file():
                way_out = shlex.join(["affectml", "label", "remove", "erase", shown(place), *people])
            elif (place / "audit.parquet").is_file():
                way_out = f"affectml audit {shlex.quote(str(dataset))} makes it anew without them"
            else:
                way_out = "yours to delete, or to write again"
            lines.append(f"  {shown(place)} still names them: {way_out}")
        if not self.learned:
            command = shlex.join(["affectml", "label", "remove", "erase", shown(dataset), *people, "--runs"])
            return [*lines, f"  no run by person was found that knows them; `{command} FOLDER` looks in other places"]
        lines.append("thresholds and tastes taken out of what runs know of people, for good:")
        lines += [f"  {record.file}: {record.people} of its people" for record in self.learned]
        lines.append("  what a run learned of all people together it learned from their answers too, and keeps. For a")
        lines.append("  run without them make the targets again, remove the run with its people file, and train anew:")
        for record in self.learned:
            gone = "its run is not beside it" if record.run is None else f"{record.run} does not say how it was trained"
            lines.append(f"    {record.command or f'{record.file}: {gone}'}")
        return lines


def erase_people(
    dataset: str | Path,
    people: Sequence[str],
    *,
    runs: Iterable[str | Path] = (),
    db: str | None = None,
    wait: float | None = None,
    near: Sequence[Path] = (),
) -> ErasedPeople:
    """Take people out of a data set, of its label databases, and of what runs on it know of them.

    For good, files kept of earlier contents included. People files are looked for beside the data set, in the working
    folder, in `runs` of both, and at any depth in the folders given; those are meant whose metadata have the data set's
    name or fingerprint. Called again after it was killed, it goes on. What a run learned of all people together it
    keeps until it is trained again.

    Args:
        dataset: the data set's folder.
        people: who, by annotator id.
        runs: further folders to look for people files in, at any depth.
        db: the label database, where it is not `DATASET-labels.db` beside the folder.
        near: further folders to look into for databases and CSV files that name them, beside the working folder and
            those of the data set, its label databases and their backups.
        wait: seconds for others who use a database, if not its own minute; meanwhile nobody else writes there.

    Returns:
        What left; of each target that still counts them, and of each people file, the command that makes it or trains
        its run again; and where earlier exports and audits hold a name.

    Raises:
        BadExport: where one of them is neither in the data set nor in a label database or a people file; then nobody
            is taken out.
        StoreError: for a label database that cannot be opened; then nobody is taken out. While others read it, it is
            DatabaseAway, and the same call goes on.
        BadRun: for a people file that cannot be read; then nobody is taken out.
    """
    opened = Dataset.open(dataset)
    files = _people_of(opened, [Path(folder) for folder in runs])
    own = db or default_database(opened.root)
    targets: dict[str, str | None] = {}
    learned: list[Learned] = []

    def then(judgements: int) -> None:
        targets.update(_counting(Dataset.open(dataset), fewer=judgements > 0))
        for people_of_run in files:
            left = people_of_run.without(people)
            if len(left) < len(people_of_run):
                save_people(left)
                learned.append(_learned(people_of_run, len(people_of_run) - len(left)))

    with ExitStack() as stack:
        stores = [stack.enter_context(LabelStore(own, must_exist=True))] if db or holds_task(Path(own)) else []
        for store in stores:
            if wait is not None:
                store.database.wait_at_most(wait)
        known = {who for people_of_run in files for who in people_of_run.ids}
        done = erasing.erase_people(people, stores=stores, folder=opened.root, elsewhere=known, then=then, near=near)
    return ErasedPeople(**vars(done), learned=learned, targets=targets)


def _counting(left: Dataset, *, fewer: bool) -> dict[str, str | None]:
    """The targets that count more than is left, which is noted, so that they are known until they are made anew."""
    outdated = []
    for name in left.meta.targets:
        with suppress(BadDataset):  # what cannot be read is not used either
            if left.outdated(name) or (fewer and counts_more(left, name, left.judgements)):
                outdated.append(name)
    marks = {name: sha256(left.image_path(left.meta.targets[name].file)) for name in outdated}
    if marks and marks not in [line.get("outdated") for line in noted(left.root)]:
        note_export(left.root, outdated=marks)
    return {name: command_for(left, name) for name in outdated}


def refuse_outdated(source: Dataset | RunFolder) -> None:
    """Raise BadInput where a data set that is to be shared, or the one that a run learned from, counts erased people.

    Of a run it is the target that it learned, as far as the data set is there.
    """
    reasons: list[str | None] = []
    if isinstance(source, Dataset):
        reasons = [source.outdated(name) for name in source.meta.targets]
    elif (place := source.info.config.dataset) is not None:
        with suppress(BadDataset):  # gone, or not to be read: nothing can be said of it
            dataset, name = Dataset.open(place), source.info.data.target
            reasons = [dataset.outdated(name)] if name in dataset.meta.targets else []
    for why in filter(None, reasons):
        raise BadInput(f"{why}; nothing was written")


def _people_of(dataset: Dataset, more: list[Path]) -> list[People]:
    """The people files of runs on a data set; what a killed command left half written of any is removed."""
    for folder in more:
        if not folder.is_dir():
            raise BadRun(f"{folder}: no such folder, so no people files can be looked for in it")
    near = [Path(), dataset.root.absolute().parent]
    places = [folder for place in near for folder in (place, place / "runs")]
    files: dict[Path, Path] = {}
    for folder, pattern in [*((folder, "{}") for folder in places), *((folder, "**/{}") for folder in more)]:
        for file in [*folder.glob(pattern.format(f"*{ENDING}.safetensors")),
                     *folder.glob(pattern.format(f"*{ENDING}.replaced-*.safetensors"))]:  # fmt: skip
            files.setdefault(file.resolve(), file)
        for litter in folder.glob(pattern.format(_LITTER)):
            with suppress(FileNotFoundError):
                litter.unlink()
    opened = [open_people(file) for file in sorted(files.values())]
    # by name, since a target that was exported again has another fingerprint; or by that, where the set was renamed
    others = [people for people in opened if people.dataset != dataset.name]
    own = {dataset.fingerprint(target)["target"] for target in dataset.meta.targets} if others else set()
    return [people for people in opened if people.dataset == dataset.name or people.fingerprint.get("target") in own]


def _learned(people: People, count: int) -> Learned:
    run = people.file.with_name(people.file.name.partition(f"{ENDING}.")[0])
    with suppress(BadRun, OSError):
        if sha256(run / HEAD) == people.head:
            return Learned(people.file, count, run, RunFolder.open(run).info.command)
    return Learned(people.file, count, None, None)
