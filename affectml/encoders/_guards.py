"""The traps between a weights file and the right numbers, each turned into an error or a warning.

None of them is caught by loading: a wrong activation or a wrong mean still gives plausible embeddings.
"""

import re
import warnings
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from affectml.errors import EncoderUnavailable

Published = tuple[str, str, Mapping[str, Any]]  # architecture, tag, open_clip's entry for them
PREPROCESSING = ("mean", "std", "interpolation", "resize_mode")


def check_weights_file(path: Path) -> None:
    """Refuse files that could only be read by running what is in them, and files that are no weights.

    Raises:
        EncoderUnavailable: it is such a file.
    """
    if path.suffix not in (".safetensors", ".bin", ".pt", ".pth", ".ckpt"):
        raise EncoderUnavailable(f"{path}: expected weights as .safetensors, .bin, .pt or .pth")
    if path.suffix != ".safetensors" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if any("/code/" in name or name.endswith("constants.pkl") for name in names):
            raise EncoderUnavailable(
                f"{path}: a TorchScript archive (as OpenAI ships its weights), which holds code beside the "
                "weights; if you trust it, save torch.jit.load(path).state_dict() with safetensors, without the keys "
                "input_resolution, context_length and vocab_size, and name that file"
            )


def published_as(weights: Path, digest: str, architecture: str) -> Published | None:
    """The published weights that a file is a copy of, as far as can be told; else None.

    Args:
        weights: the file; its path and its name may tell.
        digest: its sha256.
        architecture: the one it is to be loaded as.
    """
    for known, published in _checksums().items():
        if digest.startswith(known):
            return published
    parts = set(weights.resolve().parts) | set(weights.parts)
    stem = _plain(weights.stem)
    base = architecture.removesuffix("-quickgelu")
    by_name = None
    for arch, tag, entry in _published():
        hub = str(entry.get("hf_hub", "")).strip("/")
        if hub and f"models--{hub.replace('/', '--')}" in parts:
            return arch, tag, entry
        same = arch.removesuffix("-quickgelu") == base
        if same and re.search(rf"(^|_){re.escape(_plain(tag))}(_|$)", stem):
            by_name = (arch, tag, entry)
    return by_name


def check_activation(quick: bool, published: Published, where: str) -> None:
    """Refuse to run weights with another activation than they were trained with.

    Where open_clip has no architecture with the activation that its table asks for, its own configuration
    stands (roberta-ViT-B-32).

    Args:
        quick: whether the model would run QuickGELU.
        published: the weights as open_clip's table has them.
        where: the file or spec, for the message.

    Raises:
        EncoderUnavailable: the activations differ; names the right architecture.
    """
    import open_clip

    architecture, tag, entry = published
    trained = bool(entry.get("quick_gelu"))
    if trained == quick:
        return
    base = architecture.removesuffix("-quickgelu")
    right = f"{base}-quickgelu" if trained else base
    if right not in open_clip.list_models():
        return
    names = ("GELU", "QuickGELU")
    raise EncoderUnavailable(
        f"{where}: these weights ({base}:{tag}) were trained with {names[trained]}, but would run with "
        f"{names[quick]}, which gives wrong embeddings without a sign; use the architecture {right}"
    )


def preprocessing_for_file(path: Path, architecture: str, quick: bool, published: Published | None) -> dict[str, Any]:
    """mean, std, interpolation and resize mode for a weights file, from the architecture's published weights.

    A file does not say how its images were prepared. What all published weights of the architecture with this
    activation agree on is taken; where they disagree the most common choice, where there are none OpenAI's, both
    with a warning.
    """
    if published is not None:
        return preprocessing_of(published[2])
    base = architecture.removesuffix("-quickgelu")
    seen = [
        (preprocessing_of(entry), tag)
        for arch, tag, entry in _published()
        if arch.removesuffix("-quickgelu") == base and bool(entry.get("quick_gelu")) == quick
    ]
    choices = [choice for choice, _ in seen]
    choice = max(choices, key=choices.count, default={})
    odd = ", ".join(sorted({tag for other, tag in seen if other != choice}))
    doubt = f"prepare images in different ways; mean {choice.get('mean')} is taken, which is wrong for {odd}"
    if not seen:
        doubt = "tell how its images are prepared; OpenAI's mean, std and bicubic resizing are taken"
    if odd or not seen:
        which = "published" if seen else "no published"
        warnings.warn(
            f"{path}: {which} weights of {architecture} {doubt} (to say otherwise: local-dir with a preprocess_cfg)",
            stacklevel=5,
        )
    return choice


def preprocessing_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What open_clip's table says of how a tag's images are prepared."""
    return {key: entry[key] for key in PREPROCESSING if entry.get(key) is not None}


@cache
def _published() -> tuple[Published, ...]:
    """All weights that open_clip knows, with their entries."""
    import open_clip

    return tuple((a, t, open_clip.get_pretrained_cfg(a, t)) for a, t in open_clip.list_pretrained())


@cache
def _checksums() -> dict[str, Published]:
    """sha256 (whole, or its first digits) -> published weights, from the addresses that carry one."""
    known: dict[str, Published] = {}
    for published in _published():
        url = str(published[2].get("url", ""))
        if found := re.search(r"/([0-9a-f]{64})/", url) or re.search(r"-([0-9a-f]{8})\.(pt|pth)$", url):
            known.setdefault(found[1], published)
    return known


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower())
