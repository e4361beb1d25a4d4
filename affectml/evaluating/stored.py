"""Runs compared by what is stored of them: on the images that all were judged on, and over their seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from affectml.errors import BadInput, BadRun, option
from affectml.evaluating.systems import Source
from affectml.judging.compare import differences, in_families, over_seeds, stored
from affectml.judging.figures import METRICS, Evaluation, Figure, Rows
from affectml.judging.scoring import bounds_of
from affectml.runs import RunFolder
from affectml_metrics import mean_interval
from affectml_metrics.table import shown

AGREEMENT = "agreement"  # the `by` of how alike two systems answer


def of_runs(sources: Sequence[Source]) -> Evaluation:
    """What metrics.csv and scores.parquet have of runs of the same data, target and cut.

    One run's as it is. Of several each run's model is a system of its own name, beside what stands beside the first,
    on the images that are in the test part of all; each pair of runs is compared there, and runs that differ in nothing
    but the seed are one way of training, compared with others over their seeds.

    Raises:
        BadInput: for runs of other data, another target or cut, and without an image in common, unless seeds say
            something.
        BadRun: for a run that was never judged.
    """
    runs = {each.name: each.run for each in sources if each.run is not None}
    for run in runs.values():
        if not run.has_figures:
            raise BadRun(f"{run.folder}: no {METRICS}: it was never judged; name the data set: {option('on')}")
    if len(runs) == 1:
        return next(iter(runs.values())).evaluation
    _check_alike(list(runs.values()))
    found = {name: run.evaluation for name, run in runs.items()}
    names, first = list(runs), next(iter(found.values()))
    if missing := [str(runs[name].folder) for name, each in found.items() if each.scores.empty]:
        raise BadRun(f"{missing[0]}: no scores of single images, which a shared run comes without: name the data set: "
                     f"{option('on')}")  # fmt: skip
    ways, seeds = _ways(runs), list[Figure]()
    if any(len(way) > 1 for way in ways.values()):
        of_seeds = {
            name: {seed: {f.name: f.value for f in found[run].scores_of("model")} for seed, run in way.items()}
            for name, way in ways.items()
        }
        if len({repr(run.info.prompts) for run in runs.values()}) > 1:  # which zero-shot is asked with as well
            of_seeds |= {
                f"zero_shot of {name}": {
                    seed: {f.name: f.value for f in found[run].scores_of("zero_shot")} for seed, run in way.items()
                }
                for name, way in ways.items()
            }
        metrics = shown({name for of in of_seeds.values() for run in of.values() for name in run}, "headline")
        seeds = over_seeds(of_seeds, metrics)
    images = [set(each.scores["image_id"]) for each in found.values()]
    common = set.intersection(*images)
    alike = all(each == common for each in images)
    if not common and not seeds:
        raise BadInput(
            f"evaluate: no image is in the test split of every run: train them with the same {option('seed')}, or "
            f"judge them on a data set of their labels: {option('on')}"
        )
    judged = names[:1] if seeds and not alike else names  # of seeds tested on different images no image speaks
    scores = pd.concat([_of_all(name, found[name], name == names[0]) for name in judged])
    scores = scores[scores["image_id"].isin(common if len(judged) > 1 else images[0])]
    by_image, ids, groups = stored(scores)
    facts, key = first.facts, dict(scores.iloc[0][["dataset", "target", "space"]])
    if alike or len(judged) == 1:
        figures = [replace(f, system=_name(f.system, name)) for name in judged for f in found[name].figures
                   if f.system == "model" or name == names[0]]  # fmt: skip
    else:
        rows = Rows(**key)
        for (system, against), values in by_image.items():
            bounds = [bounds_of(metric) for metric in values]
            means = mean_interval(torch.stack(list(values.values()), dim=1), groups=groups, bounds=bounds)
            rows.add_all(list(values), means, system=system, against=against)
        figures, facts = rows.rows, _of_any_images(facts)
    warnings = list(facts.get("warnings", []))
    if not alike:
        warnings.append(
            f"The runs were tested on different images: apart from the comparison over seeds, every figure is of "
            f"{names[0]} alone"
            if seeds
            else f"The runs were tested on different images: scores are of the {len(ids)} images that all tested on, "
            "and metrics over a whole table are left out"
        )
    facts = _with_names(facts, called=names[0])
    beside = {*names, "prior", "zero_shot", "oracle", "person", "consensus"}
    apart = [f for f in figures if f.against in beside and f.p is not None and not (f.by or f.label)]
    kept = set(figures) - set(apart)
    apart += differences(by_image, combinations(judged, 2), groups, **key)
    figures = [f for f in figures if f in kept] + in_families(apart)
    figures += agreement({name: runs[name].model_answers.frame.reindex(ids) for name in judged}, **key)
    figures += [replace(each, **key) for each in seeds]
    facts = {**facts, "n": len(ids), "first": names[0], "systems": names, "warnings": warnings}
    return Evaluation(tuple(figures), scores, facts)


def _of_any_images(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What facts say whichever images were judged: not what was found, promised or counted on a run's own."""
    kept = {name: facts[name] for name in ("split", "space", "kind", "labels", "people", "rules")}
    counted = ("interval", "mean_set_size", "mean_hits", "top_1_chance")
    return kept | {
        "rules": {name: words for name, words in kept["rules"].items() if name not in counted},
        "findings": [],
    }


def _with_names(facts: Mapping[str, Any], called: str) -> dict[str, Any]:
    """The same of a run that has a name now: findings say it in place of "model" and "the model"."""
    findings = [f"{called}{line[5:]}" if line.startswith("model ") else line for line in facts["findings"]]
    parts = facts.get("subgroups")
    if parts is None:
        return {**facts, "findings": findings}
    told = [line.replace("the model", f"“{called}”", 1) for line in parts["findings"]]
    return {**facts, "findings": findings, "subgroups": {**parts, "findings": told}}


def _of_all(name: str, found: Evaluation, first: bool) -> pd.DataFrame:
    """Scores image by image under the run's own name; of the first with everybody beside."""
    scores = found.scores if first else found.scores[found.scores["system"] == "model"]
    return scores.assign(system=scores["system"].where(scores["system"] != "model", name))


def _name(system: str, name: str) -> str:
    return name if system == "model" else system


def agreement(scores: Mapping[str, pd.DataFrame], **key: str) -> list[Figure]:
    """How alike each two systems answer, given scores [N, C] in the same labels: rows `by` agreement.

    same_first_label: on which share of the images; total_variation: the mean of `distances`.
    """
    rows, firsts = Rows(**key, by=AGREEMENT), {n: each.to_numpy().argmax(axis=1) for n, each in scores.items()}
    for (one, other), apart in distances(scores).items():
        place = {"system": one, "against": other, "n": len(apart)}
        rows.add("same_first_label", float((firsts[one] == firsts[other]).mean()), **place)
        rows.add("total_variation", float(apart.mean()), **place)
    return rows.rows


def distances(scores: Mapping[str, pd.DataFrame]) -> dict[tuple[str, str], NDArray[np.float32]]:
    """How far each two systems are apart on each image: total variation between their scores, normalised, [N].

    0 alike and 1 disjoint; scores without any mass are even.
    """
    shares = {}
    for name, table in scores.items():
        given = np.clip(table.to_numpy(np.float32), 0, None)
        whole = given.sum(axis=1, keepdims=True)
        shares[name] = np.divide(given, whole, out=np.full_like(given, 1 / given.shape[1]), where=whole > 0)
    return {(a, b): np.abs(shares[a] - shares[b]).sum(axis=1) / 2 for a, b in combinations(shares, 2)}


def _check_alike(runs: Sequence[RunFolder]) -> None:
    """Raises BadInput for the first run whose figures cannot stand beside those of the first run."""
    first = runs[0].info
    for run in runs[1:]:
        info = run.info
        for what, one, other in (
            ("data set", first.data.fingerprint, info.data.fingerprint),
            ("target", first.data.target, info.data.target),
            (option("tau"), first.config.tau, info.config.tau),
        ):
            if one != other:
                raise BadInput(
                    f"{run.folder}: another {what} than {runs[0].folder}, so what is stored of them does not compare: "
                    f"name a data set to judge both on: {option('on')}"
                )


def _ways(runs: Mapping[str, RunFolder]) -> dict[str, dict[int, str]]:
    """Ways of training, each by the name of its first run: the run of each seed."""
    ways: dict[str, dict[int, str]] = {}
    first: dict[str, str] = {}
    for name, run in runs.items():
        way = first.setdefault(_recipe(run), name)
        ways.setdefault(way, {}).setdefault(run.info.config.seed, name)
    return ways


def _recipe(run: RunFolder) -> str:
    """All that moves what is learned but the seed, and what it learned from."""
    info = run.info
    options = dict(sorted(info.config.options.items()))
    config = replace(info.config, seed=0, dataset=None, threads=None, learning_curve=False, groups=(), options=options)
    data = (info.data.target, sorted(info.data.fingerprint.items()))
    return repr((config, info.head.name, *data, info.encoder.identity))
