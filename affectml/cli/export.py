"""export: the command around `affectml.sharing`."""

from pathlib import Path
from typing import Annotated

import typer

from affectml.cli.runs import Json, Threads


def export(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    onnx: Annotated[bool, typer.Option("--onnx", help="Write an ONNX graph: features in, scores out.")] = False,
    with_encoder: Annotated[
        bool, typer.Option("--with-encoder", help="With --onnx: the encoder too, one graph from pixels to scores.")
    ] = False,
    hub: Annotated[
        Path | None,
        typer.Option(help="Folder to write for the Hugging Face Hub, with a model card; must not exist yet."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File of the graph.", show_default="head.onnx or model.onnx in the run")
    ] = None,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Share a run: as an ONNX graph that is checked against torch, as a folder for the Hugging Face Hub, or both."""
    from affectml._files import new_folder
    from affectml.cli._print import print_json
    from affectml.data import check_new
    from affectml.errors import BadInput
    from affectml.runs import RunFolder
    from affectml.sharing import AffectModel, export_onnx

    if not onnx and hub is None:
        raise BadInput("export: say what to write: --onnx, --hub FOLDER, or both")
    if with_encoder and not onnx:
        raise BadInput("export: --with-encoder is about the ONNX graph: add --onnx")
    done = {}
    if hub is not None:
        check_new(hub)
        with new_folder(hub) as folder:
            AffectModel(RunFolder.open(run)).save_pretrained(folder)
        done["hub"] = str(hub)
    if onnx:
        graph = export_onnx(run, out, encoder=with_encoder, threads=threads)
        done |= {"onnx": str(graph.path), "input": graph.input, "outputs": ", ".join(graph.outputs)}
        done["largest difference from torch"] = f"{graph.difference:.1e}"
    if json:
        print_json(done)
        return
    for what, value in done.items():
        typer.echo(f"{what}: {value}")
