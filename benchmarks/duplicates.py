"""Does the rule for near duplicates find copies of photographs that were edited, and nothing else?

    python benchmarks/duplicates.py FOLDER_OF_PHOTOGRAPHS [--encoder affect-tiny] [--dry-run]

Every photograph is compared with edited copies of itself, and with every other photograph. Writes its table between its
markers in benchmarks/README.md. Pairs of different photographs that pass are named, to be looked at: some are real.
"""

import argparse
import io
import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from section import machine, write

from affectml.duplicates import LIKENESS, PROPOSE, grey, likenesses
from affectml.encoders import Encoder, load_encoder, read_image

Edit = Callable[[Image.Image], Image.Image]


def jpeg(image: Image.Image, quality: int = 50) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def resized(image: Image.Image, by: float = 0.5) -> Image.Image:
    return image.resize((round(image.width * by), round(image.height * by)), Image.Resampling.BICUBIC)


def cut(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = image.size
    return image.crop(
        (round(left * width), round(top * height), round(width - right * width), round(height - bottom * height))
    )


def bright(image: Image.Image, by: float = 1.05) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(by)


def random_edits(seed: int = 0) -> Edit:
    """Each side cut by up to 4 %, scaled to 0.4 to 1, brightness by up to 8 %, JPEG of quality 50 to 90."""
    draw = np.random.default_rng(seed)

    def edit(image: Image.Image) -> Image.Image:
        left, top, right, bottom = draw.uniform(0, 0.04, 4)
        small = resized(cut(image, left, top, right, bottom), draw.uniform(0.4, 1))
        return jpeg(bright(small, draw.uniform(0.92, 1.08)), int(draw.integers(50, 91)))

    return edit


EDITS: dict[str, Edit] = {
    "JPEG of quality 50": jpeg,
    "half the size": resized,
    "3 % cut at the left and the top": lambda image: cut(image, 0.03, 0.03, 0, 0),
    "3 % cut at each side": lambda image: cut(image, 0.03, 0.03, 0.03, 0.03),
    "5 % brighter": bright,
    "3 % cut, half the size, JPEG, brighter": lambda image: bright(jpeg(resized(cut(image, 0.03, 0.03, 0, 0)))),
    "random: cut, size, brightness, JPEG": random_edits(),
    "8 % cut at each side": lambda image: cut(image, 0.08, 0.08, 0.08, 0.08),
    "12 % cut at each side": lambda image: cut(image, 0.12, 0.12, 0.12, 0.12),
}


def embedded(encoder: Encoder, images: list[Image.Image]) -> NDArray[np.float32]:
    parts = [
        encoder.encode_pixels(torch.stack([encoder.preprocess(image) for image in images[start : start + 64]]))
        for start in range(0, len(images), 64)
    ]
    rows = torch.cat(parts).half().float()
    return np.asarray((rows / rows.norm(dim=1, keepdim=True)).numpy())


def main() -> None:
    """Measure, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--encoder", default="affect-tiny")
    parser.add_argument("--dry-run", action="store_true", help="print only")
    given = parser.parse_args()
    paths = sorted(path for path in given.folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    images = [read_image(path) for path in paths]
    encoder = load_encoder(given.encoder, threads=1)
    names, vectors = [path.stem for path in paths], embedded(encoder, images)
    pictures = dict(zip(names, map(grey, images), strict=True))
    rows = []
    for what, edit in EDITS.items():
        edited = [edit(image) for image in images]
        cosine = (vectors * embedded(encoder, edited)).sum(axis=1)
        both = pictures | {f"{name}: edited": grey(image) for name, image in zip(names, edited, strict=True)}
        alike = likenesses(both, [(name, f"{name}: edited") for name in names])
        near, proposed = alike >= LIKENESS, cosine >= PROPOSE
        rows.append(
            f"| {what} | {100 * near.mean():.1f} | {100 * proposed.mean():.1f} | {100 * (near & proposed).mean():.1f} |"
        )
        print(rows[-1], file=sys.stderr, flush=True)
    start = time.process_time()
    pairs = list(itertools.combinations(names, 2))
    alike = likenesses(pictures, pairs)
    seconds = time.process_time() - start
    near = np.flatnonzero(alike >= LIKENESS)
    found = ", ".join(f"{' and '.join(pairs[k])} ({alike[k]:.3f})" for k in near[np.argsort(-alike[near])]) or "none"
    rest = np.sort(alike[alike < LIKENESS])[-1]
    proposed = sum(int((vectors[k] @ vectors[k + 1 :].T >= PROPOSE).sum()) for k in range(len(names)))
    text = (
        f"{len(names)} photographs.{machine(['pillow', 'numpy'])} Likeness from {LIKENESS} on is a near duplicate; "
        f"cosines from {PROPOSE} on are proposed, here by {given.encoder}.\n\n"
        "| the copy | confirmed, % | proposed, % | both, % |\n|---|--:|--:|--:|\n"
        + "\n".join(rows)
        + f"\n\nOf {len(pairs):,} pairs of different photographs {len(near)} pass: {found}. The next has {rest:.3f}. "
        f"{proposed:,} of them are proposed. All pairs took {seconds:.0f} CPU s."
    )
    print(text)
    if not given.dry_run:
        write("near duplicates", "Near duplicates", "duplicates.py FOLDER_OF_PHOTOGRAPHS", text)


if __name__ == "__main__":
    main()
