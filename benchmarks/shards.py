"""What merging costs: processor time and peak memory, by the number of embeddings (512 values, 16 shards).

    python benchmarks/shards.py [--images 1000000]

The embeddings are drawn, and there are no image files, so none is compared. Peak memory is the whole process's, which
has torch and open_clip in it.
"""

import argparse
import dataclasses
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from affectml.data import Dataset, DatasetMeta, write_dataset
from affectml.embeddings import StoreWriter, merge_shards
from affectml.embeddings._embed import SHARD_SIZE, named_in, shard_of
from affectml.embeddings._writer import Rows
from affectml.encoders import load_encoder
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1_000_000)
    images = parser.parse_args().images
    with tempfile.TemporaryDirectory() as folder:
        data = sharded(Path(folder) / "data", images)
        start, cpu = time.perf_counter(), time.process_time()
        merged = merge_shards(data, check_images=False, progress=False)
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{merged.done:,} embeddings of {merged.merged} shards: {cpu:.1f} s of CPU, {wall:.1f} s, peak {peak:.2f} GiB"
    )


if __name__ == "__main__":
    main()
