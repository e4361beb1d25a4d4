"""What merging costs: processor time and peak memory, by the number of embeddings (512 values, 16 shards).

    python benchmarks/shards.py [--images 100000 300000 1000000]
    python benchmarks/shards.py --ray 4000      paintings embedded by one process, and by Ray on the same machine

The embeddings are drawn, and there are no image files, so none is compared. Peak memory is the whole process's, which
has torch and open_clip in it.
"""

import argparse
import dataclasses
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from affectml.data import Dataset, DatasetMeta, write_dataset
from affectml.demo_set import write_demo
from affectml.embeddings import StoreWriter, embed_dataset, merge_shards
from affectml.embeddings._writer import Rows
from affectml.embeddings.embed import SHARD_SIZE, named_in, shard_of
from affectml.encoders import load_encoder
from affectml.ray_engine import embed_with_ray
from affectml.shards import Shard

SHARDS, DIM = 16, 512


def sharded(root: Path, images: int) -> Dataset:
    ids = [f"image{number:08d}" for number in range(images)]
    table = pd.DataFrame({"image_id": ids, "file": [f"images/{image_id}.jpg" for image_id in ids]})
    data = write_dataset(root, DatasetMeta(name="drawn"), table, {})
    encoder = load_encoder("affect-tiny", threads=1)
    identity = dataclasses.replace(encoder.identity, dim=DIM)
    rows = np.random.default_rng(0).standard_normal((SHARD_SIZE, DIM)).astype(np.float16)
    named = named_in(data)[0]
    for shard in (Shard(number, SHARDS) for number in range(1, SHARDS + 1)):
        mine = [one.image_id for one in shard_of(named, shard)]
        files = [mine[start : start + SHARD_SIZE] for start in range(0, len(mine), SHARD_SIZE)]
        with StoreWriter(root, identity, specs=["drawn"], logit_scale=100.0, shard=shard) as writer:
            writer.add_all(Rows(some, rows[: len(some)], [encoder.ran], ["0" * 64] * len(some)) for some in files)
    return data


def merged(images: int) -> str:
    """A line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        data = sharded(Path(folder) / "data", images)
        start, cpu = time.perf_counter(), time.process_time()
        made = merge_shards(data, check_images=False, progress=False)
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return f"| {made.done:,} | {cpu:.1f} | {wall:.1f} | {peak:,.0f} |"


def by_ray(images: int) -> None:
    """Print what one process of one thread takes to embed, and what a cluster on this machine does."""
    with tempfile.TemporaryDirectory() as folder:
        one = write_demo(Path(folder) / "one", images=images)
        many = Dataset.open(shutil.copytree(one.root, Path(folder) / "many"))
        print(f"{images:,} paintings by affect-tiny, a thread each:\n\n| by | wall, s |\n|---|--:|")
        works = {
            "one process": lambda: embed_dataset(one, load_encoder("affect-tiny", threads=1), progress=False),
            f"Ray, a worker on each of {os.cpu_count()} CPUs, started and ended":
                lambda: embed_with_ray(many, "affect-tiny", threads=1, progress=False),
            "Ray, with all embedded already": lambda: embed_with_ray(many, "affect-tiny", threads=1, progress=False),
        }  # fmt: skip
        for name, work in works.items():
            start = time.perf_counter()
            made = work()
            assert made.done + made.skipped_existing == images
            print(f"| {name} | {time.perf_counter() - start:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", nargs="+", type=int, default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--ray", type=int, metavar="IMAGES")
    args = parser.parse_args()
    if args.ray:
        by_ray(args.ray)
        return
    sizes = args.images
    if len(sizes) == 1:
        print(merged(sizes[0]))
        return
    print(f"Merging {SHARDS} shards:\n\n| images | processor, s | wall, s | peak, MiB |\n|--:|--:|--:|--:|")
    for size in sizes:  # each in a process of its own, whose peak is told
        command = [sys.executable, __file__, "--images", str(size)]
        print(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
