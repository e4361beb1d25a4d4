"""Files of the Hugging Face hub: from its cache where they are there, else downloaded, else an error at once."""

import socket
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

CONFIG = "open_clip_config.json"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


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

    host = urlsplit(ENDPOINT).hostname
    if HF_HUB_OFFLINE:
        raise OSError("HF_HUB_OFFLINE is set")
    if host is None or urllib.request.getproxies():
        return
    try:
        socket.getaddrinfo(host, 443)
    except OSError as error:
        raise OSError(f"{host} does not resolve: {error.strerror or error}") from None
