"""export: the command around `affectml.sharing`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from affectml._options import Argument, Help, Threads
from affectml.cli._command import Json
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

    A run: as an ONNX graph that is checked against torch (--onnx), as a folder for the Hugging Face Hub (--hub), as
    pre-annotations for Label Studio (--label-studio), or several of them. A data set: as a folder for the Hub, which
    `datasets.load_dataset` and `affectml import datasets` read (--hub).
    """
    from affectml.api import export as write

    done = write(
        source, onnx=onnx, with_encoder=with_encoder, hub=hub, label_studio=label_studio, dataset=dataset, split=split,
        image_prefix=image_prefix, images=images, keep=keep or (), annotator_ids=annotator_ids, may_share=may_share,
        out=out, threads=threads,
    )  # fmt: skip
    if json:
        print_json(done.facts | ({"notes": done.notes} if done.notes else {}))
        return
    for what, value in [*done.facts.items(), *(("note", note) for note in done.notes)]:
        typer.echo(f"{what}: {value}")
