"""Systems judged on data sets, in the labels that both sides have, beside people, the prior and zero-shot."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from operator import attrgetter
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
from affectml.evaluating import EvaluateConfig, systems
from affectml.evaluating.systems import Ids, Source
from affectml.heads import PriorHead
from affectml.importers import get_importer
from affectml.importers.registry import PUBLISHED
from affectml.judging import readings
from affectml.judging.answers import SystemAnswers
from affectml.judging.evaluate import evaluate
from affectml.judging.figures import COLUMNS, Evaluation, Figure, Rows
from affectml.judging.scoring import Answers, add_means, add_over_table, add_scores, answers_of, row_scores
from affectml.judging.spaces import Choices, People, Space, coarser, find_space, in_space, people_in
from affectml.judging.subgroups import check_groups, kept_promise, subgroups
from affectml.judging.truth import DEFAULT_TAU, Truth, fit_prior, part_of, read_truth
from affectml.predicting.features import store_there
from affectml.vlm.requests import split_of, store_of
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
    on, and what tells the priors. runs, files: by the system's name.
    """

    config: EvaluateConfig
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
    return [_judge(_open(data, names, sources, config, say), say) for data in opened.values()]


def _open(
    data: Dataset, names: Mapping[Path, str], sources: Sequence[Source], config: EvaluateConfig, say: Say
) -> There:
    """Ask every system, and choose the images that all are judged on."""
    check_groups(data, config.groups)
    runs = {source.name: source.run for source in sources if source.run is not None}
    if runs and config.split != "test":
        raise BadInput(f"{option('split', config.split)}: runs are judged on test images; leave it out")
    targets = systems.target_of(data, list(runs.values()), config.target)
    files = {s.name: systems.read_file(s, data, targets, config) for s in sources if s.run is None}
    heard = {name: systems.hear(run, data, targets, config.threads, say) for name, run in runs.items()}
    store: EmbeddingStore | None
    if config.encoder is not None:
        store = ensure_embeddings(data, config.encoder, threads=config.threads, say=say)
    elif runs:
        store = next(filter(None, (store_there(run, data, say) for run in runs.values())), None)
    else:
        store = store_of(data)
    known, split = targets.image_id, config.split
    ids, val, train = known, known[:0], known
    if runs:
        first = next((answered for answered in heard.values() if answered.own), next(iter(heard.values())))
        part, split = data.images.set_index("image_id").get("split", pd.Series(dtype=object)), first.split
        if first.own:
            part = pd.Series(first.run.model_answers.split, index=first.run.model_answers.image_id)
        val, train = (known[part.reindex(known) == name] for name in ("val", "train"))
        ids = first.image_id
        for answered in heard.values():
            ids = ids[pd.Index(ids).isin(answered.image_id)]
        others = known[~pd.Index(known).isin(ids)]
        train = next(some for some in (train, others, known) if len(some))
    elif parts := split_of(data, targets, split, config.seed, store):
        ids, train = parts.ids(split), parts.ids("train")
        val = parts.ids("val") if split == "test" else val
    if not len(ids):
        raise BadInput(f"{data.root}: no image is in the test split of every run: judge them one by one")
    tau = config.tau or next((run.info.config.tau for run in runs.values()), DEFAULT_TAU)
    return There(config, names, data, targets, ids, val, train, split, tau, store, heard, files)


def _judge(there: There, say: Say) -> Judged:
    """Everybody on a data set: in its own labels whoever has or reaches them, and others in those that they share."""
    targets, config = there.targets, there.config
    words = targets.taxonomy.labels if there.files else ()
    choices = Choices({name: to for name, to in config.mapping.items() if to not in words}, config.drop)
    if there.runs:
        choices.check([targets.taxonomy, *(heard.run.taxonomy for heard in there.runs.values())])
    elif len(there.names) == 1:  # of several the label may be another's
        for word, label in choices.options.items():
            near = did_you_mean(label, words)
            why = f"{targets.taxonomy.name} has no label {label!r}{near} (labels: {', '.join(words)})"
            raise BadInput(f"{option('mapping', {word: label})}: {why}")
    own = (targets.taxonomy.name, *targets.taxonomy.labels)
    groups: dict[tuple[str, ...], dict[str, Space | None]] = {own: {}} if there.files else {}
    made, told = list[Judged](), list[str]()
    for name, run in ((name, heard.run) for name, heard in there.runs.items()):
        try:
            space = None if systems.fits(run, targets) else find_space(run.taxonomy, targets.taxonomy, choices)
            shared = targets.taxonomy if space is None else space.taxonomy
            groups.setdefault((shared.name, *shared.labels), {})[name] = space
        except NoMapping as error:
            told.append(f"{name} on {there.name}: {error}")
    for key in sorted(groups, key=lambda key: key != own):
        try:
            made.append(_in_labels(there, groups[key], None if key == own else next(iter(groups[key].values()))))
        except NoMapping as error:
            told.append(f"{', '.join(groups[key])} on {there.name}: {error}")
    if not made:
        ways = f"{option('mapping')} says what an ambiguous label becomes; {option('drop', True)} leaves labels out"
        raise BadInput(f"evaluate: no system could be compared: {'; '.join(told)}; {ways}")
    for name, learned in ((name, heard.run.info.data) for name, heard in there.runs.items()):
        if learned.construct != targets.meta.construct:
            told.append(
                f"across constructs: {name} learned from {learned.construct} labels and is judged by "
                f"{targets.meta.construct} ones, so a lower score is not yet a worse model"
            )
        if learned.kind != targets.kind:
            told.append(f"{name} learned {learned.kind} and is judged by {targets.kind} ({targets.name})")
    facts = made[0].evaluation.facts
    for name, content in facts["received"].items():
        for line in systems.received_lines(content, there.split):
            say(f"{name}: {line}")
    for line in told:
        say(line)
    more = {"spaces": {place.evaluation.facts["space"]: place.evaluation.facts for place in made}} if made[1:] else {}
    whole = joined([place.evaluation for place in made], warnings=[*facts["warnings"], *told], **more)
    return replace(made[0], evaluation=whole)


def joined(found: Sequence[Evaluation], **facts: Any) -> Evaluation:
    """Several evaluations as one, with the facts of the first and these; each figure stands there once."""
    once = attrgetter(*COLUMNS[: COLUMNS.index("value")])
    figures = {once(figure): figure for part in found for figure in part.figures}
    scores = pd.concat([part.scores for part in found], ignore_index=True)
    return Evaluation(tuple(figures.values()), scores, {**found[0].facts, **facts})


def _in_labels(there: There, group: Mapping[str, Space | None], space: Space | None) -> Judged:
    """Systems judged in the same labels, beside the priors and zero-shot, on the images that all answer.

    group: of the runs, and the space that takes each there, None where it has these labels. space: where they meet;
    None is the data set's own labels, in which files are judged too.
    """
    data, targets, config, own = there.data, there.targets, there.config, space is None
    people, val = _people(there, group, space)
    every, kind = people.truth, people.kind
    lines = list(dict.fromkeys(line for to in group.values() if to is not None for line in to.lines))
    facts: dict[str, Any] = {"lines": lines} if lines else {}
    called = targets.taxonomy.name
    if space is not None:
        whole, part = len(space.of_truth.target), len(space.taxonomy)
        called = space.taxonomy.name + (f" ({part} of {whole} labels)" if part < whole else "")
        facts = {"mass": people.mass, "lines": [*lines, *people.notes], "unreachable": list(space.unreachable)}
    read, rules = there.files if own else {}, dict[str, Any]()
    mine = {name: there.runs[name].says(every.image_id, to, kind) for name, to in group.items()}
    for name, file in read.items():
        mine[name], rules[f"answers of {name}"] = systems.judged_as(file.said, every.image_id, every, val)
    beside, why = _beside(there, group, space, every, val, kind)
    on_all, at = {**mine, **beside}, _answered_by_all(there, read, every.image_id)
    truth, answers = every, on_all
    if len(at) < len(every.image_id):  # else nothing is copied: .4 GB of 100,000 images
        truth, answers = part_of(every, at), {name: answer.rows(at) for name, answer in on_all.items()}
    order, sort = _best_first({name: answers[name] for name in mine}, truth, config.sort)
    answers = {name: answers[name] for name in (*order, *beside)}
    more: dict[str, Any] = {}
    if own:
        more = {"images": data.images, "groups": config.groups}
        more |= _of_files(there, truth)
    if own and order[0] in group and group[order[0]] is None:  # what the views of a head need
        first = there.runs[order[0]]
        head, data_of = first.run.head, first.run.info.data
        more |= {"head": head, "own": first.own and data_of.target == targets.name, "made_on": data_of.kind}
    if own and len(group) == len(there.runs):  # else others are judged in coarser labels already
        rates = [n for n in order if (there.runs[n].rates if n in group else read[n].said.shape == "rates")]
        rates += ["prior"] if kind in SEVERAL else []
        more |= {"data": data, "targets": targets, "train": there.train, "rates": rates}
    key = {"dataset": there.name, "target": targets.name, "space": called}
    evaluation = evaluate(
        answers, truth, split=there.split, seed=config.seed, why_not=why, pairs=_pairs(order, beside),
        also=VIEWS if own else (), **key, **more,
    )  # fmt: skip
    ties = [name for name in read if truth.kind == "single" and systems.tied(answers[name].scores)]
    figures = [f for f in evaluation.figures if f.system not in ties or not f.metric.startswith("label_f1")]
    if len(at) < len(every.image_id):
        figures += _as_empty(on_all, every, list(read), key)
    for name, to in group.items():
        figures += _at_home(there, name, to, called)
    if truth.sets is not None and val is None and read:
        rules["predicted_sets"] = f"where a system gives none: labels with a rate of at least tau ({there.tau:.3g})"
    if there.split == "all" and read:
        knowing = "the prior knows" if truth.sets is None else "the prior, and the Beta prior of label sets, know"
        rules["split"] = f"all: {knowing} the judged images"
    facts |= {**evaluation.facts, "rules": evaluation.facts["rules"] | rules, "sort": sort, "systems": order}
    facts |= {"received": {name: systems.received_of(file, there.ids) for name, file in read.items()}, "warnings": []}
    published = (
        line.partition(":")[0] for n, line in PUBLISHED.items() if get_importer(n).about.source in data.meta.source
    )
    if read and (source := next(published, None)):
        facts["warnings"] = [
            f"{source} is a published set: {' and '.join(read)} may have been trained on its images or labels, and a "
            "high score may be memory; ask the makers, or judge on images that nobody published"
        ]
    for name in () if truth.sets is None else group:
        if (trained := there.runs[name].run.info.config.tau) != there.tau:
            facts["warnings"].append(
                f"{name} chose its thresholds for sets of labels with a rate of {trained:.3g} or more, and is judged "
                f"on those of {there.tau:.3g} or more: trained for these, its sets may agree better"
            )
    place = (truth.labels, truth.image_id, there.split)
    kept = {name: SystemAnswers.of(answer, *place) for name, answer in answers.items()}
    return Judged(Evaluation(tuple(figures), evaluation.scores, facts), data, kept, truth)


def _people(there: There, group: Mapping[str, Space | None], space: Space | None) -> tuple[People, Truth | None]:
    """What people say of the judged images, in a space or in the data set's own labels, and there of validation's."""
    data, targets = there.data, there.targets
    if space is not None:
        return people_in(data, targets, there.ids, there.train, space.of_truth, space, there.tau), None
    own = [there.runs[name].run.info.config.multilabel for name, to in group.items() if to is None]
    how: dict[str, Any] = {"beta": fit_prior(targets.take(there.train)), "tau": there.tau}
    how["single_positive"] = targets.kind == "single" and any(own)
    val = read_truth(data, targets, there.val, **how) if len(there.val) else None
    return People(read_truth(data, targets, there.ids, **how), 1.0, ()), val


def _at_home(there: There, name: str, space: Space | None, called_space: str) -> list[Figure]:
    """The same run on its own test images in the same labels, as far as its data are where they were."""
    run = there.runs[name].run
    home = None if there.runs[name].own or not run.has_answers else systems.home_of(run)
    if home is None or run.info.data.target is None:
        return []
    targets, answers = home.target(run.info.data.target), run.model_answers
    here = pd.Index(answers.image_id).isin(targets.image_id)
    test, train = (answers.image_id[here & (answers.split == part)] for part in ("test", "train"))
    at = replace(there, data=home, targets=targets, ids=test, val=test[:0], train=train)
    people, _ = _people(at, {name: space}, None if space is None else replace(space, of_truth=space.of_model))
    heard = systems.Heard(run, test, systems.stored(run, test), "test", own=True)
    called = there.names.get(home.root.resolve(), systems.free_name(home.name, there.names.values()))
    rows = Rows(dataset=called, target=targets.name, space=called_space)
    add_scores(rows, heard.says(people.truth.image_id, space, people.kind), people.truth, system=name)
    return rows.rows


def _beside(
    there: There, group: Mapping[str, Space | None], space: Space | None, truth: Truth, val: Truth | None, kind: str
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
            if to is not None:
                prior = in_space(prior, to.of_model, to, rates=run.info.several, kind=kind)
            if not any(torch.equal(prior.scores, other.scores) for other in priors.values()):
                priors["prior" if not priors else f"prior of {name}"] = prior
    if space is None and not group:
        none, train = np.zeros((1, 1)), there.targets.take(there.train).shares()
        head = PriorHead().fit(none.repeat(len(train), axis=0), train)
        if val is not None and val.sets is not None:
            head.tune_thresholds(none.repeat(len(val.sets), axis=0), val.sets.astype(np.int64))
        constant = answers_of(head, none, kind)
        if constant.sets is None and truth.sets is not None:
            constant = replace(constant, sets=(constant.scores >= truth.tau - 1e-9).long())
        priors["prior"] = constant.rows(np.zeros(n, dtype=int))
    if texts is None:
        taxonomy = there.targets.taxonomy if space is None else space.taxonomy
        texts, why = systems.zero_shot(there.store, taxonomy, truth.kind, truth.image_id, val)
    return {**priors, **({} if texts is None else {"zero_shot": texts})}, {"zero_shot": why} if why else {}


def _answered_by_all(there: There, read: Mapping[str, systems.File], ids: Ids) -> np.ndarray[Any, Any]:
    """Which of the judged images have an answer of every file."""
    have = pd.DataFrame({name: pd.Index(ids).isin(file.said.image_id) for name, file in read.items()}, range(len(ids)))
    counts = have.sum()
    for name, file in read.items():
        if not counts[name]:
            among = f"the {len(there.ids)} of the {there.split} split; {option('split', 'all')} judges all images"
            raise BadInput(f"{name}: none of the {len(file.said.image_id)} images with an answer is among {among}")
    at = np.flatnonzero(have.all(axis=1))
    if not len(at):
        of = "" if there.split == "all" else f" of the {there.split} split"
        sizes = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise BadInput(f"no image{of} has an answer of every system (images with one: {sizes}); judge them one by one")
    return at


def _best_first(answers: Mapping[str, Answers], truth: Truth, sort: str | None) -> tuple[list[str], str]:
    """The systems best first, and the metric that says so: the one asked for, else the first of the main ones.

    Raises:
        BadInput: for a metric that some system has not, or that knows no better and worse; those that can be are named.
    """
    values: dict[str, dict[str, float]] = {}
    for name, answer in answers.items():
        values[name] = {metric: float(rows.double().nanmean()) for metric, rows in row_scores(answer, truth).items()}
        if sort is not None and sort not in values[name]:
            rows = Rows(system=name)
            add_over_table(rows, answer, truth)
            values[name] |= {figure.name: figure.value for figure in rows.rows}
    of_first = next(iter(values.values()))
    known = [m for m in of_first if better(m) and all(np.isfinite(scores.get(m, np.nan)) for scores in values.values())]
    if sort is not None and sort not in known:
        ways = f"{did_you_mean(sort, known)} (every system has {', '.join(known)})"
        raise BadInput(f"{option('sort', sort)}: not every system has it, or it knows no better and worse{ways}")
    metric = sort or next((name for name in (*FIRST, *shown(known, "headline"), *known) if name in known), "")
    order = sorted(answers, key=lambda name: values[name].get(metric, 0.0), reverse=better(metric) == "higher")
    return order, metric


def _pairs(order: Sequence[str], beside: Mapping[str, Answers]) -> list[tuple[str, str]] | None:
    """Each system less those after it, and less all that stands beside; of a run alone what `evaluate` tests."""
    others = (*beside, "person", "consensus")
    return (
        None
        if list(order) == ["model"]
        else [(system, other) for at, system in enumerate(order) for other in (*order[at + 1 :], *others)]
    )


def _as_empty(whole: Mapping[str, Answers], truth: Truth, names: Sequence[str], key: Mapping[str, str]) -> list[Figure]:
    """Sets and rankings on all judged images, one without an answer counted as the empty set: rows `by` unanswered."""
    rows = Rows(**key, by="unanswered", level="as empty")
    scores = {name: row_scores(replace(answer, shares=None), truth) for name, answer in whole.items()}
    wanted = [m for m in shown((m for name in names for m in scores[name]), "brief") if better(m)]
    for name, by_metric in scores.items():
        kept = {metric: values for metric, values in by_metric.items() if metric in wanted}
        add_means(rows, kept, truth.groups, system=name)
    return rows.rows


def _of_files(there: There, truth: Truth) -> dict[str, Any]:
    """What the views of files need, see `affectml.judging.readings` and `systems.named_beside_people`."""
    files = there.files.items()
    requests = {n: systems.requests_in(file, truth.labels, there.config.seed, there.data) for n, file in files}
    return {
        "said": {name: file.said for name, file in files},
        "requests": {name: request for name, request in requests.items() if request is not None},
        "smoothed": [name for name, file in files if file.said.received.shape == "sets"],
    }
