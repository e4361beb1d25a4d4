"""The card of a shared data set: what was asked of whom, what the columns hold, the terms, and what it cannot say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import yaml

from affectml._html import plain
from affectml.data import Dataset, TargetMeta, was_asked
from affectml.data.dataset import STOPPED
from affectml.data.targets import Targets
from affectml.importers.draft import NOT_STATED
from affectml.sharing._card import about
from affectml_annotation.judgements import only_data

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LICENCES = {
    "cc0-1.0": r"cc0(?:[ -]?1\.0)?", "cc-by-4.0": r"cc[ -]by[ -]4\.0", "cc-by-sa-4.0": r"cc[ -]by[ -]sa[ -]4\.0",
    "cc-by-nc-4.0": r"cc[ -]by[ -]nc[ -]4\.0", "cc-by-nc-sa-4.0": r"cc[ -]by[ -]nc[ -]sa[ -]4\.0",
    "cc-by-nc-nd-4.0": r"cc[ -]by[ -]nc[ -]nd[ -]4\.0", "cc-by-3.0": r"cc[ -]by[ -]3\.0",
    "mit": r"mit(?: licen[cs]e)?", "apache-2.0": r"apache(?: licen[cs]e)?[ -,]*(?:version )?2\.0",
    "odbl": r"odbl(?:[ -]1\.0)?",
}  # fmt: skip
KINDS = {
    "single": "one label; the others are unknown, not absent",
    "sets": "one agreed set of labels; the empty list says that none applies",
    "rates": "for each label the share of those asked who chose it",
    "distribution": "shares of one choice, which sum to one",
}
VOTE_RULES = {
    "one_choice": "each person chose one label",
    "set_split": "each person's vote was shared among their labels",
    "normalised": "rates divided by their sum",
    "moments": "made from a mean and a standard deviation, not counted",
    "unknown": "how votes became shares is not known",
}


@dataclass
class SetFacts:
    """What came to light while the copy was written. left_out: what is not in it, a line each; ways_out: how it would
    be. missing: image files that are named and not there. renumbered: whether people have other ids than in the data
    set."""

    left_out: list[str] = field(default_factory=list)
    ways_out: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    renumbered: bool = False


def set_card(data: Dataset, facts: SetFacts, splits: Mapping[str, list[int]], judgements: pd.DataFrame | None) -> str:
    """README.md: the header that `datasets` and the Hub read, and the card in Markdown.

    Args:
        data: the data set.
        facts: what came to light while the copy was written.
        splits: rows of each split, by its name in the copy.
        judgements: as they are shared.
    """
    meta = data.meta
    parts = [
        f"---\n{_header(data, splits, judgements is not None)}---",
        f"# {plain(meta.name)}",
        f"{len(data.images):,} images ({', '.join(f'{name} {len(rows):,}' for name, rows in splits.items())}) and what "
        "their labels are, written by affectml.",
        "```python\nfrom datasets import load_dataset\n\n"
        'images = load_dataset("FOLDER or ORG/NAME", "images")'
        + ('\njudgements = load_dataset("FOLDER or ORG/NAME", "judgements")' if judgements is not None else "")
        + "\n```",
        "`affectml import datasets FOLDER mydata` reads all of it back.",
    ]
    for name, entry in meta.targets.items():
        parts += [f"## Labels: {plain(name)}", _target(data.target(name), entry)]
    if judgements is not None:
        parts += ["## Judgements", _judgements(data, judgements, facts)]
    if meta.notes:
        notes = [plain(note) for note in meta.notes]
        parts += ["## How it came together", "\n".join(f"- {note}" for note in notes)]
    parts += ["## Terms and source", _terms(data), "## What it cannot say", _limits(data, facts)]
    return "\n\n".join(parts) + "\n"


def _header(data: Dataset, splits: Mapping[str, list[int]], judged: bool) -> str:
    files = [{"split": name, "path": f"data/{name}-*.parquet"} for name in splits]
    configs: list[dict[str, Any]] = [{"config_name": "images", "default": True, "data_files": files}]
    if judged:
        one = [{"split": "train", "path": "judgements/judgements-*.parquet"}]
        configs.append({"config_name": "judgements", "data_files": one})
    size = next((said for most, said in _SIZES if len(data.images) < most), "1M<n<10M")
    content = {
        "pretty_name": data.name,
        "license": licence_id(data.meta.licence),
        "task_categories": ["image-classification"],
        "tags": ["affective-computing", "emotion", "affectml", *data.meta.constructs],
        "size_categories": [size],
        "configs": configs,
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def licence_id(licence: str) -> str:
    """The Hub's word for a licence: `unknown` where none is known, `other` for one that it has no word for.

    >>> licence_id("CC BY 4.0"), licence_id(""), licence_id("on request; research only")
    ('cc-by-4.0', 'unknown', 'other')
    """
    text = licence.strip()
    if not text or text.startswith(NOT_STATED):
        return "unknown"
    return next((name for name, form in _LICENCES.items() if re.fullmatch(form, text, re.IGNORECASE)), "other")


def _target(targets: Targets, entry: TargetMeta) -> str:
    construct, asked = about(entry.construct, entry.question)
    lines = [construct, asked or "What people were asked, if anything, is not recorded."]
    lines.append(f"Kind: {entry.kind}, {KINDS[entry.kind]}.")
    labels = targets.taxonomy.labels
    lines.append(f"{len(labels)} labels ({plain(targets.taxonomy.name)}): {', '.join(map(plain, labels))}.")
    if entry.vote_rule is not None:
        lines.append(f"Vote rule: {entry.vote_rule}, {VOTE_RULES[entry.vote_rule]}.")
    lines.append(f"{len(targets.image_id):,} images have it; where it is empty, nobody was asked.")
    lines.append(_people(targets))
    if entry.made_by:
        lines.append(f"Made from {plain(entry.made_by)}.")
    if entry.source:
        lines.append(f"Source: {plain(entry.source)}.")
    return "\n".join(f"- {line}" for line in lines if line)


def _people(targets: Targets) -> str:
    if targets.n is None:
        return "How many people were asked of an image is not recorded." if targets.kind != "single" else ""
    low, middle, high = int(targets.n.min()), float(np.median(targets.n)), int(targets.n.max())
    if low == high:
        return f"People asked of each image: {low}."
    return f"People asked of an image: {low} to {high}, median {middle:g}."


def _judgements(data: Dataset, judgements: pd.DataFrame, facts: SetFacts) -> str:
    ids = judgements["annotator_id"].astype(str)
    assert data.judgements is not None
    nameless = data.judgements["annotator_id"].astype(str).str.startswith("anonymous-").all()
    by = "people who are not told apart" if nameless else f"{ids.nunique():,} people"
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in judgements["kind"].value_counts().items())
    lines = [
        f"{len(judgements):,} judgements by {by} ({kinds}). `none` is an answer: no label applies. `unsure` and "
        "`skip` are not.",
        *([f"People asked: {_asked(data)}"] if _asked(data) else []),
        *(["People were numbered anew for this copy."] if facts.renumbered and not nameless else []),
        *only_data(judgements, " (see `purpose`)")[1],
        *_agreement(judgements),
    ]
    return "\n".join(f"- {line}" for line in lines)


def _asked(data: Dataset) -> str:
    asked = data.meta.judgements
    return f"“{plain(asked.question)}”" if asked is not None and was_asked(asked.question) else ""


def _agreement(judgements: pd.DataFrame) -> list[str]:
    """Krippendorff's alpha on sets, where there are labels to compute it on."""
    from affectml_annotation import AnnotationError
    from affectml_annotation.agreement.alpha import krippendorff_alpha

    labels = list(dict.fromkeys(label for cell in judgements["labels"] if cell is not None for label in cell))
    if len(labels) < 2:
        return []
    try:
        alpha = krippendorff_alpha(judgements, "masi", labels=labels, intervals=True)
    except AnnotationError:
        return []
    if np.isnan(alpha.value):
        return [
            "Agreement (Krippendorff's alpha on sets, MASI distance) is undefined: no image has answers to compare."
        ]
    said = f"Agreement: Krippendorff's alpha on sets (MASI distance, first answers) {alpha.value:.2f}"
    if alpha.low is not None and alpha.high is not None:
        said += f", 95 % interval over images {alpha.low:.2f} to {alpha.high:.2f}"
    return [f"{said}."]


def _terms(data: Dataset) -> str:
    licence, source = data.meta.licence.strip(), data.meta.source.strip()
    known = licence_id(licence) != "unknown"
    said = f" ({plain(licence)})" if licence else ""
    lines = [
        f"Licence: {plain(licence)}." if known else
        f"Licence: **not known**{said}. Ask the makers before you use it or pass it on.",
        f"Source, to be cited in any work that uses it: {plain(source)}." if source else "The source is not recorded.",
        "The terms are the makers'; affectml adds none.",
    ]  # fmt: skip
    return "\n".join(f"- {line}" for line in lines)


def _limits(data: Dataset, facts: SetFacts) -> str:
    meta = data.meta
    lines = ["A label is an answer that somebody gave, not a property of the image, and never a reading of a person."]
    if "query" in meta.constructs:
        lines.append("Labels of construct query are words that images were found by: nobody was asked what they feel.")
    if "expressed" in meta.constructs:
        lines.append("Labels of construct expressed are how others read a depicted person, not what that person felt.")
    if any(entry.kind == "single" for entry in meta.targets.values()):
        lines.append("Where an image has one label, the absent ones are unknown; they are not negatives.")
    if data.truth is not None:
        lines.append("Paintings drawn by code, judged by simulated people: nothing in it is about people.")
    if (data.images.get("split") is None) or data.images["split"].isna().all():
        lines.append("It has no split: `train` is the name that the format wants, and holds every image.")
    if data.meta.stopping is not None:
        lines.append(f"{STOPPED[0].upper()}{STOPPED[1:]}.")
    if facts.missing:
        lines.append(f"{len(facts.missing):,} image files were not there and are empty cells.")
    lines += [plain(note[0].upper() + note[1:]) + "." for note in facts.left_out]
    return "\n".join(f"- {line}" for line in lines)
