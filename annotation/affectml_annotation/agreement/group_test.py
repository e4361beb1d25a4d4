"""Whether groups of people choose labels otherwise on the same images: a regression whose groups are permuted."""

from typing import NamedTuple

import numpy as np

from affectml_annotation.agreement.values import BoolArray, FloatArray, IntArray

LEAST = 3  # people on either side; with fewer there is no test
_NUMBERS = 4_000_000  # in one array of permutations


class GroupTest(NamedTuple):
    """Each of K groups less all others, in C labels, [K, C] each; nan where there is no test.

    difference, low, high: in the rate on the same images. t: over its standard error. p: corrected for all of them.
    """

    difference: FloatArray
    low: FloatArray
    high: FloatArray
    t: FloatArray
    p: FloatArray


def group_test(
    image: IntArray,
    person: IntArray,
    chosen: BoolArray,
    group: IntArray,
    groups: int,
    *,
    permutations: int,
    seed: int,
    level: float,
) -> GroupTest:
    """The test of `compare_languages`.

    image, person [M], chosen [M, C]: the answers, of images with several. group [P]: the group of each person, below
    `groups`. Of two groups the second is compared with nothing: the first says it all.
    """
    people, labels = len(group), chosen.shape[1]
    size = np.bincount(group, minlength=groups)
    tested = [k for k in range(groups if groups > 2 else 1) if min(size[k], people - size[k]) >= LEAST]
    found = GroupTest(*np.full((5, groups, labels), np.nan))
    if not tested:
        return found
    fit = _Fit(image, person, chosen, people)
    observed = [fit.of((group == k)[None]) for k in tested]
    from scipy.special import stdtrit  # scipy.stats takes half a second to load

    for k, (value, error, freedom) in zip(tested, observed, strict=True):
        half = stdtrit(np.nan_to_num(freedom, nan=1.0), (1 + level) / 2) * error
        found.difference[k], found.low[k], found.high[k] = value, value - half, value + half
        found.t[k] = _ratio(value, error)
    bar = np.abs(found.t[tested]).ravel()
    order = np.argsort(-bar, kind="stable")  # nan last
    order = order[~np.isnan(bar[order])]
    generator, reached = np.random.default_rng(seed), np.zeros(len(order))
    step = max(1, _NUMBERS // (labels * people + len(fit.size)))
    for start in range(0, permutations, step):
        rows = min(step, permutations - start)
        drawn = generator.permuted(np.broadcast_to(group, (rows, people)), axis=1)
        t = np.concatenate([_ratio(*fit.of(drawn == k)[:2]) for k in tested], axis=1)[:, order]
        # what is not defined under a permutation counts as far apart, which accuses nobody
        largest = np.maximum.accumulate(np.nan_to_num(np.abs(t), nan=np.inf)[:, ::-1], axis=1)[:, ::-1]
        reached += (largest >= bar[order] * (1 - 1e-9)).sum(axis=0)
    p = np.full(len(bar), np.nan)
    p[order] = np.maximum.accumulate((reached + 1) / (permutations + 1))
    found.p[tested] = p.reshape(len(tested), labels)
    return found


def _ratio(value: FloatArray, error: FloatArray) -> FloatArray:
    """The difference in standard errors: 0 for none at all, infinite where nobody differs within a group."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.abs(value) < 1e-12, 0.0, value / error)


class _Fit:
    """Regressions of each label on membership in a group of people, images being fixed effects."""

    def __init__(self, image: IntArray, person: IntArray, chosen: BoolArray, people: int) -> None:
        from scipy.sparse import csr_array, vstack

        self.size = np.bincount(image)
        shape = (people, len(self.size))
        votes = np.stack([np.bincount(image, column) for column in chosen.T], axis=1)
        each = chosen - votes[image] / self.size[image, None]
        self.sums = np.stack([np.bincount(person, column, minlength=people) for column in each.T])  # [C, P]
        others = (self.size / (self.size - 1))[image]  # from less the mean of all to less that of the others
        self.share = csr_array((1 / self.size[image], (image, person)), shape=shape[::-1])
        self.seen = csr_array((others, (person, image)), shape=shape)
        self.each = vstack([csr_array((others * column, (person, image)), shape=shape) for column in each.T]).tocsr()
        self.own = self.each.sum(axis=1).reshape(-1, people, 1)

    def of(self, members: BoolArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """For each group [B, P]: its difference from the others, the standard error and degrees of freedom, [B, C].

        score and spread are sums over each person's answers: of their membership less the image's mean, times what they
        chose, and times their membership, less the mean of the other people of the image.
        """
        x = members.T.astype(np.float64)
        mean = self.share @ x
        total, inside = self.size @ (mean * (1 - mean)), x.sum(axis=0)
        spread = x * (self.seen.sum(axis=1)[:, None] - 2 * (self.seen @ mean)) + self.seen @ mean**2
        score = self.own * x - (self.each @ mean).reshape(-1, *x.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = self.sums @ x / total
            off = (score - value[:, None] * spread) ** 2
            one, two = np.einsum("cpb,pb->cb", off, x), np.einsum("cpb,pb->cb", off, 1 - x)
            outside = len(x) - inside
            one, two = one * inside / (inside - 1), two * outside / (outside - 1)
            freedom = (one + two) ** 2 / (one**2 / (inside - 1) + two**2 / (outside - 1))
            return value.T, (np.sqrt(one + two) / total).T, freedom.T
