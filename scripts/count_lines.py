"""Lines of code of the four packages and of the tests: what there is to read and to keep.

A line counts where a token of Python stands on it, or a part of one that takes several lines. Blank lines, comments and
docstrings do not count; a bracket on a line of its own does. So does a line of a stub (.pyi), and in YAML one of a
`recipe`, which is read as code would be. `python scripts/count_lines.py` counts this repository,
`python scripts/count_lines.py FILE ...` files or folders of your own.
"""

import ast
import io
import sys
import tokenize
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("affectml", "annotation", "metrics", "apps")
NO_CODE = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def code_lines(source: str) -> int:
    """Lines of Python source that hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            first = node.body[0]
            lines.difference_update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return len(lines)


def recipe_lines(source: str) -> int:
    """Lines of the values of `recipe` in the entries of a YAML table."""
    table = yaml.compose(source)
    pairs = table.value if isinstance(table, yaml.MappingNode) else []
    entries = [value for _, value in pairs if isinstance(value, yaml.MappingNode)]
    recipes = [value for entry in entries for key, value in entry.value if key.value == "recipe"]
    return sum(recipe.end_mark.line - recipe.start_mark.line or 1 for recipe in recipes)


def code_lines_in(path: Path) -> int:
    """Those of a file, or of every file of Python or YAML below a folder."""
    files = [path] if path.is_file() else sorted(file for kind in COUNTED for file in path.rglob(f"*{kind}"))
    return sum(COUNTED[file.suffix](file.read_text(encoding="utf-8")) for file in files)


COUNTED = {".py": code_lines, ".pyi": code_lines, ".yaml": recipe_lines}


if __name__ == "__main__":
    if sys.argv[1:]:
        for name in sys.argv[1:]:
            print(f"{name:12} {code_lines_in(Path(name)):7,}")
    else:
        counts = {name: code_lines_in(ROOT / name) for name in PACKAGES}
        for name, count in [
            *counts.items(),
            ("together", sum(counts.values())),
            ("tests", code_lines_in(ROOT / "tests")),
        ]:
            print(f"{name:12} {count:7,}")
