"""embed: the command around `affectml.embeddings.embed_dataset`."""

from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from affectml._options import MOST_THREADS, Argument, Device, Help
from affectml.cli._command import Json, Workers, device_there, say
from affectml.cli._print import print_json, print_table


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
    from affectml.api import embed as embed_images
    from affectml.data import Dataset

    opened = Dataset.open(dataset)
    summary = embed_images(
        opened, encoder, precision=precision, workers=workers, batch_size=batch_size, threads=threads,
        decode_threads=decode_threads, device=device, say=say,
    )  # fmt: skip
    if json:
        print_json(summary.to_json())
    else:
        print_table(f"Embeddings of {opened.name}", ("what", "value"), summary.rows(), numbers=False)
