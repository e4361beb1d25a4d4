"""`affectml train`: choose the target, embed, split, fit, judge beside the prior, zero-shot and people, write."""

import os
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from threadpoolctl import threadpool_limits

from affectml._files import new_folder, write_json, write_parquet
from affectml._progress import Progress
from affectml.data import Dataset, Targets, check_new
from affectml.data.splits import Split, check_labels, split_dataset, split_table
from affectml.embeddings import EmbeddingStore, ensure_embeddings, with_embeddings
from affectml.encoders import TINY_SPEC, load_encoder
from affectml.errors import BadInput, EncoderUnavailable
from affectml.evaluation import Answers, Systems, Truth, evaluate, fit_prior, read_truth
from affectml.heads import (
    Head,
    PriorHead,
    TextHead,
    Wanted,
    ZeroShotConfig,
    ZeroShotHead,
    build_plain,
    check_plain,
    head_class,
)
from affectml.heads._build import PLAIN
from affectml.heads._options import option_words, typed_options
from affectml.learned import check_judgements, choose_target, held_out, learned, uneven
from affectml.prompts import Encode, Prompts, caption_features, encoded, label_features
from affectml.runs import SCHEMA, Run, reserve_run_folder, surroundings
from affectml.spaces import by_level

Say = Callable[[str], None]

DEMO = Path("data/demo")
# How far single labels are trusted as negatives of all the others; see SigmoidConfig.
ASSUMED_NEGATIVES = 0.1


@dataclass(frozen=True)
class TrainConfig:
    """What `affectml train` was asked for; saved with the run. None means: decide from the data.

    dataset: a folder; None is the demo set. target: None takes the only one that fits. head: sigmoid with
    `multilabel`, else softmax. hidden: units of a hidden layer, worth trying above some 10,000 images; 0 is linear,
    and 512 for contrastive. k: labels that a topk head answers with; None: as many as it believes in. ensemble: how
    many heads to average, 0 for one. options: more of the head's own, by name, as values or as words (`l2`,
    `gamma`, ...: see its config). judgements: learn rates from single judgements of the training images, by what is
    trusted (see `judged_targets`); None takes the target's own. prompts, templates: which texts text heads learn from,
    see `affectml.prompts`.
    encoder: None takes the data set's only embedding store. tau: the rate from which a label belongs to an image's
    set; change it when your question is about what most people feel (1/2) or about what anyone might (.2).
    threads: part of what makes a result repeatable; None is one less than the cores.
    """

    dataset: str | None = None
    multilabel: bool = False
    target: str | None = None
    head: str | None = None
    hidden: int = 0
    k: int | None = None
    ensemble: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    prompts: str = "sentiment"
    templates: tuple[str, ...] = ()
    encoder: str | None = None
    judgements: str | None = None
    tau: float = 1 / 3
    seed: int = 0
    threads: int | None = None


def train_run(config: TrainConfig, *, out: Path | None = None, say: Say = lambda line: None) -> Run:
    """Train, judge on the test split and write the run folder; `say` is called with what a user should know.

    Raises AffectmlError subclasses for what the user can mend; then nothing has been written to `out`.
    """
    started = time.perf_counter()
    if out is not None:
        check_new(out)
    threads = set_threads(config.threads)
    dataset = Dataset.open(config.dataset) if config.dataset is not None else _demo(say)
    targets = choose_target(dataset, multilabel=config.multilabel, name=config.target)
    check_labels(dataset, targets)  # before hours of embedding, not after
    asked = check_head(config, targets)
    check_judgements(config.judgements, asked, targets.kind, dataset)
    single_positive = targets.kind == "single" and config.multilabel
    if single_positive:
        say(
            "single labels are not negatives: an absent label is unknown. Training as single-positive multi-label "
            f"(assumed negatives, smoothed by {ASSUMED_NEGATIVES}); top-k and ranking scores only."
        )
    seconds: dict[str, float] = {}
    clock = time.perf_counter()
    store = ensure_embeddings(dataset, config.encoder, threads=threads, say=say)
    seconds["embed"] = time.perf_counter() - clock
    targets = with_embeddings(dataset, targets, store, say)
    head = make_head(config, targets, store)
    split = split_dataset(dataset, targets, config.seed)
    for note in split.notes:
        say(note)
    if store.identity.architecture == TINY_SPEC:
        say("affect-tiny knows the demo paintings and nothing else; take a real CLIP for real images")

    clock = time.perf_counter()
    beta = fit_prior(targets.take(split.ids("train")))
    parts = {
        part: read_truth(dataset, targets, split.ids(part), beta=beta, tau=config.tau, single_positive=single_positive)
        for part in ("val", "test")
    }
    prompts = Prompts.parse(config.prompts, config.templates)
    systems = fit_systems(
        head, store, dataset, targets, split, parts["val"], config.seed, prompts, say, config.judgements
    )
    seconds["fit"] = time.perf_counter() - clock

    clock = time.perf_counter()
    answers = systems.answers(store.rows(split.ids("test")))
    result = evaluate(answers, parts["test"], split="test", seed=config.seed, why_not=systems.why_not)
    # scores that are rates, each label on its own; those of text heads are distributions whatever they learned
    rates = [name for name in ("prior", "model") if targets.kind in ("rates", "sets")]
    if head.needs_texts and "model" in rates:
        rates.remove("model")
    levels = by_level(
        dataset,
        targets,
        split.ids("test"),
        split.ids("train"),
        answers,
        rates=rates,
        tau=config.tau,
        seed=config.seed,
    )
    seconds["evaluate"] = time.perf_counter() - clock
    seconds["total"] = time.perf_counter() - started

    folder = out if out is not None else reserve_run_folder(dataset.name)
    info = {
        "schema": SCHEMA,
        "command": _command(config, out),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "config": {
            **asdict(config),
            "dataset": str(dataset.root),
            "target": targets.name,
            "head": head.name,
            "options": typed_options(asked, config.options),
            "encoder": store.specs[0] if store.specs else store.folder.name,
            "threads": threads,
        },
        "threads": threads,
        "data": {
            "name": dataset.name,
            "construct": targets.meta.construct,
            "question": targets.meta.question,
            "target": targets.name,
            "kind": targets.kind,
            "fingerprint": dataset.fingerprint(),
        },
        "taxonomy": targets.taxonomy.to_dict(),
        "encoder": {"specs": list(store.specs), "identity": store.identity.to_json()},
        "split": {"notes": list(split.notes), "table": split_table(split, targets).to_dict(orient="records")},
        "head": {"name": head.name, "report": head.report_},
        "prompts": prompts.to_dict(),
        "prior": _constant(answers["prior"]),
        "beta_prior": None if beta is None else {"alpha": beta.alpha.tolist(), "beta": beta.beta.tolist()},
        "set_f1_by_tau": result.by_tau,
        "levels": levels,
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "energy": None,
        **surroundings(),
    }
    with new_folder(folder) as temporary:
        write_json(temporary / "run.json", info)
        head.save(temporary)
        write_parquet(temporary / "predictions.parquet", _predictions(head, store, targets, split))
        write_json(temporary / "metrics.json", result.metrics)
        run = Run(temporary, info)
        from affectml.report import write_report

        write_report(run, dataset, parts["test"], answers, result)
    return Run.open(folder)


def set_threads(threads: int | None) -> int:
    """Set torch's threads: as asked, or one less than the cores, so that a busy neighbour does not stall torch."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    number = threads if threads is not None else max(1, cores - 1)
    torch.set_num_threads(number)
    threadpool_limits(limits=number)  # BLAS keeps threads of its own
    return number


def _demo(say: Say) -> Dataset:
    """The demo set in data/demo, drawn if it is not there."""
    if (DEMO / "dataset.json").exists():
        say(f"no data set named: using the demo set in {DEMO} (simulated people judging paintings drawn by code)")
        return Dataset.open(DEMO)
    from affectml.demo_set import write_demo

    say(f"no data set named: drawing the demo set in {DEMO} (simulated people judging paintings drawn by code)")
    with Progress("painting", 2000, "images") as bar:
        return write_demo(DEMO, images=2000, seed=0, progress=bar.advance)


def check_head(config: TrainConfig, targets: Targets) -> type[Head]:
    """The head asked for; refuses one that cannot learn this kind of target, and prompts that are none."""
    cls = head_class(config.head or PLAIN[config.multilabel])
    check_plain(cls, _wanted(config, targets))
    if config.k is not None and not 1 <= config.k <= len(targets.taxonomy):
        raise BadInput(f"--k {config.k}: expected 1 to {len(targets.taxonomy)}, the labels of {targets.taxonomy.name}")
    if not 0 < config.tau < 1:
        raise BadInput(f"--tau {config.tau:g}: expected a rate between 0 and 1")
    prompts = Prompts.parse(config.prompts, config.templates)
    if cls.needs_texts:
        prompts.learned(targets.taxonomy)
    return cls


def make_head(config: TrainConfig, targets: Targets, store: EmbeddingStore) -> Head:
    """The head asked for, not fitted; text heads have their labels' text features, made or from the store's cache."""
    cls = check_head(config, targets)
    wanted = _wanted(config, targets, store.logit_scale)
    if not cls.needs_texts:
        return build_plain(cls, wanted)
    prompts = Prompts.parse(config.prompts, config.templates)
    try:
        texts = label_features(prompts, targets.taxonomy, text_encoder(store))
    except EncoderUnavailable as error:
        raise EncoderUnavailable(
            f"{cls.described()} compares images with texts, which needs the encoder's text tower: {error}; embed with "
            "an encoder that has one, or take --head softmax or sigmoid"
        ) from None
    return build_plain(cls, wanted, texts)


def _wanted(config: TrainConfig, targets: Targets, logit_scale: float | None = None) -> Wanted:
    return Wanted(
        target=targets.kind,
        multilabel=config.multilabel,
        hidden=config.hidden,
        k=config.k,
        ensemble=config.ensemble,
        options=config.options,
        seed=config.seed,
        assumed_negatives=ASSUMED_NEGATIVES if targets.kind == "single" else None,
        count_votes=uneven(targets),
        logit_scale=logit_scale,
    )


def text_encoder(store: EmbeddingStore) -> Encode:
    """Text features by the store's encoder, cached beside it; raises EncoderUnavailable when called without one."""
    spec = store.specs[0] if store.specs else None
    factory = None if spec is None else (lambda: load_encoder(spec, precision=store.identity.precision))
    return lambda texts: store.text_features(factory, texts)


def fit_systems(
    head: Head,
    store: EmbeddingStore,
    dataset: Dataset,
    targets: Targets,
    split: Split,
    val: Truth,
    seed: int,
    prompts: Prompts,
    say: Say = lambda line: None,
    judgements: str | None = None,
) -> Systems:
    """Fit the head, the prior and zero-shot's calibration on train and validation; choose thresholds on validation.

    judgements: see TrainConfig; validation and test are judged by the target's own values all the same.
    """
    train = targets.take(split.ids("train"))
    X, X_val = store.rows(train.image_id), store.rows(val.image_id)
    generator = torch.Generator().manual_seed(seed)
    calibrated = targets.kind in ("rates", "sets")
    if isinstance(head, TextHead) and head.trained:
        encode = text_encoder(store)
        own = (
            caption_features(dataset.images, train.image_id, encode, str(dataset.root))
            if "captions" in prompts.kinds
            else None
        )
        texts = encoded(prompts.learned(targets.taxonomy), encode)
        head.fit(X, train.shares(), val=(X_val, val.shares), generator=generator, prompts=texts, captions=own)
    elif not head.trained:
        if calibrated:
            head.fit(X, train.shares(), val=(X_val, val.shares), generator=generator)
    else:
        if not head.uses_thresholds and val.sets is None:
            raise BadInput(f"a {head.name} head learns sets, and here are none ({val.no_sets}): take --head sigmoid")
        what = learned(head, dataset, targets, train, val, judgements)
        if what.people is not None and uneven(targets):
            say("people per image differ much: votes count as votes of n, not as shares")
        held = held_out(head, targets.take(val.image_id), val)
        head.fit(X[what.rows], what.values, val=(X_val, held), weights=what.people, generator=generator)
        for line in head.report_.get("why", []):
            say(line)
    prior = PriorHead().fit(X, train.shares())
    zero_shot, why = _zero_shot(store, targets, prompts, say)
    if zero_shot is not None and calibrated:
        zero_shot.fit(X_val, val.shares)
    systems = Systems(head, prior, zero_shot, kind=targets.kind, why_not=dict(why))
    if val.sets is not None:
        for system in (head, prior, zero_shot):
            if system is not None and system.uses_thresholds:
                system.tune_thresholds(X_val, val.sets.astype(np.int64))
    return systems


def _zero_shot(
    store: EmbeddingStore, targets: Targets, prompts: Prompts, say: Say
) -> tuple[ZeroShotHead | None, dict[str, str]]:
    """The encoder's text tower as a head, or why there is none."""
    try:
        texts = label_features(prompts, targets.taxonomy, text_encoder(store))
    except EncoderUnavailable as error:
        # metrics.json holds no paths, which the error may: it is said instead
        say(f"no zero-shot: {error}")
        return None, {"zero_shot": "not available: no text features by this encoder"}
    return ZeroShotHead(texts, ZeroShotConfig(logit_scale=store.logit_scale or 100.0)), {}


def _predictions(head: Head, store: EmbeddingStore, targets: Targets, split: Split) -> pd.DataFrame:
    """The head's scores of every image, in any split, and its sets where it has thresholds."""
    X = store.rows(targets.image_id)
    scores = head.scores(X).float().numpy()
    table = pd.DataFrame({"image_id": targets.image_id, "split": split.assignment})
    table = pd.concat([table, pd.DataFrame(scores, columns=list(targets.taxonomy.labels))], axis=1)
    if head.predicts_sets:
        labels = np.array(targets.taxonomy.labels, dtype=object)
        table["set"] = [list(labels[row]) for row in head.predict_sets(X).bool().numpy()]
    return table


def _constant(prior: Answers) -> dict[str, Any]:
    """What the prior says of every image, for later evaluations."""
    return {"shares": prior.scores[0].tolist(), "set": None if prior.sets is None else prior.sets[0].tolist()}


def _command(config: TrainConfig, out: Path | None) -> str:
    """The command line that repeats this run."""
    words = ["affectml", "train"]
    if config.dataset:
        words.append(config.dataset)
    if config.multilabel:
        words.append("--multilabel")
    for option in ("target", "head", "encoder", "threads"):
        value = getattr(config, option)
        if value is not None:
            words += [f"--{option}", str(value)]
    if config.hidden:
        words += ["--hidden", str(config.hidden)]
    if config.k is not None:
        words += ["--k", str(config.k)]
    if config.ensemble:
        words += ["--ensemble", str(config.ensemble)]
    for name, value in config.options.items():
        words += ["--set", f"{name}={option_words(value)}"]
    if config.judgements is not None:
        words += ["--judgements", config.judgements]
    if config.prompts != TrainConfig.prompts:
        words += ["--prompts", config.prompts]
    for template in config.templates:
        words += ["--template", template]
    if config.tau != TrainConfig.tau:
        words += ["--tau", str(config.tau)]
    words += ["--seed", str(config.seed)]
    return shlex.join([*words, *(["--out", str(out)] if out else [])])
