"""Erasing a person: out of a data set, and out of every file in which a run keeps what it learned of people."""

import shlex
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from affectml._files import sha256
from affectml.data import Dataset
from affectml.data.dataset import command_for, counts_more
from affectml.errors import BadDataset, BadInput, BadRun
from affectml.people.known import ENDING, People, head_of, open_people, save_people
from affectml.runs import RunFolder
from affectml_annotation.exchange.erasing import erase_people as erase_from_data_set
from affectml_annotation.exchange.erasing import note_export, noted, still_named

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
class ErasedPeople:
    """What `erase_people` did: judgements that left the data set, its files that changed, and people files.

    targets: those that count somebody who was erased, by name, with the command that makes each anew; None where
    nobody's answers are left to make it of. named: exports and audits that still hold a name.
    """

    judgements: int
    files: tuple[str, ...]
    learned: tuple[Learned, ...]
    targets: dict[str, str | None] = field(default_factory=dict)
    named: tuple[Path, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        learned = [
            {"file": str(one.file), "people": one.people, "run": None if one.run is None else str(one.run),
             "command": one.command}
            for one in self.learned
        ]  # fmt: skip
        named = [str(path) for path in self.named]
        return {"judgements": self.judgements, "files": list(self.files), "learned": learned,
                "targets": self.targets, "named": named}  # fmt: skip


def erase_people(dataset: str | Path, people: Sequence[str], *, runs: Iterable[str | Path] = ()) -> ErasedPeople:
    """Take people out of a data set and of what runs on it know of them, files kept of earlier contents included.

    For good. People files are looked for beside the data set, in the working folder, in `runs` of both, and at any
    depth in the folders given; those are meant whose metadata have the data set's name or fingerprint. Called again
    after it was killed, it goes on. What a run learned of all people together it keeps until it is trained again.

    Args:
        dataset: the data set's folder.
        people: who, by annotator id.
        runs: further folders to look for people files in, at any depth.

    Returns:
        What left; of each target that still counts them, and of each people file, the command that makes it or trains
        its run again; and where earlier exports and audits hold a name.

    Raises:
        BadExport: where one of them is neither in the data set nor in a people file; then nobody is taken out.
        BadRun: for a people file that cannot be read; then nobody is taken out.
    """
    opened = Dataset.open(dataset)
    found = _people_of(opened, [Path(folder) for folder in runs])
    known = {who for one in found for who in one.ids}
    done = erase_from_data_set(opened.root, people, known)
    targets = _counting(Dataset.open(dataset), fewer=done.judgements > 0)
    learned = []
    for one in found:
        left = one.without(people)
        if len(left) < len(one):
            save_people(left)
            learned.append(_learned(one, len(one) - len(left)))
    return ErasedPeople(done.judgements, done.files, tuple(learned), targets, tuple(still_named(opened.root, people)))


def _counting(left: Dataset, *, fewer: bool) -> dict[str, str | None]:
    """The targets that count more than is left, which is noted, so that they are known until they are made anew."""
    found = []
    for name in left.meta.targets:
        with suppress(BadDataset):  # what cannot be read is not used either
            if left.outdated(name) or (fewer and counts_more(left, name, left.judgements)):
                found.append(name)
    marks = {name: sha256(left.image_path(left.meta.targets[name].file)) for name in found}
    if marks and marks not in [line.get("outdated") for line in noted(left.root)]:
        note_export(left.root, outdated=marks)
    return {name: command_for(left, name) for name in found}


def refuse_outdated(source: Dataset | RunFolder) -> None:
    """Raise BadInput where a data set that is to be shared, or the one that a run learned from, counts erased people.

    Of a run it is the target that it learned, as far as the data set is there.
    """
    found: list[str | None] = []
    if isinstance(source, Dataset):
        found = [source.outdated(name) for name in source.meta.targets]
    elif (place := source.info.config.dataset) is not None:
        with suppress(BadDataset):  # gone, or not to be read: nothing can be said of it
            dataset, name = Dataset.open(place), source.info.data.target
            found = [dataset.outdated(name)] if name in dataset.meta.targets else []
    for why in filter(None, found):
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
    return [one for one in opened if one.dataset == dataset.name or one.fingerprint.get("target") in own]


def _learned(people: People, count: int) -> Learned:
    run = people.file.with_name(people.file.name.partition(f"{ENDING}.")[0])
    with suppress(BadRun):
        if head_of(run) == people.head:
            return Learned(people.file, count, run, _again(RunFolder.open(run).info.command))
    return Learned(people.file, count, None, None)


def _again(command: str | None) -> str | None:
    """The command of a run without the folder that it wrote, which is there."""
    if command is None:
        return None
    words = shlex.split(command)
    if "--out" in words:
        at = words.index("--out")
        del words[at : at + 2]
    return shlex.join(words)
