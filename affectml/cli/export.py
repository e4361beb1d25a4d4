"""export: the command around `affectml.sharing`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from affectml._options import Argument, Help, Threads
from affectml.cli._command import Json, there
from affectml.cli._print import print_json


def export(
    source: Annotated[Path, Argument("Run folder, or data set folder for --hub.", metavar="RUN|DATASET")],
    onnx: Annotated[bool, Help("Write an ONNX graph: features in, scores out.")] = False,
    with_encoder: Annotated[bool, Help("With --onnx: the encoder too, one graph from pixels to scores.")] = False,
    hub: Annotated[
        Path | None, Help("Folder to write for the Hugging Face Hub, with a card; must not exist yet.")
    ] = None,
    label_studio: Annotated[
        Path | None, Help("File of the run's predictions as tasks; the interface is beside it.", metavar="TASKS.json")
    ] = None,
    dataset: Annotated[
        Path | None, Help("With --label-studio: the data set to predict.", default="the run's own")
    ] = None,
    split: Annotated[str | None, Help("With --label-studio: train, val or test alone.", default="all images")] = None,
    image_prefix: Annotated[
        str, Help("With --label-studio: what is put before an image's path to show it.")
    ] = "/data/local-files/?d=",
    images: Annotated[bool, Help("Of a data set: whether the image files go along.")] = True,
    keep: Annotated[Sequence[str] | None, Help("Of a data set: further columns of judgements to share.")] = None,
    annotator_ids: Annotated[bool, Help("Of a data set: people keep their ids instead of a number.")] = False,
    may_share: Annotated[bool, Help("Of a data set: I may share it, whatever its licence seems to say.")] = False,
    out: Annotated[Path | None, Help("File of the graph.", default="head.onnx or model.onnx in the run")] = None,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Share a run or a data set.

    A run: as an ONNX graph that is checked against torch (--onnx), as a folder for the Hugging Face Hub (--hub), as
    pre-annotations for Label Studio (--label-studio), or several of them. A data set: as a folder for the Hub, which
    `datasets.load_dataset` and `affectml import datasets` read (--hub).
    """
    from affectml.errors import BadInput

    done: dict[str, Any] = {}
    notes: list[str] = []
    if (source / "dataset.json").is_file():
        if hub is None or onnx or label_studio is not None:
            raise BadInput(f"{source} is a data set, which is exported by --hub FOLDER alone")
        from affectml.sharing import share_dataset

        shared = share_dataset(
            source, hub, images=images, keep=keep or (), annotator_ids=annotator_ids, may_share=may_share
        )
        done |= {"hub": str(hub), "images": ", ".join(f"{name} {count:,}" for name, count in shared.splits.items())}
        notes += shared.warnings
    else:
        if not onnx and hub is None and label_studio is None:
            raise BadInput("export: say what to write: --onnx, --hub FOLDER, --label-studio TASKS.json, or several")
        if with_encoder and not onnx:
            raise BadInput("export: --with-encoder is about the ONNX graph: add --onnx")
        there(runs=[source])
        if hub is not None:
            _to_hub(source, hub)
            done["hub"] = str(hub)
    if onnx:
        from affectml.sharing import export_onnx

        graph = export_onnx(source, out, encoder=with_encoder, threads=threads)
        done |= {"onnx": str(graph.path), "input": graph.input, "outputs": ", ".join(graph.outputs)}
        done["largest difference from torch"] = f"{graph.difference:.1e}"
        notes += [graph.note] if graph.note else []
    if label_studio is not None:
        from affectml.sharing import write_tasks

        tasks = write_tasks(
            source, label_studio, dataset=dataset, split=split, image_prefix=image_prefix, threads=threads
        )
        done |= {"label studio": str(tasks.path), "interface": str(tasks.interface), "tasks": tasks.images}
        notes += tasks.notes
    if json:
        print_json(done | ({"notes": notes} if notes else {}))
        return
    for what, value in [*done.items(), *(("note", note) for note in notes)]:
        typer.echo(f"{what}: {value}")


def _to_hub(run: Path, folder: Path) -> None:
    """Write a run's folder for the Hub, all of it or nothing."""
    from affectml._files import new_folder
    from affectml.data import check_new
    from affectml.runs import RunFolder

    check_new(folder)
    from affectml.sharing import AffectModel

    with new_folder(folder) as new:
        AffectModel(RunFolder.open(run)).save_pretrained(new)
