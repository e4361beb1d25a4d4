"""From counts to rates and sets: Beta and Dirichlet smoothing, and the set of labels.

A share of five people is a noisy picture of the rate behind it. Each label's rates over images are taken as
draws from a Beta distribution fitted to the counts (the beta-binomial model: Skellam 1948; Griffiths 1973),
so an image's smoothed rate is its posterior mean, and few votes move it little. Fit on training images only.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affectml_annotation.errors import BadCounts

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# Below these a label's own spread cannot be told from chance, and it borrows the other labels'.
MIN_POSITIVES = 5
MIN_REPEATED = 5
# alpha + beta when no label at all can say: the weight of two imagined people.
DEFAULT_CONCENTRATION = 2.0
CONCENTRATION_BOUNDS = (0.05, 1000.0)
_AT_ONCE = 8_192  # images whose entropies are worked out together, so that memory does not grow with all


@dataclass(frozen=True, eq=False)
class BetaPrior:
    """One Beta(alpha, beta) per label, each [C]; `pooled` [C] marks labels that borrowed their spread."""

    alpha: FloatArray
    beta: FloatArray
    pooled: BoolArray

    @property
    def mean(self) -> FloatArray:
        """The mean rate of each label, [C]."""
        return self.alpha / (self.alpha + self.beta)


def _counts(votes: npt.ArrayLike, n: npt.ArrayLike, labels: int | None = None) -> tuple[FloatArray, FloatArray]:
    """Votes and n as float [N, C], checked."""
    k, asked = np.asarray(votes, dtype=np.float64), np.asarray(n, dtype=np.float64)
    if k.ndim != 2 or (labels is not None and k.shape[1] != labels):
        wanted = "[N, C]" if labels is None else f"[N, {labels}]"
        raise BadCounts(f"votes: expected shape {wanted}, but received {k.shape}")
    if asked.shape not in ((k.shape[0],), k.shape):
        raise BadCounts(f"n: expected shape ({k.shape[0]},) or {k.shape}, but received {asked.shape}")
    asked = np.broadcast_to(asked[:, None] if asked.ndim == 1 else asked, k.shape)
    bad = ~((k >= 0) & (k <= asked) & np.isfinite(asked))
    if bad.any():
        row, column = (int(at) for at in np.argwhere(bad)[0])
        raise BadCounts(
            f"row {row}, label {column}: expected 0 <= votes <= n, "
            f"but received {k[row, column]:g} votes of {asked[row, column]:g} people"
        )
    return k, asked


def _fit_one(k: FloatArray, n: FloatArray, weight: FloatArray, start: float) -> tuple[float, float]:
    """Most likely (mean, concentration), from distinct (votes, n) pairs and how often each occurs."""
    from scipy.optimize import minimize
    from scipy.special import digamma, expit, gammaln

    def loss(theta: FloatArray) -> tuple[float, FloatArray]:
        mean, total = expit(theta[0]), np.exp(theta[1])
        a, b = mean * total, (1 - mean) * total
        value = gammaln(k + a) + gammaln(n - k + b) - gammaln(n + total) - gammaln(a) - gammaln(b)
        value = value + gammaln(total)
        common = digamma(total) - digamma(n + total)
        by_a = digamma(k + a) - digamma(a) + common
        by_b = digamma(n - k + b) - digamma(b) + common
        slope = np.array([
            np.sum(weight * (by_a - by_b)) * total * mean * (1 - mean),
            np.sum(weight * (by_a * a + by_b * b)),
        ])  # fmt: skip
        scale = weight.sum()
        return float(-np.sum(weight * value) / scale), -slope / scale

    low, high = np.log(CONCENTRATION_BOUNDS)
    odds = np.log(start / (1 - start))
    best = min(
        (
            minimize(loss, np.array([odds, guess]), jac=True, method="L-BFGS-B", bounds=[(-15, 15), (low, high)])
            for guess in (0.0, 2.0)
        ),
        key=lambda result: float(result.fun),
    )
    return float(expit(best.x[0])), float(np.exp(best.x[1]))


def _distinct(k: FloatArray, n: FloatArray) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """The distinct (votes, n) with n > 0, as [P, 2], and how often each occurs."""
    k, n = k[n > 0], n[n > 0]
    # One complex number a pair: sorting those is many times faster than sorting rows.
    found, weight = np.unique(k + 1j * n, return_counts=True)
    return np.stack([found.real, found.imag], axis=1), weight


def fit_beta_prior(votes: npt.ArrayLike, n: npt.ArrayLike) -> BetaPrior:
    """Fit each label's Beta prior by beta-binomial maximum likelihood, alpha + beta kept within [0.05, 1000].

    A label with fewer than 5 votes for it or against it, or with fewer than 5 images that two or more people
    answered, cannot show its own spread. Its mean is (votes + .5) / (n + 1) over all images, and its alpha + beta is
    the median of the other labels', or 2 where there are none (so for one person per image).

    Args:
        votes: [N, C], how many people chose each label.
        n: [N], how many people answered, or [N, C] where that differs by label. Rows with n = 0 say nothing.

    Returns:
        The prior of each label.

    Raises:
        BadCounts: counts that cannot be; the first row and label are named.

    >>> prior = fit_beta_prior([[0], [1], [2], [0], [1], [5]] * 5, [5] * 30)
    >>> prior.alpha.round(2).tolist(), prior.beta.round(2).tolist()
    ([0.45], [0.92])
    """
    k, asked = _counts(votes, n)
    labels = k.shape[1]
    mean, total = np.empty(labels), np.full(labels, np.nan)
    for label in range(labels):
        pairs, weight = _distinct(k[:, label], asked[:, label])
        yes = float(pairs[:, 0] @ weight)
        all_ = float(pairs[:, 1] @ weight)
        mean[label] = (yes + 0.5) / (all_ + 1)
        repeated = int(weight[pairs[:, 1] >= 2].sum())
        if min(yes, all_ - yes) >= MIN_POSITIVES and repeated >= MIN_REPEATED:
            mean[label], total[label] = _fit_one(pairs[:, 0], pairs[:, 1], weight.astype(np.float64), mean[label])
    pooled = np.isnan(total)
    borrowed = float(np.median(total[~pooled])) if (~pooled).any() else DEFAULT_CONCENTRATION
    total = np.where(pooled, borrowed, total)
    return BetaPrior(mean * total, (1 - mean) * total, pooled)


def smoothed_rates(votes: npt.ArrayLike, n: npt.ArrayLike, prior: BetaPrior) -> FloatArray:
    """Posterior mean rates: (votes + alpha) / (n + alpha + beta).

    Args:
        votes: [N, C], how many people chose each label.
        n: [N] or [N, C], how many people answered.
        prior: from `fit_beta_prior`.

    Returns:
        Rates [N, C] in (0, 1); the prior's mean where n = 0.

    Raises:
        BadCounts: counts that cannot be, or another number of labels than the prior has.
    """
    k, asked = _counts(votes, n, len(prior.alpha))
    rates: FloatArray = (k + prior.alpha) / (asked + prior.alpha + prior.beta)
    return rates


def label_sets(votes: npt.ArrayLike, n: npt.ArrayLike, prior: BetaPrior, tau: float = 1 / 3) -> npt.NDArray[np.bool_]:
    """The labels that belong to each image: those with P(rate >= tau | votes, prior) >= 1/2.

    A cut on votes instead lets the number of people decide: "two votes" passes a label with a true rate of .3
    in 47 % of panels of five and in 99 % of panels of twenty.

    Args:
        votes: [N, C], how many people chose each label; fractions are allowed (shares of a known number of people).
        n: [N] or [N, C], how many people answered. For one person the set is their answer. A row with n = 0 gets
            the empty set, which says nothing: leave it out.
        prior: from `fit_beta_prior`.
        tau: the rate from which a label belongs to the set, between 0 and 1.

    Returns:
        [N, C], true where the label belongs to the image's set.

    Raises:
        BadCounts: tau is not between 0 and 1, counts that cannot be, or another number of labels than the prior has.

    >>> prior = BetaPrior(np.array([0.5]), np.array([1.5]), np.array([False]))
    >>> label_sets([[1], [2], [1], [0]], [5, 5, 1, 0], prior).ravel().tolist()
    [False, True, True, False]
    """
    if not 0 < tau < 1:
        raise BadCounts(f"tau: expected a rate between 0 and 1, but received {tau}")
    k, asked = _counts(votes, n, len(prior.alpha))
    below = _chance_below(k, asked, prior, tau)
    inside: BoolArray = below <= 0.5 + 1e-9  # a symmetric posterior is exactly half at tau = 1/2
    inside = np.where(asked == 1, k > 0.5, inside)
    return np.asarray(inside & (asked > 0), dtype=bool)


def _chance_below(k: FloatArray, n: FloatArray, prior: BetaPrior, tau: float) -> FloatArray:
    """P(rate < tau | votes k of n), [N, C]; each pair of counts is worked out once where they are fewer than cells."""
    from scipy.special import betainc

    most, labels = int(n.max(initial=0)) + 1, np.arange(k.shape[1])
    if most * most >= len(k) or (k != np.floor(k)).any() or (n != np.floor(n)).any():
        return np.asarray(betainc(k + prior.alpha, n - k + prior.beta, tau))
    yes, people = np.arange(most)[:, None, None], np.arange(most)[:, None]
    table = betainc(yes + prior.alpha, np.maximum(people - yes, 0) + prior.beta, tau)
    return np.asarray(table[k.astype(np.int64), n.astype(np.int64), labels])


def label_sets_from_shares(shares: npt.ArrayLike, tau: float = 1 / 3) -> BoolArray:
    """Sets from shares whose number of people is unknown: share >= tau, within 1e-6 for rounding.

    There is no posterior without counts, so a share of one person counts as much as one of a hundred. Where
    n is known, use `label_sets` with votes = shares * n.

    Args:
        shares: [N, C], in [0, 1].
        tau: the share from which a label belongs to the set, between 0 and 1.

    Returns:
        [N, C], true where the label belongs to the image's set.

    Raises:
        BadCounts: a share outside [0, 1], or a tau that is not between 0 and 1.
    """
    rate = np.asarray(shares, dtype=np.float64)
    if not 0 < tau < 1:
        raise BadCounts(f"tau: expected a rate between 0 and 1, but received {tau}")
    bad = ~((rate >= -1e-6) & (rate <= 1 + 1e-6))
    if bad.any():
        raise BadCounts(f"row {int(np.argwhere(bad)[0][0])}: expected shares in [0, 1], but received {rate[bad][0]}")
    return rate >= tau - 1e-6


@dataclass(frozen=True, eq=False)
class DirichletPrior:
    """One Dirichlet(alpha) over the C labels of a one-choice question."""

    alpha: FloatArray


def fit_dirichlet_prior(votes: npt.ArrayLike, *, iterations: int = 2000, tolerance: float = 1e-9) -> DirichletPrior:
    """Fit one Dirichlet to votes of people who chose one label each.

    Dirichlet-multinomial maximum likelihood by Minka's fixed point (Minka 2000, eq. 55), started from the
    label shares; sum(alpha) is kept within [0.05, 1000]. A label that nobody chose gets the weight of half a vote.
    Where fewer than 5 images have two or more votes, the spread cannot be seen, and sum(alpha) is 2.

    Args:
        votes: [N, C], each row the votes of that image's people.
        iterations: how many steps at most.
        tolerance: stop when no alpha moves by more than this share of their sum.

    Returns:
        The prior over the C labels.

    Raises:
        BadCounts: a vote that is negative or not finite, or another shape than [N, C].
    """
    from scipy.special import digamma

    k, n = _counts(votes, np.abs(votes).sum(axis=-1))
    k, n = k[n[:, 0] > 0], n[n[:, 0] > 0, 0]
    share = (k.sum(axis=0) + 0.5) / (n.sum() + 0.5 * k.shape[1])
    if (n >= 2).sum() < MIN_REPEATED:
        return DirichletPrior(share * DEFAULT_CONCENTRATION)
    rows, weight = np.unique(k, axis=0, return_counts=True)
    people = rows.sum(axis=1)
    chosen = k.sum(axis=0) > 0
    alpha = share * DEFAULT_CONCENTRATION
    low, high = CONCENTRATION_BOUNDS
    for _ in range(iterations):
        total = alpha.sum()
        top = weight @ (digamma(rows + alpha) - digamma(alpha))
        fresh = np.where(chosen, alpha * top / (weight @ (digamma(people + total) - digamma(total))), alpha)
        fresh = fresh * np.clip(fresh.sum(), low, high) / fresh.sum()
        fresh[~chosen] = share[~chosen] * fresh.sum()
        moved = np.abs(fresh - alpha).max()
        alpha = fresh
        if moved < tolerance * total:
            break
    return DirichletPrior(alpha)


def posterior_entropy(votes: npt.ArrayLike, n: npt.ArrayLike, prior: BetaPrior) -> FloatArray:
    """The expected entropy of an image's rates given its votes: mean over labels of "chosen or not", in bits.

    The entropy of shares of few people is too low; this is not.

    Args:
        votes: [N, C], how many people chose each label.
        n: [N] or [N, C], how many people answered.
        prior: from `fit_beta_prior`.

    Returns:
        [N] in [0, 1]; what the prior expects where n = 0.

    Raises:
        BadCounts: counts that cannot be, or another number of labels than the prior has.
    """
    k, asked = _counts(votes, n, len(prior.alpha))
    parts = [slice(start, start + _AT_ONCE) for start in range(0, max(len(k), 1), _AT_ONCE)]
    found = [_entropy(k[at] + prior.alpha, asked[at] - k[at] + prior.beta).mean(axis=1) for at in parts]
    return np.concatenate(found)


def _entropy(a: FloatArray, b: FloatArray) -> FloatArray:
    """E h(p) in bits for p ~ Beta(a, b)."""
    from scipy.special import digamma

    nats = digamma(a + b + 1) - (a * digamma(a + 1) + b * digamma(b + 1)) / (a + b)
    return np.asarray(nats / np.log(2))
