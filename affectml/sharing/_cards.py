"""The cards of a run and of a data set: what a stranger must know before using either; all in Markdown."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import yaml
from huggingface_hub import EvalResult, ModelCardData

from affectml._html import plain
from affectml.data import Dataset, was_asked
from affectml.data.dataset import STOPPED
from affectml.data.targets import Targets
from affectml.encoders import TINY_SPEC
from affectml.importers.draft import NOT_STATED
from affectml.runs import RunFolder, RunInfo
from affectml_annotation.judgements import only_data

if TYPE_CHECKING:
    from affectml.heads import Promise
    from affectml.judging.figures import Evaluation

CONSTRUCTS = {
    "evoked": "what viewers say they felt, on average over those asked",
    "expressed": "what a depicted person seems to show, as others judged it",
    "intended": "what the maker wanted viewers to feel",
    "query": "the search word or folder that an image was found by; nobody was asked about it",
}
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
LIMITS = [
    "For research on images, for retrieval and for sorting collections, where a score is read as a tendency.",
    "**It does not read any person's feelings.** It says what labels images like this one were given; people differ, "
    "and the one who looks next may feel something else.",
    "Not for decisions about people: hiring, policing, teaching, health, credit, or anything that presumes a state of "
    "mind.",
    "It knows the people and images of its training data. Other cultures, ages and kinds of image are not covered "
    "until somebody measures them.",
    "The encoder learned from captions on the web and carries their stereotypes.",
]
_RULES = ("hit", "label_set", "predicted_sets", "person", "zero_shot", "floor", "interval")
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LICENCES = ("cc0-1.0", "cc-by-3.0", *(f"cc-{terms}-4.0" for terms in ("by", "by-sa", "by-nc", "by-nc-sa", "by-nc-nd")),
             "mit", "apache-2.0", "odbl")  # fmt: skip


def public_info(run: RunFolder) -> RunInfo:
    """run.json without what tells of its maker: paths, times, the machine."""
    specs = [spec for spec in run.info.encoder.specs if not _is_path(spec)]
    public: dict[str, Any] = {
        "command": None,
        "seconds": {},
        "energy": None,
        "config": replace(run.info.config, dataset=None, encoder=None),
        "encoder": replace(run.info.encoder, specs=specs),
    }
    return replace(run.info, **public)


def _is_path(spec: str) -> bool:
    kind, _, rest = spec.partition(":")
    if kind == "hf-hub":
        return False
    return kind == "local-dir" or re.search(r"[/\\~]|\.(pt|pth|bin|ckpt|safetensors)$", rest) is not None


def card_data(info: RunInfo, found: "Evaluation | None") -> ModelCardData:
    """The metadata of a run's card, with the model's scores as results."""
    scores, split = ([], None) if found is None else (found.scores_of("model"), found.facts["split"])
    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type=info.data.name,
            dataset_name=info.data.name,
            dataset_split=split,
            metric_type=each.name,
            metric_value=round(each.value, 4),
        )
        for each in scores
    ]
    return ModelCardData(
        library_name="affectml",
        tags=["affective-computing", "emotion", "clip", info.data.construct],
        model_name=f"{info.data.name} {info.head.name}",
        eval_results=results or None,
    )


def card_text(info: RunInfo, found: "Evaluation | None", promise: "Promise | None" = None) -> str:
    """A run's card; promise: the head's, where its sets keep one."""
    data, taxonomy, encoder = info.data, info.taxonomy, info.encoder
    labels = list(taxonomy["labels"])
    what = "the share of people who would choose each label" if info.several else "one distribution"
    parts = [
        f"# {plain(data.name)}: {data.kind} of {plain(taxonomy['name'])}",
        f"A {info.head.name} head on frozen image embeddings of `{encoder.name}`, made with affectml "
        f"{info.versions['affectml']}. It predicts {what} over {len(labels)} labels: {', '.join(map(plain, labels))}.",
        "## What the labels are about",
        " ".join(_about(data.construct, data.question)).rstrip(),
        "## Intended use, and limits",
        _bullets(LIMITS),
        _bullets(_caveats(info, found)),
    ]
    if promise is not None:
        from affectml.data.choose import from_people

        parts += ["## What its sets promise", _promise(promise, found, people=from_people(data.kind))]
    about = [
        f"Data set {plain(data.name)}, target {plain(data.target or 'unknown')} ({data.kind}).",
        *map(_sentence, info.split.notes),
        *(f"{part}: {images} images." for part, images in info.split.images.items()),
        "The data set's licence is its maker's; this card gives none.",
    ]
    parts += ["## Data", _bullets(about)]
    if found is not None:
        from affectml.page.tables import STAR, Table, scores_table  # loads torch, which cards of data sets do without

        table = scores_table(found)
        assert table is not None
        parts += [
            "## Scores",
            f"{table.title}. Value and half the width of its 95 % interval; arrows say what is better."
            + (f" {plain(STAR)}." if STAR in table.note else ""),
            Table("", table.columns, table.rows).to_markdown(),
            _bullets(f"{name}: {found.facts['rules'][name]}" for name in _RULES if name in found.facts["rules"]),
        ]
    parts += [
        "## How to use it",
        "```python\nfrom affectml.sharing import AffectModel\n\n"
        'model = AffectModel.from_pretrained("FOLDER or ORG/NAME")\n'
        "model.labels\n"
        "model.predict(features)          # features of the encoder above, [N, "
        f"{encoder.identity['dim']}]\n```",
        "`affectml predict FOLDER IMAGE` embeds image files itself, where the encoder is known.",
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _caveats(info: RunInfo, found: "Evaluation | None") -> list[str]:
    said = {
        "Trained and judged on the demo set: paintings drawn by code, judged by simulated people. No figure here is "
        "about people.": found is not None and bool(found.names(system="oracle")),
        "Its encoder, affect-tiny, knows demo paintings and nothing else: useless on photographs.": (
            TINY_SPEC in info.encoder.specs
        ),
        "Its encoder is not public under a name; features must come from the very same one "
        f"({info.encoder.identity['architecture']}).": not info.encoder.specs,
    }
    return [words for words, holds in said.items() if holds]


def _promise(promise: "Promise", found: "Evaluation | None", *, people: bool) -> str:
    """The promise in words, what came out on the test images, and what holds without an image's level."""
    from affectml.heads.promise import held
    from affectml.page.tables import number

    lines = [_sentence(plain(promise.words(people=people)))]
    risk, size, share = (
        None if found is None else found.get(f"promise_{name}") for name in (promise.asked.risk, "size", "empty")
    )
    if risk is not None and size is not None:
        what = held(promise.asked.risk, number(risk.value), people=people)
        empty = "" if share is None else f"; {number(share.value)} of them were empty"
        low, high = map(number, risk.ends)
        lines.append(
            f"On the test images they held {what} (95 % interval {low} to {high}), with {number(size.value)} labels in "
            f"a set{empty}."
        )
    if unknown := promise.where_levels_are_unknown():
        lines.append(_sentence(plain(unknown)))
    return _bullets([*lines, "Images from elsewhere and other people have no promise."])


@dataclass
class SetFacts:
    """What came to light while the copy was written. left_out: what is not in it, a line each; ways_out: how it would
    be. missing: image files that are named and not there. renumbered: whether people have other ids than in the data
    set."""

    left_out: list[str] = field(default_factory=list)
    ways_out: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    renumbered: bool = False


def set_card(data: Dataset, facts: SetFacts, splits: Mapping[str, int], judgements: pd.DataFrame | None) -> str:
    """README.md of a data set: the header that `datasets` and the Hub read, and the card.

    Args:
        data: the data set.
        facts: what came to light while the copy was written.
        splits: how many images each split has, by its name in the copy.
        judgements: as they are shared.
    """
    meta, load = data.meta, 'load_dataset("FOLDER or ORG/NAME", '
    parts = [
        f"---\n{_header(data, splits, judgements is not None)}---",
        f"# {plain(meta.name)}",
        f"{len(data.images):,} images ({', '.join(f'{name} {images:,}' for name, images in splits.items())}) and what "
        "their labels are, written by affectml.",
        f'```python\nfrom datasets import load_dataset\n\nimages = {load}"images")'
        + (f'\njudgements = {load}"judgements")' if judgements is not None else "")
        + "\n```",
        "`affectml import datasets FOLDER mydata --label-column COLUMN` makes a data set of it.",
    ]
    for name in meta.targets:
        parts += [f"## Labels: {plain(name)}", _target(data.target(name))]
    if judgements is not None:
        parts += ["## Judgements", _judgements(data, judgements, facts)]
    if meta.notes:
        parts += ["## How it came together", _bullets(map(plain, meta.notes))]
    licence, source = plain(meta.licence), plain(meta.source)
    terms = [
        f"Licence: **not known**{f' ({licence})' if licence else ''}. Ask the makers before you use it or pass it on."
        if licence_id(meta.licence) == "unknown"
        else f"Licence: {licence}.",
        f"Source, to be cited in any work that uses it: {source}." if source else "The source is not recorded.",
        "The terms are the makers'; affectml adds none.",
    ]
    parts += ["## Terms and source", _bullets(terms), "## What it cannot say", _bullets(_limits(data, facts))]
    return "\n\n".join(parts) + "\n"


def _header(data: Dataset, splits: Iterable[str], judged: bool) -> str:
    files = [{"split": name, "path": f"data/{name}-*.parquet"} for name in splits]
    configs: list[dict[str, Any]] = [{"config_name": "images", "default": True, "data_files": files}]
    if judged:
        one = [{"split": "train", "path": "judgements/judgements-*.parquet"}]
        configs.append({"config_name": "judgements", "data_files": one})
    content = {
        "pretty_name": data.name,
        "license": licence_id(data.meta.licence),
        "task_categories": ["image-classification"],
        "tags": ["affective-computing", "emotion", "affectml", *data.meta.constructs],
        "size_categories": [next((said for most, said in _SIZES if len(data.images) < most), "1M<n<10M")],
        "configs": configs,
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def licence_id(licence: str) -> str:
    """The Hub's word for a licence: `unknown` where none is known, `other` for one that it has no word for.

    >>> licence_id("CC BY 4.0"), licence_id(""), licence_id("on request; research only")
    ('cc-by-4.0', 'unknown', 'other')
    """
    text = licence.strip().lower()
    if not text or text.startswith(NOT_STATED):
        return "unknown"
    words = re.sub(r"[ ,]+|licen[cs]e|version", "-", text).strip("-")
    name = {"cc0": "cc0-1.0"}.get(words, re.sub("-+", "-", words))
    return name if name in _LICENCES else "other"


def _target(targets: Targets) -> str:
    entry, labels = targets.meta, targets.taxonomy.labels
    construct, asked = _about(entry.construct, entry.question)
    rule = entry.vote_rule
    return _bullets(
        [
            construct,
            asked or "What people were asked, if anything, is not recorded.",
            f"Kind: {entry.kind}, {KINDS[entry.kind]}.",
            f"{len(labels)} labels ({plain(targets.taxonomy.name)}): {', '.join(map(plain, labels))}.",
            f"Vote rule: {rule}, {VOTE_RULES[rule]}." if rule is not None else "",
            f"{len(targets.image_id):,} images have it; where it is empty, nobody was asked.",
            _people(targets),
            f"Made from {plain(entry.made_by)}." if entry.made_by else "",
            f"Source: {plain(entry.source)}." if entry.source else "",
        ]
    )


def _people(targets: Targets) -> str:
    if targets.n is None:
        return "How many people were asked of an image is not recorded." if targets.kind != "single" else ""
    low, middle, high = int(targets.n.min()), float(np.median(targets.n)), int(targets.n.max())
    if low == high:
        return f"People asked of each image: {low}."
    return f"People asked of an image: {low} to {high}, median {middle:g}."


def _judgements(data: Dataset, judgements: pd.DataFrame, facts: SetFacts) -> str:
    asked = data.meta.judgements
    assert data.judgements is not None
    nameless = data.judgements["annotator_id"].astype(str).str.startswith("anonymous-").all()
    people = judgements["annotator_id"].astype(str).nunique()
    by = "people who are not told apart" if nameless else f"{people:,} people"
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in judgements["kind"].value_counts().items())
    return _bullets(
        [
            f"{len(judgements):,} judgements by {by} ({kinds}). `none` is an answer: no label applies. `unsure` and "
            "`skip` are not.",
            f"People asked: “{plain(asked.question)}”" if asked is not None and was_asked(asked.question) else "",
            "People were numbered anew for this copy." if facts.renumbered and not nameless else "",
            *only_data(judgements, " (see `purpose`)")[1],
        ]
    )


def _limits(data: Dataset, facts: SetFacts) -> list[str]:
    meta, split = data.meta, data.images.get("split")
    said = {
        "A label is an answer that somebody gave, not a property of the image, and never a reading of a person.": True,
        "Labels of construct query are words that images were found by: nobody was asked what they feel.": (
            "query" in meta.constructs
        ),
        "Labels of construct expressed are how others read a depicted person, not what that person felt.": (
            "expressed" in meta.constructs
        ),
        "Where an image has one label, the absent ones are unknown; they are not negatives.": (
            any(entry.kind == "single" for entry in meta.targets.values())
        ),
        "Paintings drawn by code, judged by simulated people: nothing in it is about people.": data.truth is not None,
        "It has no split: `train` is the name that the format wants, and holds every image.": (
            split is None or split.isna().all()
        ),
        _sentence(STOPPED): meta.stopping is not None,
        f"{len(facts.missing):,} image files were not there and are empty cells.": bool(facts.missing),
    }
    return [*(words for words, holds in said.items() if holds), *(_sentence(plain(note)) for note in facts.left_out)]


def _about(construct: str, question: str) -> list[str]:
    """What the labels are about, and the question if people were asked one, else the importer's remark or nothing."""
    asked = was_asked(question)
    meaning = "words that people said fit the image" if construct == "query" and asked else CONSTRUCTS[construct]
    words = plain(question)
    return [f"Construct: **{construct}**, {meaning}.", f"People were asked: “{words}”" if asked else words]


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _bullets(lines: Iterable[str]) -> str:
    """A list in Markdown, of the lines that say something."""
    return "\n".join(f"- {line}" for line in lines if line)
