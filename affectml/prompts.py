"""Prompts: the texts that stand for labels, and for images, where a head learns from texts or is asked with them.

Two kinds, alone or together: `sentiment`, the label in a template ("a photo that evokes joy", Bustos et al. 2023);
`synonyms`, the label's synonyms in the same template.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectml.errors import BadInput, did_you_mean
from affectml.taxonomies import Taxonomy
from affectml.taxonomies.taxonomy import check_template

KINDS = ("sentiment", "synonyms")
# Two labels whose text features have at least this cosine are the same to the encoder: no image's cosines with them
# differ by more than .1. Measured with "a photo that evokes ...": affect-tiny's closest labels within a built-in
# taxonomy .990 (happiness and pleasure), words of which it knows no token .999 to 1; ViT-B/32 with random weights,
# other words at most .978.
ALIKE = 0.995
MADE_UP = "qxzjv"  # a word that no encoder knows

Floats = NDArray[np.float32]
Encode = Callable[[Sequence[str]], Floats]


@dataclass(frozen=True)
class Prompts:
    """Which texts: kinds, and the templates that labels and synonyms are put into (none: the taxonomy's first).

    Several templates make an ensemble: a label's text feature is the mean of its prompts' unit rows.
    """

    kinds: tuple[str, ...] = ("sentiment",)
    templates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.kinds:
            raise BadInput(f"prompts: name at least one kind (kinds: {', '.join(KINDS)})")
        for kind in self.kinds:
            if kind not in KINDS:
                raise BadInput(f"prompts: no kind {kind!r}{did_you_mean(kind, KINDS)} (kinds: {', '.join(KINDS)})")
        if len(set(self.kinds)) < len(self.kinds):
            raise BadInput(f"prompts: a kind is named twice in {'+'.join(self.kinds)}")
        for template in self.templates:
            check_template(template, "prompts")

    @classmethod
    def parse(cls, kinds: str, templates: Sequence[str] = ()) -> "Prompts":
        """From the command line.

        Args:
            kinds: joined by "+", such as `sentiment+synonyms`.
            templates: as of the class.

        Raises:
            BadInput: a kind is unknown or named twice, none is named, or a template has no {label}.
        """
        return cls(tuple(kind.strip() for kind in kinds.split("+") if kind.strip()), tuple(templates))

    def to_dict(self) -> dict[str, list[str]]:
        """Plain values for run.json."""
        return {"kinds": list(self.kinds), "templates": list(self.templates)}

    def learned(self, taxonomy: Taxonomy) -> list[list[str]]:
        """For each label the texts to learn from.

        Raises:
            BadInput: labels have no synonyms and these are the only texts of labels; names them.
        """
        words = [
            ([label] if "sentiment" in self.kinds else [])
            + (list(taxonomy.synonyms.get(label, ())) if "synonyms" in self.kinds else [])
            for label in taxonomy.labels
        ]
        bare = [label for label, found in zip(taxonomy.labels, words, strict=True) if not found]
        if bare and "synonyms" in self.kinds:
            raise BadInput(
                f"prompts: taxonomy {taxonomy.name} has no synonyms of {', '.join(bare)}: add them to its YAML file, "
                "or mix in the labels themselves (sentiment+synonyms)"
            )
        return [self.of_words(found, taxonomy) for found in words]

    def asked(self, taxonomy: Taxonomy) -> list[list[str]]:
        """For each label the prompts whose mean stands for it when images are scored: never none."""
        synonyms = taxonomy.synonyms if "synonyms" in self.kinds else {}
        return [self.of_words([label, *synonyms.get(label, ())], taxonomy) for label in taxonomy.labels]

    def of_words(self, words: Sequence[str], taxonomy: Taxonomy) -> list[str]:
        """Each word in each of the templates."""
        templates = self.templates or taxonomy.templates[:1]
        return [template.format(label=word) for word in words for template in templates]


def encoded(texts: Sequence[Sequence[str]], encode: Encode) -> list[Floats]:
    """The features of each label's texts; a text that occurs several times is encoded once.

    Args:
        texts: for each of C labels its K texts.
        encode: the encoder's text tower.

    Returns:
        C arrays [K, D]; [0, 0] each where there is no text at all.
    """
    flat = list(dict.fromkeys(text for part in texts for text in part))
    if not flat:
        return [np.empty((0, 0), dtype=np.float32) for _ in texts]
    rows = encode(flat)
    at = {text: row for row, text in enumerate(flat)}
    return [rows[[at[text] for text in part]] for part in texts]


def ensemble(features: Sequence[Floats]) -> Floats:
    """One unit row per label: the mean of its texts' unit rows (Radford et al. 2021, prompt ensembling).

    Args:
        features: for each of C labels the rows of its texts, [K, D].

    Returns:
        [C, D].
    """
    means = np.stack([_unit(part).mean(axis=0) for part in features])
    return _unit(means).astype(np.float32)


def label_features(prompts: Prompts, taxonomy: Taxonomy, encode: Encode, *, new: bool = False) -> Floats:
    """The text feature that stands for each label, [C, D].

    Warns, naming them, of labels that the encoder cannot tell apart: it does not know their words, or takes them for
    the same, so which of them scores higher says nothing.

    Args:
        prompts: the kinds of prompt and the templates.
        taxonomy: the C labels.
        encode: the encoder's text tower.
        new: the labels are any that somebody asks for, so a single one that is a made-up word to the encoder is named
            too. In a taxonomy, "neutral" or "something else" may well be.
    """
    asked, names = prompts.asked(taxonomy), taxonomy.labels
    if new:
        asked, names = [*asked, prompts.of_words([MADE_UP], taxonomy)], (*names, "a made-up word")
    features = ensemble(encoded(asked, encode))
    same = alike(names, features)
    if same:
        groups = "; ".join(", ".join(group) for group in same)
        # told here and not where the caller is, so that Python tells a command's several askings once
        warnings.warn(
            f"this encoder cannot tell these labels apart (cosine of their texts at least {ALIKE}): {groups}. It does "
            "not know the words or takes them for the same: their scores are nearly equal, their order says nothing",
            stacklevel=1,
        )
    return features[: len(taxonomy.labels)]


def alike(labels: Sequence[str], features: Floats) -> list[tuple[str, ...]]:
    """Labels that an encoder cannot tell apart: groups of two or more whose cosine with the group's first is >= ALIKE.

    Args:
        labels: C names.
        features: a unit row for each, [C, D].

    >>> alike(("tractor", "awe", "algebra"), np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.01]], dtype=np.float32))
    [('tractor', 'algebra')]
    """
    cosines = features.astype(np.float64) @ features.astype(np.float64).T
    groups: dict[int, list[str]] = {}
    for row, label in enumerate(labels):
        first = next((first for first in groups if cosines[row, first] >= ALIKE), row)
        groups.setdefault(first, []).append(label)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def asked_labels(labels: Sequence[str], taxonomy: Taxonomy) -> Taxonomy:
    """A taxonomy of any labels that somebody asks for.

    Args:
        labels: names; blanks around them and empty ones are left out.
        taxonomy: gives the prompt templates, and the synonyms of labels that it has too.

    Raises:
        BadInput: a label is named twice, or fewer than two are named.
    """
    names = [label.strip() for label in labels if label.strip()]
    twice = [label for label in names if names.count(label) > 1]
    if twice:
        raise BadInput(f"labels: {twice[0]!r} is named twice")
    if len(names) < 2:
        raise BadInput(f"labels: expected at least two to choose among, got {names}")
    synonyms = {label: taxonomy.synonyms[label] for label in names if label in taxonomy.synonyms}
    return Taxonomy(name="asked", labels=tuple(names), synonyms=synonyms, templates=taxonomy.templates)


def _unit(rows: NDArray[Any]) -> NDArray[np.float64]:
    wide = np.asarray(rows, dtype=np.float64)
    length = np.linalg.norm(wide, axis=-1, keepdims=True)
    return np.asarray(wide / np.where(length > 0, length, 1.0))
