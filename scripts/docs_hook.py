"""What the site needs beside docs/: pages from elsewhere in the repository, and examples in docstrings as code."""

import ast
import posixpath
import re
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from affectml import _options

ROOT = Path(__file__).resolve().parents[1]
# path in the repository: path under docs/
BROUGHT = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
    "metrics/README.md": "affectml-metrics.md",
    "annotation/README.md": "affectml-annotation.md",
    "affectml/encoders/affect_tiny/README.md": "affect-tiny.md",
    **{f"examples/{file.name}": f"examples/{file.name}" for file in (ROOT / "examples").glob("*.ipynb")},
    **{f"benchmarks/{file.name}": f"benchmarks/{file.name}" for file in (ROOT / "benchmarks").glob("*.svg")},
}
LINK = re.compile(r"""(\]\(|\bsrc(?:set)?=")([^)"#\s:]+)(?=[)"#])""")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from elsewhere."""
    for source, target in BROUGHT.items():
        files.append(File.generated(config, target, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links as they work in the repository become links of the site."""
    home = {target: source for source, target in BROUGHT.items()}
    here = posixpath.dirname(home.get(page.file.src_uri, f"docs/{page.file.src_uri}"))

    def site(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(here, match[2]))
        target = BROUGHT.get(path, path.removeprefix("docs/"))
        shown = page.url if match[1].endswith('"') else page.file.src_uri  # mkdocs leaves what HTML names as it is
        return match[1] + posixpath.relpath(target, posixpath.dirname(shown) or ".")

    return LINK.sub(site, markdown)


class Descriptions(griffe.Extension):
    """What `Field(description=...)` or `Help(...)` says of a key of a file, or of an option, is shown beside it."""

    def on_attribute(self, *, attr: griffe.Attribute, **kwargs: Any) -> None:
        """Take the description for the attribute's docstring."""
        called = [attr.value, *getattr(getattr(attr.annotation, "slice", None), "elements", [])]
        for call in called:
            for argument in call.arguments if isinstance(call, griffe.ExprCall) else []:
                said = argument.value if isinstance(argument, griffe.ExprKeyword) else argument
                said_here = str(call.function) in ("Help", "Argument")
                described = getattr(argument, "name", None) == "description" or said_here
                if described and isinstance(said, str) and not attr.docstring:  # no name of what says it
                    attr.docstring = griffe.Docstring(str(ast.literal_eval(str(said))), parent=attr)
        for mark in getattr(getattr(_options, str(attr.annotation), None), "__metadata__", ()):
            if isinstance(mark, _options.Help) and not attr.docstring:  # an option that several commands have
                attr.docstring = griffe.Docstring(mark.text, parent=attr)


class Examples(griffe.Extension):
    """A doctest in a docstring is a block of code on the page; as plain Markdown its brackets would be links."""

    BLOCK = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Put a fence around each example."""
        if obj.docstring:
            obj.docstring.value = self.BLOCK.sub(lambda found: f"```pycon\n{found[0]}\n```", obj.docstring.value)
