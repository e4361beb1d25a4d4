"""How fast photographs are embedded: `affectml embed` by default, the bare tower that it runs, and peers.

    python benchmarks/embedding.py PHOTOS [--images 300] [--runs 5] [--without bf16] [--clip-retrieval FOLDER]

ViT-B/32 (QuickGELU, as the default encoder is) with random weights from a seed, in every library; nothing is
downloaded. One process; the systems take turns, and each turn embeds every photograph once, from the file to float16
rows of norm 1: affectml's into a store, with its check against fp32; a model is loaded before. The tower gets pixels
that are ready.
Peers have as many torch threads as there are cores. The first 200 photographs are also embedded by whole commands, from
the start of Python to the last row: `affectml embed`, and a script that does no more than open_clip's README.

--without bf16 measures what a machine with AVX2 alone does: the libraries, and affectml's own look at the processor,
are kept from other instructions. --dry-run prints only; else the table goes between its markers in
benchmarks/README.md. Run it on a machine that nothing else uses, without OMP_NUM_THREADS.

clip-retrieval is measured where a folder has it and what its reader and mapper import, beside what is installed:

    pip download --no-deps --dest FOLDER clip-retrieval all-clip sentence-transformers clip-anytorch 'setuptools<70'
    cd FOLDER && for wheel in *.whl; do python -m zipfile -e $wheel .; done
"""

import argparse
import importlib.util
import os
import resource
import shutil
import statistics
import subprocess
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
from affectml.encoders.towers import natural_precision
from affectml.importers.images import import_images

Turn = Callable[[], Any]

ARCHITECTURE = "ViT-B-32-quickgelu"
BATCH = 32  # of the tower and of the plain loops
OURS, TOWER, PLAIN = "affectml embed", "tower alone, in the same precision", "open_clip, plain loop in fp32"
COMMAND, SCRIPT = "`affectml embed`, the whole command", "plain script, the whole of it"
OF_TOWER, TIMES_PLAIN, TIMES_PLAIN_FP32 = 0.90, 1.8, 1.05  # what affectml's must reach
WHOLE = 200  # photographs of the whole commands
AVX2_ALONE = {
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
}
PLAIN_SCRIPT = """
import sys
from pathlib import Path
import numpy, open_clip, torch
from PIL import Image
architecture, weights, photos, out = sys.argv[1:]
model, _, preprocess = open_clip.create_model_and_transforms(architecture, pretrained=weights)
model.eval()
files, rows = sorted(Path(photos).iterdir()), []
with torch.inference_mode():
    for start in range(0, len(files), 32):
        pixels = torch.stack([preprocess(Image.open(file)) for file in files[start : start + 32]])
        rows.append(torch.nn.functional.normalize(model.encode_image(pixels), dim=-1).half().numpy())
numpy.save(out, numpy.concatenate(rows))
"""


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
        (ran,) = summary.store.ran
        return str(ran)

    return turn


def tower(weights: Path, files: list[Path], precision: str) -> Turn:
    encoder = load_encoder(f"{ARCHITECTURE}:{weights}", precision=precision)
    pixels = [
        torch.stack([encoder.preprocess(Image.open(file).convert("RGB")) for file in batch]).to(encoder.pixel_type)
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


def commands(weights: Path, files: list[Path], place: Path) -> dict[str, Turn]:
    """Two whole commands, each a process of its own, over the same photographs."""
    photos, data = place / "some", place / "some-data"
    photos.mkdir()
    for file in files:
        shutil.copy(file, photos)
    import_images(photos, data)
    encoder = ["--encoder", f"{ARCHITECTURE}:{weights}"]

    def embed() -> None:
        shutil.rmtree(data / "embeddings", ignore_errors=True)
        words = ["-m", "affectml", "embed", str(data), *encoder]
        subprocess.run([sys.executable, *words], capture_output=True, check=True)

    def script() -> None:
        words = [ARCHITECTURE, str(weights), str(photos), str(place / "rows.npy")]
        subprocess.run([sys.executable, "-c", PLAIN_SCRIPT, *words], capture_output=True, check=True)

    return {COMMAND: embed, SCRIPT: script}


def cpu_seconds() -> float:
    """Of this process and of those that it started and that ended."""
    return sum(sum(resource.getrusage(whose)[:2]) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


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


def report(found: dict[str, list[tuple[float, float]]], images: int, runs: int, notes: list[str], *, bf16: bool) -> str:
    """found: wall and CPU seconds of each turn. Ratios are medians of those within a run, in which turns are paired."""
    some = min(WHOLE, images)
    counts = {name: some if name in (COMMAND, SCRIPT) else images for name in found}
    rate = {name: [counts[name] / wall for wall, _ in each] for name, each in found.items()}
    middle = {name: statistics.median(each) for name, each in rate.items()}

    def times(name: str, peer: str) -> float:
        return statistics.median(one / other for one, other in zip(rate[name], rate[peer], strict=True))

    lines = [
        "| | img/s | CPU s an image | of the tower | times the plain loop |",
        "|---|--:|--:|--:|--:|",
    ]
    for name in rate:
        cpu = statistics.median(seconds for _, seconds in found[name]) / counts[name]
        lines.append(
            f"| {name} | {middle[name]:.1f} | {cpu:.3f} | {times(name, TOWER):.2f} | {times(name, PLAIN):.2f} |"
        )
    of_tower, steady, whole = times(OURS, TOWER), times(OURS, PLAIN), times(COMMAND, SCRIPT)
    least = TIMES_PLAIN if bf16 else TIMES_PLAIN_FP32
    checks = {
        f"at least {OF_TOWER:.2f} of the bare tower ({of_tower:.3f})": of_tower >= OF_TOWER,
        f"at least {least} times the plain loop ({steady:.2f})": steady >= least,
        f"the whole command at least as fast as the plain script ({whole:.2f} times)": whole >= 1,
    }
    lines += ["", *(f"- {'kept' if kept else '**missed**'}: {check}" for check, kept in checks.items())]
    about = f"{images} photographs ({some} by the whole commands), medians of {runs} runs that took turns."
    return "\n".join([f"{about} {' '.join(notes)}", "", *lines])


def main() -> None:
    """Measure, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder of JPEG files")
    parser.add_argument("--images", type=int, default=300, help="that many of them, the first by name")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without", choices=["bf16"], help="as on a machine with AVX2 alone")
    parser.add_argument("--clip-retrieval", type=Path, metavar="FOLDER")
    parser.add_argument("--dry-run", action="store_true", help="print only")
    given = parser.parse_args()
    if "OMP_NUM_THREADS" in os.environ:
        raise SystemExit("OMP_NUM_THREADS is set, which limits every system here: unset it")
    if given.without and not AVX2_ALONE.items() <= os.environ.items():  # libraries look as they are imported
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **AVX2_ALONE})
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
            TOWER: tower(weights, files, natural_precision("cpu")),
            PLAIN: plain(weights, files),
            **commands(weights, files[:WHOLE], Path(place)),
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
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in turns}
        ran = set()
        for run in range(given.runs):
            for name, turn in turns.items():
                if name == OURS:
                    shutil.rmtree(data / "embeddings", ignore_errors=True)
                    encoders.append(load_encoder(f"{ARCHITECTURE}:{weights}", precision="auto"))
                start, cpu = time.perf_counter(), cpu_seconds()
                result = turn()
                seconds[name].append((time.perf_counter() - start, cpu_seconds() - cpu))
                ran |= {result} if name == OURS else set()
                print(f"run {run + 1}: {name}: {seconds[name][-1][0]:.1f} s", file=sys.stderr)
    notes = [f"Load {load:.1f}.{versions}", f"affectml's: {'; '.join(sorted(ran))}."]
    text = report(seconds, given.images, given.runs, notes, bf16=natural_precision("cpu") == "bf16")
    print(text)
    if given.dry_run:
        return
    if given.without:
        title, command = "Speed of embedding without bf16", "embedding.py PHOTOS --without bf16"
        write("embedding without bf16", title, command, text)
    else:
        write("embedding", "Speed of embedding", "embedding.py PHOTOS --clip-retrieval FOLDER", text)


if __name__ == "__main__":
    main()
