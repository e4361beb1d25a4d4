"""Files of answers as systems: what one says of the judged images, and what views of several replies need of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml.data import Dataset, Targets
from affectml.data.choose import SEVERAL
from affectml.errors import BadInput, few, option
from affectml.evaluating.config import EvaluateConfig
from affectml.evaluating.systems import Ids, Source
from affectml.heads import apply_thresholds, choose_thresholds
from affectml.judging.answers import SystemAnswers, read_answers
from affectml.judging.bias import bias_in_words, firsts, label_bias
from affectml.judging.compare import corrected
from affectml.judging.figures import Figure
from affectml.judging.readings import Requests
from affectml.judging.scoring import Answers, unsure
from affectml.judging.truth import Truth
from affectml.judging.views import Case
from affectml.vlm import ReadConfig, Received, Replies, Said, read_replies, together
from affectml.vlm.names import shown
from affectml.vlm.orders import Orders, of_others, requests_of

FEWEST_VAL = 20  # validation images with an answer, from which thresholds are chosen


@dataclass(frozen=True, eq=False)
class File:
    """What a system's file says. replies: one by one; None where each image has one answer in each form."""

    said: Said
    replies: Replies | None
    one_label: bool
    k: int | None

    def part(self, rows: NDArray[np.bool_]) -> Said | None:
        """What some of the replies say; None of none."""
        assert self.replies is not None
        table = self.replies.table[rows]
        if table.empty:
            return None
        return together(replace(self.replies, table=table), one_label=self.one_label, k=self.k)


def read_file(source: Source, data: Dataset, targets: Targets, config: EvaluateConfig) -> File:
    """Read a system's file in a target's labels. Raises BadInput for one that cannot be used."""
    one, labels = targets.kind not in SEVERAL, targets.taxonomy.labels
    if source.system is None:
        words = {name: to for name, to in config.mapping.items() if to in labels}
        reading = ReadConfig(config.shape, words, config.image_column, config.label_column, config.empty)
        replies = read_replies(source.path, data, targets, reading, system=source.name)
    else:
        kinds = pq.read_table(
            source.path, columns=["form", "wording", "draw"], filters=[("system", "=", source.system)]
        ).to_pandas()
        kind = next(name for name in ("share", "ranking", "set", "score") if (kinds["form"] == name).any())
        shape = {"share": "distribution" if one else "rates", "set": "sets"}.get(kind, "ranked")
        count = int((kinds["form"] == kind).sum())
        received = Received(rows=count, used=count, what="rows", shape=shape)
        if kinds[["wording", "draw"]].isna().all(axis=None):
            found = SystemAnswers.read(source.path, labels, system=source.system)
            given: tuple[Any, ...] = (found.scores, found.shares, found.sets)
            if found.shares is not None and np.array_equal(found.scores, found.shares):
                given = (found.scores, found.scores, found.sets)
            often = given[0] if found.sets is None else given[2]
            said = Said(shape, found.image_id, given[0], given[1], given[2], often, received)
            return File(said, None, one, None)
        table = read_answers(source.path, system=source.system)
        replies = Replies(table, received, {})
    return File(together(replies, one_label=one, k=config.k), replies, one, config.k)


def judged_as(said: Said, ids: Ids, truth: Truth, val: Truth | None) -> tuple[Answers, str]:
    """What a system answers on the judged images, zeros where it says nothing, and by which rules, in words."""
    fits = said.shape == ("rates" if truth.kind in SEVERAL else "distribution")
    rows = _at(said, ids)
    asked = rows >= 0

    def placed(values: NDArray[Any]) -> Tensor:
        out = np.zeros((len(rows), values.shape[1]))
        out[asked] = values[rows[asked]]
        return torch.from_numpy(out)

    scores, shares = placed(said.scores), None
    if fits and said.shares is not None:
        given = scores if said.shares is said.scores else placed(said.shares)
        shares = unsure(given, rates=truth.kind in SEVERAL)
    how = _how(said, fits, truth)
    if truth.sets is None or (said.shape == "ranked" and said.sets is None):
        return Answers(scores, shares), how
    if said.sets is not None:
        return Answers(scores, shares, placed(said.sets).long()), f"{how}; sets as it gives them"
    at = np.zeros(0, dtype=int) if val is None else _at(said, val.image_id)
    have = np.flatnonzero(at >= 0)
    if val is not None and val.sets is not None and len(have) >= FEWEST_VAL:
        cuts = choose_thresholds(said.scores[at[have]], val.sets[have].astype(np.int64))
        sets = apply_thresholds(scores, cuts) * torch.from_numpy(asked)[:, None]
        return Answers(scores, shares, sets), (
            f"{how}; thresholds chosen on its answers to {len(have)} validation images"
        )
    if not fits:
        return Answers(scores, shares), f"{how}; no sets: too few validation images ({len(have)}) have an answer"
    return Answers(scores, shares, (scores >= truth.tau - 1e-9).long()), (
        f"{how}; its sets are the labels with a rate of at least tau ({truth.tau:.3g}): {len(have)} validation images "
        "have an answer"
    )


def _at(said: Said, ids: Ids) -> NDArray[np.intp]:
    return np.asarray(pd.Index(said.image_id).get_indexer(pd.Index(ids)))


def _how(said: Said, fits: bool, truth: Truth) -> str:
    """What the answers are, in words."""
    received = said.received
    if received.shape == "sets" and said.shape != "sets":
        rule = "(k + 1/2) / (n + 1)" if said.shape == "rates" else f"(k + 1/2) / (n + {len(truth.labels)}/2)"
        return f"k of n answers to an image name a label: {said.shape} {rule}, Jeffreys' rule"
    if said.shape in ("sets", "ranked"):
        return f"a {'set' if said.shape == 'sets' else 'ranking'} has no rates, so no cross-entropy"
    several = ", the mean of several answers to an image" if received.samples > 1 else ""
    ranked = "" if fits else f"; people's answers are {truth.kind}, so it is judged by its ranking"
    return f"{said.shape}{several}{ranked}"


def tied(scores: Tensor) -> bool:
    """Whether some image has no single first label."""
    return bool(((scores == scores.amax(dim=1, keepdim=True)).sum(dim=1) > 1).any())


def named_beside_people(case: Case) -> dict[str, Any]:
    """Labels that systems name more often or less often than people: rows label_bias, and the findings in words.

    Needs `said` in `Case.more`: {SYSTEM: Said}. A ranking, and shares that are not of the target's kind, are compared
    by how often they name a label first. P values are corrected for the labels of all systems together (Holm 1979).
    """
    truth, findings, rows = case.truth, list[str](), list[Figure]()
    none, does, people = dict[str, list[str]](), dict[str, str](), dict[str, NDArray[Any]]()
    for name, said in case.more.get("said", {}).items():
        often = said.often[_at(said, truth.image_id)]
        first = said.shape in ("ranked", "distribution" if truth.kind in SEVERAL else "rates")
        does[name], people[name] = ("names first", firsts(truth.shares)) if first else ("says", truth.shares)
        if first:
            often = firsts(often if said.shape == "ranked" else said.scores[_at(said, truth.image_id)])
        rows += label_bias(often, people[name], truth.labels, truth.groups, **{**case.rows.key, "system": name})
    rows = corrected(rows)
    case.rows.rows += rows
    for name, what in does.items():
        found = sorted((each for each in rows if each.system == name and each.found), key=lambda each: each.p or 0.0)
        means = dict(zip(truth.labels, people[name].mean(axis=0).tolist(), strict=True))
        findings += [bias_in_words(each, means[each.label], what) for each in found]
        if not found:
            none.setdefault(what, []).append(name)
    for what, names in none.items():
        several = what if len(names) == 1 else what.replace("says", "say").replace("names", "name")
        who = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
        findings.append(f"{who} {several} no label more often or less often than people, beyond chance (5 %, Holm)")
    return {"findings": findings, "named_first": [name for name, what in does.items() if what == "names first"]}


def received_of(file: File, ids: Ids) -> dict[str, Any]:
    """What a file held, as plain values: how many images of `ids` have an answer, and which have none."""
    answered = _at(file.said, ids) >= 0
    elsewhere = int((~pd.Index(file.said.image_id).isin(ids)).sum())
    notes = [f"{elsewhere} answered images are not among those judged"] if elsewhere else []
    received = file.said.received
    return {
        **vars(received),
        "judged": len(ids),
        "answered": int(answered.sum()),
        "without_an_answer": [shown(str(image)) for image in ids[~answered]],
        "unknown_labels": dict(received.unknown_labels.most_common()),
        "notes": [*received.notes, *notes],
    }


def in_words(received: Mapping[str, Any], split: str) -> list[str]:
    """What was read of a file, and what could not be used."""
    of, samples = "" if split == "all" else f"{split} ", received["samples"]
    several = f", up to {samples} answers an image" if samples > 1 else ""
    share = received["answered"] / received["judged"]
    lines = [
        f"{received['rows']} {received['what']} read as {received['shape']}{several}; {received['used']} count",
        f"{received['answered']} of {received['judged']} {of}images have an answer ({share:.0%})",
        *(f"{why}: {few(places, 5)}" for why, places in received["problems"].items()),
    ]
    if missing := received["without_an_answer"]:
        lines.append(f"images without an answer: {few(missing, 5)}")
    if unknown := received["unknown_labels"]:
        ways = f"{option('mapping', {next(iter(unknown)): 'LABEL'})} says what a word stands for"
        named = few([f"{label} ({count})" for label, count in unknown.items()], 12)
        lines.append(f"unknown labels: {named}; {received['shortened']} answers count without them; {ways}")
    if received["renamed"]:
        lines.append(
            f"labels renamed: {few([f'{spelt} -> {label}' for spelt, label in received['renamed'].items()], 8)}"
        )
    return [*lines, *received["notes"]]


class Several:
    """What each wording or draw of a file alone answers: `parts_of` of the views of readings."""

    def __init__(self, file: File, truth: Truth, val: Truth | None) -> None:
        self.file, self.truth, self.val = file, truth, val

    def __call__(self, over: str) -> dict[int, tuple[NDArray[np.bool_], Answers]]:
        """By number the images of `truth` that it answers, bool [N], and what it says of all N."""
        assert self.file.replies is not None
        column = self.file.replies.table[over.removesuffix("s")]
        found = {}
        for number in sorted(map(int, column.dropna().unique())):
            said = self.file.part((pd.to_numeric(column) == number).to_numpy(dtype=bool, na_value=False))
            if said is not None:
                answers, _ = judged_as(said, self.truth.image_id, self.truth, self.val)
                found[number] = (_at(said, self.truth.image_id) >= 0, answers)
        return found


def requests_in(name: str, file: File, orders: Orders, data: Dataset) -> Requests | None:
    """What a file's replies gave to labels and where these stood, as far as `orders` has the requests.

    Raises:
        BadInput: where the indexes are of such requests, but drawn from another seed or other labels.
    """
    if file.replies is None:
        return None
    if of_others(file.replies.requests, orders):
        raise BadInput(
            f"{option('index')}: written with other requests than {name} answers, so that labels stood in other orders "
            "(another seed, or other labels); give the index that `ask` wrote with those, or leave it out"
        )
    table = file.replies.table
    alone = replace(file.replies, table=table.assign(image_id=table.index))  # each request as an image of its own
    said = together(alone, one_label=file.one_label, k=file.k)
    images = table["image_id"].groupby(level=0).first().reindex(said.image_id).to_numpy(dtype=object)
    return requests_of(list(said.image_id), said.often, images, data.groups(images), orders)
