"""What there is on this machine for affectml, in lines that a report of a bug can carry."""

import os
import platform
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from os import PathLike
from pathlib import Path
from typing import Any

from affectml._version import __version__
from affectml.encoders.threads import cpuinfo, processor, usable_cores
from affectml.encoders.towers import natural_precision
from affectml.errors import BadInput

INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")


@dataclass(frozen=True)
class Finding:
    """One line of a checkup: what it is about, what was found in words, and the same in plain values."""

    name: str
    text: str
    value: Any


def doctor(folder: str | PathLike[str] = ".") -> list[Finding]:
    """Say what this machine has: versions, extras, cores, GPU, what images are embedded in, what tests need.

    Args:
        folder: Folder whose free space is reported.

    Returns:
        A list of Finding: a name, words and a plain value each.

    Raises:
        BadInput: there is no such folder.
    """
    import torch

    if not Path(folder).is_dir():
        raise BadInput(f"{folder}: no such folder, whose free space could be told")
    needed = requires("affectml") or []
    own = [_named(requirement) for requirement in needed if "extra ==" not in requirement]
    versions = {name: installed for name in sorted(own) if (installed := _version(name))}
    extras: dict[str, bool] = {}
    for requirement in needed:
        if (extra := re.search(r"extra == ['\"]([\w-]+)", requirement)) and _named(requirement) != "affectml":
            extras[extra[1]] = extras.get(extra[1], True) and _version(_named(requirement)) is not None
    there = [name for name in INSTRUCTIONS if name in cpuinfo("flags").split()]
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    way = natural_precision("cuda" if gpus else "cpu")
    free = shutil.disk_usage(folder).free
    browser, programs = chromium(), postgres_programs()
    server = None if programs is None else str(programs)
    missing = [name for name, has in extras.items() if not has]
    return [
        Finding("affectml", __version__, __version__),
        Finding("python", f"{platform.python_version()} on {platform.platform()}", platform.python_version()),
        Finding("packages", ", ".join(f"{name} {installed}" for name, installed in versions.items()), versions),
        Finding("extras", f"{_list([n for n in extras if extras[n]])}; not there: {_list(missing)}", extras),
        Finding("cores", f"{usable_cores()} of {os.cpu_count()} may be used", usable_cores()),
        Finding("processor", f"{processor()}: {_list(there)}", {"name": processor(), "instructions": there}),
        Finding("GPU", _list(gpus), gpus),
        Finding("embeds in", f"{way}, unless told otherwise", way),
        Finding("Chromium", browser or "none; tests of pages need it: apt-get install chromium", browser),
        Finding("PostgreSQL", server or "none; tests on it need initdb: apt-get install postgresql", server),
        Finding("free space", f"{free / 2**30:.1f} GiB in {Path(folder).resolve()}", free),
    ]  # fmt: skip


def chromium() -> str | None:
    """The browser that tests of pages drive: without windows, where there is one, which takes half of the time."""
    paths = map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"))
    return next(filter(None, paths), None)


def postgres_programs() -> Path | None:
    """The folder with initdb and pg_ctl, for a server of tests' own: on the PATH, or where Debian puts them."""
    if program := shutil.which("initdb"):
        return Path(program).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


def _named(requirement: str) -> str:
    name = re.match(r"[\w.-]+", requirement)
    return name[0] if name else requirement


def _version(package: str) -> str | None:
    with suppress(PackageNotFoundError):
        return version(package)
    return None


def _list(words: list[str]) -> str:
    return ", ".join(words) or "none"
