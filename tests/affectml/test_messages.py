"""Every option and every command that a message names is there."""

import ast
import re
from pathlib import Path

from affectml._options import options_of
from affectml.errors import spelled
from affectml.runs import TrainConfig

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path for name in ("affectml", "annotation", "apps") for path in (ROOT / name).rglob("*.py"))
# Whose options alone the messages of a file or folder may name, where these belong to one command.
OF = {
    "affectml/planning": "plan",
    "affectml/fetching": "import fetch",
    "affectml/explanation.py": "explain",
    "affectml/vlm/requests.py": "ask",
    **{f"affectml/importers/{name}.py": f"import {name}"
       for name in ("embeddings", "folder", "images", "table", "emotic", "oasis", "webemo")},
}  # fmt: skip
BY_SET = {spelled(each.name) for each in options_of(TrainConfig) if each.help.rare}  # said as `--set NAME=VALUE`
OTHERS = {"--help", "--repo-type", "--local-dir", "--server"}  # of every command, and of other programs
COMMAND = re.compile(r"`affectml ([a-z-]+(?: [a-z0-9-]+){0,2})([^`]*)`")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]+")


def messages(path):
    """Literal texts of a module but its docstrings, and the options that it names by `option`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef |
                  ast.FunctionDef) and ast.get_docstring(node)}  # fmt: skip
    texts, options = [], []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            texts.append(node.value)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "option" and node.args:
            of_head = any(word.arg == "of_head" for word in node.keywords)
            if isinstance(node.args[0], ast.Constant) and not of_head:
                options.append(spelled(node.args[0].value))
    return texts, options


def absent_in(path, options_by_command, every):
    """The options and commands that messages of a module name and that are not there."""
    texts, options = messages(path)
    place = path.relative_to(ROOT).as_posix()
    mine = next((options_by_command[command] for start, command in OF.items() if place.startswith(start)), every)
    absent = [name for name in options if name not in mine | BY_SET]
    for text in texts:
        absent += [name for name in OPTION.findall(text) if name not in every | OTHERS]
        for words, rest in COMMAND.findall(text):
            said = words.split()
            known = next((name for n in (3, 2, 1) if (name := " ".join(said[:n])) in options_by_command), None)
            absent += [f"affectml {words}"] if known is None else []
            own = options_by_command.get(known, every)
            absent += [f"{words} {name}" for name in OPTION.findall(rest) if name not in own]
    return absent


def test_what_a_message_names_is_there(options_by_command):
    every = frozenset().union(*options_by_command.values())
    absent = {path: absent_in(path, options_by_command, every) for path in FILES}
    assert len(absent) > 200
    assert not {path.relative_to(ROOT).as_posix(): names for path, names in absent.items() if names}
