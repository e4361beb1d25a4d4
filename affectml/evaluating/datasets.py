"""Systems judged on data sets, in the labels that both sides have, beside people, the prior and zero-shot."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from affectml._progress import Say
from affectml.data import Dataset, Targets
from affectml.data.choose import SEVERAL
from affectml.embeddings import EmbeddingStore, ensure_embeddings
from affectml.errors import BadInput, BadRun, NoMapping, did_you_mean, option
from affectml.evaluating import systems
from affectml.evaluating.config import EvaluateConfig
from affectml.evaluating.systems import Ids, Source
from affectml.heads import PriorHead
from affectml.importers import get_importer
from affectml.importers.registry import PUBLISHED
from affectml.judging import readings
from affectml.judging.answers import SystemAnswers
from affectml.judging.compare import agreement, distances
from affectml.judging.evaluate import evaluate
from affectml.judging.figures import Evaluation, Figure, Rows, scores_table
from affectml.judging.scoring import Answers, add_means, add_over_table, add_scores, answers_of, row_scores
from affectml.judging.spaces import Choices, Space, coarser, find_space, in_space, people_in
from affectml.judging.subgroups import answerers, check_groups, kept_promise, subgroups
from affectml.judging.truth import DEFAULT_TAU, Truth, fit_prior, part_of, read_truth
from affectml.predicting.features import store_there
from affectml.runs import RunFolder
from affectml.vlm.orders import read_orders
from affectml.vlm.requests import split_of, store_of
from affectml_metrics import Interval, difference
from affectml_metrics.table import better, shown

VIEWS = (subgroups, kept_promise, coarser, systems.named_beside_people, *readings.VIEWS)
FIRST = ("set_f1_judgements", "top_1_accuracy")  # systems are sorted by the first of these that all have


@dataclass(frozen=True, eq=False)
class Judged:
    """What was found on a data set, and what a page shows of its images: everybody's answers, and the truth."""

    evaluation: Evaluation
    data: Dataset
    answers: Mapping[str, SystemAnswers]
    truth: Truth


@dataclass(frozen=True, eq=False)
class There:
    """A data set, and who is judged on which of its images.

    names: what every data set is called, by its folder. ids: the judged images; val, train: what thresholds are chosen
    on, and what tells the priors. runs, files: by the system's name; of runs what each says of `ids`.
    """

    names: Mapping[Path, str]
    data: Dataset
    targets: Targets
    ids: Ids
    val: Ids
    train: Ids
    split: str
    tau: float
    store: EmbeddingStore | None
    runs: Mapping[str, systems.Heard]
    files: Mapping[str, systems.File]

    @property
    def name(self) -> str:
        """What the data set is called."""
        return self.names[self.data.root.resolve()]


def on_datasets(sources: Sequence[Source], config: EvaluateConfig, say: Say) -> list[Judged]:
    """Judge everybody on each data set of `config.on`.

    Raises:
        AffectmlError: one of its subclasses, for what the user can mend.
    """
    opened = {data.root.resolve(): data for data in map(Dataset.open, config.on)}
    names: dict[Path, str] = {}
    for root, data in opened.items():
        names[root] = systems.free_name(data.name if data.name not in names.values() else root.name, names.values())
    return [_judge(_open(data, names, sources, config, say), config, say) for data in opened.values()]


def _open(
    data: Dataset, names: Mapping[Path, str], sources: Sequence[Source], config: EvaluateConfig, say: Say
) -> There:
    """Ask every system, and choose the images that all are judged on."""
    check_groups(data, config.groups)
    runs = {each.name: each.run for each in sources if each.run is not None}
    targets = systems.target_of(data, list(runs.values()), config.target)
    known = targets.image_id
    read = {each.name: systems.read_file(each, data, targets, config) for each in sources if each.run is None}
    heard = {name: systems.hear(run, data, targets, config.threads, say) for name, run in runs.items()}
    own = [name for name, each in heard.items() if each.own]
    store: EmbeddingStore | None
    if config.encoder is not None:
        store = ensure_embeddings(data, config.encoder, threads=config.threads, say=say)
    else:
        found = (store_there(run, data, say) for run in runs.values())
        store = next(filter(None, found), None) if runs else store_of(data)
    if runs and config.split != "test":
        raise BadInput(f"{option('split', config.split)}: runs are judged on test images; leave it out")
    if runs:
        ids, split = (each := heard[own[0]] if own else next(iter(heard.values()))).image_id, each.split
        for each in heard.values():
            ids = ids[pd.Index(ids).isin(each.image_id)]
        if own:
            said = runs[own[0]].model_answers
            part = pd.Series(said.split, index=said.image_id).reindex(known)
        else:
            part = data.images.set_index("image_id").get("split", pd.Series(dtype=object)).reindex(known)
        val, train = known[part == "val"], known[part == "train"]
        others = known[~pd.Index(known).isin(ids)]
        train = train if len(train) else others if len(others) else known
    else:
        parts, split = split_of(data, targets, config.split, config.seed, store), config.split
        ids, val, train = known, known[:0], known
        if parts is not None:
            ids, train = parts.ids(split), parts.ids("train")
            val = parts.ids("val") if split == "test" else val
    if not len(ids):
        raise BadInput(f"{data.root}: no image is in the test split of every run: judge them one by one")
    rows = {name: pd.Index(each.image_id).get_indexer(pd.Index(ids)) for name, each in heard.items()}
    heard = {name: replace(each, image_id=ids, answers=each.answers.rows(rows[name])) for name, each in heard.items()}
    tau = config.tau or next((run.info.config.tau for run in runs.values()), DEFAULT_TAU)
    return There(names, data, targets, ids, val, train, split, tau, store, heard, read)


def _judge(there: There, config: EvaluateConfig, say: Say) -> Judged:
    """Everybody on a data set: in its own labels whoever has or reaches them, and others in those that they share."""
    targets, words = there.targets, there.targets.taxonomy.labels if there.files else ()
    choices = Choices({name: to for name, to in config.mapping.items() if to not in words}, config.drop)
    if there.runs:
        choices.check([targets.taxonomy, *(each.run.taxonomy for each in there.runs.values())])
    own = (targets.taxonomy.name, *targets.taxonomy.labels)
    groups: dict[tuple[str, ...], dict[str, Space | None]] = {own: {}} if there.files else {}
    made, refused = list[Judged](), list[str]()
    for name, heard in there.runs.items():
        try:
            run = heard.run
            space = None if systems.fits(run, targets) else find_space(run.taxonomy, targets.taxonomy, choices)
            key = own if space is None else (space.taxonomy.name, *space.taxonomy.labels)
            groups.setdefault(key, {})[name] = space
        except NoMapping as error:
            refused.append(f"{name} on {there.name}: {error}")
    for key in sorted(groups, key=lambda key: key != own):
        try:
            made.append(_in_labels(there, groups[key], config, own=key == own))
        except NoMapping as error:
            refused.append(f"{', '.join(groups[key])} on {there.name}: {error}")
    if not made:
        ways = f"{option('mapping')} says what an ambiguous label becomes; {option('drop', True)} leaves labels out"
        raise BadInput(f"evaluate: no system could be compared: {'; '.join(refused)}; {ways}")
    told = refused
    for name, learned in ((name, heard.run.info.data) for name, heard in there.runs.items()):
        if learned.construct != targets.meta.construct:
            told.append(
                f"across constructs: {name} learned from {learned.construct} labels and is judged by "
                f"{targets.meta.construct} ones, so a lower score is not yet a worse model"
            )
        if learned.kind != targets.kind:
            told.append(f"{name} learned {learned.kind} and is judged by {targets.kind} ({targets.name})")
    first = made[0].evaluation
    read = {name: systems.in_words(each, there.split) for name, each in first.facts["received"].items()}
    for line in (*(f"{name}: {each}" for name, lines in read.items() for each in lines), *told):
        say(line)
    facts = {**first.facts, "warnings": [*first.facts["warnings"], *told]}
    if len(made) > 1:
        facts["spaces"] = {each.evaluation.facts["space"]: each.evaluation.facts for each in made}
    figures = tuple(figure for each in made for figure in each.evaluation.figures)
    scores = pd.concat([each.evaluation.scores for each in made], ignore_index=True)
    return replace(made[0], evaluation=Evaluation(figures, scores, facts))


def _in_labels(there: There, group: Mapping[str, Space | None], config: EvaluateConfig, *, own: bool) -> Judged:
    """Systems judged in the same labels, beside the priors and zero-shot, on the images that all answer.

    group: of the runs, and the space that takes each there, None where it has these labels. own: whether they are the
    data set's own; files are judged in these.
    """
    data, targets, space = there.data, there.targets, next((to for to in group.values() if to is not None), None)
    every, val, facts, kind = _truth(there, group, space, own=own)
    at = pd.Index(there.ids).get_indexer(pd.Index(every.image_id))
    mine, rules = dict[str, Answers](), dict[str, Any]()
    for name, to in group.items():
        run, answers = there.runs[name].run, there.runs[name].answers
        mine[name] = answers.rows(at) if to is None else _carried(run, answers.rows(at), to, kind)
    read = there.files if own else {}
    for name, file in read.items():
        mine[name], rules[f"answers of {name}"] = systems.judged_as(file.said, every.image_id, every, val)
    beside, why = _beside(there, group, every, val, kind, own=own)
    whole, at = {**mine, **beside}, _answered_by_all(there, read, every.image_id)
    some = len(at) < len(every.image_id)
    truth = part_of(every, at) if some else every
    mine, beside = ({n: a.rows(at) if some else a for n, a in each.items()} for each in (mine, beside))
    mine, sort = _best_first(mine, truth, config.sort)
    answers_of_all = {**mine, **beside}
    more: dict[str, Any] = {}
    if own:
        first = next(iter(mine))
        more = {"images": data.images, "answerers": answerers(data, truth), "groups": config.groups}
        more |= _of_head(there, first) if group.get(first, space) is None and first in group else {}
        more |= _of_files(there, truth, val, config) | {"by": sort}
    if own and len(group) == len(there.runs):  # else others are judged in coarser labels already
        rates = [n for n in mine if (_rates(there.runs[n].run) if n in group else there.files[n].said.shape == "rates")]
        rates += ["prior"] if kind in SEVERAL else []
        more |= {"data": data, "targets": targets, "train": there.train, "rates": rates}
    called = targets.taxonomy.name if own or space is None else _called(space)
    key = {"dataset": there.name, "target": targets.name, "space": called}
    found = evaluate(
        answers_of_all, truth, split=there.split, seed=config.seed, why_not=why, pairs=_pairs(mine, beside),
        also=VIEWS if own else (), **key, **more,
    )  # fmt: skip
    ties = [name for name in read if truth.kind == "single" and systems.tied(mine[name].scores)]
    figures = [f for f in found.figures if f.system not in ties or not f.metric.startswith("label_f1")]
    if some:
        figures += _as_empty(whole, every, list(read), key)
    tables, scores = {name: pd.DataFrame(each.scores.numpy()) for name, each in mine.items()}, found.scores
    figures += agreement(tables, **key)
    if config.gallery and len(mine) > 1:
        apart = {pair: {"total_variation": values} for pair, values in distances(tables).items()}
        scores = pd.concat([scores, scores_table(apart, truth.image_id, groups=truth.groups, **key)], ignore_index=True)
    for name, to in group.items():
        figures += _at_home(there, name, to, key, found)
    if truth.sets is not None and val is None and read:
        rules["predicted_sets"] = f"where a system gives none: labels with a rate of at least tau ({there.tau:.3g})"
    if there.split == "all" and read:
        knowing = "the prior knows" if truth.sets is None else "the prior, and the Beta prior of label sets, know"
        rules["split"] = f"all: {knowing} the judged images"
    facts |= {**found.facts, "rules": found.facts["rules"] | rules, "sort": sort, "systems": list(mine)}
    facts |= {"received": {name: systems.received_of(file, there.ids) for name, file in read.items()}, "warnings": []}
    if read and (source := published_source(data.meta.source)):
        facts["warnings"] = [
            f"{source} is a published set: {' and '.join(read)} may have been trained on its images or labels, and a "
            "high score may be memory; ask the makers, or judge on images that nobody published"
        ]
    place = (truth.labels, truth.image_id, there.split)
    kept = {name: SystemAnswers.of(each, *place) for name, each in answers_of_all.items()}
    return Judged(Evaluation(tuple(figures), scores, facts), data, kept, truth)


def _called(space: Space) -> str:
    """The name of a space: its taxonomy's, with how many of its labels both sides reach where these are not all."""
    whole, part = len(space.of_truth.target), len(space.taxonomy)
    return space.taxonomy.name if part == whole else f"{space.taxonomy.name} ({part} of {whole} labels)"


def _truth(
    there: There, group: Mapping[str, Space | None], space: Space | None, *, own: bool
) -> tuple[Truth, Truth | None, dict[str, Any], str]:
    """What people say of the judged images, and of those that thresholds are chosen on; facts of the labels; and
    the kind that shares are compared with, see `People.kind`.
    """
    targets, data = there.targets, there.data
    lines = dict.fromkeys(line for to in group.values() if to is not None for line in to.lines)
    if not own:
        assert space is not None
        people = people_in(data, targets, there.ids, there.train, space.of_truth, space, there.tau)
        facts = {"mass": people.mass, "lines": [*lines, *people.notes], "unreachable": list(space.unreachable)}
        return people.truth, None, facts, people.kind
    single = targets.kind == "single" and any(
        to is None and there.runs[name].run.info.config.multilabel for name, to in group.items()
    )
    beta = fit_prior(targets.take(there.train))
    truth, val = (
        read_truth(data, targets, ids, beta=beta, tau=there.tau, single_positive=single) if len(ids) else None
        for ids in (there.ids, there.val)
    )
    assert truth is not None
    return truth, val, {"lines": list(lines)} if lines else {}, truth.kind


def _carried(run: RunFolder, answers: Answers, space: Space, kind: str, *, prior: bool = False) -> Answers:
    """What a run, or its prior, says in a space."""
    return in_space(answers, space.of_model, space, rates=run.info.several if prior else _rates(run), kind=kind)


def _rates(run: RunFolder) -> bool:
    """Whether the scores of a run's head are rates, each label on its own, and not a distribution."""
    return run.info.several and run.head.scores_of != "texts"


def _at_home(there: There, name: str, space: Space | None, key: Mapping[str, str], found: Evaluation) -> list[Figure]:
    """The same run on its own test images in the same labels, as far as its data are where they were, and the drop.

    A row of the drop, `by` dataset, is what it scores at home less what it scores here, on different images.
    """
    run = there.runs[name].run
    home = None if there.runs[name].own or not run.has_answers else systems.home_of(run)
    if home is None or run.info.data.target is None:
        return []
    targets, said = home.target(run.info.data.target), run.model_answers
    here = pd.Index(said.image_id).isin(targets.image_id)
    test, train = (said.image_id[here & (said.split == part)] for part in ("test", "train"))
    if space is None:
        single = targets.kind == "single" and bool(run.info.config.multilabel)
        beta = fit_prior(targets.take(train))
        truth = read_truth(home, targets, test, beta=beta, tau=there.tau, single_positive=single)
        answers = systems.stored(run, test)
    else:
        people = people_in(home, targets, test, train, space.of_model, space, there.tau)
        truth = people.truth
        answers = _carried(run, systems.stored(run, truth.image_id), space, people.kind)
    called = there.names.get(home.root.resolve(), systems.free_name(home.name, there.names.values()))
    rows = Rows(dataset=called, target=targets.name, space=key["space"])
    add_scores(rows, answers, truth, system=name)
    drops = Rows(**key, by="dataset", level=f"{called} less {there.name}", system=name, against=name)
    for figure in rows.rows:
        other = found.get(figure.name, name)
        if other is not None:
            drops.add(figure.name, difference(_interval(figure), _interval(other)))
    return [*rows.rows, *drops.rows]


def _interval(figure: Figure) -> Interval:
    numbers = (figure.value, *figure.ends, figure.n or 0, 0, figure.units or 0)
    return Interval(*torch.tensor(numbers, dtype=torch.float64))


def _beside(
    there: There, group: Mapping[str, Space | None], truth: Truth, val: Truth | None, kind: str, *, own: bool
) -> tuple[dict[str, Answers], dict[str, str]]:
    """The priors, and zero-shot: what each says of the judged images, and why not.

    The prior is the label shares that a run learned from, and without a run those of the training images, cut as
    validation asks for; that of a run which learned from other shares is `prior of NAME`. On a run's own data both are
    what it stored.
    """
    n, priors, texts, why = len(truth.image_id), dict[str, Answers](), None, ""
    for name, to in group.items():
        run = there.runs[name].run
        if there.runs[name].own and to is None:
            with suppress(BadRun):  # the run has none
                texts = systems.stored(run, truth.image_id, "zero_shot")
        if run.info.prior is not None:
            prior = systems.prior_answers(run.info.prior, n, run.info.data.kind)
            prior = prior if to is None else _carried(run, prior, to, kind, prior=True)
            if not any(torch.equal(prior.scores, other.scores) for other in priors.values()):
                priors["prior" if not priors else f"prior of {name}"] = prior
    if own and not group:
        head = PriorHead().fit(np.zeros((len(there.train), 1)), there.targets.take(there.train).shares())
        if val is not None and val.sets is not None:
            head.tune_thresholds(np.zeros((len(there.val), 1)), val.sets.astype(np.int64))
        one = answers_of(head, np.zeros((1, 1)), kind)
        shares, sets = (None if each is None else each.expand(n, -1) for each in (one.shares, one.sets))
        priors["prior"] = prior = Answers(one.scores.expand(n, -1), shares, sets)
        if prior.sets is None and truth.sets is not None:
            priors["prior"] = replace(prior, sets=(prior.scores >= truth.tau - 1e-9).long())
    if texts is None:
        spaces = [to.taxonomy for to in group.values() if to is not None]
        taxonomy = there.targets.taxonomy if own else spaces[0]
        texts, why = systems.zero_shot(there.store, taxonomy, truth.kind, truth.image_id, val)
    return {**priors, **({} if texts is None else {"zero_shot": texts})}, {"zero_shot": why} if why else {}


def _answered_by_all(there: There, read: Mapping[str, systems.File], ids: Ids) -> np.ndarray[Any, Any]:
    """Which of the judged images have an answer of every file."""
    have = {name: pd.Index(ids).isin(file.said.image_id) for name, file in read.items()}
    for name, found in have.items():
        if not found.any():
            raise BadInput(
                f"{name}: none of the {len(there.files[name].said.image_id)} images with an answer is among the "
                f"{len(there.ids)} of the {there.split} split; {option('split', 'all')} judges all images"
            )
    at = np.flatnonzero(np.logical_and.reduce([np.ones(len(ids), dtype=bool), *have.values()]))
    if not len(at):
        of = "" if there.split == "all" else f" of the {there.split} split"
        counts = ", ".join(f"{name} {int(found.sum())}" for name, found in have.items())
        raise BadInput(f"no image{of} has an answer of every system (images with one: {counts}); judge them one by one")
    return at


def _best_first(answers: Mapping[str, Answers], truth: Truth, sort: str | None) -> tuple[dict[str, Answers], str]:
    """The systems best first, and the metric that says so: the one asked for, else the first of the main ones.

    Raises:
        BadInput: for a metric that some system has not, or that knows no better and worse; those that can be are named.
    """
    values: dict[str, dict[str, float]] = {}
    for name, each in answers.items():
        values[name] = {metric: float(found.double().nanmean()) for metric, found in row_scores(each, truth).items()}
        if sort is not None and sort not in values[name]:
            rows = Rows(system=name)
            add_over_table(rows, each, truth)
            values[name] |= {figure.name: figure.value for figure in rows.rows}
    of_all = [name for name in next(iter(values.values())) if better(name) and all(name in v for v in values.values())]
    known = [name for name in of_all if all(np.isfinite(v[name]) for v in values.values())]
    if sort is not None and sort not in known:
        ways = f"{did_you_mean(sort, known)} (every system has {', '.join(known)})"
        raise BadInput(
            f"{option('sort', sort)}: not every system has that metric, or it knows no better and worse{ways}"
        )
    metric = sort or next((name for name in (*FIRST, *shown(known, "headline"), *known) if name in known), "")
    names = list(answers)
    if metric:
        names.sort(key=lambda name: values[name][metric], reverse=better(metric) == "higher")
    return {name: answers[name] for name in names}, metric


def _pairs(mine: Mapping[str, Answers], beside: Mapping[str, Answers]) -> list[tuple[str, str]] | None:
    """Each system less those after it, and less all that stands beside; of a run alone what `evaluate` tests."""
    if list(mine) == ["model"]:
        return None
    names = list(mine)
    return [
        (one, other) for at, one in enumerate(names) for other in (*names[at + 1 :], *beside, "person", "consensus")
    ]


def _as_empty(whole: Mapping[str, Answers], truth: Truth, names: Sequence[str], key: Mapping[str, str]) -> list[Figure]:
    """Sets and rankings on all judged images, one without an answer counted as the empty set: rows `by` unanswered."""
    rows = Rows(**key, by="unanswered", level="as empty")
    scores = {name: row_scores(replace(each, shares=None), truth) for name, each in whole.items()}
    wanted = [m for m in shown((m for name in names for m in scores[name]), "brief") if better(m)]
    for name, found in scores.items():
        kept = {metric: values for metric, values in found.items() if metric in wanted}
        add_means(rows, kept, truth.groups, system=name)
    return rows.rows


def _of_head(there: There, name: str) -> dict[str, Any]:
    """What the views of a head need: its cuts, its promise, and whether that was made on these data."""
    run = there.runs[name].run
    head, own = run.head, there.targets.name == run.info.data.target
    own &= there.data.has_fingerprint(run.info.data.fingerprint, run.info.data.target)
    cuts = None if head.promise_ is not None else head.thresholds_
    return {"head": head, "own": own, "made_on": run.info.data.kind, "thresholds": cuts}


def _of_files(there: There, truth: Truth, val: Truth | None, config: EvaluateConfig) -> dict[str, Any]:
    """What the views of files need, see `affectml.judging.readings` and `systems.named_beside_people`."""
    orders, requests = read_orders(config.index, truth.labels), {}
    for name, file in there.files.items() if orders else ():
        found = systems.requests_in(name, file, orders, there.data)
        if found is None:
            file.said.received.notes.append(f"{option('index')} has too few of its requests: no word of places")
        else:
            requests[name] = found
    return {
        "said": {name: file.said for name, file in there.files.items()},
        "parts_of": {n: partial(f.alone, truth, val) for n, f in there.files.items() if f.replies is not None},
        "requests": requests,
        "smoothed": [name for name, file in there.files.items() if file.said.received.shape == "sets"],
    }


def published_source(source: str) -> str | None:
    """What a published set is called, from dataset.json's source; None for a source that no importer states."""
    for name, line in PUBLISHED.items():
        if get_importer(name).about.source in source:
            return line.partition(":")[0]
    return None
