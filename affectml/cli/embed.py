"""embed: the command around `affectml.embeddings.embed_dataset`."""

from pathlib import Path
from typing import Annotated

import typer

from affectml.cli.runs import Json, _say


def embed(
    dataset: Annotated[Path, typer.Argument(help="Data set folder.")],
    encoder: Annotated[
        str,
        typer.Option(
            help="affect-tiny, ARCH:TAG, ARCH:/path/to/weights, local-dir:FOLDER or hf-hub:ORG/NAME.",
        ),
    ] = "ViT-B-32-quickgelu:openai",
    precision: Annotated[
        str,
        typer.Option(
            help="auto: the fastest that agrees with fp32 on these images. Or fp32, bf16, fp16, pure_bf16, pure_fp16, "
            "openvino."
        ),
    ] = "auto",
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Images per batch.", show_default="16 on a CPU, 64 elsewhere")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads that encode.", show_default="the cores that are idle")
    ] = None,
    decode_threads: Annotated[
        int | None, typer.Option(min=1, help="Threads that read and resize images.", show_default="as many, at least 2")
    ] = None,
    json: Json = False,
) -> None:
    """Embed a data set's images. What is embedded already is kept, so an interrupted command goes on."""
    from affectml.cli._print import print_json, print_table
    from affectml.data import Dataset
    from affectml.embeddings import embed_dataset
    from affectml.encoders import load_encoder

    opened = Dataset.open(dataset)
    loaded = load_encoder(encoder, precision=precision, threads=threads)
    summary = embed_dataset(opened, loaded, batch_size=batch_size, decode_threads=decode_threads, say=_say)
    if json:
        print_json(summary.to_json())
    else:
        print_table(f"Embeddings of {opened.name}", ("what", "value"), summary.rows(), numbers=False)
