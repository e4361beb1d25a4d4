"""The checks: each returns rows of what deserves a second look, with figure, p-value and evidence in words.

Also whether the files of a data set, a run or a store of embeddings keep what they promise.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import xlogy
from scipy.stats import betabinom, hypergeom, norm

from affectml.auditing._expect import EDGE, Expected, Floats, Said, surprise, widened
from affectml.data import Dataset
from affectml.duplicates import Duplicates, read_each
from affectml.errors import BadInput

Row = dict[Any, Any]
# A promise, and what reads the files: it raises for a damaged one, or gives what is wrong, one line or several.
NO_BETTER = 0.001  # of permutations follow the others as closely: then a person's answers do follow them
LEAST_ANSWERS = 20  # of a person, to say anything of them
LEAST_USES = 10
TOGETHER = 0.9  # of the answers with either label have both
SIDE = 256  # pixels
EMPTY = 1.0  # bits a pixel
COPIES = {"exact": "the same pixels", "near": "the same picture, changed",
          "alike": "embeddings as alike as those of copies, without files to compare"}  # fmt: skip


def row(check: str, evidence: str | Callable[[], str], **of: Any) -> Row:
    """One row of the table; a fact, which no chance explains, has no p.

    evidence: or what words it, for rows kept. of: its other columns.
    """
    return {"check": check, "evidence": evidence, **of}


def _each(check: str, words: Callable[[int], str], p: Floats, **of: NDArray[Any]) -> tuple[list[Row], float]:
    """A row per place of p and other columns [R], and by how much expectations were too sure."""
    p, factor = widened(p)
    evidence = [partial(words, at) for at in range(len(p))]
    return pd.DataFrame({"check": check, **of, "p": p, "evidence": evidence}).to_dict("records"), factor


def answers(said: Said, expected: Expected) -> tuple[list[Row], float]:
    """A row per answer, and by how much expectations were too sure.

    How much likelier is the answer to an image drawn at random than to this one, beside what answers without any error
    have? That is the most powerful question where answers changed places (`surprise`); figure is its logarithm.
    """
    chance, image, chosen = expected.of_answers(said), said.single.image, said.single.chosen
    share = np.clip(said.votes.sum(axis=0) / np.maximum(said.n.sum(axis=0), 1), EDGE, 1 - EDGE)
    anywhere = np.broadcast_to(share / (share.sum() if said.exclusive else 1.0), chance.shape)
    odds = xlogy(chosen, anywhere / chance)
    if said.exclusive:
        p = surprise(chance[:, None], chosen.argmax(axis=1)[:, None], anywhere[:, None])
    else:
        odds += xlogy(~chosen, (1 - anywhere) / (1 - chance))
        here, rival = (np.stack([1 - rate, rate], axis=2) for rate in (chance, anywhere))
        p = surprise(here, chosen.astype(np.int64), rival)
    label, figure = odds.argmax(axis=1), odds.sum(axis=1)
    name, worst = said.labels[label], chosen[np.arange(len(odds)), label]

    def words(at: int) -> str:
        names = " + ".join(said.labels[chosen[at]]) or "none"
        was, place = "was" if worst[at] else "was not", (image[at], label[at])
        answer = f"said {names}; {name[at]} {was} chosen, expected with a chance of {chance[at, label[at]]:.0%}"
        others = f"others: {said.votes[place] - worst[at]} of {said.n[place] - 1}"
        head = f"; head {expected.rate[place]:.0%}" * expected.learned
        return f"{answer} ({others}{head}); {_times(figure[at])} as an answer to an image drawn at random"

    who = said.single.annotator_ids[said.single.annotator]
    where = {"image_id": said.image_id[image], "annotator_id": who, "label": name}
    return _each("answer", words, p, **where, figure=figure)


def images(said: Said, expected: Expected) -> tuple[list[Row], float]:
    """A row per image: all its answers together, beside what the head gives."""
    if not expected.learned:
        return [], 1.0
    rows = np.flatnonzero(said.n.sum(axis=1) > 0)
    votes, n, rate = said.votes[rows], said.n[rows], expected.rate[rows]
    if said.exclusive and (n == 1).all():
        chances, outcome = rate[:, None, :], votes.argmax(axis=1)[:, None]
    else:
        beta = [(expected.strength * mean)[..., None] for mean in (rate, 1 - rate)]
        chances, outcome = betabinom.pmf(np.arange(n.max() + 1), n[..., None], *beta), votes  # 0 above n (Skellam 1948)
    p = surprise(chances, outcome)
    spread = np.sqrt(rate * (1 - rate) * (expected.strength + n) / (expected.strength + 1) / n)
    label = np.abs((votes / np.maximum(n, 1) - rate) / spread).argmax(axis=1)
    name, at_label = said.labels[label], (np.arange(len(rows)), label)
    votes, n, rate = votes[at_label], n[at_label], rate[at_label]

    def words(at: int) -> str:
        return f"{name[at]}: {votes[at]} of {n[at]}, expected {rate[at]:.0%}"

    where = {"image_id": said.image_id[rows], "label": name}
    return _each("image", words, p, **where, figure=votes / n - rate)


def _times(odds: float) -> str:
    return f"{np.exp(odds):,.0f} times likelier" if odds > np.log(1.5) else "no likelier"


def people(said: Said, expected: Expected) -> list[Row]:
    """A row per person with enough answers: how far their answers follow what is expected of the image without them.

    The slope of a person's answers on the expected rates, both less their means over the person's images; its standard
    deviation is that under all permutations of their answers among their images (Hoeffding 1951). p is the chance to
    follow so little for somebody who follows half as much as the median person; whoever does better than 999 of 1,000
    permutations has p = 1.
    """
    single, rate, kept = said.single, expected.of_answers(said), []
    for person, mine in pd.Series(single.annotator).groupby(single.annotator).indices.items():
        answers, others = (rows[mine] - rows[mine].mean(axis=0) for rows in (single.chosen, rate))
        size = (others**2).sum()
        if len(mine) >= LEAST_ANSWERS and size >= 1e-9:
            varied = np.sqrt(np.einsum("ij,ij->", answers.T @ answers, others.T @ others) / (len(mine) - 1))
            kept.append((person, len(mine), (answers * others).sum() / size, varied / size))
    if len(kept) < 3:
        return []
    who, n, slope, spread = map(np.array, zip(*kept, strict=True))
    middle, root = np.median(slope), np.sqrt(n)
    varies = spread > 1e-12
    sd = np.where(varies, spread, np.median(spread * root) / root)  # one answer to everything cannot be permuted
    permuted = norm.sf(slope / sd)
    p = np.where(permuted > NO_BETTER, norm.cdf((slope - middle / 2) / sd), 1.0)
    rows = []
    for at, person in enumerate(single.annotator_ids[who]):
        times = f"{slope[at] / middle:z.2f} times as closely as the median person's"
        more = f"{permuted[at]:.0%} of permutations of their own answers follow as closely"
        follows = f"{n[at]} answers follow what others and alike images say {times}; {more}"
        evidence = follows if varies[at] else f"the same answer to all {n[at]} images"
        rows.append(row("person", evidence, figure=slope[at] / middle, p=p[at], annotator_id=str(person)))
    return rows


def labels(said: Said) -> list[Row]:
    """Labels nobody uses, and labels that always go together."""
    rows = [
        row("unused label", f"none of {int(said.n[:, at].sum()):,} answers has it", figure=0, label=said.labels[at])
        for at in np.flatnonzero(said.votes.sum(axis=0) == 0)
    ]
    chosen = (said.single.chosen if len(said.single.image) else said.votes > 0).astype(np.int64)
    both = chosen.T @ chosen
    either = both.diagonal() + both.diagonal()[:, None] - both
    together = (either >= LEAST_USES) & (both >= TOGETHER * either) & (not said.exclusive)
    for at in map(tuple, np.argwhere(np.triu(together, 1))):
        label, other = said.labels[[*at]]
        evidence = f"with {other} in {both[at]} of the {either[at]} answers that have either"
        rows.append(row("labels together", evidence, figure=both[at] / either[at], label=label))
    return rows


def copies(found: Duplicates) -> list[Row]:
    """Images that show one picture: all pairs that the split parts, and others until every copy is named.

    Of images whose embeddings are as alike as those of copies, and that have no files to compare, nobody knows. So they
    are listed by themselves.
    """
    images = found.dataset.images
    parts = images.set_index("image_id")["split"].dropna().to_dict() if "split" in images.columns else {}
    rows, named = list[Row](), set[str]()
    for copy in sorted(found.copies, key=lambda copy: -copy.likeness):
        image, other = copy.pair
        apart = len({parts[image] for image in copy.pair if image in parts}) == 2
        check = "alike embeddings" if copy.kind == "alike" else "split parts copies" if apart else "copies"
        if check == "split parts copies" or not named.issuperset(copy.pair):
            named.update(copy.pair)
            words = f", in {parts[image]} and in {parts[other]}: what is learned there is judged here" if apart else ""
            rows.append(row(check, COPIES[copy.kind] + words, figure=copy.likeness, image_id=image, other_id=other))
    return rows


def differing(found: Duplicates, said: Said) -> list[Row]:
    """Pairs that pixels confirm, and whose answers differ more than two panels of people would."""
    known = set(said.image_id[said.n.any(axis=1)])
    pairs = [copy for copy in found.copies if copy.kind != "alike" and known.issuperset(copy.pair)]
    a, b = (pd.Index(said.image_id).get_indexer([copy.pair[end] for copy in pairs]) for end in (0, 1))
    p, share = np.full(len(pairs), np.nan), said.votes / np.maximum(said.n, 1)
    if said.known:
        first, other, total = (table[..., None] for table in (said.n[a], said.n[b], said.votes[a] + said.votes[b]))
        k = np.arange(first.max(initial=0) + 1)  # to the first panel, where both see the picture in the same way
        p = surprise(hypergeom.pmf(k, first + other, total, first), said.votes[a])
    label = np.abs(share[a] - share[b]).argmax(axis=1)
    rows = []
    for at in np.flatnonzero(said.known | (said.votes[a] != said.votes[b]).any(axis=1)):
        here, there, name = (a[at], label[at]), (b[at], label[at]), said.labels[label[at]]
        votes = [f"{said.votes[end]} of {said.n[end]}" for end in (here, there)]
        where = {"image_id": pairs[at].pair[0], "other_id": pairs[at].pair[1], "label": name}
        evidence = f"{COPIES[pairs[at].kind]}; {name}: {votes[0]} here, {votes[1]} there"
        rows.append(row("copies differ", evidence, figure=abs(share[here] - share[there]), p=p[at], **where))
    return rows


def pictures(dataset: Dataset) -> list[Row]:
    """Pictures that are missing, cannot be read, or are nearly empty; where all are missing, that is one row.

    Looked at as grey pictures of 256 x 256 pixels.
    """
    if "file" not in dataset.images.columns:
        return []
    named = dataset.images.set_index("image_id")["file"].dropna()
    paths = {str(image): dataset.image_path(str(file)) for image, file in named.items()}
    if len(paths) > 1 and not any(path.exists() for path in paths.values()):
        some = f"({next(iter(paths.values()))}, ...)"
        return [row("broken file", f"none of the {len(paths):,} files is there {some}, so none is checked")]
    rows = list[Row]()
    for image, content in read_each(paths, "looking at files"):
        if isinstance(content, BadInput):
            rows.append(row("broken file", str(content), image_id=image))
            continue
        small = content.convert("L").resize((SIDE, SIDE))
        bits, flat = small.entropy(), np.asarray(small, dtype=np.float64).std() < 1
        if bits < EMPTY or flat:
            evidence = "all of one colour" if flat else f"next to nothing in it: {bits:.2f} bits a pixel"
            rows.append(row("blank file", evidence, figure=bits, image_id=image))
    return rows
