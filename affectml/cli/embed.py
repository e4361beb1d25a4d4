"""embed: the command around `affectml.embeddings.embed_dataset`."""

from pathlib import Path
from typing import Annotated

import typer

from affectml.cli.runs import Json


def embed(
    dataset: Annotated[Path, typer.Argument(help="Data set folder.")],
    encoder: Annotated[
        str,
        typer.Option(
            help="affect-tiny, ARCH:TAG, ARCH:/path/to/weights, local-dir:FOLDER or hf-hub:ORG/NAME.",
        ),
    ] = "ViT-B-32-quickgelu:openai",
    precision: Annotated[
        str, typer.Option(help="fp32, bf16, fp16, pure_bf16 (fast on recent CPUs) or pure_fp16.")
    ] = "fp32",
    batch_size: Annotated[int, typer.Option(min=1, help="Images per batch.")] = 64,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads for torch.", show_default="torch's own choice")
    ] = None,
    decode_threads: Annotated[int, typer.Option(min=1, help="Threads that read and resize images.")] = 2,
    json: Json = False,
) -> None:
    """Embed a data set's images. What is embedded already is kept, so an interrupted command goes on."""
    from affectml.cli._print import print_json, print_table
    from affectml.data import Dataset
    from affectml.embeddings import embed_dataset
    from affectml.encoders import load_encoder

    opened = Dataset.open(dataset)
    loaded = load_encoder(encoder, precision=precision, threads=threads)
    summary = embed_dataset(opened, loaded, batch_size=batch_size, decode_threads=decode_threads)
    if json:
        print_json(summary.to_json())
    else:
        print_table(f"Embeddings of {opened.name}", ("what", "value"), summary.rows(), numbers=False)
