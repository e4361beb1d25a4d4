"""What benchmarks share: the machine in words, and their place in benchmarks/README.md.

    python benchmarks/section.py annotation.py agreement

runs a benchmark that prints Markdown and writes what it printed, with the machine, the versions and the load, between
its markers there. `make bench-TOPIC` runs each benchmark as its section needs it. The first table of what several
numbers of rows or images cost is drawn as well, into a file beside, and stands there with a column for each number.
"""

import math
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from affectml.plots import FONT, SMALL, Canvas, room

README = Path(__file__).with_name("README.md")
USUAL = r"Unless a section says otherwise: (.+?)\.\n\n"  # the machine that the page names once
SIZES = ("rows", "images")  # what the first column of a table is called where it is drawn
TABLE = r"(?:^\|.*\|$\n?){3,}"
NUMBER = r"[\d.,]+"
KINDS = {"seconds": r"\bs$|^seconds$", "MiB": r"\bMiB$"}  # of the other columns, by their names
LOOKS = (("people", "o"), ("model", "D"), ("other", "^"), ("ink", "s"), ("soft", "o"))

Curves = dict[str, list[tuple[float, float]]]


def machine(packages: Sequence[str], threads: str = "one thread") -> str:
    """On PROCESSOR, CORES, VERSIONS." of what was compared, as far as they are not those that the page names; or ""."""
    here = [platform.machine(), f"{os.cpu_count()} CPUs", threads, f"Python {platform.python_version()}"]
    here += [f"{name} {version(name)}" for name in packages]
    usual = re.search(USUAL, README.read_text(encoding="utf-8"), re.DOTALL)
    known = " ".join(usual[1].split()).split(", ") if usual else []
    other = ", ".join(fact for fact in here if fact not in known)
    return other and f" On {other}."


def write(name: str, title: str, command: str, text: str) -> None:
    """Put the text between this benchmark's markers, in one step; the first time, at the end. Draw what grows."""
    for header, rows in tables(text):
        found = {kind: curves(header, rows, pattern) for kind, pattern in KINDS.items()}
        if any(found.values()):
            file = README.with_name(f"{name.replace(' ', '-')}.svg")
            file.write_text(drawn(header[0], found), encoding="utf-8")
            text = re.sub(TABLE, lambda table: wide(table[0]), text, flags=re.MULTILINE).strip()
            text = f"{text}\n\n![{title}: time and memory by {header[0]}]({file.name})"
            break
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    old = README.read_text(encoding="utf-8")
    if start not in old:
        old = f"{old.rstrip()}\n\n## {title}\n\n`python benchmarks/{command}`:\n\n{start}\n{end}\n"
    before, rest = old.split(start, 1)
    after = rest.split(end, 1)[1]
    new = README.with_suffix(f".{name.split()[0]}.tmp")
    new.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf-8")
    new.replace(README)


def tables(text: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    """The heading and the cells of each Markdown table."""
    for block in re.findall(TABLE, text, re.MULTILINE):
        header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines())
        yield header, rows


def wide(table: str) -> str:
    """A table of size, name and costs with a row for each name and a column for each size; any other as it is.

    Its cells are the first column of seconds and, in brackets, the first of MiB.
    """
    header, rows = next(tables(table))
    seconds, memory = (
        next((at for at, name in enumerate(header) if re.search(kind, name)), 0) for kind in KINDS.values()
    )
    if header[0] not in SIZES or not seconds or not memory or re.fullmatch(NUMBER, rows[0][1]):
        return table
    cells = {(row[1], row[0]): f"{row[seconds]} ({row[memory]})" for row in rows}
    names, sizes = (list(dict.fromkeys(key[at] for key in cells)) for at in (0, 1))
    what = f"{header[seconds]} ({header[memory]}) by {header[0]}"
    lines = [" | ".join([name, *(cells.get((name, size), "") for size in sizes)]) for name in names]
    return "\n".join(
        [f"| {what} | {' | '.join(sizes)} |", "|---|" + "--:|" * len(sizes), *(f"| {x} |" for x in lines), ""]
    )


def curves(header: Sequence[str], rows: Sequence[Sequence[str]], pattern: str) -> Curves:
    """Pairs of size and cost of every column of a kind; where the second column is words, by these, of the first one.

    Nothing of a table that does not begin with several sizes.
    """
    if header[0] not in SIZES or len({row[0] for row in rows}) < 2:
        return {}
    named = not re.fullmatch(NUMBER, rows[0][1])
    found: Curves = {}
    chosen = [at for at, column in enumerate(header) if re.search(pattern, column)]
    for row in rows:
        for at in chosen[:1] if named else chosen:
            name = row[1] if named else re.sub(r",? ?(s|seconds|MiB)$", "", header[at])
            size, cost = (float(row[k].replace(",", "")) for k in (0, at))
            found.setdefault(name, []).append((size, cost))
    return found


def drawn(what: str, found: dict[str, Curves]) -> str:
    """A file of one picture a kind, both axes by their logarithms; dashed: as much more as there are more of them."""
    panels, left = [], 0.0
    for kind, series in found.items():
        if series:
            panel, width = _panel(what, kind, series)
            panels.append(panel.replace("<svg ", f'<svg x="{left:g}" width="{width:g}" height="270" ', 1))
            left += width
    words = "; ".join(
        f"{name}: " + ", ".join(f"{cost:g} {kind} at {size:,.0f}" for size, cost in spots)
        for kind, series in found.items()
        for name, spots in series.items()
    )
    start = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left:g} 270" width="{left:g}" font-family="sans-serif">'
    )
    return f'{start}<title>{words}</title><rect width="100%" height="100%" fill="#fff"/>{"".join(panels)}</svg>\n'


def _panel(what: str, kind: str, series: Curves) -> tuple[str, float]:
    """The picture of one kind, and its width."""
    names = list(series)
    sizes = sorted({size for spots in series.values() for size, _ in spots})
    costs = [math.log10(max(cost, 1e-3)) for spots in series.values() for _, cost in spots]
    low, high = math.floor(min(costs) + 1e-9), math.ceil(max(costs) - 1e-9)
    right = room(names) + 12
    width = 300 + right
    x = (sizes[0] * (sizes[0] / sizes[-1]) ** 0.08, sizes[-1])
    canvas = Canvas(width, 270, (58, right, 12, 40), x, (low, max(high, low + 1)), log=True)
    canvas.numbers({size: f"{size:,.0f}" for size in sizes})
    powers = range(low, max(high, low + 1) + 1)
    canvas.lines(([(end, power) for end in x] for power in powers), "line", 0.7)
    for power in powers:
        canvas.text((canvas.left - 4, canvas.up(power)), f"{10.0**power:,g}", anchor="end", size=SMALL)
    ends = []
    for (name, spots), (colour, sign) in zip(series.items(), LOOKS * len(series), strict=False):
        line = [(size, math.log10(max(cost, 1e-3))) for size, cost in spots]
        canvas.lines([line], colour, 1.8)
        canvas.signs(canvas.at(line), sign, colour, 5)
        ends.append([canvas.up(line[-1][1]), name, colour])
    top = max(series.values(), key=lambda spots: spots[-1][1])
    begin = math.log10(max(top[0][1], 1e-3))
    most = min(begin + math.log10(top[-1][0] / top[0][0]), canvas.y[1])
    canvas.lines([[(top[0][0], begin), (top[0][0] * 10 ** (most - begin), most)]], "soft", 1.0, "4 3")
    ends.sort()
    for at in range(1, len(ends)):  # names do not lie on one another
        ends[at][0] = max(ends[at][0], ends[at - 1][0] + FONT + 1)
    over = max(0.0, ends[-1][0] - canvas.bottom)
    for height, name, colour in ends:
        canvas.text((canvas.right + 8, height - over), name, colour)
    canvas.text(((canvas.left + canvas.right) / 2, canvas.height - 17), what, "soft", anchor="middle")
    canvas.text((11, (canvas.top + canvas.bottom) / 2), kind, "soft", anchor="middle", turned=True)
    return canvas.svg(kind), width


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
    threads = os.environ.get("OMP_NUM_THREADS", "every core")
    where = machine(["torch", "numpy"], "one thread" if threads == "1" else f"{threads} threads")
    title = name[0].upper() + name[1:]
    text = "".join(printed).strip()
    text = text if re.search(r"^\||\.$", text, re.MULTILINE) else f"```text\n{text}\n```"
    write(name, title, " ".join([script, *options]), f"Load {load:.1f}.{where}\n\n{text}")


if __name__ == "__main__":
    main()
