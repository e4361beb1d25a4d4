"""Train once per data set and head, judge every pair: the chain behind `affectml crosseval`."""

from collections.abc import Mapping as Dict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectml._progress import Say
from affectml.cross_evaluation.config import CrossConfig
from affectml.data import Dataset, Targets
from affectml.data.choose import SEVERAL
from affectml.data.splits import Split, split_dataset
from affectml.duplicates import copies_among, same_pixels
from affectml.embeddings import EmbeddingStore, ensure_embeddings, with_embeddings
from affectml.encoders.threads import set_threads
from affectml.errors import BadDataset, BadInput, EncoderUnavailable, NoMapping, did_you_mean, option
from affectml.heads import ZeroShotConfig, ZeroShotHead, head_class
from affectml.heads.build import PLAIN
from affectml.heads.load import offered
from affectml.judging.scoring import Answers, Score, apart, unsure
from affectml.judging.systems import Systems, answers_of
from affectml.prompts import Prompts, label_features
from affectml.spaces import Choices, People, Space, find_space, people_in, system_in
from affectml.training import Prepared, TrainConfig, fit, plan_for, text_encoder

Ids = NDArray[np.object_]


@dataclass(frozen=True)
class Cell:
    """One head, trained on one data set and judged on another.

    scores: of the model on the test set. in_domain: of the same model on its own test images, in the same labels: what
    the drop is measured from. prior: the train set's label shares on the test set. zero_shot: the encoder's texts on
    the test set. All {metric: {value, low, high}} over `labels`. mass: the part of people's choices in the test set
    that lies on those labels; unreachable: labels that only one side has. reason: why the cell is empty, else "".
    """

    head: str
    train: str
    test: str
    taxonomy: str = ""
    labels: tuple[str, ...] = ()
    images: int = 0
    mass: float = 0.0
    unreachable: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    scores: Dict[str, Score] = field(default_factory=dict)
    in_domain: Dict[str, Score] = field(default_factory=dict)
    prior: Dict[str, Score] = field(default_factory=dict)
    zero_shot: Dict[str, Score] = field(default_factory=dict)
    reason: str = ""

    def drop(self, metric: str) -> Score | None:
        """In-domain minus across, in the same labels, with the interval of a difference over different images."""
        here, home = self.scores.get(metric), self.in_domain.get(metric)
        if here is None or home is None or self.train == self.test:
            return None
        return apart(home, here)


@dataclass(frozen=True)
class CrossResult:
    """All cells, row by row, and what a reader must know first.

    zero_shot: on each test set in its own labels, which are `labels`.
    """

    config: CrossConfig
    encoder: str
    cells: tuple[Cell, ...]
    zero_shot: Dict[str, Dict[str, Score]]
    labels: Dict[str, tuple[str, ...]]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        found = asdict(self)
        order = ("config", "encoder", "notes", "zero_shot", "labels", "cells")
        return {"schema": 1, **{name: found[name] for name in order}}


@dataclass(frozen=True)
class Side:
    """A data set, opened and embedded: which images are judged, and which train."""

    name: str
    dataset: Dataset
    targets: Targets
    store: EmbeddingStore
    split: Split | None
    judged: Ids
    others: Ids  # not judged: where a Beta prior is fitted


def crosseval(config: CrossConfig, *, say: Say = lambda line: None) -> CrossResult:
    """Train each head once on each train set and judge it on every test set; see CrossConfig and Cell.

    Raises BadInput and BadDataset for what stops everything; a pair that cannot be compared is an empty cell with its
    reason.
    """
    if not config.train or not config.test:
        raise BadInput("crosseval: name at least one data set to train on and one to test on")
    known = ("plain", *offered())
    for head in config.heads:
        if ":" not in head and head.replace("-", "_") not in known:
            raise BadInput(f"crosseval: no head {head!r}{did_you_mean(head, known)} (heads: {', '.join(known)})")
    threads = set_threads(config.threads)
    sides = _sides(config, threads, say)
    choices = Choices(config.choices, config.drop)
    choices.check([side.targets.taxonomy for side in sides.values()])
    prompts = Prompts.parse(config.prompts, config.templates)
    cells: list[Cell] = []
    for head in dict.fromkeys(config.heads):
        for path in config.train:
            home = sides[path]
            name, systems, why = _fit(home, head, config, say)
            for other in config.test:
                there = sides[other]
                if systems is None:
                    cells.append(Cell(name, home.name, there.name, reason=why))
                else:
                    cells.append(_cell(name, systems, home, there, choices, prompts, config))
    zero_shot = {}
    for path in config.test:
        there = sides[path]
        space = find_space(there.targets.taxonomy, there.targets.taxonomy, Choices({}))
        people = _people(there, space, config.tau, ours=True)
        texts = _texts(there, space, prompts)
        zero_shot[there.name] = {} if texts is None else people.score(_zero_shot(texts, there, people))
    notes = _notes([sides[p] for p in config.train], [sides[p] for p in config.test])
    for note in notes:
        say(note)
    encoder = ", ".join(dict.fromkeys(side.store.identity.name for side in sides.values()))
    labels = {sides[path].name: sides[path].targets.taxonomy.labels for path in config.test}
    return CrossResult(config, encoder, tuple(cells), zero_shot, labels, notes)


def _sides(config: CrossConfig, threads: int, say: Say) -> dict[str, Side]:
    sides: dict[str, Side] = {}
    trained = {Path(path).resolve() for path in config.train}
    for path in dict.fromkeys((*config.train, *config.test)):
        same = next((side for other, side in sides.items() if Path(other).resolve() == Path(path).resolve()), None)
        if same is not None:
            sides[path] = same
            continue
        dataset = Dataset.open(path)
        taken = {side.name for side in sides.values()}
        name = dataset.name if dataset.name not in taken else Path(path).name
        if name in taken:
            raise BadInput(f"{path}: a data set named {name!r} is there already; give the folder another name")
        targets = _target(dataset, config.target)
        store = ensure_embeddings(dataset, config.encoder, threads=threads, say=say)
        first = next(iter(sides.values()), None)
        if first is not None and store.identity != first.store.identity:
            raise BadDataset(
                f"{path}: embedded by {store.identity.architecture}, {first.dataset.root} by "
                f"{first.store.identity.architecture}: a head works on one encoder's features; embed both with "
                f"the same one, or name it with {option('encoder')}"
            )
        targets = with_embeddings(dataset, targets, store, say)
        sides[path] = _side(name, dataset, targets, store, config.seed, Path(path).resolve() in trained)
    return sides


def _target(dataset: Dataset, name: str | None) -> Targets:
    """The target of that name, else the only one, else the first kind that says most of single answers."""
    dataset.need_targets()
    entries = dataset.meta.targets
    if name is not None and name in entries:
        return dataset.target(name)
    for kinds in (("single", "distribution"), SEVERAL):
        fitting = [key for key, entry in entries.items() if entry.kind in kinds]
        if len(fitting) == 1:
            return dataset.target(fitting[0])
        if fitting:
            way = f"choose with {option('target')}"
            raise BadDataset(f"{dataset.root}: targets {', '.join(fitting)} would all do; {way}")
    raise BadDataset(f"{dataset.root}: no target in it")


def _side(name: str, dataset: Dataset, targets: Targets, store: EmbeddingStore, seed: int, trained: bool) -> Side:
    ids = targets.image_id
    if trained:
        split = split_dataset(dataset, targets, seed, same_pixels(dataset, ids, store.rows(ids)))
        return Side(name, dataset, targets, store, split, split.ids("test"), split.ids("train"))
    own = dataset.images.set_index("image_id").get("split")
    test = np.zeros(len(ids), bool) if own is None else own.reindex(ids).to_numpy(dtype=object) == "test"
    if not test.any() or test.all():
        return Side(name, dataset, targets, store, None, ids, ids)
    return Side(name, dataset, targets, store, None, ids[test], ids[~test])


def _fit(side: Side, head: str, config: CrossConfig, say: Say) -> tuple[str, Systems | None, str]:
    """The head's name and the fitted systems, or why this head cannot be fitted here."""
    several = side.targets.kind in SEVERAL
    cls = head_class(PLAIN[several] if head == "plain" else head)
    name = cls.name
    settings = TrainConfig(
        dataset=str(side.dataset.root),
        multilabel=several,
        head=name,
        hidden=config.hidden,
        prompts=config.prompts,
        templates=config.templates,
        tau=config.tau,
        seed=config.seed,
    )
    assert side.split is not None
    try:
        plan = plan_for(side.dataset, side.targets, settings)
        say(f"training {name} on {side.name}")
        systems = fit(Prepared(plan, side.store, side.targets, side.split))
    except EncoderUnavailable as error:
        if cls.scores_of != "texts":
            raise
        return name, None, str(error)
    except BadInput as error:  # a head that cannot learn these targets, though others' it may
        return name, None, str(error)
    return name, systems, ""


def _cell(
    head: str, systems: Systems, home: Side, there: Side, choices: Choices, prompts: Prompts, config: CrossConfig
) -> Cell:
    there, left_out = _unseen(home, there)
    if not len(there.judged):
        return Cell(head, home.name, there.name, reason=left_out)
    try:
        space = find_space(home.targets.taxonomy, there.targets.taxonomy, choices)
        people = _people(there, space, config.tau, ours=False)
        family = _people(home, space, config.tau, ours=True) if home is not there else people
    except NoMapping as error:
        return Cell(head, home.name, there.name, reason=str(error))
    texts = _texts(there, space, prompts)
    rates = systems.kind in SEVERAL

    def judged(side: Side, said: People, name: str) -> dict[str, Score]:
        system = systems.model if name == "model" else systems.prior
        answers = answers_of(system, side.store.rows(said.truth.image_id), systems.kind)
        as_rates = rates and not (name == "model" and system.scores_of == "texts")
        return said.score(system_in(answers, space.of_model, space, rates=as_rates, kind=said.truth.kind))

    return Cell(
        head,
        home.name,
        there.name,
        taxonomy=space.taxonomy.name,
        labels=space.taxonomy.labels,
        images=len(people.truth.image_id),
        mass=people.mass,
        unreachable=space.unreachable,
        lines=(*space.lines, *people.notes, *([left_out] if left_out else [])),
        scores=judged(there, people, "model"),
        in_domain=judged(home, family, "model"),
        prior=judged(there, people, "prior"),
        zero_shot={} if texts is None else people.score(_zero_shot(texts, there, people)),
    )


def _unseen(home: Side, there: Side) -> tuple[Side, str]:
    """`there` without images that `home` learned from, told by their embeddings, and a line about those left out."""
    if home is there or home.split is None:
        return there, ""
    learned = home.store.rows(np.concatenate([home.split.ids("train"), home.split.ids("val")]))
    if home.store.dim != there.store.dim:
        return there, ""
    seen = copies_among(there.store.rows(there.judged), learned)
    if not seen.any():
        return there, ""
    line = f"{seen.sum()} of {len(seen)} images are among those that {home.name} learned from, and left out"
    return replace(there, judged=there.judged[~seen]), line


def _people(side: Side, space: Space, tau: float, *, ours: bool) -> People:
    """A side's answers in the space; `ours`: the side whose labels the model speaks."""
    to = space.of_model if ours else space.of_truth
    return people_in(side.dataset, side.targets, side.judged, side.others, to, space, tau)


def _texts(side: Side, space: Space, prompts: Prompts) -> NDArray[np.float32] | None:
    try:
        return label_features(prompts, space.taxonomy, text_encoder(side.store))
    except EncoderUnavailable:
        return None


def _zero_shot(texts: NDArray[np.float32], side: Side, people: People) -> Answers:
    """The encoder's own texts of the space's labels; a distribution, and nothing calibrated."""
    head = ZeroShotHead(texts, ZeroShotConfig(logit_scale=side.store.logit_scale or 100.0))
    scores = head.scores(side.store.rows(people.truth.image_id))
    return Answers(scores, None if people.truth.kind in SEVERAL else unsure(scores, rates=False))


def _notes(train: Sequence[Side], test: Sequence[Side]) -> tuple[str, ...]:
    """Warnings across constructs, once for each pair of them."""
    found: dict[tuple[str, str], list[str]] = {}
    for home in train:
        for there in test:
            pair = (home.targets.meta.construct, there.targets.meta.construct)
            if pair[0] != pair[1]:
                found.setdefault(pair, []).append(f"{home.name} -> {there.name}")
    return tuple(
        f"across constructs: {', '.join(pairs)}: learned from {learned} labels, judged by {judged} ones, so a lower "
        "score is not yet a worse model"
        for (learned, judged), pairs in found.items()
    )
