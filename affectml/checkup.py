"""What there is on this machine for affectml, in lines that a report of a bug can carry."""

import os
import platform
import re
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectml._files import read_json, write_json
from affectml._progress import Say
from affectml._version import __version__
from affectml.encoders import TINY_SPEC, load_encoder
from affectml.encoders.ran import cpuinfo, fast_bfloat16, processor
from affectml.encoders.threads import usable_cores
from affectml.encoders.towers import faster_way
from affectml.errors import AffectmlError, BadInput

if TYPE_CHECKING:
    from affectml.encoders import Encoder

INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")
BATCH, TIMES = 16, 2  # images of a batch, and how often it is embedded after a first time that does not count


@dataclass(frozen=True)
class Finding:
    """One line of a checkup: what it is about, what was found in words, and the same in plain values."""

    name: str
    text: str
    value: Any


def checkup(folder: str | Path = ".", *, encoder: str | None = None, say: Say = lambda line: None) -> list[Finding]:
    """Versions, extras, cores, instructions, GPU, what images are embedded in and how fast, and what tests need.

    Args:
        folder: whose free space is told.
        encoder: a spec for `load_encoder`, whose speed is measured unless it was on this machine: the CPU seconds that
            an image takes in each precision it has, in batches of 16. None tells what was measured before. The
            figures are kept in the user's cache, and decide nothing.
        say: called before what takes long.

    Raises:
        BadInput: there is no such folder.
        EncoderUnavailable: as `load_encoder`.
    """
    import torch

    if not Path(folder).is_dir():
        raise BadInput(f"{folder}: no such folder, whose free space could be told")
    needed = requires("affectml") or []
    own = [_named(each) for each in needed if "extra ==" not in each]
    versions = {name: found for name in sorted(own) if (found := _version(name))}
    extras: dict[str, bool] = {}
    for each in needed:
        if (extra := re.search(r"extra == ['\"]([\w-]+)", each)) and _named(each) != "affectml":
            extras[extra[1]] = extras.get(extra[1], True) and _version(_named(each)) is not None
    there = [name for name in INSTRUCTIONS if name in cpuinfo("flags").split()]
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    way = faster_way("cuda" if gpus else "cpu") or "fp32"
    speeds = _speeds(encoder, say)
    free = shutil.disk_usage(folder).free
    browser, programs = chromium(), postgres_programs()
    server = None if programs is None else str(programs)
    missing = [name for name, has in extras.items() if not has]
    return [
        Finding("affectml", __version__, __version__),
        Finding("python", f"{platform.python_version()} on {platform.platform()}", platform.python_version()),
        Finding("packages", ", ".join(f"{name} {found}" for name, found in versions.items()), versions),
        Finding("extras", f"{_list([n for n in extras if extras[n]])}; not there: {_list(missing)}", extras),
        Finding("cores", f"{usable_cores()} of {os.cpu_count()} may be used", usable_cores()),
        Finding("processor", f"{processor()}: {_list(there)}", {"name": processor(), "instructions": there}),
        Finding("GPU", _list(gpus), gpus),
        Finding("embeds in", f"{way} by torch, unless told otherwise", way),
        Finding("speed", "; ".join(map(_speed, speeds)) or "not measured: --encoder SPEC measures one", speeds),
        Finding("Chromium", browser or "none; tests of pages need it: apt-get install chromium", browser),
        Finding("PostgreSQL", server or "none; tests on it need initdb: apt-get install postgresql", server),
        Finding("free space", f"{free / 2**30:.1f} GiB in {Path(folder).resolve()}", free),
    ]  # fmt: skip


def chromium() -> str | None:
    """The browser that tests of pages drive: without windows, where there is one, which takes half of the time."""
    found = map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"))
    return next(filter(None, found), None)


def postgres_programs() -> Path | None:
    """The folder with initdb and pg_ctl, for a server of tests' own: on the PATH, or where Debian puts them."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


def _speeds(spec: str | None, say: Say) -> list[dict[str, Any]]:
    """What was measured on this machine, the encoder that `spec` names among it."""
    file = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "affectml" / "speed.json"
    kept: list[dict[str, Any]] = []
    with suppress(OSError, AffectmlError):
        kept = [each for each in read_json(file) if isinstance(each, dict)]
    packages = {name: found for name in ("torch", "openvino") if (found := _version(name))}
    machine = {"processor": processor(), "bf16": fast_bfloat16(), "versions": packages}
    here = [each for each in kept if machine.items() <= each.items()]
    if spec is None:
        return here
    encoder = load_encoder(spec, precision="fp32" if spec == TINY_SPEC else "auto", device="cpu", threads=1)
    which = {"architecture": encoder.identity.architecture, "weights_sha256": encoder.identity.weights_sha256}
    if not any(which.items() <= each.items() for each in here):
        say(f"{spec}: measuring, once on this machine")
        new = {**which, **machine, **_measured(encoder)}
        here.append(new)
        with suppress(OSError):  # a cache that cannot be written to keeps nothing
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, [*kept, new])
    return here


def _measured(encoder: "Encoder") -> dict[str, Any]:
    """CPU seconds an image by precision, and those of converting for OpenVINO."""
    import torch

    pixels = torch.randn(BATCH, 3, *encoder.image_size, generator=torch.Generator().manual_seed(0))
    ways = ["fp32", *(["pure_bf16"] if fast_bfloat16() else []), *(["openvino"] if find_spec("openvino") else [])]
    an_image, converting = {}, None
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for way in ways:
            start = time.process_time()
            tower = encoder._tower_in(way)
            converting = round(time.process_time() - start, 2) if way == "openvino" else None
            seconds = []
            with torch.inference_mode():
                for _ in range(1 + TIMES):
                    start = time.process_time()
                    tower(pixels)
                    seconds.append((time.process_time() - start) / BATCH)
            an_image[way] = round(min(seconds[1:]), 4)
    finally:
        torch.set_num_threads(before)
    return {"cpu_seconds_an_image": an_image, "cpu_seconds_converting": converting}


def _speed(measured: dict[str, Any]) -> str:
    ways = ", ".join(f"{way} {seconds:.4f}" for way, seconds in measured["cpu_seconds_an_image"].items())
    converting = measured["cpu_seconds_converting"]
    once = "" if converting is None else f" after {converting:.1f} of converting"
    return f"{measured['architecture']} takes of CPU seconds an image: {ways}{once}"


def _named(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    return found[0] if found else requirement


def _version(package: str) -> str | None:
    with suppress(PackageNotFoundError):
        return version(package)
    return None


def _list(words: list[str]) -> str:
    return ", ".join(words) or "none"
