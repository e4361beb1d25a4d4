"""export: the command around `affectml.sharing`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from affectml.cli._there import there
from affectml.cli.runs import Json, Threads


def export(
    source: Annotated[Path, typer.Argument(metavar="RUN|DATASET", help="Run folder, or data set folder for --hub.")],
    onnx: Annotated[bool, typer.Option("--onnx", help="Write an ONNX graph: features in, scores out.")] = False,
    with_encoder: Annotated[
        bool, typer.Option("--with-encoder", help="With --onnx: the encoder too, one graph from pixels to scores.")
    ] = False,
    hub: Annotated[
        Path | None,
        typer.Option(help="Folder to write for the Hugging Face Hub, with a card; must not exist yet."),
    ] = None,
    label_studio: Annotated[
        Path | None,
        typer.Option(metavar="TASKS.json", help="File of the run's predictions as tasks; the interface is beside it."),
    ] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(help="With --label-studio: the data set to predict.", show_default="the run's own"),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="With --label-studio: train, val or test alone.", show_default="all images")
    ] = None,
    image_prefix: Annotated[
        str, typer.Option(help="With --label-studio: what is put before an image's path to show it.")
    ] = "/data/local-files/?d=",
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Of a data set: whether the image files go along.")
    ] = True,
    keep: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Of a data set: further columns of judgements to share.")
    ] = None,
    annotator_ids: Annotated[
        bool, typer.Option("--annotator-ids", help="Of a data set: people keep their ids instead of a number.")
    ] = False,
    may_share: Annotated[
        bool, typer.Option("--may-share", help="Of a data set: I may share it, whatever its licence seems to say.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="File of the graph.", show_default="head.onnx or model.onnx in the run")
    ] = None,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Share a run or a data set.

    A run: as an ONNX graph that is checked against torch (--onnx), as a folder for the Hugging Face Hub (--hub), as
    pre-annotations for Label Studio (--label-studio), or several of them. A data set: as a folder for the Hub, which
    `datasets.load_dataset` and `affectml import datasets` read (--hub).
    """
    from affectml.cli._print import print_json
    from affectml.errors import BadInput
    from affectml.importers import parse_list

    done: dict[str, Any] = {}
    notes: list[str] = []
    if (source / "dataset.json").is_file():
        if hub is None or onnx or label_studio is not None:
            raise BadInput(f"{source} is a data set, which is exported by --hub FOLDER alone")
        from affectml.sharing import share_dataset

        shared = share_dataset(
            source,
            hub,
            images=images,
            keep=parse_list(keep) or (),
            annotator_ids=annotator_ids,
            may_share=may_share,
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
