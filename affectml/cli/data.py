"""embed, split, audit, export, plan, ask: the commands around a data set."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from annotated_types import Ge

from affectml._options import MOST_SEED, MOST_THREADS, Device, Help, options_of
from affectml.cli._command import Parts, Table, Workers, about, device_there, print_lines, records, say, there
from affectml.errors import BadInput, spelled
from affectml.planning import PlanConfig
from affectml.vlm import AskConfig

if TYPE_CHECKING:
    pass

SHOWN = 10  # rows of a check on the screen; the files have all
Count = Annotated[int, Ge(1)]
Seed = Annotated[int, Ge(0), Help(most=MOST_SEED)]
MoreThreads = Annotated[Count | None, Help(most=MOST_THREADS)]


def embed(
    dataset: Path,
    *,
    encoder: str = "ViT-B-32-quickgelu:openai",
    precision: str = "auto",
    workers: Workers = None,
    batch_size: Count | None = None,
    threads: MoreThreads = None,
    decode_threads: MoreThreads = None,
    device: Device = None,
) -> Parts:
    """Embed a data set's new and changed images. The same command continues after an interruption.

    It may run several times at once, on any machines that share the folder; they share the work.

    Args:
        dataset: Data set folder.
        encoder: affect-tiny, ARCH:TAG, ARCH:/path/to/weights, local-dir:FOLDER or hf-hub:ORG/NAME.
        precision: fp32, fp16, bf16 or auto. auto takes bf16 where the hardware has it, else fp16 on a GPU, and fp32 if
            the features of the first images differ from those of fp32.
        batch_size: Images per batch. Default: 16 on a CPU, 64 elsewhere.
        threads: Threads for encoding. Default: as many as cores.
        decode_threads: Threads for reading and resizing images. Default: as many as --threads, at least 2.
    """
    device_there(device, workers)
    there(datasets=[dataset])
    import affectml

    opened = affectml.Dataset.open(dataset)
    summary = affectml.embed(
        opened, encoder, precision=precision, workers=workers, batch_size=batch_size, threads=threads,
        decode_threads=decode_threads, device=device, say=say,
    )  # fmt: skip
    yield summary.to_json()
    yield about(f"Embeddings of {opened.name}", summary.rows())


def split(
    dataset: Path,
    *,
    seed: Seed | None = None,
    folds: Annotated[int | None, Help(metavar="K")] = None,
    val: float | None = None,
    test: float | None = None,
    target: tuple[str, ...] = (),
    group: str | None = None,
    new: bool = False,
    replace: bool = False,
) -> Parts:
    """Write the split that all targets of a data set share, or show the existing one.

    Args:
        dataset: Data set folder.
        seed: Seed of the draw. Default: 0.
        folds: Write K folds for `train --fold` instead. Default: none.
        val: Share of the images for validation. Default: .15.
        test: Share of the images for the test. Default: .15.
        target: Target to stratify by; may be given several times. Default: all.
        group: Column of images.parquet whose groups stay whole. Default: group.
        new: Put images that have no part yet into one; no other image moves.
        replace: Split all images anew; the old images.parquet is kept beside the new one.
    """
    from affectml.page.tables import number
    from affectml.splitting import split as write

    found = write(
        dataset, seed=seed, folds=folds, val=val, test=test, target=target, group=group, new=new, replace=replace
    )
    yield {"targets": {name: records(table) for name, table in found.tables.items()}, "notes": found.notes}
    for name, table in found.tables.items():
        rows = [(part, f"{images:,}", *map(number, shares)) for part, images, *shares in table.itertuples(index=False)]
        yield Table(f"target {name}", ("part", *table.columns[1:]), rows)
    yield lambda: print_lines(found.notes)


@dataclass(frozen=True)
class Look:
    """Options of a whole audit; `--files` takes none of them.

    Args:
        target: Target to look at. Default: the only one.
        encoder: Encoder whose embeddings to use. Default: the one the data set is embedded with.
        top: How many images and answers the table keeps, whether or not they go beyond chance.
        out: Folder for the page and the table. Default: DATASET-audit beside the data set.
        write_groups: Write copies as groups into images.parquet, so that no new split separates them; the old file is
            kept.
        seed: Seed of the folds.
    """

    target: str | None = None
    encoder: str | None = None
    top: Count = 100
    out: Path | None = None
    write_groups: bool = False
    seed: Seed = 0


def audit(place: str, look: Look, *, files: bool = False) -> Parts:
    """List what deserves a second look: copies, odd answers, people, labels and files.

    Args:
        place: A data set; with --files also a label database or a backup.
        files: Only check that files keep what they promise; exit code 1 if not. Nothing is written.
    """
    if files:
        yield from _files(place, look)
        return
    there(datasets=[place])
    import affectml
    from affectml._files import try_folder
    from affectml.auditing import listed_tables, write_audit

    root = Path(place).resolve()
    folder = look.out if look.out is not None else root.with_name(f"{root.name}-audit")
    try_folder(folder)
    found = affectml.audit(place, target=look.target, encoder=look.encoder, top=look.top, seed=look.seed, say=say)
    files = write_audit(found, folder)
    kept = found.write_groups() if look.write_groups else None
    written = {"kept": kept and str(kept)} if look.write_groups else {}
    yield found.to_json() | {"files": [str(file) for file in files]} | written
    yield from (table for _, table in listed_tables(found, SHOWN))
    yield found.summary()
    yield f"page: {files[0]}"
    if look.write_groups:
        words = f"groups of copies written; the old file is {kept}" if kept else "no copies, or all in groups already"
        yield f"{Path(place) / 'images.parquet'}: {words}"


def _files(place: str, look: Look) -> Parts:
    from affectml.auditing import audit_files
    from affectml.cli import label
    from affectml_annotation.store import is_database

    if given := [spelled(each.name) for each in options_of(Look) if getattr(look, each.name) != each.default]:
        raise BadInput(f"{', '.join(given)}: not with --files, which looks at files alone: leave one of them out")
    if is_database(place):
        yield from label.check(place)
    promises = audit_files(place)
    wrong = sum(bool(each.wrong) for each in promises)
    yield {"place": place, "promises": [asdict(each) for each in promises]}
    for each in promises:
        yield "\n         ".join([f"{'WRONG' if each.wrong else 'kept '}  {each.promise}", *each.wrong])
    yield f"{place}: {len(promises) - wrong} of {len(promises)} promises are kept"
    raise typer.Exit(1 if wrong else 0)


def export(
    source: Annotated[Path, Help(metavar="RUN|DATASET")],
    *,
    onnx: bool = False,
    hub: Path | None = None,
    images: bool = True,
    keep: Sequence[str] | None = None,
    annotator_ids: bool = False,
    may_share: bool = False,
    out: Path | None = None,
) -> Parts:
    """Share a run or a data set.

    A run: as an ONNX graph that is checked against torch (--onnx), as a folder for the Hugging Face Hub (--hub), or
    both. A data set: as a folder for the Hub (--hub), which `datasets.load_dataset` and `affectml import datasets`
    read.

    Args:
        source: Run folder, or data set folder for --hub.
        onnx: Write an ONNX graph: features in, scores out.
        hub: Folder to write for the Hugging Face Hub, with a card; must not exist yet.
        images: For a data set: include the image files.
        keep: For a data set: further columns of judgements to share.
        annotator_ids: For a data set: share people's ids instead of numbers.
        may_share: For a data set: confirm that you may share it, whatever its licence seems to say.
        out: File of the graph. Default: head.onnx in the run.
    """
    from affectml.sharing import export as write

    done = write(
        source, onnx=onnx, hub=hub, images=images, keep=keep or (), annotator_ids=annotator_ids, may_share=may_share,
        out=out,
    )  # fmt: skip
    yield done.facts | ({"notes": done.notes} if done.notes else {})
    yield from (f"{what}: {value}" for what, value in done.facts.items())
    yield from (f"note: {note}" for note in done.notes)


def plan(
    config: PlanConfig,
    dataset: Path | None = None,
) -> Parts:
    """Plan a study from a pilot: how many people, how many images, how exact, and what it costs.

    Args:
        dataset: Data set folder with a pilot's answers. Default: nothing but assumptions.
    """
    there(datasets=[dataset])
    from affectml.data import Dataset
    from affectml.planning import plan_study

    found = plan_study(None if dataset is None else Dataset.open(dataset), config)
    yield found.to_json()
    table = found.table()
    yield Table(table.title, table.columns, table.rows, table.note, keys=3)
    yield found.figures_table()
    for title, lines in (("Assumed", found.assumed), ("What the pilot cannot tell", found.limits)):
        if lines:
            yield "\n  - ".join([f"{title}:", *lines])


def ask(dataset: Path, config: AskConfig, *, out: Path) -> Parts:
    """Write the question that people were asked as batch requests for a vision-language model; nothing is sent.

    Args:
        dataset: Data set folder.
        out: JSON lines file to write; split into several if it gets too large.
    """
    from affectml.vlm import ask as write

    asked = write(dataset, config, out, say=say)
    yield asked.to_json()
    yield f"{asked.requests} requests about {asked.images} images: {', '.join(map(str, asked.files))}"
    yield asked.prompt
