"""How fast photographs are embedded: `affectml embed` by default, the bare tower that it runs, and peers.

    python benchmarks/embedding.py PHOTOS [--images 300] [--runs 5] [--clip-retrieval FOLDER] [--dry-run]

ViT-B/32 (QuickGELU, as the default encoder is) with random weights from a seed, in every library; nothing is
downloaded. One process; the systems take turns, and each turn embeds every photograph once, from the file to float16
rows of norm 1: affectml's into a store, with its probe; a model is loaded before. The tower gets pixels that are ready.
Peers have as many torch threads as there are cores. Writes its table between its markers in benchmarks/README.md. Run
it on a machine that nothing else uses, without OMP_NUM_THREADS.

clip-retrieval is measured where a folder has it and what its reader and mapper import, beside what is installed:

    pip download --no-deps --dest FOLDER clip-retrieval all-clip sentence-transformers clip-anytorch 'setuptools<70'
    cd FOLDER && for wheel in *.whl; do python -m zipfile -e $wheel .; done
"""

import argparse
import importlib.util
import os
import shutil
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import open_clip
import torch
from PIL import Image
from safetensors.torch import save_file
from section import machine, write
from torch.nn.functional import normalize

from affectml.embeddings import embed_dataset
from affectml.encoders import Encoder, load_encoder
from affectml.importers.images import import_images

Turn = Callable[[], Any]

ARCHITECTURE = "ViT-B-32-quickgelu"
BATCH = 32  # of the tower and of the plain loops
OURS, TOWER, PLAIN = "affectml embed", "bf16 tower alone", "open_clip, plain loop in fp32"
OF_TOWER, TIMES_PLAIN = 0.90, 1.8  # what affectml's must reach


def random_weights(file: Path, seed: int) -> None:
    torch.manual_seed(seed)
    model = open_clip.create_model(ARCHITECTURE, load_weights=False)
    save_file({name: value.detach().clone().contiguous() for name, value in model.state_dict().items()}, file)


def batches(files: list[Path]) -> list[list[Path]]:
    return [files[start : start + BATCH] for start in range(0, len(files), BATCH)]


def halves(features: torch.Tensor) -> Any:
    """float16 rows of norm 1."""
    return normalize(features.float(), dim=-1).half().numpy()


def ours(data: Path, encoder: Callable[[], Encoder]) -> Turn:
    """`affectml embed` in its default settings, into a store that is not there yet; what was taken is told."""

    def turn() -> str:
        summary = embed_dataset(data, encoder(), progress=False)
        ((ran, _),) = summary.store.provenance
        return str(ran)

    return turn


def tower(weights: Path, files: list[Path]) -> Turn:
    encoder = load_encoder(f"{ARCHITECTURE}:{weights}", precision="pure_bf16")
    pixels = [
        torch.stack([encoder.preprocess(Image.open(file).convert("RGB")) for file in batch]).bfloat16()
        for batch in batches(files)
    ]
    model = encoder.image_tower

    def turn() -> None:
        with torch.inference_mode():
            for batch in pixels:
                model.encode_image(batch)

    return turn


def plain(weights: Path, files: list[Path]) -> Turn:
    """open_clip as its README has it."""
    model, _, preprocess = open_clip.create_model_and_transforms(ARCHITECTURE, pretrained=str(weights))
    model.eval()

    def turn() -> list[Any]:
        with torch.inference_mode():
            return [
                halves(model.encode_image(torch.stack([preprocess(Image.open(file)) for file in batch])))
                for batch in batches(files)
            ]

    return turn


def transformers_loop(files: list[Path], seed: int) -> Turn:
    """transformers' CLIPModel, whose default configuration is ViT-B/32, with its image processor."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    torch.manual_seed(seed)
    model, processor = CLIPModel(CLIPConfig()).eval(), CLIPImageProcessor()

    def turn() -> list[Any]:
        rows = []
        with torch.inference_mode():
            for batch in batches(files):
                found = model.get_image_features(**processor([Image.open(file) for file in batch], return_tensors="pt"))
                rows.append(halves(getattr(found, "pooler_output", found)))  # an output's, since transformers 5
        return rows

    return turn


def clip_retrieval(folder: Path, weights: Path, photos: Path) -> Turn:
    """clip-retrieval's reader and mapper with its defaults: batches of 256, four processes that read.

    Raises SystemExit naming a module that they import and that is not there.
    """
    sys.path.append(str(folder))
    try:
        reader, mapper = (
            _module(folder / "clip_retrieval" / "clip_inference" / f"{name}.py") for name in ("reader", "mapper")
        )
        from all_clip import load_clip
    except ImportError as error:
        raise SystemExit(f"--clip-retrieval {folder}: {error}; put it there too (see the head of this file)") from None
    model = {"clip_model": f"open_clip:{ARCHITECTURE}/{weights}", "use_jit": False, "clip_cache_path": None}
    _, preprocess, tokenizer = load_clip(**model, warmup_batch_size=1)
    kinds = {"enable_image": True, "enable_text": False, "enable_metadata": False}
    mapping = mapper.ClipMapper(**kinds, **model, use_mclip=False, mclip_model=None)

    def turn() -> list[Any]:
        batches = reader.FilesReader(lambda keys: keys, preprocess, tokenizer, photos, 256, 4, **kinds)
        return [mapping(batch)["image_embs"] for batch in batches]

    return turn


def _module(file: Path) -> ModuleType:
    """One file of a package, without what the package imports at its start (faiss, flask and more)."""
    spec = importlib.util.spec_from_file_location(f"clip_retrieval_{file.stem}", file)
    if spec is None or spec.loader is None or not file.is_file():
        raise ImportError(f"{file} is not there")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def report(seconds: dict[str, list[float]], images: int, runs: int, notes: list[str]) -> str:
    rate = {name: [images / one for one in each] for name, each in seconds.items()}
    middle = {name: statistics.median(each) for name, each in rate.items()}
    lines = ["| | img/s | lowest | highest | of the tower | times the plain loop |", "|---|--:|--:|--:|--:|--:|"]
    lines += [
        f"| {name} | {middle[name]:.1f} | {min(each):.1f} | {max(each):.1f} | {middle[name] / middle[TOWER]:.2f} | "
        f"{middle[name] / middle[PLAIN]:.2f} |"
        for name, each in rate.items()
    ]
    of_tower, times = middle[OURS] / middle[TOWER], middle[OURS] / middle[PLAIN]
    checks = {
        f"at least {OF_TOWER:.2f} of the bare bf16 tower ({of_tower:.3f})": of_tower >= OF_TOWER,
        f"at least {TIMES_PLAIN} times the plain loop ({times:.2f})": times >= TIMES_PLAIN,
    }
    lines += ["", *(f"- {'kept' if kept else '**missed**'}: {check}" for check, kept in checks.items())]
    return "\n".join([f"{images} photographs, medians of {runs} runs that took turns. {' '.join(notes)}", "", *lines])


def main() -> None:
    """Measure, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder of JPEG files")
    parser.add_argument("--images", type=int, default=300, help="that many of them, the first by name")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clip-retrieval", type=Path, metavar="FOLDER")
    parser.add_argument("--dry-run", action="store_true", help="print only")
    given = parser.parse_args()
    if "OMP_NUM_THREADS" in os.environ:
        raise SystemExit("OMP_NUM_THREADS is set, which limits every system here: unset it")
    found = sorted(path for path in given.photos.iterdir() if path.suffix.lower() in (".jpg", ".jpeg"))[: given.images]
    if len(found) < given.images:
        raise SystemExit(f"{given.photos}: {len(found)} JPEG files, and --images {given.images} were asked for")
    cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    torch.set_num_threads(cores)
    warnings.filterwarnings("ignore", message=".*pin_memory.*")
    with tempfile.TemporaryDirectory() as place:
        photos, data, weights = Path(place, "photos"), Path(place, "data"), Path(place, "random.safetensors")
        photos.mkdir()
        files = [Path(shutil.copy(path, photos)) for path in found]
        random_weights(weights, given.seed)
        import_images(photos, data)
        encoders: list[Encoder] = []
        turns = {
            OURS: ours(data, lambda: encoders.pop()),
            TOWER: tower(weights, files),
            PLAIN: plain(weights, files),
        }
        packages = ["torch", "open_clip_torch", "pillow"]
        if importlib.util.find_spec("transformers"):
            turns["transformers, CLIPModel in fp32"] = transformers_loop(files, given.seed)
            packages.append("transformers")
        else:
            print("transformers is not installed, and is left out", file=sys.stderr)
        if given.clip_retrieval:
            turns["clip-retrieval, its reader and mapper"] = clip_retrieval(given.clip_retrieval, weights, photos)
            packages.append("clip-retrieval")
        else:
            print("clip-retrieval is left out: no --clip-retrieval FOLDER", file=sys.stderr)
        versions = machine(packages, threads=f"{cores} threads")
        seconds: dict[str, list[float]] = {name: [] for name in turns}
        ran = set()
        for run in range(given.runs):
            for name, turn in turns.items():
                if name == OURS:
                    shutil.rmtree(data / "embeddings", ignore_errors=True)
                    encoders.append(load_encoder(f"{ARCHITECTURE}:{weights}", precision="auto"))
                start = time.perf_counter()
                result = turn()
                seconds[name].append(time.perf_counter() - start)
                ran |= {result} if name == OURS else set()
                print(f"run {run + 1}: {name}: {given.images / seconds[name][-1]:.1f} img/s", file=sys.stderr)
    notes = [f"{versions}; load before {load:.1f}.", f"affectml's: {'; '.join(sorted(ran))}."]
    text = report(seconds, given.images, given.runs, notes)
    print(text)
    if not given.dry_run:
        write("embedding", "Speed of embedding", "embedding.py PHOTOS --clip-retrieval FOLDER", text)


if __name__ == "__main__":
    main()
