"""Models of annotators from crowd-kit, label by label: a latent yes or no for each image, and how each person errs.

What comes out is a belief about one hidden truth, not the share of people who would choose a label: where people
honestly disagree, a model of errors explains the smaller camp away. So it is called p_model, never p_vote.

Each label is its own yes-no question over every answer. The empty set is a row of no's, so no image vanishes,
and each label gets a fresh model object, so nothing is carried from one label to the next.
"""

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from affectml_annotation.agreement.values import FloatArray
from affectml_annotation.errors import BadJudgement, MissingExtra
from affectml_annotation.judgements import Panel

CrowdModel = Literal["dawid_skene", "mace"]


@dataclass(frozen=True, eq=False)
class CrowdFit:
    """p_model [N, C], nan for an image without answers; and what the model thinks of each annotator.

    annotators has one row per annotator and label. Dawid-Skene: sensitivity, P(says yes | truly yes), and
    specificity, P(says no | truly no). MACE: competence, P(not guessing).
    """

    p_model: FloatArray
    annotators: pd.DataFrame


def fit_crowd_model(panel: Panel, model: CrowdModel = "dawid_skene", *, seed: int = 0) -> CrowdFit:
    """Fit Dawid & Skene (1979) or MACE (Hovy et al. 2013) to each label's yes and no.

    A label that all or none of the answers hold has nothing to learn: its p_model is its share (1 or 0), and its
    annotators' figures are nan.

    Args:
        panel: judgements as `encode` gives them.
        model: `dawid_skene`, which starts from the majority, or `mace`.
        seed: of MACE's starts.

    Returns:
        What the model believes of the images and of the annotators.

    Raises:
        MissingExtra: crowd-kit is not installed.
        BadJudgement: the table holds no answer.
    """
    try:
        from crowdkit.aggregation import MACE, DawidSkene
    except ImportError:
        raise MissingExtra(f"{model} needs crowd-kit: pip install 'affectml-annotation[crowd]'") from None
    answers = panel.answers()
    if not len(answers.image):
        raise BadJudgement(f"{model}: the table holds no answer (kind labels or none)")
    p_model = np.full((len(panel.image_ids), len(panel.labels)), np.nan)
    people = np.unique(answers.annotator)
    tables = []
    for at, label in enumerate(panel.labels):
        said = answers.chosen[:, at]
        figures: dict[str, Any] = {"annotator_id": panel.annotator_ids[people], "label": label}
        if said.all() or not said.any():
            p_model[np.unique(answers.image), at] = float(said[0])
            names = ("sensitivity", "specificity") if model == "dawid_skene" else ("competence",)
            tables.append(pd.DataFrame(figures | dict.fromkeys(names, np.nan)))
            continue
        rows = pd.DataFrame({"task": answers.image, "worker": answers.annotator, "label": said.astype(np.int64)})
        with warnings.catch_warnings():  # crowd-kit passes arguments that newer pandas deprecates
            warnings.simplefilter("ignore")
            fitted: Any = DawidSkene(n_iter=100) if model == "dawid_skene" else MACE(random_state=seed)
            believed = fitted.fit_predict_proba(rows)
        if model == "dawid_skene":
            for name, truth in (("sensitivity", 1), ("specificity", 0)):
                of_truth = fitted.errors_.xs(truth, level="label")[truth]
                figures[name] = of_truth.reindex(people, fill_value=0.0).to_numpy()
        else:
            competence = pd.Series(fitted.spamming_[:, 1], index=pd.unique(rows["worker"]))
            figures["competence"] = competence.reindex(people).to_numpy()
        p_model[believed.index.to_numpy(), at] = believed[1].to_numpy()
        tables.append(pd.DataFrame(figures))
    return CrowdFit(p_model, pd.concat(tables, ignore_index=True))
