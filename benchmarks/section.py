"""What benchmarks share: the machine in words, and their place in benchmarks/README.md.

    python benchmarks/section.py annotation.py agreement

runs a benchmark that prints Markdown and writes what it printed, with the machine, the versions and the load, between
its markers there. `make bench-TOPIC` runs each benchmark as its section needs it.
"""

import os
import platform
import subprocess
import sys
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


def main() -> None:
    """Run another benchmark, show what it prints, and keep it where it ended without an error."""
    script, *options = sys.argv[1:]
    load = os.getloadavg()[0]
    command = [sys.executable, str(README.with_name(script)), *options]
    printed = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            printed.append(line)
    if process.returncode:
        raise SystemExit(process.returncode)
    name = " ".join([Path(script).stem, *(option for option in options if option.isalpha())])
    where = machine(["affectml", "torch", "numpy"], os.environ.get("OMP_NUM_THREADS", "every") + " thread(s)")
    title = name[0].upper() + name[1:]
    text = "".join(printed).strip()
    text = text if any(line.startswith("|") for line in printed) else f"```text\n{text}\n```"
    write(name, title, " ".join([script, *options]), f"{where}; load before {load:.1f}.\n\n{text}")


if __name__ == "__main__":
    main()
