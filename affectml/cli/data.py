"""embed, split, audit, export: the commands around a data set."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from json import loads
from pathlib import Path
from typing import Annotated

import typer
from annotated_types import Ge

from affectml._options import MOST_SEED, MOST_THREADS, Argument, Device, Help, Threads, options_of
from affectml.cli import labels
from affectml.cli._command import Json, Workers, device_there, say, there
from affectml.cli._print import print_json, print_lines, print_table, show
from affectml.errors import BadInput, spelled


def embed(
    dataset: Annotated[Path, Argument("Data set folder.")],
    encoder: Annotated[
        str, Help("affect-tiny, ARCH:TAG, ARCH:/path/to/weights, local-dir:FOLDER or hf-hub:ORG/NAME.")
    ] = "ViT-B-32-quickgelu:openai",
    precision: Annotated[
        str,
        Help(
            "auto: bf16 where the CPU or GPU has it and fp16 on other GPUs, if that agrees with fp32 on the first "
            "images, else fp32. Or fp32, fp16, bf16."
        ),
    ] = "auto",
    workers: Workers = None,
    batch_size: Annotated[int | None, Ge(1), Help("Images per batch.", default="16 on a CPU, 64 elsewhere")] = None,
    threads: Annotated[
        int | None, Ge(1), Help("Threads for encoding.", default="as many as cores", most=MOST_THREADS)
    ] = None,
    decode_threads: Annotated[
        int | None,
        Ge(1),
        Help("Threads for reading and resizing images.", default="as many, at least 2", most=MOST_THREADS),
    ] = None,
    device: Device = None,
    json: Json = False,
) -> None:
    """Embed a data set's new and changed images. An interrupted command goes on where it was.

    The same command may run any number of times at once, on any machines that share the folder: they share the work.
    """
    device_there(device, workers)
    from affectml.data import Dataset

    opened = Dataset.open(dataset)
    from affectml.api import embed as embed_images

    summary = embed_images(
        opened, encoder, precision=precision, workers=workers, batch_size=batch_size, threads=threads,
        decode_threads=decode_threads, device=device, say=say,
    )  # fmt: skip
    if json:
        print_json(summary.to_json())
    else:
        print_table(f"Embeddings of {opened.name}", ("what", "value"), summary.rows(), numbers=False)


def split(
    dataset: Annotated[Path, Argument("Data set folder.")],
    seed: Annotated[Annotated[int, Ge(0)] | None, Help("Seed of the draw.", default="0", most=MOST_SEED)] = None,
    folds: Annotated[int | None, Help("Write K folds for `train --fold` instead.", default="none", metavar="K")] = None,
    val: Annotated[float | None, Help("Share of the images for validation.", default=".15")] = None,
    test: Annotated[float | None, Help("Share of the images for the test.", default=".15")] = None,
    target: Annotated[tuple[str, ...], Help("Target to stratify by; may be given several times.", default="all")] = (),
    group: Annotated[str | None, Help("Column of images.parquet whose groups stay whole.", default="group")] = None,
    new: Annotated[bool, Help("Give a part to images that have none; no other image moves.")] = False,
    replace: Annotated[bool, Help("Split all images anew; the old images.parquet is kept beside the new one.")] = False,
    json: Json = False,
) -> None:
    """Write the split that all targets of a data set share, or show the existing one."""
    from affectml.page.tables import number
    from affectml.splitting import split as part

    found = part(
        dataset, seed=seed, folds=folds, val=val, test=test, target=target, group=group, new=new, replace=replace
    )
    if json:
        tables = {name: loads(table.to_json(orient="records")) for name, table in found.tables.items()}
        print_json({"targets": tables, "notes": found.notes})
        return
    for name, table in found.tables.items():
        rows = [(part, f"{images:,}", *map(number, shares)) for part, images, *shares in table.itertuples(index=False)]
        print_table(f"target {name}", ("part", *table.columns[1:]), rows)
    print_lines(found.notes)


SHOWN = 10  # rows of a check on the screen; the files have all


@dataclass(frozen=True)
class Look:
    """Options of a whole audit; `--files` takes none of them."""

    run: Annotated[
        Path | None, Help("Run folder to take target, encoder and kind of head from.", default="a linear head")
    ] = None
    target: Annotated[str | None, Help("Target to look at.", default="the only one")] = None
    encoder: Annotated[
        str | None, Help("Encoder whose embeddings to use.", default="the one the data set is embedded with")
    ] = None
    top: Annotated[int, Ge(1), Help("How many images and answers to keep in the table, beyond chance or not.")] = 100
    out: Annotated[
        Path | None, Help("Folder for the page and the table.", default="DATASET-audit beside the data set")
    ] = None
    write_groups: Annotated[
        bool,
        Help("Write copies as groups into images.parquet, so that no new split separates them; the old file is kept."),
    ] = False
    seed: Annotated[int, Ge(0), Help("Seed of the folds.", most=MOST_SEED)] = 0


def audit(
    place: Annotated[
        str,
        Argument("A data set; with --files also a run, a store of embeddings, a label database or a backup."),
    ],
    files: Annotated[
        bool, Help("Only check that files keep what they promise; exit code 1 if not. Nothing is written.")
    ] = False,
    *,
    look: Look,
    json: Json = False,
) -> None:
    """List what deserves a second look: copies, odd answers, people, labels, files and small groups."""
    if files:
        _files(place, look, json)
    else:
        _audit(Path(place), look, json)


def _files(place: str, look: Look, json: bool) -> None:
    from affectml.auditing import audit_files
    from affectml_annotation.store.label_store import is_database

    if given := [spelled(each.name) for each in options_of(Look) if getattr(look, each.name) != each.default]:
        raise BadInput(f"{', '.join(given)}: not with --files, which looks at files alone: leave one of them out")
    if is_database(place):
        labels.check(place, json=json)
    found = audit_files(place)
    wrong = [each for each in found if each.wrong]
    if json:
        print_json({"place": place, "promises": [asdict(each) for each in found]})
    else:
        for each in found:
            print(f"{'WRONG' if each.wrong else 'kept '}  {each.promise}", *each.wrong, sep="\n         ")
        print(f"{place}: {len(found) - len(wrong)} of {len(found)} promises are kept")
    raise typer.Exit(1 if wrong else 0)


def _audit(place: Path, look: Look, json: bool) -> None:
    there(datasets=[place], runs=[] if look.run is None else [look.run])
    import affectml
    from affectml._files import try_folder
    from affectml.auditing import listed_tables, write_audit

    folder = look.out if look.out is not None else place.resolve().with_name(f"{place.resolve().name}-audit")
    try_folder(folder)
    chosen = {"target": look.target, "encoder": look.encoder, "top": look.top, "seed": look.seed}
    found = affectml.audit(place, look.run, **chosen, say=say)
    files = write_audit(found, folder)
    kept = found.write_groups() if look.write_groups else None
    if json:
        told = {"files": [str(file) for file in files]}
        print_json(found.to_json() | told | ({"kept": kept and str(kept)} if look.write_groups else {}))
        return
    for _, table in listed_tables(found, SHOWN):
        show(table, numbers=False)
    print(found.summary())
    print(f"page: {files[0]}")
    if look.write_groups:
        words = "no copies, or all in groups already"
        if kept is not None:
            words = f"groups of copies written; the old file is {kept}"
        print(f"{place / 'images.parquet'}: {words}")


def export(
    source: Annotated[Path, Argument("Run folder, or data set folder for --hub.", metavar="RUN|DATASET")],
    onnx: Annotated[bool, Help("Write an ONNX graph: features in, scores out.")] = False,
    with_encoder: Annotated[bool, Help("With --onnx: the encoder too, one graph from pixels to scores.")] = False,
    hub: Annotated[
        Path | None, Help("Folder to write for the Hugging Face Hub, with a card; must not exist yet.")
    ] = None,
    images: Annotated[bool, Help("For a data set: include the image files.")] = True,
    keep: Annotated[Sequence[str] | None, Help("For a data set: further columns of judgements to share.")] = None,
    annotator_ids: Annotated[bool, Help("For a data set: share people's ids instead of numbers.")] = False,
    may_share: Annotated[
        bool, Help("For a data set: confirm that you may share it, whatever its licence seems to say.")
    ] = False,
    out: Annotated[Path | None, Help("File of the graph.", default="head.onnx or model.onnx in the run")] = None,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Share a run or a data set.

    A run: as an ONNX graph that is checked against torch (--onnx), as a folder for the Hugging Face Hub (--hub), or
    both. A data set: as a folder for the Hub (--hub), which `datasets.load_dataset` reads, and `affectml import
    datasets`.
    """
    from affectml.sharing import export as write

    done = write(
        source, onnx=onnx, with_encoder=with_encoder, hub=hub, images=images, keep=keep or (),
        annotator_ids=annotator_ids, may_share=may_share, out=out, threads=threads,
    )  # fmt: skip
    if json:
        print_json(done.facts | ({"notes": done.notes} if done.notes else {}))
        return
    for what, value in [*done.facts.items(), *(("note", note) for note in done.notes)]:
        typer.echo(f"{what}: {value}")
