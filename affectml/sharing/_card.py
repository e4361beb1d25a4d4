"""The model card: what a stranger must know before using a head that says something about feelings."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from huggingface_hub import EvalResult, ModelCardData

from affectml._html import plain
from affectml.data import was_asked
from affectml.encoders import TINY_SPEC
from affectml.runs import RunInfo

if TYPE_CHECKING:
    from affectml.heads import Promise
    from affectml.judging.figures import Evaluation

CONSTRUCTS = {
    "evoked": "what viewers say they felt, on average over those asked",
    "expressed": "what a depicted person seems to show, as others judged it",
    "intended": "what the maker wanted viewers to feel",
    "query": "the search word or folder that an image was found by; nobody was asked about it",
}


def card_data(info: RunInfo, found: "Evaluation | None") -> ModelCardData:
    """The card's metadata, with the model's scores as results."""
    name = f"{info.data.name} {info.head.name}"
    results = (
        []
        if found is None
        else [
            EvalResult(
                task_type="image-classification",
                dataset_type=info.data.name,
                dataset_name=info.data.name,
                dataset_split=found.facts["split"],
                metric_type=each.name,
                metric_value=round(each.value, 4),
            )
            for each in found.scores_of("model")
        ]
    )
    return ModelCardData(
        library_name="affectml",
        tags=["affective-computing", "emotion", "clip", info.data.construct],
        model_name=name,
        eval_results=results or None,
    )


def card_text(info: RunInfo, found: "Evaluation | None", promise: "Promise | None" = None) -> str:
    """The card in Markdown; promise: the head's, where its sets keep one."""
    data, taxonomy, encoder = info.data, info.taxonomy, info.encoder
    labels = list(taxonomy["labels"])
    parts = [
        f"# {plain(data.name)}: {data.kind} of {plain(taxonomy['name'])}",
        f"A {info.head.name} head on frozen image embeddings of `{encoder.name}`, made with affectml "
        f"{info.versions['affectml']}. It predicts {_what(data.kind)} over {len(labels)} labels: "
        f"{', '.join(map(plain, labels))}.",
        "## What the labels are about",
        " ".join(about(data.construct, data.question)).rstrip(),
        "## Intended use, and limits",
        "- For research on images, for retrieval and for sorting collections, where a score is read as a tendency.\n"
        "- **It does not read any person's feelings.** It says what labels images like this one were given; people "
        "differ, and the one who looks next may feel something else.\n"
        "- Not for decisions about people: hiring, policing, teaching, health, credit, or anything that presumes a "
        "state of mind.\n"
        "- It knows the people and images of its training data. Other cultures, ages and kinds of image are not "
        "covered until somebody measures them.\n"
        "- The encoder learned from captions on the web and carries their stereotypes.",
    ]
    caveats = _caveats(info, found)
    if caveats:
        parts.append("\n".join(f"- {line}" for line in caveats))
    if promise is not None:
        from affectml.data.choose import from_people

        parts += ["## What its sets promise", _promise(promise, found, people=from_people(data.kind))]
    parts += ["## Data", _data(info)]
    if found is not None:
        from affectml.page.tables import (  # loads torch, which the cards of data sets do without
            STAR,
            Table,
            scores_table,
        )

        table = scores_table(found)
        assert table is not None
        parts += [
            "## Scores",
            f"{table.title}. Value and half the width of its 95 % interval; arrows say what is better."
            + (f" {plain(STAR)}." if STAR in table.note else ""),
            Table("", table.columns, table.rows).to_markdown(),
            _rules(found.facts["rules"]),
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
    return "\n\n".join(parts) + "\n"


def about(construct: str, question: str) -> list[str]:
    """What the labels are about, and the question if people were asked one, else the importer's remark or nothing."""
    asked = was_asked(question)
    meaning = "words that people said fit the image" if construct == "query" and asked else CONSTRUCTS[construct]
    words = plain(question)
    return [f"Construct: **{construct}**, {meaning}.", f"People were asked: “{words}”" if asked else words]


def _what(kind: str) -> str:
    return "the share of people who would choose each label" if kind in ("rates", "sets") else "one distribution"


def _caveats(info: RunInfo, found: "Evaluation | None") -> list[str]:
    out = []
    if found is not None and found.names(system="oracle"):
        out.append(
            "Trained and judged on the demo set: paintings drawn by code, judged by simulated people. No figure here "
            "is about people."
        )
    if TINY_SPEC in info.encoder.specs:
        out.append("Its encoder, affect-tiny, knows demo paintings and nothing else: useless on photographs.")
    if not info.encoder.specs:
        out.append(
            "Its encoder is not public under a name; features must come from the very same one "
            f"({info.encoder.identity['architecture']})."
        )
    return out


def _promise(promise: "Promise", found: "Evaluation | None", *, people: bool) -> str:
    """The promise in words, what came out on the test images, and what holds without an image's level."""
    from affectml.heads.promise import held
    from affectml.page.tables import number

    words = promise.words(people=people)
    lines = [f"{plain(words[:1].upper() + words[1:])}."]
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
    unknown = promise.where_levels_are_unknown()
    lines += [f"{plain(unknown[:1].upper() + unknown[1:])}."] if unknown else []
    lines.append("Images from elsewhere and other people have no promise.")
    return "\n".join(f"- {line}" for line in lines)


def _data(info: RunInfo) -> str:
    data, split = info.data, info.split
    lines = [f"Data set {plain(data.name)}, target {plain(data.target or 'unknown')} ({data.kind})."]
    lines += [f"{note[0].upper()}{note[1:]}." for note in split.notes]
    lines += [f"{part}: {images} images." for part, images in split.images.items()]
    lines.append("The data set's licence is its maker's; this card gives none.")
    return "\n".join(f"- {line}" for line in lines)


def _rules(rules: Mapping[str, Any]) -> str:
    kept = ("hit", "label_set", "predicted_sets", "person", "zero_shot", "floor", "interval")
    return "\n".join(f"- {name}: {rules[name]}" for name in kept if name in rules)
