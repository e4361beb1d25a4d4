"""Who answers: runs and files by their names, what each says of a data set's images, and what stands beside them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, count
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml._files import need_file
from affectml._progress import Say
from affectml.data import Dataset, Targets
from affectml.data.choose import SEVERAL, levels_of
from affectml.data.dataset import SPLITS
from affectml.data.splits import CALIBRATION
from affectml.duplicates import copies_among
from affectml.embeddings import EmbeddingStore
from affectml.encoders.threads import set_threads
from affectml.errors import AffectmlError, BadDataset, BadInput, BadRun, EncoderUnavailable, few, option
from affectml.evaluating import EvaluateConfig
from affectml.heads import ZeroShotHead, apply_thresholds, choose_thresholds
from affectml.judging.answers import KEYS, SystemAnswers, read_answers
from affectml.judging.compare import bias_in_words, corrected, firsts, label_bias
from affectml.judging.figures import MADE_HERE, Figure
from affectml.judging.readings import Requests
from affectml.judging.scoring import Answers, answers_of, rounded, unsure
from affectml.judging.spaces import Space, in_space
from affectml.judging.truth import Truth
from affectml.judging.views import Case
from affectml.predicting.features import FromFiles, learned_from, store_of, store_there
from affectml.prompts import Prompts, label_features
from affectml.runs import RunFolder
from affectml.runs.schema import PriorInfo
from affectml.taxonomies import Taxonomy
from affectml.vlm import Received, Replies, Said, read_replies, together
from affectml.vlm.reply import shown, shuffle_of
from affectml.vlm.requests import shuffled

Ids = NDArray[np.object_]
BESIDE = ("prior", "zero_shot")
FEWEST_VAL = 20  # validation images with an answer, from which thresholds are chosen


@dataclass(frozen=True, eq=False)
class Source:
    """Where a system's answers come from: a run, or a file; system: which one of a file as answers.parquet is."""

    name: str
    path: Path
    run: RunFolder | None = None
    system: str | None = None


def sources_of(given: Iterable[str | PathLike[str]]) -> list[Source]:
    """The systems of a command line: a run's folder or a file of answers each, or NAME=PATH.

    Without a NAME a system is called as its folder, or as its file less the ending; a second one of a name is
    `NAME (2)`. A run that is alone is `model`.

    Raises:
        BadInput: for none, a data set, and a NAME that another system has, or that belongs to what stands beside them.
        BadRun: if a folder is not a run.
    """
    asked, sources = [str(system) for system in given], list[Source]()
    if not asked:
        raise BadInput(f"evaluate: which systems? Name runs or files of answers, or data sets with {option('train')}")
    for text in asked:
        name, equals, rest = text.partition("=")
        named = bool(equals) and not Path(text).exists()
        path = Path(rest if named else text)
        if (path / "dataset.json").exists():
            raise BadInput(f"{path} is a data set, not a system: name what it is judged with, and {option('on', path)}")
        if path.exists() and not path.is_dir():
            need_file(path)
        run, taken = None if path.is_file() else RunFolder.open(path), {*MADE_HERE, *BESIDE, *(s.name for s in sources)}
        if named and (name in taken or not name.strip()):
            why = f"{name} is the name of another system; choose another" if name.strip() else "expected NAME=PATH"
            raise BadInput(f"{text}: {why}")
        inside: list[str | None] = [*systems_in(path)] if run is None else []
        alone = path.stem if run is None else path.resolve().name if len(asked) > 1 else "model"
        for system in inside or [None]:
            own = alone if system in (None, "model") else str(system)
            own = own if not named else name if len(inside) < 2 else f"{name} {system}"
            sources.append(Source(free_name(own, {*taken, *(s.name for s in sources)}), path, run, system))
    return sources


def systems_in(file: Path) -> list[str]:
    """The systems of a file as answers.parquet is, but for what stands beside everybody; none of any other file."""
    with file.open("rb") as handle:
        if handle.read(4) != b"PAR1":
            return []
    try:
        if not {*KEYS} <= {*pq.read_schema(file).names}:
            return []
        systems = pq.read_table(file, columns=["system"])["system"].unique().to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise BadInput(f"{file}: cannot be read ({error}): the file is damaged") from None
    return [system for system in systems if system not in BESIDE]


def free_name(name: str, taken: Collection[str]) -> str:
    """The name, or with the first number that makes it one of its own."""
    return next(free for free in chain([name], (f"{name} ({n})" for n in count(2))) if free not in taken)


@dataclass(frozen=True, eq=False)
class Heard:
    """What a run says of the images of a data set that it may be judged on, in its own labels.

    image_id: [N]. split: the name of that part. own: whether it learned from other images of these very data.
    """

    run: RunFolder
    image_id: Ids
    answers: Answers
    split: str
    own: bool

    @property
    def rates(self) -> bool:
        """Whether its scores are rates, each label on its own, and not a distribution."""
        return self.run.info.several and self.run.head.scores_of != "texts"

    def says(self, ids: Ids, space: Space | None, kind: str) -> Answers:
        """What it answers of some of the images, in a space or in its own labels. kind: see `People.kind`."""
        answers = self.answers.rows(places(self.image_id, ids))
        return answers if space is None else in_space(answers, space.of_model, space, rates=self.rates, kind=kind)


def hear(run: RunFolder, data: Dataset, targets: Targets, threads: int | None, say: Say) -> Heard:
    """What a run answers on the images that it may be judged on: of its own data from what it stored.

    Those are the images of the test split, on the run's own data of the run's; where there is no split, all. What it
    learned from is left out.

    Raises:
        BadDataset: without an image to judge.
        BadRun: for a shared run on its own data: it does not say what it learned from.
    """
    own = data.has_fingerprint(run.info.data.fingerprint, run.info.data.target)
    kind = targets.kind if fits(run, targets) else run.info.data.kind
    if own:
        if not run.has_answers:
            why = f"a shared run does not say which images of {data.root} it learned from, so they would flatter it"
            raise BadRun(f"{run.folder}: {why}: evaluate the run that it was made of")
        kept = run.model_answers
        ids = kept.image_id[(kept.split == "test") & pd.Index(kept.image_id).isin(targets.image_id)]
        if kind == run.info.data.kind:
            return Heard(run, ids, stored(run, ids), "test", own)
    set_threads(threads)
    store = store_of(run, data, threads, say)
    if not own:
        ids, split = _unseen(run, data, targets, store, say)
    here = embedded(store, ids)
    if len(here) < len(ids):
        say(f"{len(ids) - len(here)} of {len(ids)} images have no embedding and are left out")
    if not len(here):
        raise BadDataset(f"{data.root}: no image on which {run.folder} can be judged by target {targets.name}")
    levels = levels_of(data.images, run.info.config.promise_group, here)
    answers = answers_of(run.head, store.features(here), kind, levels)
    return Heard(run, here, answers, "test" if own else split, own)


def stored(run: RunFolder, ids: Ids, system: str = "model") -> Answers:
    """What a run's answers.parquet has of a system on these images."""
    own = system == "model"  # which the run keeps once it is read
    answers = run.model_answers if own else SystemAnswers.read(run.folder, run.taxonomy.labels, system=system)
    at = places(answers.image_id, ids)
    kinds: dict[str, Any] = {"scores": np.float64, "shares": np.float64, "sets": np.int64}
    forms = {form: values for form in kinds if (values := getattr(answers, form)) is not None}
    return Answers(**{form: torch.from_numpy(values[at].astype(kinds[form])) for form, values in forms.items()})


def fits(run: RunFolder, targets: Targets) -> bool:
    """Whether a target judges a run as it is: it has the run's labels, and its kind, or sets for a run of rates."""
    kinds = (run.info.data.kind, "sets") if run.info.data.kind == "rates" else (run.info.data.kind,)
    return targets.kind in kinds and targets.taxonomy.labels == run.taxonomy.labels


def target_of(data: Dataset, runs: Sequence[RunFolder], name: str | None, *, any_kind: bool = False) -> Targets:
    """The target of that name; else the one of the first run's labels and kind; else the only one, with runs or
    `any_kind` of the kind that says most of single answers.

    Raises:
        BadDataset: where there is none, and where several would do.
    """
    data.need_targets()
    if name is not None:
        return data.target(name)
    every = [data.target(key) for key in data.meta.targets]
    ways = [[t for t in every if fits(run, t) and t.kind == run.info.data.kind] for run in runs]
    ways += [[t for t in every if fits(run, t)] for run in runs]
    kinds = (("single", "distribution"), SEVERAL) if runs or any_kind else ()
    ways += [[t for t in every if t.kind in some] for some in kinds]
    fitting = next(way for way in [*ways, every] if way)
    if len(fitting) > 1:
        names = ", ".join(target.name for target in fitting)
        raise BadDataset(f"{data.root}: targets {names} would do; choose with {option('target')}")
    return fitting[0]


def embedded(store: "EmbeddingStore | FromFiles", image_ids: Ids) -> Ids:
    """Those of the images that have an embedding."""
    missing = store.missing(image_ids)
    return image_ids[~pd.Index(image_ids).isin(missing)] if missing else image_ids


def _unseen(
    run: RunFolder, data: Dataset, targets: Targets, store: "EmbeddingStore | FromFiles", say: Say
) -> tuple[Ids, str]:
    """The images of a data set that is not the run's own to judge it on, and the name of that part."""
    ids, part = targets.image_id, data.images.set_index("image_id").get("split")
    parted = part is not None and bool(part.isin(SPLITS).any())
    if part is not None and parted:
        ids = ids[part.reindex(ids).to_numpy(dtype=object) == "test"]
    seen = _learned(run, store, ids, say)
    if seen.any():
        known = f"among those that {run.folder} was trained or tuned on, and left out; the rest is judged"
        say(f"{seen.sum()} of {len(ids)} images are {known}")
    elif not parted:
        say(f"{data.root} has no split: all of its images are judged")
    return ids[~seen], "test" if parted else "unseen" if seen.any() else "all"


def _learned(run: RunFolder, store: "EmbeddingStore | FromFiles", ids: Ids, say: Say) -> NDArray[np.bool_]:
    """Which of these images a run learned from, calibration and validation too: [N].

    Their embedding is that of such an image; where the run's own data are gone, image_id and scores are.
    """
    seen, at = np.zeros(len(ids), dtype=bool), np.flatnonzero(pd.Index(ids).isin(embedded(store, ids)))
    if not run.has_answers or not len(at):
        return seen
    answers, here, home = run.model_answers, store.features(ids[at]), home_of(run)
    own = None if home is None or isinstance(store, FromFiles) else store_there(run, home, say)
    if own is not None and np.shape(here)[1] == own.dim:
        taught = answers.image_id[pd.Index(answers.split).isin(("train", CALIBRATION, "val"))]
        seen[at] = copies_among(np.asarray(here), own.rows(embedded(own, taught)))
    elif not run.head.lacks_texts:
        scores = run.head.scores(here).double().numpy()
        same = learned_from(run, pd.DataFrame(scores, index=ids[at], columns=list(run.taxonomy.labels)))
        seen[at] = pd.Index(ids[at]).isin(list(same))
    return seen


def home_of(run: RunFolder) -> Dataset | None:
    """The data set that a run learned from, if it is where it was."""
    path = run.info.config.dataset or ("data/demo" if run.info.data.name == "demo" else None)
    with suppress(AffectmlError):
        if path is not None:
            data = Dataset.open(path)
            return data if data.has_fingerprint(run.info.data.fingerprint, run.info.data.target) else None
    return None


def prior_answers(prior: PriorInfo, n: int, kind: str) -> Answers:
    """What a run's prior says of N images: the label shares of its training images."""
    scores = torch.tensor(prior.shares, dtype=torch.float64).expand(n, -1)
    sets = None if prior.set is None else torch.tensor(prior.set).expand(n, -1)
    return Answers(rounded(scores), rounded(unsure(scores, rates=kind in SEVERAL)), sets)


def zero_shot(
    store: EmbeddingStore | None, taxonomy: Taxonomy, kind: str, ids: Ids, val: Truth | None
) -> tuple[Answers | None, str]:
    """What the encoder's own texts of the labels say of images, or why nothing.

    Their rates are calibrated and cut on validation as in a training; without any they only rank, but for a target of
    one label.
    """
    if store is None:
        return None, f"not available: no embeddings; {option('encoder')} makes them"
    needed = ids if val is None else np.concatenate([ids, val.image_id])
    if missing := store.missing(needed):
        return None, f"not available: {len(missing)} images have no embedding"
    from affectml.training.steps import text_encoder

    try:
        texts = label_features(Prompts.parse("sentiment", ()), taxonomy, text_encoder(store))
    except EncoderUnavailable:
        return None, "not available: no text features by this encoder"
    head = ZeroShotHead(texts, logit_scale=store.logit_scale or 100.0)
    if kind in SEVERAL:
        if val is None:
            return Answers(head.scores(store.features(ids)).double()), ""
        head.fit(store.features(val.image_id), val.shares)
        if val.sets is not None:
            head.tune_thresholds(store.features(val.image_id), val.sets.astype(np.int64))
    return answers_of(head, store.features(ids), kind), ""


@dataclass(frozen=True, eq=False)
class File:
    """What a system's file says. replies: one by one; None where each image has one answer in each form."""

    said: Said
    replies: Replies | None
    one_label: bool

    @classmethod
    def of(cls, replies: Replies, one_label: bool) -> "File":
        """Replies brought together; see `affectml.vlm.together`."""
        return cls(together(replies, one_label=one_label), replies, one_label)


def read_file(source: Source, data: Dataset, targets: Targets, config: EvaluateConfig) -> File:
    """Read a system's file in a target's labels. Raises BadInput for one that cannot be used."""
    one_label, labels = targets.kind not in SEVERAL, targets.taxonomy.labels
    if source.system is None:
        words = {name: to for name, to in config.mapping.items() if to in labels}
        replies = read_replies(source.path, data, targets, shape=config.shape, mapping=words, system=source.name)
        return File.of(replies, one_label)
    table = read_answers(source.path, system=source.system)
    kind = next(name for name in ("share", "ranking", "set", "score") if (table["form"] == name).any())
    shape = {"share": "distribution" if one_label else "rates", "set": "sets"}.get(kind, "ranked")
    used = int((table["form"] == kind).sum())
    received = Received(rows=used, used=used, what="rows", shape=shape)
    if table[["wording", "draw"]].notna().any(axis=None):
        return File.of(Replies(table, received, {}), one_label)
    answers = SystemAnswers.read(source.path, labels, system=source.system)
    scores, shares, sets = answers.scores, answers.shares, answers.sets
    parts: tuple[Any, ...] = (shape, answers.image_id, scores, shares, sets, scores if sets is None else sets, received)
    return File(Said(*parts), None, one_label)


def judged_as(said: Said, ids: Ids, truth: Truth, val: Truth | None) -> tuple[Answers, str]:
    """What a system answers on the judged images, zeros where it says nothing, and by which rules, in words."""
    fits = said.shape == ("rates" if truth.kind in SEVERAL else "distribution")
    rows = places(said.image_id, ids)
    asked = rows >= 0

    def placed(values: NDArray[Any]) -> Tensor:
        out = np.zeros((len(rows), values.shape[1]))
        out[asked] = values[rows[asked]]
        return torch.from_numpy(out)

    scores, shares = placed(said.scores), None
    if fits and said.shares is not None:
        shares = unsure(placed(said.shares), rates=truth.kind in SEVERAL)
    how = _how(said, fits, truth)
    if truth.sets is None or (said.shape == "ranked" and said.sets is None):
        return Answers(scores, shares), how
    if said.sets is not None:
        return Answers(scores, shares, placed(said.sets).long()), f"{how}; sets as it gives them"
    at = np.zeros(0, dtype=int) if val is None else places(said.image_id, val.image_id)
    have, sets = np.flatnonzero(at >= 0), None
    if val is not None and val.sets is not None and len(have) >= FEWEST_VAL:
        cuts = choose_thresholds(said.scores[at[have]], val.sets[have].astype(np.int64))
        sets = apply_thresholds(scores, cuts) * torch.from_numpy(asked)[:, None]
        rule = f"thresholds chosen on its answers to {len(have)} validation images"
    elif fits:
        sets = (scores >= truth.tau - 1e-9).long()
        few_answers = f"{len(have)} validation images have an answer"
        rule = f"its sets are the labels with a rate of at least tau ({truth.tau:.3g}): {few_answers}"
    else:
        rule = f"no sets: too few validation images ({len(have)}) have an answer"
    return Answers(scores, shares, sets), f"{how}; {rule}"


def places(among: Ids, ids: Ids) -> NDArray[np.intp]:
    """Where each of the images stands among others, -1 where it does not."""
    return np.asarray(pd.Index(among).get_indexer(pd.Index(ids)))


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
    truth, findings, rows = case.truth, list[dict[str, str]](), list[Figure]()
    does, people = dict[str, str](), dict[str, NDArray[Any]]()
    for name, answers in case.more.get("said", {}).items():
        at = places(answers.image_id, truth.image_id)
        often = answers.often[at]
        first = answers.shape in ("ranked", "distribution" if truth.kind in SEVERAL else "rates")
        does[name], people[name] = ("names first", firsts(truth.shares)) if first else ("says", truth.shares)
        if first:
            often = firsts(often if answers.shape == "ranked" else answers.scores[at])
        rows += label_bias(often, people[name], truth.labels, truth.groups, **{**case.rows.key, "system": name})
    rows = corrected(rows)
    case.rows.rows += rows
    for name, what in does.items():
        biases = sorted((f for f in rows if f.system == name and f.found), key=lambda figure: figure.p or 0.0)
        means = dict(zip(truth.labels, people[name].mean(axis=0).tolist(), strict=True))
        findings += [{"system": name, "words": bias_in_words(figure, means[figure.label], what)} for figure in biases]
    return {"findings": findings}


def received_of(file: File, ids: Ids) -> dict[str, Any]:
    """What a file held, as plain values: how many images of `ids` have an answer, and which have none."""
    answered = places(file.said.image_id, ids) >= 0
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


def received_lines(received: Mapping[str, Any], split: str) -> list[str]:
    """What was read of a file, and what could not be used."""
    of, samples = "" if split == "all" else f"{split} ", received["samples"]
    several = f", up to {samples} answers an image" if samples > 1 else ""
    share = received["answered"] / received["judged"]
    lines = [
        f"{received['rows']} {received['what']} read as {received['shape']}{several}; {received['used']} count",
        f"{received['answered']} of {received['judged']} {of}images have an answer ({share:.0%})",
        *(f"{why}: {few(at, 5)}" for why, at in received["problems"].items()),
    ]
    if missing := received["without_an_answer"]:
        lines.append(f"images without an answer: {few(missing, 5)}")
    if unknown := received["unknown_labels"]:
        ways = f"{option('mapping', {next(iter(unknown)): 'LABEL'})} says what a word stands for"
        named = few([f"{label} ({count})" for label, count in unknown.items()], 12)
        lines.append(f"unknown labels: {named}; {received['shortened']} answers count without them; {ways}")
    if received["renamed"]:
        pairs = [f"{spelt} -> {label}" for spelt, label in received["renamed"].items()]
        lines.append(f"labels renamed: {few(pairs, 8)}")
    return [*lines, *received["notes"]]


def requests_in(file: File, labels: Sequence[str], seed: int, data: Dataset) -> Requests | None:
    """What a file's replies gave to labels and where these stood; None where no request was drawn from the seed."""
    replies, drawn = file.replies, shuffle_of(labels, seed)
    asked = {} if replies is None else {key: request for key, request in replies.requests.items() if request.shuffle}
    if {request.shuffle for request in asked.values()} - {drawn}:
        file.said.received.notes.append(f"drawn from another {option('seed')}, so nothing is said of places of labels")
    elif replies is not None and asked:  # each request as an image of its own
        table = replies.table.assign(image_id=replies.table.index)
        answers = File.of(replace(replies, table=table), file.one_label).said
        at = np.flatnonzero(pd.Index(answers.image_id).isin([*asked]))
        requests = [asked[key] for key in answers.image_id[at]]
        orders = [shuffled(labels, seed, request.image, request.sample) for request in requests]
        images = np.array([request.image for request in requests], dtype=object)
        places = np.array([[order.index(label) for label in labels] for order in orders])
        return Requests(answers.often[at], places, images, data.groups(images)) if len(at) else None
    return None
