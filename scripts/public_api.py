"""What users may rely on, a line each: every name of the packages' `__all__`s as griffe reads it, and every command.

`make check` compares docs/api/public.txt, which is committed, with the code: a change of the public interface is seen
where changes are read. `make api` writes the file anew. docs/architecture.md says what may change, and when.
"""

import argparse
import difflib
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import griffe
import typer

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "docs" / "api" / "public.txt"
PACKAGES = {"affectml": ".", "affectml_annotation": "annotation", "affectml_metrics": "metrics"}


class Stubs(griffe.Extension):
    """Names that a module makes when it runs, so that only its stub has them, are those of its package too."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """Add what the package exports and such a stub has."""
        for module in pkg.modules.values():
            for name, member in module.members.items():
                if not member.runtime and name in (pkg.exports or ()) and name not in pkg.members:
                    member.runtime = True
                    pkg.set_member(name, griffe.Alias(name, member))


class Methods(griffe.Extension):
    """Methods that a class makes of functions, as in `invite = transaction(people.invite)`, are told as those are."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """Put a method in the place of each such attribute."""
        for module in _modules(pkg):
            for made in (member for own in module.classes.values() for member in [*own.attributes.values()]):
                call = made.value
                if isinstance(call, griffe.ExprCall) and len(call.arguments) == 1:
                    with suppress(AttributeError, KeyError):  # of no function of ours
                        of = pkg.modules_collection[call.arguments[0].canonical_path]
                        if of.is_function:
                            made.parent.set_member(made.name, _method(made.name, of))


def _method(name: str, function: griffe.Function) -> griffe.Function:
    """A function of a connection, or of anything else first, as a method."""
    own = griffe.Parameter("self", kind=griffe.ParameterKind.positional_or_keyword)
    others = (one for one in [*function.parameters][1:] if one.name != "/")
    method = griffe.Function(
        name, parameters=griffe.Parameters(own, *others), returns=function.returns, lineno=function.lineno,
        endlineno=function.endlineno,
    )  # fmt: skip
    if function.docstring is not None:
        method.docstring = griffe.Docstring(function.docstring.value, parent=method)
    return method


def python_lines() -> Iterator[str]:
    """Names of every `__all__`, with the public members of classes; read from the source, nothing is imported."""
    folders = [ROOT / folder for folder in PACKAGES.values()]
    loader = griffe.GriffeLoader(search_paths=folders, extensions=griffe.load_extensions(Stubs, Methods))
    packages = [loader.load(name) for name in PACKAGES]
    loader.resolve_aliases(implicit=False, external=False)
    modules = sorted((m for package in packages for m in _modules(package)), key=lambda m: (m.path.count("."), m.path))
    homes: dict[str, str] = {}  # where something is defined: the shortest public name it has
    for module in modules:
        for name in module.exports or ():
            homes.setdefault(module[str(name)].canonical_path, f"{module.path}.{name}")
    bases: dict[str, griffe.Class] = {}  # of ours, without a public name: what they give is public all the same
    for module in modules:
        for name in sorted(str(name) for name in module.exports or ()):
            path, thing = f"{module.path}.{name}", module[name]
            home = homes[thing.canonical_path]
            yield from _lines(path, thing) if home == path else [f"{path} = {home}"]
            ours = [base for base in thing.mro() if base.path.split(".")[0] in PACKAGES] if thing.is_class else []
            bases |= {base.path: base for base in ours if base.path not in homes}
    for path, base in sorted(bases.items()):
        yield from _lines(path, base)


def _modules(module: griffe.Object | griffe.Alias) -> Iterator[griffe.Object | griffe.Alias]:
    yield module
    for name, inner in module.modules.items():
        if not name.startswith("_") and not inner.is_alias:
            yield from _modules(inner)


def _lines(path: str, thing: griffe.Object | griffe.Alias) -> Iterator[str]:
    """One name; for a class its bases, its call and the public members of its own."""
    if thing.is_class:
        start = thing.all_members.get("__init__")
        call = f" called with {_signature(start)}" if start is not None and start.is_function else ""
        yield f"{path}: class({', '.join(str(base) for base in thing.bases)}){call}"
        said = {parameter.name for parameter in start.parameters} if start is not None and start.is_function else set()
        for name, member in sorted(thing.members.items()):
            if not name.startswith("_") and not member.is_class and not (member.is_attribute and name in said):
                yield from _lines(f"{path}.{name}", member)
    elif thing.is_function:
        yield path + _signature(thing)
    elif not thing.is_module:
        yield path + (f": {thing.annotation}" if thing.annotation is not None else "")


def _signature(function: griffe.Object | griffe.Alias) -> str:
    """The parameters and what comes back, without a method's own `self`."""
    target = function.final_target if function.is_alias else function
    text = target.signature(return_type=True).removeprefix(target.name)
    return re.sub(r"^\((self|cls)(, )?", "(", text).removesuffix(" -> None")


def command_lines() -> Iterator[str]:
    """Every command of `affectml` with its arguments and options."""
    yield from _command_lines("affectml", typer.main.get_command(_app()))


def _command_lines(path: str, command: click.Command) -> Iterator[str]:
    command = getattr(command, "whole", command)  # an importer's options are made when they are asked for
    for name, inner in sorted(getattr(command, "commands", {}).items()):
        yield from _command_lines(f"{path} {name}", inner)
    if not hasattr(command, "commands"):
        yield " ".join([path, *(_parameter(parameter) for parameter in command.params)])


def _parameter(parameter: click.Parameter) -> str:
    """An argument or option as in the usage of a command: in brackets unless it is required."""
    names = "/".join([*parameter.opts, *parameter.secondary_opts])
    shown = names if names.startswith("-") else names.upper()
    return shown if parameter.required else f"[{shown}]"


def _app() -> typer.Typer:
    sys.path[:0] = [str(ROOT / folder) for folder in PACKAGES.values()]
    from affectml.cli import app

    return app


def main() -> None:
    """Compare, or with --write write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=FILE)
    parser.add_argument("--write", action="store_true", help="write the file")
    given = parser.parse_args()
    now = [*python_lines(), *command_lines()]
    if given.write:
        given.file.write_text("".join(f"{line}\n" for line in now), encoding="utf-8")
        return
    known = given.file.read_text(encoding="utf-8").splitlines()
    changes = [
        line for line in difflib.unified_diff(known, now, lineterm="", n=0) if line[:2] not in ("++", "--", "@@")
    ]
    if changes:
        print("\n".join(changes))
        print(
            f"The public interface is not what {given.file.name} says. What a release had (-) must go on working for "
            "one minor release, with a warning (docs/architecture.md). Where the change is meant, run `make api`.",
            file=sys.stderr,
        )
        raise SystemExit(1)


if __name__ == "__main__":
    main()
