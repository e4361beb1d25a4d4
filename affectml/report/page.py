"""report.html: one self-contained page with the tables of a run, intervals as a plot, and a gallery."""

from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from affectml._files import replacing
from affectml._html import thumbnail as made
from affectml.data import was_asked
from affectml.encoders import TINY_SPEC
from affectml.evaluation.subgroups import by_subgroup
from affectml.report.tables import (
    arrow,
    headline,
    levels_table,
    main_table,
    notes,
    number,
    people_table,
    per_label_table,
    shown_systems,
    subgroup_table,
    tau_table,
)

if TYPE_CHECKING:
    from affectml.data import Dataset
    from affectml.evaluation import Answers, Result, Truth
    from affectml.runs import RunFolder, RunInfo

GALLERY = 24


def write_report(
    run: "RunFolder", dataset: "Dataset", truth: "Truth", answers: "Mapping[str, Answers]", result: "Result"
) -> None:
    """Write report.html into the run's folder. Text from the data is escaped; the page loads nothing from elsewhere.

    Args:
        run: the run, with run.json.
        dataset: what it learned from.
        truth: what people said of the test images.
        answers: what each system says of them.
        result: the scores.
    """
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(files("affectml.report").joinpath("report.html.j2").read_text(encoding="utf-8"))
    metrics = result.metrics
    tables = [main_table(metrics), people_table(metrics), per_label_table(metrics), tau_table(result.by_tau)]
    tables.insert(2, levels_table(run.info.levels))
    generator = torch.Generator().manual_seed(run.info.config.seed)
    subgroups = by_subgroup(answers["model"], truth, dataset.images, generator)
    tables += [subgroup_table(column, levels) for column, levels in subgroups.items()]
    page = template.render(
        info=run.info,
        metrics=metrics,
        caveats=_caveats(run.info, dataset),
        plots=[plot for metric in headline(metrics["systems"]) if (plot := interval_plot(metrics, metric)) is not None],
        tables=[table for table in tables if table is not None],
        rules=notes(metrics),
        split=_split_rows(run.info.split.table),
        gallery=gallery(dataset, truth, answers["model"]),
        has_truth=truth.oracle is not None,
        people_word=_people_word(truth),
        people_have_sets=truth.sets is not None,
        model_has_sets=answers["model"].sets is not None,
        asked=was_asked(run.info.data.question),
    )
    with replacing(run.folder / "report.html") as temporary:
        temporary.write_text(page, encoding="utf-8")


def _caveats(info: "RunInfo", dataset: "Dataset") -> list[str]:
    """What a reader has to know before any figure."""
    out = []
    if dataset.truth is not None:
        out.append(
            "This is the demo set: paintings drawn by code, judged by simulated people. Nothing here is about people."
        )
        out += dataset.meta.notes
    if info.encoder.identity["architecture"] == TINY_SPEC:
        out.append(
            "The encoder is affect-tiny, which was trained on demo paintings and knows nothing else; "
            "on photographs it stands for no real encoder."
        )
    about = {
        "evoked": "The labels say what viewers report feeling, on average; they do not read any one person's feelings.",
        "expressed": "The labels say what depicted persons seem to show, not what anyone feels.",
        "intended": "The labels say what the maker wanted to evoke.",
        "query": "The labels are the words or folders the images were found by, not anyone's judgement of them.",
    }
    data = info.data
    if data.construct == "query" and was_asked(data.question):  # a labelling task about words, not feelings
        return [*out, "The labels are words that people said fit the images; nobody was asked what they feel."]
    return [*out, about[data.construct]]


def _people_word(truth: "Truth") -> str:
    return {"single": "label", "sets": "set", "rates": "people's rate", "distribution": "people's share"}[truth.kind]


def _split_rows(table: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    columns = list(table[0])
    rows = [[number(row[c]) if isinstance(row[c], float) else str(row[c]) for c in columns] for row in table]
    return columns, rows


def interval_plot(metrics: Mapping[str, Any], metric: str) -> dict[str, Any] | None:
    """One metric as dots with whiskers, one line a system; positions in per cent of the axis. None without it."""
    systems = metrics["systems"]
    found = [(name, systems[name][metric]) for name in shown_systems(systems) if metric in systems[name]]
    if not found:
        return None
    low, high = min(s["low"] for _, s in found), max(s["high"] for _, s in found)
    pad = (high - low or 1.0) * 0.05
    start, width = low - pad, high - low + 2 * pad

    def at(value: float) -> float:
        return round(float(100 * (value - start) / width), 2)

    lines = [
        {"system": name, "value": number(s["value"]), "at": at(s["value"]), "low": at(s["low"]), "high": at(s["high"])}
        for name, s in found
    ]
    return {"title": arrow(metric), "lines": lines, "low": number(low), "high": number(high)}


def gallery(dataset: "Dataset", truth: "Truth", model: "Answers") -> list[dict[str, Any]]:
    """Test images from where model and people agree most to where they agree least, evenly spaced, with their bars."""
    shares = (model.shares if model.shares is not None else model.scores).numpy()
    distance = np.abs(shares - truth.shares).mean(axis=1)
    ranked = np.argsort(distance, kind="stable")
    rows = ranked[np.unique(np.linspace(0, len(ranked) - 1, min(GALLERY, len(ranked))).round().astype(int))]
    named = dataset.images.set_index("image_id")
    return [
        {
            "image_id": truth.image_id[row],
            "picture": thumbnail(dataset, named, str(truth.image_id[row])),
            "distance": number(float(distance[row])),
            "n": None if truth.people is None else int(truth.people[row].max()),
            "bars": [
                {
                    "label": label,
                    "people": round(100 * float(truth.shares[row, c]), 1),
                    "model": round(100 * float(shares[row, c]), 1),
                    "truth": None if truth.oracle is None else round(100 * float(truth.oracle[row, c]), 1),
                    "in_people": bool(truth.sets is not None and truth.sets[row, c]),
                    "in_model": bool(model.sets is not None and model.sets[row, c]),
                }
                for c, label in enumerate(truth.labels)
            ],
        }
        for row in rows
    ]


def thumbnail(dataset: "Dataset", named: pd.DataFrame, image_id: str) -> str | None:
    """A thumbnail as a data URL; None where there is no readable file (embeddings only)."""
    file = named["file"].get(image_id) if "file" in named.columns else None
    if file is None or pd.isna(file):
        return None
    return made(dataset.image_path(str(file)))
