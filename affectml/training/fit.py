"""The head, the prior and zero-shot fitted on train and validation; then what they score on the test images."""

from dataclasses import replace

import numpy as np
import torch

from affectml._progress import Say
from affectml.data.choose import SEVERAL
from affectml.data.splits import split_table
from affectml.errors import EncoderUnavailable, option
from affectml.heads import ByPersonHead, Head, Material, PriorHead, ZeroShotHead
from affectml.heads.registry import build_plain
from affectml.judging.evaluate import evaluate
from affectml.judging.readings import VIEWS
from affectml.judging.spaces import coarser
from affectml.judging.subgroups import kept_promise, subgroups
from affectml.predicting.checks import Alike
from affectml.training.by_person import judge_by_person
from affectml.training.promise import keep_promise
from affectml.training.steps import Judged, Prepared, Systems, uneven_panels


def fit(prepared: Prepared, say: Say = lambda line: None) -> Systems:
    """Fit the head, the prior, and zero-shot where the encoder has a text tower.

    Args:
        prepared: what to fit on.
        say: called with each line for the user.

    Returns:
        The fitted systems, with thresholds where sets are cut; the head's keep the promise where there is one.

    Raises:
        BadInput: for a head that learns sets where there are none.
        EncoderUnavailable: for one that needs texts where no text tower is.
    """
    head = _fit_model(prepared, say)
    material, zero_shot, why_not = material_of(prepared), None, {}
    try:
        texts, scale = prepared.label_features, prepared.store.logit_scale or 100.0
        zero_shot = ZeroShotHead(texts, logit_scale=scale).learn(material)
    except EncoderUnavailable as error:
        # facts.json holds no paths, which the error may: it is said instead
        say(f"no zero-shot: {error}")
        why_not = {"zero_shot": "not available: no text features by this encoder"}
    return Systems(head, PriorHead().learn(material), zero_shot, kind=prepared.targets.kind, why_not=why_not)


def _fit_model(prepared: Prepared, say: Say) -> Head:
    """The head alone as the plan asks for it: fitted, its sets cut by thresholds or a promise."""
    plan, material = prepared.plan, material_of(prepared)
    texts, wanted = plan.head.scores_of == "texts", replace(plan.wanted, logit_scale=prepared.store.logit_scale)
    try:
        head = build_plain(plan.head, wanted, prepared.label_features if texts else None)
    except EncoderUnavailable as error:
        raise EncoderUnavailable(
            f"{plan.head.described()} compares images with texts, which needs the encoder's text tower: {error}; embed "
            f"with an encoder that has one, or take {option('head', 'softmax')} or {option('head', 'sigmoid')}"
        ) from None
    if plan.config.by_person:
        head = ByPersonHead.over(head)
    head.learn(material, say)
    if plan.config.promise is not None:
        keep_promise(head, prepared, say)
    return head


def material_of(prepared: Prepared) -> Material:
    """What there is for a head to learn from: the target's own values."""
    store, train, val, asked = prepared.store, prepared.train, prepared.val, prepared.targets.people
    return Material(
        train.kind,
        store.features(train.image_id),
        train.shares(),
        (store.features(val.image_id), val.shares),
        val_sets=None if val.sets is None else val.sets.astype(np.int64),
        votes=None if train.people is None else train.people.astype(np.float64),
        uneven=train.kind == "rates" and asked is not None and uneven_panels(asked),
        generator=torch.Generator().manual_seed(prepared.plan.config.seed),
        sets=prepared._sets,
        texts=prepared._texts,
        people=prepared._people,
    )


def judge(prepared: Prepared, systems: Systems, say: Say = lambda line: None) -> Judged:
    """Score every system on the test images, at the coarser levels of the labels, and by subgroup.

    Args:
        prepared: what to judge by.
        systems: what `fit` gave, or systems of one's own; what a head promises or knows of people is judged where the
            plan asks for it.
        say: called with each line for the user.

    Returns:
        The answers and what was found of them.
    """
    plan, split, truth, model = prepared.plan, prepared.split, prepared.test, systems.model
    test, targets = split.ids("test"), prepared.targets
    answers = systems.answers(prepared.store.features(test), plan.levels(test))
    little = Alike.of(truth.labels, answers["model"].scores, answers["model"].sets).words
    if little:
        say(f"on the test images {little}")
    # the systems whose scores are rates, each label on its own; those of text heads are always distributions
    with_rates = ["prior"] if model.scores_of == "texts" else ["prior", "model"]
    evaluation = evaluate(
        answers,
        truth,
        split="test",
        seed=plan.config.seed,
        dataset=plan.dataset.name,
        target=targets.name,
        space=targets.taxonomy.name,
        why_not=systems.why_not,
        also=(subgroups, kept_promise, coarser, *VIEWS),
        images=plan.dataset.images,
        groups=plan.config.groups,
        head=model,
        own=True,
        made_on=truth.kind,
        data=plan.dataset,
        targets=targets,
        train=split.ids("train"),
        rates=with_rates if targets.kind in SEVERAL else [],
    )
    rows = evaluation.rows()
    for part in split_table(split, targets).to_dict("records"):
        key = {"system": "people", "by": "split", "level": part["split"], "n": part["images"]}
        rows.add("images", part["images"], **key)
        for label in targets.taxonomy.labels:
            rows.add("prevalence", part[label], label=label, **key)
    facts = {"split_notes": list(split.notes), "warnings": [f"On the test images {little}"] if little else []}
    judged = Judged(prepared, systems, answers, evaluation.with_(rows.rows, **facts))
    return replace(judged, evaluation=judge_by_person(judged)) if plan.config.by_person else judged
