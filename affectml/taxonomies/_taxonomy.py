"""The Taxonomy itself: what its labels are, and how they relate."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from affectml.errors import BadInput, UnknownLabel, did_you_mean

DEFAULT_TEMPLATE = "a photo that evokes {label}"  # Bustos et al. 2023


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
    "something else" have no place.
    """

    name: str
    labels: tuple[str, ...]
    title: str = ""
    source: str = ""
    parent: str | None = None
    parents: Mapping[str, str] = field(default_factory=dict)
    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    templates: tuple[str, ...] = (DEFAULT_TEMPLATE,)
    wheel: tuple[str, ...] = ()
    wheel_source: str = ""

    def __post_init__(self) -> None:
        if len(self.labels) < 2:
            raise BadInput(f"taxonomy {self.name}: expected at least two labels, got {list(self.labels)}")
        twice = sorted({label for label in self.labels if self.labels.count(label) > 1})
        if twice:
            raise BadInput(f"taxonomy {self.name}: label {twice[0]!r} is listed twice")
        for what, given in (
            ("parents", self.parents),
            ("synonyms", self.synonyms),
            ("places", self.places),
            ("wheel", self.wheel),
        ):
            for label in given:
                if label not in self.labels:
                    raise BadInput(f"taxonomy {self.name}: {what} names {label!r}, which is not a label")
        for template in self.templates:
            if "{label}" not in template:
                raise BadInput(f"taxonomy {self.name}: prompt template {template!r} has no {{label}}")

    def __len__(self) -> int:
        return len(self.labels)

    def index(self, label: str) -> int:
        """Column of `label`; raises UnknownLabel naming the nearest one."""
        try:
            return self.labels.index(label)
        except ValueError:
            shown = ", ".join(self.labels[:12]) + (", ..." if len(self.labels) > 12 else "")
            raise UnknownLabel(
                f"no label {label!r} in taxonomy {self.name}{did_you_mean(label, self.labels)} (labels: {shown})"
            ) from None

    def check(self, labels: Iterable[str], where: str = "") -> None:
        """Raise UnknownLabel for the first of `labels` that is not one; `where` names file and row."""
        known = set(self.labels)
        for label in labels:
            if label not in known:
                try:
                    self.index(label)
                except UnknownLabel as error:
                    raise UnknownLabel(f"{where}: {error}" if where else str(error)) from None

    def prompts(self, template: str | None = None) -> list[str]:
        """One prompt per label, from `template` or the taxonomy's first."""
        return [(template or self.templates[0]).format(label=label) for label in self.labels]

    def to_dict(self) -> dict[str, Any]:
        """The content of the taxonomy's YAML file; `from_dict` reads it back."""
        labels: dict[str, Any] = {}
        for label in self.labels:
            entry: dict[str, Any] = {}
            if label in self.parents:
                entry["parent"] = self.parents[label]
            if self.synonyms.get(label):
                entry["synonyms"] = list(self.synonyms[label])
            if label in self.places:
                place = self.places[label]
                entry["place"] = {
                    "valence": place.valence,
                    "arousal": place.arousal,
                    **({} if place.dominance is None else {"dominance": place.dominance}),
                    "source": place.source,
                }
            labels[label] = entry
        out: dict[str, Any] = {"name": self.name}
        for key in ("title", "source", "parent", "wheel_source"):
            if getattr(self, key):
                out[key] = getattr(self, key)
        if self.wheel:
            out["wheel"] = list(self.wheel)
        out["templates"] = list(self.templates)
        out["labels"] = labels
        return out

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], where: str = "taxonomy") -> "Taxonomy":
        """Build from a YAML file's content; `labels` may also be a plain list of names."""
        known = {
            "name",
            "title",
            "source",
            "parent",
            "wheel",
            "wheel_source",
            "templates",
            "labels",
        }
        for key in content:
            if key not in known:
                raise BadInput(f"{where}: unknown key {key!r}{did_you_mean(str(key), known)}")
        if "name" not in content or not content.get("labels"):
            raise BadInput(f"{where}: expected the keys 'name' and 'labels', got {sorted(content)}")
        raw = content["labels"]
        entries = {str(label): {} for label in raw} if isinstance(raw, list) else dict(raw)
        if isinstance(raw, list) and len(entries) != len(raw):
            raise BadInput(f"{where}: a label is listed twice in {raw}")
        entry_keys = {"parent", "synonyms", "place", "note"}
        for label, entry in entries.items():
            for key in entry or {}:
                if key not in entry_keys:
                    raise BadInput(f"{where}: label {label!r}: unknown key {key!r}{did_you_mean(key, entry_keys)}")
        return cls(
            name=str(content["name"]),
            labels=tuple(str(label) for label in entries),
            title=str(content.get("title") or ""),
            source=str(content.get("source") or ""),
            parent=content.get("parent"),
            parents={k: str(v["parent"]) for k, v in entries.items() if v and v.get("parent")},
            synonyms={k: tuple(v["synonyms"]) for k, v in entries.items() if v and v.get("synonyms")},
            places={k: Place(**v["place"]) for k, v in entries.items() if v and v.get("place")},
            templates=tuple(content.get("templates") or (DEFAULT_TEMPLATE,)),
            wheel=tuple(content.get("wheel") or ()),
            wheel_source=str(content.get("wheel_source") or ""),
        )
