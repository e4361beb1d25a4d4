"""embed: the command around `affectml.embeddings.embed_dataset`."""

from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from affectml._options import MOST_THREADS, Argument, Device, Help
from affectml.cli._command import Address, CheckImages, Engine, Json, Merge, Shard, device_there, say
from affectml.cli._print import print_json, print_table


def embed(
    dataset: Annotated[Path, Argument("Data set folder.")],
    encoder: Annotated[
        str | None,
        Help(
            "affect-tiny, ARCH:TAG, ARCH:/path/to/weights, local-dir:FOLDER or hf-hub:ORG/NAME.",
            default="ViT-B-32-quickgelu:openai; with --merge the one that has shards",
        ),
    ] = None,
    precision: Annotated[
        str | None,
        Help(
            "auto: bf16 where the CPU or GPU has it and fp16 on other GPUs, if that agrees with fp32 on the first "
            "images, else fp32. Or fp32, fp16, bf16.",
            default="auto; with --merge the one that has shards",
        ),
    ] = None,
    shard: Shard = None,
    merge: Merge = False,
    check_images: CheckImages = True,
    engine: Engine = None,
    address: Address = None,
    batch_size: Annotated[int | None, Ge(1), Help("Images per batch.", default="16 on a CPU, 64 elsewhere")] = None,
    threads: Annotated[
        int | None, Ge(1), Help("Threads that encode.", default="as many as cores", most=MOST_THREADS)
    ] = None,
    decode_threads: Annotated[
        int | None,
        Ge(1),
        Help("Threads that read and resize images.", default="as many, at least 2", most=MOST_THREADS),
    ] = None,
    device: Device = None,
    json: Json = False,
) -> None:
    """Embed a data set's images. What is embedded already is kept, so an interrupted command goes on."""
    device_there(device)
    from affectml.data import Dataset
    from affectml.embeddings import embed_dataset, merge_shards
    from affectml.encoders import DEFAULT_SPEC, load_encoder
    from affectml.shards import one_of

    part = one_of(shard, merge, engine, address, device)
    opened = Dataset.open(dataset)
    if merge:
        summary = merge_shards(opened, encoder, precision=precision, check_images=check_images, say=say)
    elif engine is not None:
        from affectml.ray_engine import embed_with_ray

        summary = embed_with_ray(
            opened, encoder or DEFAULT_SPEC, precision=precision or "auto", batch_size=batch_size, threads=threads,
            decode_threads=decode_threads, address=address, say=say,
        )  # fmt: skip
    else:
        loaded = load_encoder(encoder or DEFAULT_SPEC, precision=precision or "auto", device=device, threads=threads)
        summary = embed_dataset(
            opened, loaded, batch_size=batch_size, decode_threads=decode_threads, shard=part, say=say
        )
    if json:
        print_json(summary.to_json())
    else:
        print_table(f"Embeddings of {opened.name}", ("what", "value"), summary.rows(), numbers=False)
