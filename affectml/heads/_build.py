"""From a name and what people were asked to a head that has not been fitted."""

from typing import Any

from affectml.errors import BadInput
from affectml.heads._auto import AutoHead
from affectml.heads._base import Head
from affectml.heads._blend import EnsembleConfig, EnsembleHead
from affectml.heads._dirichlet import DirichletHead
from affectml.heads._kernel import KernelConfig, KernelHead
from affectml.heads._kinds import Kind
from affectml.heads._sigmoid import SigmoidConfig, SigmoidHead
from affectml.heads._softmax import SoftmaxConfig, SoftmaxHead
from affectml.heads._topk import TopKConfig, TopKHead

PLAIN_HEADS = ("softmax", "sigmoid", "topk", "dirichlet", "kernel", "auto")  # those that need features alone
ENSEMBLES = ("softmax", "sigmoid", "kernel")


def check_plain(
    name: str, *, multilabel: bool, target: str, hidden: int = 0, k: int | None = None, ensemble: int = 0
) -> None:
    """Raises BadInput for a head that cannot learn this kind of target, or has no such option, with the way out.

    target: single, sets, rates or distribution. ensemble: 0 for one head, else how many.
    """
    article = "an" if name == "auto" else "a"
    if name == "softmax" and multilabel:
        raise BadInput("a softmax head gives one answer: leave out --multilabel, or take --head sigmoid")
    if name == "sigmoid" and not multilabel:
        raise BadInput("a sigmoid head predicts rates and sets: add --multilabel, or take --head softmax")
    if name == "topk" and not multilabel:
        raise BadInput(
            "a topk head predicts sets: add --multilabel, or take --head softmax, whose scores rank the labels"
        )
    if name == "topk" and target == "single":
        raise BadInput(
            "a topk head learns how many labels an image has, which single labels do not tell: take --head sigmoid"
        )
    if name == "dirichlet" and (multilabel or target != "distribution"):
        raise BadInput(
            "a dirichlet head learns from several people's one choice each, a distribution: take --head "
            + ("sigmoid" if multilabel else "softmax")
        )
    if name in ("kernel", "auto") and multilabel and target == "single":
        raise BadInput(
            f"{article} {name} head would take absent labels for wrong ones: leave out --multilabel, or take "
            "--head sigmoid"
        )
    if hidden and name in ("topk", "dirichlet", "kernel", "auto"):
        raise BadInput(
            f"{article} {name} head has no hidden layer of your choice: leave out --hidden, or take --head softmax"
        )
    if k is not None and name != "topk":
        raise BadInput(
            f"--k is how many labels a topk head answers with: add --head topk, or leave it out of a {name} run"
        )
    if ensemble and name not in ENSEMBLES:
        raise BadInput(f"no ensembles of {name} heads: take --head {', '.join(ENSEMBLES[:-1])} or {ENSEMBLES[-1]}")
    if ensemble == 1 or ensemble < 0:
        raise BadInput(f"--ensemble {ensemble}: expected at least 2 heads, or 0 for one head alone")


def build_plain(
    name: str,
    *,
    kind: Kind,
    seed: int,
    hidden: int = 0,
    k: int | None = None,
    ensemble: int = 0,
    assumed_negatives: float | None = None,
    count_votes: bool = False,
) -> Head:
    """The head by that name; count_votes: whether `fit` will be given people asked as weights (sigmoid's rho)."""
    options: dict[str, Any] = {}
    if name in ("softmax", "sigmoid"):
        options["hidden"] = hidden
    if name == "sigmoid":
        options |= {"assumed_negatives": assumed_negatives, "rho": "fit" if count_votes else None}
    if ensemble:
        if name == "kernel":
            options["kind"] = kind
        return EnsembleHead(EnsembleConfig(kind=kind, head=name, count=ensemble, options=options))
    if name == "softmax":
        return SoftmaxHead(SoftmaxConfig(**options))
    if name == "sigmoid":
        return SigmoidHead(SigmoidConfig(**options))
    if name == "topk":
        return TopKHead(TopKConfig(k=k))
    if name == "dirichlet":
        return DirichletHead()
    if name == "kernel":
        return KernelHead(KernelConfig(kind=kind))
    return AutoHead(kind=kind, seed=seed)
