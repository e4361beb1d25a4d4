"""What benchmarks share: the machine in words, and their place in benchmarks/README.md."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

README = Path(__file__).with_name("README.md")


def machine(packages: Sequence[str], threads: str = "one thread") -> str:
    """Processor, cores and the versions of what was compared."""
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"{platform.machine()}, {os.cpu_count()} CPUs, {threads}, Python {platform.python_version()}, {versions}"


def write(name: str, title: str, command: str, text: str) -> None:
    """Put the text between this benchmark's markers, in one step; the first time, at the end."""
    start, end = f"<!-- {name}: written by {command.split()[0]} -->", f"<!-- {name}: end -->"
    old = README.read_text(encoding="utf-8")
    if start not in old:
        old = f"{old.rstrip()}\n\n## {title}\n\n`python benchmarks/{command}` writes this section.\n\n{start}\n{end}\n"
    before, rest = old.split(start, 1)
    after = rest.split(end, 1)[1]
    new = README.with_suffix(f".{name.split()[0]}.tmp")
    new.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf-8")
    new.replace(README)
