"""The Taxonomy itself: what its labels are, and how they relate; and how one is found: by name among the built-in ones,
by file, or by the labels that a data set uses.
"""

import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from affectml.errors import BadInput, UnknownLabel, UnknownTaxonomy, did_you_mean, few
from affectml.taxonomies._names import (
    LabelName,
    builtin_label_names,
    builtin_names,
    keys_of,
    nearest,
    own_yaml,
    read_names,
    texts,
)  # fmt: skip

DEFAULT_TEMPLATE = "a photo that evokes {label}"  # Bustos et al. 2023
PLACE_KEYS = ("valence", "arousal", "dominance", "source")


@dataclass(frozen=True)
class Place:
    """Where a label stands on the valence-arousal plane, each axis on [-1, 1], and who says so.

    `dominance` is the third axis of Russell & Mehrabian (1977), in control (1) against controlled (-1): it tells
    anger from fear, which share a place on the plane. None where nobody says.
    """

    valence: float
    arousal: float
    source: str
    dominance: float | None = None


@dataclass(frozen=True)
class Taxonomy:
    """An ordered tuple of labels, with parents (fine -> coarse), synonyms, prompt templates and places.

    `parent` names the taxonomy that the values of `parents` belong to. `places`, `parents` and `synonyms`
    have a key only for the labels for which a source (or we, marked) says something: neutral and
    "something else" have no place. `wheel` is the order around a circle. `displays` are what people read in place of a
    label that its source misspells,
    `definitions` what a label means, in the taxonomy's own language, and `translations` have names in others:
    language -> label -> name. Files, commands and prompts have the label, and two taxonomies that differ in nothing
    else are equal.
    """

    name: str
    labels: tuple[str, ...]
    title: str = ""
    source: str = ""
    parent: "str | Taxonomy | None" = None
    parents: Mapping[str, str] = field(default_factory=dict)
    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    templates: tuple[str, ...] = (DEFAULT_TEMPLATE,)
    wheel: tuple[str, ...] = ()
    wheel_source: str = ""
    displays: Mapping[str, str] = field(default_factory=dict, compare=False)
    definitions: Mapping[str, str] = field(default_factory=dict, compare=False)
    translations: Mapping[str, Mapping[str, LabelName]] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if len(self.labels) < 2:
            raise BadInput(f"taxonomy {self.name}: expected at least two labels, got {list(self.labels)}")
        twice = sorted({label for label in self.labels if self.labels.count(label) > 1})
        if twice:
            raise BadInput(f"taxonomy {self.name}: label {twice[0]!r} is listed twice")
        translated = {f"translations to {language}": names for language, names in self.translations.items()}
        told = ("parents", "synonyms", "places", "wheel", "displays", "definitions")
        for what, about in {**{what: getattr(self, what) for what in told}, **translated}.items():
            for label in about:
                if label not in self.labels:
                    raise BadInput(f"taxonomy {self.name}: {what} names {label!r}, which is not a label")
        if self.wheel and sorted(self.wheel) != sorted(self.labels):
            raise BadInput(f"taxonomy {self.name}: wheel must name each label once, got {list(self.wheel)}")
        for template in self.templates:
            check_template(template, f"taxonomy {self.name}")
        if clash := sorted(set(self.displays.values()) & set(self.labels)):
            raise BadInput(f"taxonomy {self.name}: display {clash[0]!r} is another label's name; choose another")
        for language in self.translations:
            label_of: dict[str, str] = {}
            for label in self.labels:
                name = self.display(label, language)
                other = label_of.setdefault(name.casefold(), label)
                if other != label:
                    raise BadInput(
                        f"taxonomy {self.name}: {other!r} and {label!r} are both called {name!r} in {language}; "
                        "give one of them another name"
                    )

    def __len__(self) -> int:
        return len(self.labels)

    def index(self, label: str, where: str = "") -> int:
        """Column of `label`; where: what messages begin with.

        Raises:
            UnknownLabel: it is none of the labels; names the nearest one.
        """
        if label not in self.labels:
            place = f"{where}: " if where else ""
            raise UnknownLabel(
                f"{place}no label {label!r} in taxonomy {self.name}{nearest(label, self.names())} "
                f"(labels: {few(self.labels, 12)})"
            )
        return self.labels.index(label)

    def translation(self, label: str, language: str) -> LabelName | None:
        """What `label` is called in a language (for de-AT also in de); None where nobody says.

        A name of the taxonomy's own goes before ours for a built-in taxonomy.
        """
        for code in dict.fromkeys((language, language.partition("-")[0])):
            for names in (self.translations.get(code, {}), builtin_label_names(self.name, code)):
                if label in names:
                    return names[label]
        return None

    def display(self, label: str, language: str = "en") -> str:
        """What people read for `label`: its name in their language, else what `displays` has, else the label."""
        translation = self.translation(label, language)
        return self.displays.get(label, label) if translation is None else translation.name

    def definition(self, label: str, language: str = "en") -> str:
        """What `label` means, in a language, else in the taxonomy's own; empty where nobody says."""
        translation = self.translation(label, language)
        return (translation and translation.definition) or self.definitions.get(label, "")

    def synonyms_in(self, label: str, language: str = "en") -> tuple[str, ...]:
        """Other words for `label`, in a language, else (where it has no name there) in the taxonomy's own."""
        translation = self.translation(label, language)
        found = self.synonyms.get(label, ()) if translation is None else translation.synonyms
        return tuple(name for name in found if name != self.display(label, language))

    def called(self, label: str, languages: Iterable[str]) -> dict[str, str]:
        """All that `label` is called in these languages -> the language; what has no name in one counts as English."""
        found: dict[str, str] = {}
        for language in languages:
            spoken = language if self.translation(label, language) else "en"
            for name in (self.display(label, language), *self.synonyms_in(label, language)):
                found.setdefault(name, spoken)
        return found

    def names(self) -> dict[str, str]:
        """What each label may be called -> the label: itself, what people read for it, then its synonyms.

        A label's own name comes before others' synonyms, and an earlier label's synonym before a later one's.
        """
        own = {name: label for label in self.labels for name in (label, self.display(label))}
        also = {name: label for label in reversed(self.labels) for name in self.synonyms.get(label, ())}
        return own | {name: label for name, label in reversed(also.items()) if name not in own}

    def check(self, labels: Iterable[str], where: str = "") -> None:
        """Check that all of `labels` are labels.

        Args:
            labels: any names.
            where: file and row, for the message.

        Raises:
            UnknownLabel: for the first name that is not a label; names the nearest one.
        """
        for label in dict.fromkeys(labels):
            self.index(label, where)

    def to_dict(self) -> dict[str, Any]:
        """The content of the taxonomy's YAML file; `from_dict` reads it back."""
        labels: dict[str, Any] = {}
        for label in self.labels:
            place = {key: getattr(self.places.get(label), key, None) for key in PLACE_KEYS}
            entry = {
                "display": self.displays.get(label),
                "definition": self.definitions.get(label),
                "parent": self.parents.get(label),
                "synonyms": list(self.synonyms.get(label, ())),
                "place": {key: value for key, value in place.items() if value is not None},
                "in": {code: names[label].to_dict() for code, names in self.translations.items() if label in names},
            }
            labels[label] = {key: value for key, value in entry.items() if value}
        out: dict[str, Any] = {"name": self.name}
        for key in ("title", "source", "parent", "wheel_source"):
            if value := getattr(self, key):
                out[key] = value.to_dict() if isinstance(value, Taxonomy) else value
        if self.wheel:
            out["wheel"] = list(self.wheel)
        out["templates"] = list(self.templates)
        out["labels"] = labels
        return out

    @classmethod
    def from_dict(cls, content: Any, where: str = "taxonomy") -> "Taxonomy":
        """Build a taxonomy from a YAML file's content.

        Args:
            content: the file's keys and values; `labels` may also be a plain list of names.
            where: the file, for messages.

        Raises:
            BadInput: a key or label that cannot be read; names it.
        """
        content = keys_of(content, _KEYS, where, "name and labels")
        if "name" not in content or not content.get("labels"):
            raise BadInput(f"{where}: expected the keys 'name' and 'labels', got {sorted(map(str, content))}")
        raw = content["labels"]
        if not isinstance(raw, list | Mapping):
            raise BadInput(f"{where}: labels: expected a list of names, or names with their entries, got {raw!r}")
        for label in raw:
            if not isinstance(label, str):
                raise BadInput(f"{where}: label {label!r} is read as {type(label).__name__}; put it in quotes")
        entries: dict[str, Any] = dict.fromkeys(raw) if isinstance(raw, list) else dict(raw)
        if len(entries) != len(raw):
            raise BadInput(f"{where}: a label is listed twice in {raw}")
        at = {label: f"{where}: label {label!r}" for label in entries}
        told = {k: keys_of(entry, _ENTRY_KEYS, at[k], "parent") for k, entry in entries.items() if entry}
        translations: dict[str, dict[str, LabelName]] = {}
        for label, entry in told.items():
            for language, called in read_names(entry.get("in") or {}, at[label]).items():
                translations.setdefault(language, {})[label] = called
        parent = content.get("parent")
        if isinstance(parent, Mapping):
            parent = cls.from_dict(parent, f"{where}: parent")
        elif not isinstance(parent, str | None):
            raise BadInput(f"{where}: parent: expected a taxonomy's name, file or content, got {parent!r}")
        given: dict[str, Any] = dict(  # noqa: C408 (as keywords they read as the class has them)
            name=str(content["name"]),
            labels=tuple(entries),
            parent=parent,
            translations=translations,
            synonyms={k: texts(v["synonyms"], f"{at[k]}: synonyms") for k, v in told.items() if v.get("synonyms")},
            places={k: _place(v["place"], at[k]) for k, v in told.items() if v.get("place")},
            templates=texts(content.get("templates") or [DEFAULT_TEMPLATE], f"{where}: templates"),
            wheel=texts(content.get("wheel") or [], f"{where}: wheel"),
        )
        for key in ("display", "definition", "parent"):
            given[f"{key}s"] = {k: str(entry[key]) for k, entry in told.items() if entry.get(key)}
        given |= {key: str(content.get(key) or "") for key in ("title", "source", "wheel_source")}
        try:
            return cls(**given)
        except BadInput as error:
            raise BadInput(f"{where}: {error}") from None


# other_wheels and note are for those who read the file
_KEYS = ("name", "title", "source", "parent", "wheel", "wheel_source", "other_wheels", "templates", "labels")
_ENTRY_KEYS = ("display", "definition", "parent", "synonyms", "place", "in", "note")


def check_template(template: str, where: str) -> None:
    """Check that a prompt template has the field {label} and no other.

    Raises:
        BadInput: it has not.
    """
    try:
        fields = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise BadInput(f"{where}: prompt template {template!r}: {error}; write {{{{ for a brace") from None
    if "label" not in fields:
        raise BadInput(f"{where}: prompt template {template!r} has no {{label}}")
    for name in fields:
        if name != "label":
            raise BadInput(f"{where}: prompt template {template!r}: expected {{label}} alone, but it has {{{name}}}")


def _place(content: Any, where: str) -> Place:
    try:
        place = Place(**content)
        axes = [float(axis) for axis in (place.valence, place.arousal, place.dominance or 0.0)]
    except (TypeError, ValueError) as error:
        raise BadInput(f"{where}: place: expected valence, arousal and source ({error})") from None
    if any(not -1 <= axis <= 1 for axis in axes):
        raise BadInput(f"{where}: place: valence, arousal and dominance lie on [-1, 1], got {content}")
    return place


@cache
def _builtin(name: str) -> Taxonomy:
    text = files("affectml.taxonomies").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return Taxonomy.from_dict(own_yaml(text), where=f"built-in taxonomy {name}")


def get_taxonomy(name: str | Path) -> Taxonomy:
    """The built-in taxonomy of that name, or the one in the YAML file of that path.

    Args:
        name: a built-in name, or the path of a YAML file; a file's `parent` may be another file, named from the folder
            that holds it.

    Returns:
        The Taxonomy.

    Raises:
        UnknownTaxonomy: neither is there; names the nearest built-in one.
        BadInput: the file holds no taxonomy.
    """
    name = str(name)
    if name in builtin_names():
        return _builtin(name)
    path = Path(name)
    if path.suffix in (".yaml", ".yml") and path.exists():
        return _from_file(path)
    raise UnknownTaxonomy(
        f"no taxonomy {name!r}{did_you_mean(name, builtin_names())} "
        f"(built in: {', '.join(builtin_names())}; or the path of a YAML file)"
    )


def _from_file(path: Path, below: tuple[Path, ...] = ()) -> Taxonomy:
    from affectml._files import need_file  # loads pandas, which the built-in taxonomies do without
    from affectml_annotation.yaml_files import load_yaml

    need_file(path)
    try:
        content = load_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: not a readable YAML file ({error})") from None
    taxonomy = Taxonomy.from_dict(content, where=str(path))
    if taxonomy.name in builtin_names() and taxonomy != _builtin(taxonomy.name):
        raise BadInput(f"{path}: the name {taxonomy.name} is taken by a built-in taxonomy; choose another")
    if isinstance(taxonomy.parent, str) and taxonomy.parent not in builtin_names():
        beside = (path.parent / taxonomy.parent).resolve()
        if beside in below:
            raise BadInput(f"{path}: its parent {taxonomy.parent} is among its own descendants")
        if beside.suffix in (".yaml", ".yml") and beside.is_file():
            # read now and kept whole, so that a data set needs neither file later
            return replace(taxonomy, parent=_from_file(beside, (*below, path.resolve())))
    return taxonomy


def infer_taxonomy(labels: Iterable[str], name: str = "own") -> Taxonomy:
    """The built-in taxonomy whose labels are exactly these, else one of these labels in sorted order.

    Exactly, not "contains": six folder names that all occur in ekman-7 are a taxonomy of six.

    Args:
        labels: in any order, repeats count once.
        name: of the taxonomy that is made where no built-in one fits.

    Raises:
        BadInput: fewer than two labels.
    """
    found = set(labels)
    # parrott-2 has polarity-2's labels; a polarity says less about where they came from.
    for builtin in sorted(builtin_names(), key=lambda name: (not name.startswith("polarity"), name)):
        if set(_builtin(builtin).labels) == found:
            return _builtin(builtin)
    return Taxonomy(name=name, labels=tuple(sorted(found)))
