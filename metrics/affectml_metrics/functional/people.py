"""What was predicted for single people, against what they said: the perspectivist task.

How far what was predicted for each person is from what that person said (`error_rate`, `normalised_absolute_distance`),
and whether the predicted people agree with each other as the real ones do (`agreement_correlation`). People who were
not asked do not count.
"""

import torch
from torch import Tensor

from affectml_metrics._errors import DomainError, ShapeError, in_one_order, real_number
from affectml_metrics._inputs import ArrayLike, as_float, as_tensor, row_weights, same, wide
from affectml_metrics.functional.disagreement import correlation

__all__ = ["agreement_correlation", "error_rate", "normalised_absolute_distance"]


def error_rate(preds: ArrayLike, target: ArrayLike, asked: ArrayLike | None = None) -> Tensor:
    """Share of people's answers to a row that were predicted wrongly, over the people who were asked.

    preds, target: [N, A] or, for sets of C labels, [N, A, C]: what was predicted for person a, and what that person
    said, in 0/1 or in numbers of classes. asked: 0/1 [N, A], everybody by default; what stands in the cells of the
    others is not looked at. Returns float64 [N] in [0, 1], nan where nobody was asked. The mean over rows is the
    average error rate of LeWiDi 2025 (Leonardelli et al. 2025), which leaves absent annotators out of its lists.
    Raises MetricInputError.

    >>> error_rate([[1, 0, 1], [1, 1, 0]], [[1, 1, 1], [0, 1, 0]], [[1, 1, 1], [1, 1, 0]])
    tensor([0.3333, 0.5000], dtype=torch.float64)
    """
    p, t, there = answers_of_people(preds, target, asked)
    return _mean_over_people((p != t).to(wide(p.device)), there)


def normalised_absolute_distance(
    preds: ArrayLike, target: ArrayLike, asked: ArrayLike | None = None, *, scale: float
) -> Tensor:
    """Absolute distance of the prediction for each person from that person's answer, over `scale`; mean of the asked.

    preds, target: numbers on one ordinal scale, [N, A]; asked: as in `error_rate`. Returns float64 [N], 0 or more, nan
    where nobody was asked. scale: what distances are divided by. The range of the scale (highest - lowest) gives 0..1;
    the scorer of LeWiDi 2025, whose average normalised absolute distance this is, divides by the number of its points
    (11 for -5..5, 6 for 1..6), though its comments say 10 and 5. Source: Leonardelli et al. 2025. Raises
    MetricInputError.

    >>> normalised_absolute_distance([[5, -5]], [[3, -5]], scale=10)
    tensor([0.1000], dtype=torch.float64)
    """
    real_number("scale", scale, 0, ends=False)
    p, t, there = answers_of_people(preds, target, asked)
    return _mean_over_people((p - t).abs() / scale, there)


def agreement_correlation(
    preds: ArrayLike, target: ArrayLike, asked: ArrayLike | None = None, *, weights: ArrayLike | None = None
) -> Tensor:
    """Correlation over pairs of people between how often the predicted two agree and how often the real two do.

    preds, target: one answer each, [N, A], compared for equality; asked: as in `error_rate`; weights: [N], how often
    each row counts. Two people agree on the share of the rows that both were asked about on which they said the same;
    a pair without such a row is left out. Returns a 0-dim float64 tensor in [-1, 1] (Pearson's r over pairs), nan with
    fewer than two pairs or where agreement never varies. Who agrees with whom is all it sees: a model may agree far too
    much throughout, or answer everything wrongly, and have 1. Raises MetricInputError.

    >>> said = [[1, 1, 0], [0, 0, 0], [1, 1, 1], [0, 1, 1]]
    >>> agreement_correlation(said, said)
    tensor(1., dtype=torch.float64)
    """
    p, t, there = (x[..., 0] for x in answers_of_people(preds, target, asked))
    w = row_weights(weights, p)
    w = torch.ones_like(p[:, 0]) if w is None else w
    sums = []
    for person in range(p.shape[1] - 1):
        both = there[:, person, None] & there[:, person + 1 :]
        alike = (both & (x[:, person, None] == x[:, person + 1 :]) for x in (p, t))
        sums.append(torch.stack([w @ x.to(w.dtype) for x in (both, *alike)]))
    together, predicted, real = torch.cat(sums, dim=1) if sums else p.new_empty(3, 0)
    met = together > 0
    predicted, real = (x[met] / together[met] for x in (predicted, real))
    return correlation(predicted, real, "pearson")


def answers_of_people(preds: ArrayLike, target: ArrayLike, asked: ArrayLike | None) -> tuple[Tensor, Tensor, Tensor]:
    """Answers as wide floats [N, A, C], and who was asked, bool [N, A, 1]."""
    in_one_order(preds, target)
    p, t = as_tensor(preds, "preds"), as_tensor(target, "target")
    if p.ndim not in (2, 3) or 0 in p.shape[1:]:
        raise ShapeError(
            f"preds: expected [N, A] (rows x people) or [N, A, C], but received shape {list(p.shape)}; "
            "one row is `preds[None]`"
        )
    same(p, t)
    there = torch.ones(p.shape[:2], dtype=torch.bool, device=p.device)
    if asked is not None:
        flags = as_tensor(asked, "asked")
        if flags.shape != p.shape[:2]:
            raise ShapeError(f"asked: expected {list(p.shape[:2])} (rows x people), but received {list(flags.shape)}")
        if not bool(((flags == 0) | (flags == 1)).all()):
            raise DomainError("asked: expected 0 or 1 in every cell, but received something else")
        there = flags.bool().to(p.device)
    p, t = (x[..., None] if x.ndim == 2 else x for x in (as_float(p), as_float(t)))
    for name, x in (("preds", p), ("target", t)):
        wrong = there[..., None] & ~torch.isfinite(x)
        if bool(wrong.any()):
            row, person = (int(i) for i in wrong.nonzero()[0][:2])
            raise DomainError(
                f"{name}: expected a finite answer of everybody asked, but received {float(x[row, person][0])} in row "
                f"{row}, person {person}; say who was not asked with `asked`"
            )
    return p.to(wide(p.device)), t.to(wide(t.device)), there[..., None]


def _mean_over_people(values: Tensor, there: Tensor) -> Tensor:
    total = values.masked_fill(~there, 0.0).sum((-2, -1))
    return total / (there.sum((-2, -1)) * values.shape[-1])
