"""What left before 0.3.0 is refused with what does its work now, and no page speaks of it as if it were there."""

import re
from pathlib import Path

import pytest

from affectml.cli._left import LEFT

ROOT = Path(__file__).resolve().parents[2]
NAMED = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "annotation/README.md", "metrics/README.md")
PAGES = [*(ROOT / name for name in NAMED), *sorted((ROOT / "docs").glob("*.md"))]
# Words of features that left whole; benchmarks/README.md, "What left, and why", alone speaks of them.
GONE: tuple[str, ...] = (
    "0.1.0",
    "images stop early",
    "Stopping early",
    "first_answers",
    "salvage",
    "DirichletHead",
    "--head dirichlet",
    "affectml[openvino]",
    "speed.json",
    "compare_languages",
)


@pytest.mark.parametrize(("words", "now"), LEFT.items(), ids=LEFT)
def test_what_left_is_refused_with_what_is_there(words, now, command):
    code, _, said = command(*words.split())
    assert code == 2
    assert f"use {now}" in " ".join(said.replace("│", " ").split())


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_page_speaks_of_what_left(page):
    text = page.read_text(encoding="utf-8")
    commands = [f"affectml {words}" for words in LEFT if "--" not in words]
    options = [words.split()[-1] for words in LEFT if "--" in words and words.split()[-1] not in _options()]
    gone = [*commands, *options, *GONE]
    assert [word for word in gone if re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text)] == []


def _options() -> set[str]:
    """Options that some command has, by the name of one that left elsewhere."""
    import typer

    from affectml.cli import app

    def of(command):
        commands = getattr(command, "commands", {}).values()
        own = {name for parameter in command.params for name in getattr(parameter, "opts", ())}
        return own.union(*map(of, commands))

    return of(typer.main.get_command(app))
