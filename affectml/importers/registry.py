"""Importers by name: an importer registers itself with the decorator `importer`, and the command line lists it.

This module imports nothing heavy, and no importer before it is asked for: `affectml import --help` shows the names and
lines. A new importer is a module of its own here and a line in OWN; a published set of plain shape is an entry of
published.yaml.
"""

import dataclasses
import errno
import inspect
import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import cache
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import yaml

from affectml import _own
from affectml._options import Option, documented, option_of, options_asked, options_of
from affectml.errors import BadInput, did_you_mean

if TYPE_CHECKING:
    from affectml.importers.draft import About, Draft, ImportSummary

OWN = {
    "folder": "A folder of images per label, nested or not, perhaps in folders train, val and test.",
    "table": "A table: a label, a list of labels, a column per label, or a judgement in each row.",
    "images": "A folder of photographs without labels, at any depth, to label, embed or predict.",
    "embeddings": "Embeddings computed elsewhere, with labels, people's answers and splits where known.",
    "datasets": "What Hugging Face `datasets` reads, Parquet with images among it.",
}
GROUP = "affectml.importers"  # of entry points
_REGISTERED: dict[str, "Importer"] = {}


@cache
def published_sets() -> dict[str, dict[str, Any]]:
    """What published.yaml says of each published set."""
    text = files(__package__).joinpath("published.yaml").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = yaml.safe_load(text)  # noqa: TID251 (our own file, and light)
    return found


PUBLISHED = {name: str(said["line"]) for name, said in published_sets().items()}


def published(name: str) -> "About":
    """What is said of a published set that affectml has an importer for."""
    from affectml.importers.draft import About

    said = {key: value for key, value in published_sets()[name].items() if key not in ("line", "recipe", "help")}
    return About(name, **{**said, "notes": tuple(said.get("notes", ()))})


class Importer:
    """Reads one kind of source and writes a data set folder: `importer(path, out, **options)`."""

    def __init__(
        self, read: Callable[..., "Draft"], name: str, about: "About", images: Sequence[str], folder: bool, joins: bool
    ) -> None:
        self.read, self.name, self.about, self.placements = read, name, about, images
        self.folder, self.joins = folder, joins
        self.__doc__ = inspect.getdoc(read)

    def __repr__(self) -> str:
        return f"<importer {self.name}: {self.summary}>"

    @property
    def published(self) -> bool:
        """Whether it is a published set, whose source is known beforehand."""
        return bool(self.about.source)

    @property
    def summary(self) -> str:
        """One line about it."""
        return {**OWN, **PUBLISHED}.get(self.name) or str(self.__doc__ or "").partition("\n")[0]

    @property
    def path_help(self) -> str:
        """What the command line says of PATH: the help of `read`'s first parameter."""
        first, hint = next(iter(get_type_hints(self.read, include_extras=True).items()))
        said = option_of(first, hint, None, documented(self.read)[1].get(first)).help
        return said.text or "The set's folder, as it is published."

    def options(self) -> list[Option]:
        """The options of this importer beyond the shared ones."""
        own = [option for *_, option in options_asked(self.read, after=1)]
        return own if self.published else [*own, *self._described()]

    def _described(self) -> list[Option]:
        """What the user says of data of their own: the fields of `About`, but the name, with their defaults here."""
        found = []
        for option in options_of(type(self.about))[1:]:
            default = getattr(self.about, option.name)
            said = option.help if default is None else dataclasses.replace(option.help, default="")
            found.append(dataclasses.replace(option, default=default, help=said))
        return found

    def __call__(
        self,
        path: str | Path,
        out: str | Path,
        *,
        name: str | None = None,
        images: str | None = None,
        strict: bool = False,
        target: str | None = None,
        **options: Any,
    ) -> "ImportSummary":
        """Write a data set folder, or join to one: all of it or, after an error, nothing.

        Args:
            path: what to read.
            out: the folder to write; it must not exist yet, unless the importer joins to data sets.
            name: of the data set, or of the store that is joined to one; None takes the set's, else the source
                folder's, and of a file OUT's.
            images: "copy", "hardlink", or "none": labels whose embeddings come from elsewhere; no file is looked for.
            strict: whether an image that cannot be used is an error instead of a line in the summary.
            target: what the target is called, else by its kind; of several each is NAME-KIND.
            options: those of the importer itself, and for data that name no source of their own construct, question,
                source and licence.

        Returns:
            What came in, what did not and why.

        Raises:
            BadInput: with file, row and way out, for a source, an option or a place that cannot be used.
            UnknownLabel: for a label that the taxonomy lacks.
            UnknownTaxonomy: for a taxonomy that nobody defined.
            TypeError: for an option that the importer does not have.
        """
        from affectml.importers.write import call, join, open_source, settle, write

        described = set() if self.published else {option.name for option in self._described()} & options.keys()
        said = {"name": name or self.about.name, **{key: options.pop(key) for key in described}}
        arguments = self._arguments(options)
        images = images or next(iter(self.placements), "none")
        try:
            source = open_source(path, Path(out), dataclasses.replace(self.about, **said), images, self)
            draft = self.read(source, **arguments)
            with draft.spool or nullcontext():
                if self.published:
                    settle(draft, images)
                if source.onto is not None:
                    return join(draft, source.onto, target)
                call(draft, target)
                return write(draft, Path(out), images=images, strict=strict)
        except OSError as error:  # a folder that cannot be read, a full disk
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)  # of what is written, whatever was read meanwhile
            where = out if full else error.filename or path
            why = os.strerror(error.errno) if error.errno else error
            raise BadInput(f"{where}: {why}; nothing was written") from error

    def _arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        """Keywords of `read`: options as they are, those that are fields of a dataclass gathered in it."""
        known = [option.name for option in self.options()]
        for key in given:
            if key not in known:
                raise TypeError(f"importer {self.name}: no option {key!r}{did_you_mean(key, known)}")
        arguments = dict(given)
        for parameter, holder in {
            parameter: holder for parameter, holder, _ in options_asked(self.read, after=1)
        }.items():
            if holder is not None:
                mine = {f.name: arguments.pop(f.name) for f in dataclasses.fields(holder) if f.name in arguments}
                arguments[parameter] = holder(**mine)
        return arguments


def importer(
    name: str,
    about: "About",
    *,
    images: tuple[str, ...] = ("copy", "hardlink", "none"),
    folder: bool = True,
    joins: bool = False,
) -> Callable[[Callable[..., "Draft"]], Importer]:
    """Register the function below, which takes a `Source` and keywords, its options, and returns a `Draft`.

    Its docstring is the help of `affectml import NAME`, and what it says under `Args:` that of the options.

    Args:
        name: what the importer is called.
        about: what is known of the set beforehand; without a source there, the user describes the data.
        images: the ways images may come in; the first is what holds unless the user says otherwise.
        folder: whether the path must be a folder.
        joins: whether what it reads can be joined to a data set that exists.

    Returns:
        A decorator that makes an `Importer` of the function.
    """

    def register(read: Callable[..., "Draft"]) -> Importer:
        _REGISTERED[name] = Importer(read, name, about, images, folder, joins)
        return _REGISTERED[name]

    return register


def names() -> dict[str, str]:
    """Every importer's name and its line, without loading one."""
    brought = {name: f"Of the installed package {of}." for name, of in _own.plugin_names(GROUP).items()}
    return {**brought, **OWN, **PUBLISHED, **{name: _REGISTERED[name].summary for name in _REGISTERED}}


def get_importer(name: str) -> Importer:
    """The importer of a name.

    Args:
        name: one of `names()`, or `package.module:NAME` for one of your own.

    Raises:
        BadInput: naming the nearest one, or what is wrong with the module.
    """
    module, _, attribute = name.partition(":")
    if attribute:
        found = getattr(_own.import_module(module), attribute, None)
        if not isinstance(found, Importer):
            raise BadInput(f"{name}: expected a function decorated with affectml.importers.importer")
        return found
    ours = name in {**OWN, **PUBLISHED}
    wanted = f"an importer named {name!r}"
    _own.plugin(GROUP, name, lambda made: _REGISTERED.get(name) is made, wanted, ours=ours)
    if name not in _REGISTERED and ours:
        module = f"affectml.importers.{'containers' if name == 'datasets' else name}"
        import_module(module if find_spec(module) else "affectml.importers.published")
    if name not in _REGISTERED:
        raise BadInput(f"no importer {name!r}{did_you_mean(name, names())} (there are: {', '.join(names())})")
    return _REGISTERED[name]
