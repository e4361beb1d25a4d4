"""From a spec to weights on this machine: `affect-tiny`, ARCH:TAG, ARCH:PATH, local-dir:FOLDER, hf-hub:ID."""

import hashlib
import json
import socket
import urllib.request
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from affectml._files import read_json, sha256
from affectml.encoders._guards import (
    Published,
    check_activation,
    check_weights_file,
    preprocessing_for_file,
    preprocessing_of,
    published_as,
)
from affectml.encoders.images import first_line
from affectml.errors import EncoderUnavailable, did_you_mean, few

TINY_SPEC = "affect-tiny"
TINY_FOLDER = Path(__file__).parent / "affect_tiny"  # the shipped encoder
DEFAULT_SPEC = "ViT-B-32-quickgelu:openai"  # the encoder of Bustos et al. 2023
GRAMMAR = (
    f"a spec is {TINY_SPEC}, ARCH:TAG (for example {DEFAULT_SPEC}), ARCH:/path/to/weights, "
    "local-dir:FOLDER or hf-hub:ORG/NAME"
)
CONFIG = "open_clip_config.json"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
# The order in which open_clip looks for weights in a folder: what is hashed must be what it loads.
_PREFERRED = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)


@dataclass(frozen=True)
class Source:
    """Where an encoder's weights are, and the arguments with which open_clip loads just these.

    model_name, pretrained: open_clip's. architecture: for the identity. preprocessing: overrides, empty where
    open_clip's own choice is right. tokenizer: the model name to find it by, where that is another one.
    """

    architecture: str
    weights: Path
    sha256: str
    model_name: str
    pretrained: str | None = None
    preprocessing: dict[str, Any] = field(default_factory=dict)
    tokenizer: str | None = None


def find(spec: str) -> Source:
    """Resolve `spec`; the files of a tag or a hub id are downloaded into Hugging Face's cache.

    Raises:
        EncoderUnavailable: there are no such weights; says what was tried and what would work instead.
    """
    check_spec(spec)
    head, tail = _halves(spec)
    if head == "local-dir":
        return _folder(Path(tail).expanduser())
    if head == "hf-hub":
        return _hub(tail)
    return _built_in(head, tail)


def check_spec(spec: str) -> None:
    """Raise EncoderUnavailable, which says what it would have to be, for a spec that could name no encoder."""
    head, tail = _halves(spec)
    if not tail:
        raise EncoderUnavailable(f"encoder {spec!r}{_near(head)}: {GRAMMAR}")


def local_weights(spec: str) -> Path | None:
    """The weights file that `spec` names on this machine, or None where it names a tag or a hub id.

    Light: needs neither torch nor open_clip.

    Raises:
        EncoderUnavailable: the named file or folder is not there.
    """
    head, tail = _halves(spec)
    if head == "local-dir":
        return _weights_in(Path(tail).expanduser())
    path = Path(tail).expanduser()
    return path if head != "hf-hub" and tail and path.is_file() else None


def _halves(spec: str) -> tuple[str, str]:
    head, _, tail = spec.partition(":")
    return ("local-dir", str(TINY_FOLDER)) if spec == TINY_SPEC else (head, tail)


def _folder(folder: Path) -> Source:
    weights = _weights_in(folder)
    tiny = folder.resolve() == TINY_FOLDER.resolve()
    return _configured(folder, weights, f"{folder}: {CONFIG}", TINY_SPEC if tiny else None)


def _configured(folder: Path, weights: Path, where: str, architecture: str | None = None) -> Source:
    """Weights with a configuration in `folder`; architecture: None asks open_clip for the configuration's name."""
    model_cfg = _config_in(folder)["model_cfg"]
    check_weights_file(weights)
    architecture = architecture or _name_of(model_cfg)
    digest, _ = _checked(weights, architecture, model_cfg, where)
    return Source(architecture, weights, digest, f"local-dir:{folder}")


def _checked(weights: Path, architecture: str, model_cfg: Any, where: str) -> tuple[str, Published | None]:
    """The weights' sha256 and the published ones that they are; refuses those that want another activation."""
    digest = sha256(weights)
    published = published_as(weights, digest, architecture)
    if published is not None:
        check_activation(_quick(model_cfg), published, where)
    return digest, published


def _config_in(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        config = read_json(path, EncoderUnavailable)
    except FileNotFoundError:
        raise EncoderUnavailable(
            f"{folder}: no {CONFIG} there; expected one with model_cfg and preprocess_cfg"
        ) from None
    if not isinstance(config, dict) or not isinstance(config.get("model_cfg"), dict):
        raise EncoderUnavailable(f"{path}: no key model_cfg (and preprocess_cfg) in it")
    return config


def _weights_in(folder: Path) -> Path:
    """The one weights file of a local-dir that open_clip will load."""
    if not folder.is_dir():
        tiny = f"{folder}: {TINY_SPEC} is missing from this installation; install affectml again"
        raise EncoderUnavailable(tiny if folder == TINY_FOLDER else f"local-dir:{folder}: no such folder")
    found = sorted(p for p in folder.iterdir() if p.suffix in (".safetensors", ".bin", ".pth"))
    preferred = [folder / name for name in _PREFERRED if folder / name in found]
    if preferred or len(found) == 1:
        return (preferred or found)[0]
    if found:
        names = ", ".join(p.name for p in found)
        raise EncoderUnavailable(f"{folder}: several weights files ({names}); call the right one {_PREFERRED[0]}")
    lone = sorted(folder.glob("*.pt"))
    hint = f" ({lone[0].name} is not looked for: rename it to .pth)" if lone else ""
    raise EncoderUnavailable(f"{folder}: no weights there, expected .safetensors, .bin or .pth{hint}")


def _name_of(model_cfg: dict[str, Any]) -> str:
    """open_clip's name for this configuration, or one made from its content."""
    import open_clip

    content = json.dumps(model_cfg, sort_keys=True).encode()
    named = (str(name) for name in open_clip.list_models() if open_clip.get_model_config(name) == model_cfg)
    return next(named, f"custom-{hashlib.sha256(content).hexdigest()[:8]}")


def _hub(model_id: str) -> Source:
    spec = f"hf-hub:{model_id}"
    try:
        folder = fetch(model_id, (CONFIG,)).parent
        weights = fetch(model_id, WEIGHTS)
    except Exception as error:
        raise EncoderUnavailable(_not_to_be_had(spec, f"the Hugging Face repository {model_id}", error)) from None
    source = _configured(folder, weights, spec)
    if weights.parent != folder:  # of two revisions: open_clip fetches them itself
        return replace(source, model_name=spec)
    own_tokenizer = _config_in(folder)["model_cfg"].get("text_cfg", {}).get("hf_tokenizer_name")
    return replace(source, tokenizer=spec) if own_tokenizer else source


def _built_in(architecture: str, pretrained: str) -> Source:
    import open_clip

    spec = f"{architecture}:{pretrained}"
    if architecture not in open_clip.list_models():
        what = f"open_clip has no architecture {architecture!r}{_near(architecture)}"
        raise EncoderUnavailable(f"encoder {spec!r}: {what} ({GRAMMAR})")
    model_cfg = open_clip.get_model_config(architecture)
    quick, tag = _quick(model_cfg), open_clip.get_pretrained_cfg(architecture, pretrained)
    if tag:
        check_activation(quick, (architecture, pretrained, tag), spec)
        repository, names = names_of(tag.get("hf_hub", ""))
        where = f"the Hugging Face repository {repository}" if repository else tag["url"]
        try:
            weights = fetch(repository, names) if repository else Path(open_clip.download_pretrained(tag))
        except Exception as error:
            raise EncoderUnavailable(_not_to_be_had(spec, where, error)) from None
        check_weights_file(weights)
        return Source(architecture, weights, sha256(weights), architecture, str(weights), preprocessing_of(tag))

    path = Path(pretrained).expanduser()
    if not path.is_file():
        raise EncoderUnavailable(_no_such_weights(architecture, pretrained))
    check_weights_file(path)
    digest, published = _checked(path, architecture, model_cfg, spec)
    if published is None and not quick and f"{architecture}-quickgelu" in open_clip.list_models():
        warnings.warn(
            f"{path}: nothing tells whether these weights were trained with GELU or QuickGELU; GELU is "
            f"taken, as {architecture} says (if it was QuickGELU, use {architecture}-quickgelu:{pretrained})",
            stacklevel=4,
        )
    preprocessing = preprocessing_for_file(path, architecture, quick, published)
    return Source(architecture, path, digest, architecture, str(path), preprocessing)


def _quick(model_cfg: dict[str, Any]) -> bool:
    return bool(model_cfg.get("quick_gelu"))


def _no_such_weights(architecture: str, pretrained: str) -> str:
    import open_clip

    tags = open_clip.list_pretrained_tags_by_model(architecture)
    elsewhere = open_clip.list_pretrained_models_by_tag(pretrained)
    twin = [name for name in elsewhere if name.startswith(architecture) or architecture.startswith(name)]
    hint = f"; {twin[0]}:{pretrained} exists" if twin else did_you_mean(pretrained, tags)
    if not twin and ("/" in pretrained or "\\" in pretrained or Path(pretrained).suffix):
        hint = "; no such file"
    have, spec = ", ".join(tags) or "none", f"{architecture}:{pretrained}"
    return f"encoder {spec!r}: neither a tag of {architecture} nor a file{hint} (tags: {have})"


def _not_to_be_had(spec: str, where: str, error: Exception) -> str:
    arch = spec.split(":")[0] if not spec.startswith("hf-hub:") else "ARCH"
    return (
        f"encoder {spec!r}: its weights are not on this machine, and {where} did not give them "
        f"({first_line(error)}). Ways out: fetch the weights where there is a network and use "
        f"'{arch}:/path/to/weights.safetensors', or 'local-dir:FOLDER' with open_clip_config.json and the "
        f"weights in it; or use '{TINY_SPEC}', which is always there but knows the demo set only"
    )


def _near(name: str) -> str:
    import difflib

    import open_clip

    if name in open_clip.list_models():
        specs = [f"{name}:{tag}" for tag in open_clip.list_pretrained_tags_by_model(name)]
        return f"; name its weights too ({few(specs, 3)})"
    choices = {n.lower(): n for n in [*open_clip.list_models(), TINY_SPEC]}
    near = difflib.get_close_matches(name.lower().replace("/", "-"), list(choices), n=1)
    return f"; did you mean {choices[near[0]]!r}?" if near else ""


def fetch(repository: str, names: Sequence[str]) -> Path:
    """The first of `names` that `repository` (ORG/NAME) has: in the cache, else on the hub.

    A cached file is taken as it is, without asking for a newer one.

    Raises:
        OSError: the hub's address does not resolve and no proxy is set: at once, instead of the client's minute of
            retries. Else whatever the client raises for the last name.
    """
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.constants import HF_HUB_CACHE

    for name in names:
        cached = try_to_load_from_cache(repository, name, cache_dir=HF_HUB_CACHE)
        if isinstance(cached, str):
            return Path(cached)
    _check_reachable()
    for name in names[:-1]:
        try:
            return Path(hf_hub_download(repository, name, cache_dir=HF_HUB_CACHE))
        except Exception:  # the client has a score of kinds; what counts is whether another name is there
            continue
    return Path(hf_hub_download(repository, names[-1], cache_dir=HF_HUB_CACHE))


def names_of(hf_hub: str) -> tuple[str, tuple[str, ...]]:
    """Repository and file names of open_clip's `ORG/NAME/` or `ORG/NAME/FILE`; safetensors first."""
    repository, _, name = hf_hub.rpartition("/")
    if not name:
        return repository, WEIGHTS
    stem, dot, suffix = name.rpartition(".")
    return repository, (f"{stem}.safetensors", name) if dot and suffix in ("bin", "pth") else (name,)


def _check_reachable() -> None:
    from huggingface_hub.constants import ENDPOINT, HF_HUB_OFFLINE

    if HF_HUB_OFFLINE:
        raise OSError("HF_HUB_OFFLINE is set")
    host = urlsplit(ENDPOINT).hostname
    if host is None or urllib.request.getproxies():
        return
    try:
        socket.getaddrinfo(host, 443)
    except OSError as error:
        raise OSError(f"{host} does not resolve: {error.strerror or error}") from None
