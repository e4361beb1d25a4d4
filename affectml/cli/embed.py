"""embed: the command around `affectml.embeddings.embed_dataset`."""

from pathlib import Path
from typing import Annotated

import typer

from affectml._options import MOST_THREADS
from affectml.cli.runs import Address, CheckImages, Device, Engine, Json, Merge, Shard, _say


def embed(
    dataset: Annotated[Path, typer.Argument(help="Data set folder.")],
    encoder: Annotated[
        str | None,
        typer.Option(
            help="affect-tiny, ARCH:TAG, ARCH:/path/to/weights, local-dir:FOLDER or hf-hub:ORG/NAME.",
            show_default="ViT-B-32-quickgelu:openai; with --merge the one that has shards",
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="auto: bf16 where the machine has it and it agrees with fp32 on these images, else fp32. Or fp32, "
            "bf16, fp16, pure_bf16, pure_fp16, openvino.",
            show_default="auto; with --merge the one that has shards",
        ),
    ] = None,
    shard: Shard = None,
    merge: Merge = False,
    check_images: CheckImages = True,
    engine: Engine = None,
    address: Address = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Images per batch.", show_default="16 on a CPU, 64 elsewhere")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, max=MOST_THREADS, help="Threads that encode.", show_default="as many as cores")
    ] = None,
    decode_threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_THREADS,
            help="Threads that read and resize images.",
            show_default="as many, at least 2",
        ),
    ] = None,
    device: Device = None,
    json: Json = False,
) -> None:
    """Embed a data set's images. What is embedded already is kept, so an interrupted command goes on."""
    from affectml.cli._print import print_json, print_table
    from affectml.data import Dataset
    from affectml.embeddings import embed_dataset, merge_shards
    from affectml.encoders import DEFAULT_SPEC, load_encoder
    from affectml.shards import one_of

    part = one_of(shard, merge, engine, address, device)
    opened = Dataset.open(dataset)
    if merge:
        summary = merge_shards(opened, encoder, precision=precision, check_images=check_images, say=_say)
    elif engine is not None:
        from affectml.ray_engine import embed_with_ray

        summary = embed_with_ray(
            opened, encoder or DEFAULT_SPEC, precision=precision or "auto", batch_size=batch_size, threads=threads,
            decode_threads=decode_threads, address=address, say=_say,
        )  # fmt: skip
    else:
        loaded = load_encoder(encoder or DEFAULT_SPEC, precision=precision or "auto", device=device, threads=threads)
        summary = embed_dataset(
            opened, loaded, batch_size=batch_size, decode_threads=decode_threads, shard=part, say=_say
        )
    if json:
        print_json(summary.to_json())
    else:
        print_table(f"Embeddings of {opened.name}", ("what", "value"), summary.rows(), numbers=False)
