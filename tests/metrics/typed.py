"""A user's file, which `make check` reads with mypy --strict: what is right passes, and each mistake is one."""

import torch
from torch import Tensor
from torchmetrics import MetricCollection

from affectml_metrics import Interval, KLDivergence, LabelF1, SetF1, TopKAccuracy, mean_interval, score
from affectml_metrics import functional as F


def validate(scores: Tensor, target: Tensor) -> dict[str, float]:
    metrics = MetricCollection({"top_1": TopKAccuracy(1), "top_3": TopKAccuracy(3, match="all")})
    metrics.update(scores, target)
    f1 = SetF1(both_empty=1.0, sync_on_compute=False)
    f1.update(scores > 0.5, target)
    kl: Tensor = KLDivergence(from_logits=True, eps=1e-6).compute()
    interval: Interval = mean_interval(F.ranking_loss(scores, target))
    table = score(scores > 0.5, target, "sets")
    table["value"].mean()
    return {"f1": float(f1.compute()), "kl": float(kl), "low": float(interval.low)}


def mistakes() -> None:
    """An ignore that hides no error is an error itself."""
    SetF1(zero_division=1.0)  # type: ignore[call-arg]
    TopKAccuracy(k="three")  # type: ignore[arg-type]
    TopKAccuracy(match="most")  # type: ignore[arg-type]
    LabelF1(3, syncs=True)  # type: ignore[call-arg]
    F.kl_divergence(torch.ones(1, 1), torch.ones(1, 1), unit="bit")  # type: ignore[arg-type]
