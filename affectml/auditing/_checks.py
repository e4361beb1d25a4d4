"""The checks: each returns rows of what deserves a second look, with figure, p-value and evidence in words."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import betabinom, entropy, norm

from affectml._progress import track
from affectml.auditing._expect import EDGE, Beside, Expected, log_loss
from affectml.auditing._files import looked_at, of_dataset
from affectml.auditing._said import Said
from affectml.auditing._surprise import hypergeometric, surprise, widened
from affectml.data import Dataset
from affectml.duplicates import Duplicates
from affectml.errors import BadInput
from affectml.judging.subgroups import columns_of

Row = dict[str, Any]
NO_BETTER = 0.001  # of permutations follow the others as closely: then a person's answers do follow them
LEAST_ANSWERS = 20  # of a person, to say anything of them
LEAST_IMAGES = 30  # of a subgroup: fewer give a rough interval (docs/subgroups.md)
LEAST_PEOPLE = 5
LEAST_USES = 10
TOGETHER = 0.9  # of the answers with either label have both
AROUND = 20  # images around a place, whose answers are compared
FAR = -4.0  # robust standard deviations
TENTH = np.log(0.1)  # of sharpness beside the median
SHARP_SIDE = 256  # pixels
EMPTY = 1.0  # bits a pixel
DARK, BRIGHT = 16, 48  # of 255, how far 99 % of the pixels are from black, and from white, at most
SMALL, LONG = 32, 4  # pixels of the shorter side, and how many times longer the other one may be
COPIES = {"exact": "the same pixels", "near": "the same picture, changed",
          "alike": "embeddings as alike as those of copies, without files to compare"}  # fmt: skip


def row(
    check: str,
    evidence: str | Callable[[], str],
    *,
    figure: float = np.nan,
    p: float = np.nan,
    said: bool | None = None,
    **where: str,
) -> Row:
    """One row of the table; a fact, which no chance explains, has no p.

    evidence: or what words it, for rows kept. said: whether what is odd is that the label was chosen, or that it was
    not.
    """
    return {"check": check, **where, "figure": float(figure), "p": float(p), "said": said, "evidence": evidence}


def answers(said: Said, expected: Expected) -> tuple[list[Row], float]:
    """A row per answer, and by how much expectations were too sure.

    How much likelier is the answer to an image drawn at random than to this one, beside what answers without any error
    have? That is the most powerful question where answers changed places (`surprise`); figure is its logarithm.
    """
    if expected.beside is not None:
        return _by_others("answer", said, expected.beside)
    if not len(said.image):
        return [], 1.0
    chance = expected.of_answers(said)
    share = np.clip(said.votes.sum(axis=0) / np.maximum(said.n.sum(axis=0), 1), EDGE, 1 - EDGE)
    anywhere = np.broadcast_to(share / (share.sum() if said.exclusive else 1.0), chance.shape)
    if said.exclusive:
        outcome = said.chosen.argmax(axis=1)[:, None]
        p, factor = widened(surprise(chance[:, None, :], outcome, anywhere[:, None, :]))
        odds = np.where(said.chosen, np.log(anywhere) - np.log(chance), 0.0)
    else:
        two = [np.stack([1 - each, each], axis=2) for each in (chance, anywhere)]
        p, factor = widened(surprise(two[0], said.chosen.astype(np.int64), two[1]))
        odds = log_loss(chance, said.chosen) - log_loss(anywhere, said.chosen)
    label = odds.argmax(axis=1)

    def evidence(at: int) -> str:
        names = [name for name, yes in zip(said.labels, said.chosen[at], strict=True) if yes]
        worst, image = said.labels[label[at]], said.image[at]
        votes, n = said.votes[image, label[at]] - said.chosen[at, label[at]], said.n[image, label[at]] - 1
        expects = f"expected with a chance of {chance[at, label[at]]:.0%}"
        return (
            f"said {' + '.join(names) or 'none'}; {worst} {'was' if said.chosen[at, label[at]] else 'was not'} chosen, "
            f"{expects} (others: {votes} of {n}{_beside(expected, image, label[at])}); {_times(odds[at].sum())} as "
            "an answer to an image drawn at random"
        )

    found = [
        row("answer", partial(evidence, at), figure=odds[at].sum(), p=p[at], label=said.labels[label[at]],
            said=bool(said.chosen[at, label[at]]),
            image_id=str(said.image_id[said.image[at]]), annotator_id=str(said.people[said.person[at]]))
        for at in range(len(p))
    ]  # fmt: skip
    return found, factor


def images(said: Said, expected: Expected) -> tuple[list[Row], float]:
    """A row per image: all its answers together, beside what images like it and the head give."""
    if expected.beside is not None:
        return _by_others("image", said, expected.beside)
    rows = np.flatnonzero(said.n.sum(axis=1) > 0)
    if not len(rows) or expected.near is None:
        return [], 1.0
    votes, n, rate = said.votes[rows], said.n[rows], expected.rate[rows]
    if said.exclusive and (n == 1).all():
        chances, outcome = rate[:, None, :], votes.argmax(axis=1)[:, None]
    else:
        counts, beta = n[..., None], [(expected.strength * each)[..., None] for each in (rate, 1 - rate)]
        chances, outcome = betabinom.pmf(np.arange(n.max() + 1), counts, *beta), votes  # 0 above n (Skellam 1948)
    p, factor = widened(surprise(chances, outcome))
    spread = np.sqrt(rate * (1 - rate) * (expected.strength + n) / (expected.strength + 1) / n)
    label = np.abs((votes / np.maximum(n, 1) - rate) / spread).argmax(axis=1)

    def evidence(at: int) -> str:
        worst = label[at]
        return (
            f"{said.labels[worst]}: {votes[at, worst]} of {n[at, worst]}, expected {rate[at, worst]:.0%}"
            f"{_beside(expected, rows[at], worst)}"
        )

    found = [
        row("image", partial(evidence, at), figure=votes[at, worst] / n[at, worst] - rate[at, worst], p=p[at],
            image_id=str(said.image_id[image]), label=said.labels[worst],
            said=bool(votes[at, worst] > n[at, worst] * rate[at, worst]))
        for at, (image, worst) in enumerate(zip(rows, label, strict=True))
    ]  # fmt: skip
    return found, factor


def _by_others(check: str, said: Said, beside: Beside) -> tuple[list[Row], float]:
    """A row per image: of the answers to it the one, or of its labels the one, that goes least with the others."""
    p, factor = widened(beside.p[check])
    odds, votes = beside.odds[check], said.votes[beside.image]
    label = np.where(odds >= odds.max(axis=1, keepdims=True) - 1e-9, votes, votes.max() + 1).argmin(axis=1)

    def evidence(at: int) -> str:
        worst = label[at]
        name, times = said.labels[worst], _times(odds[at, worst])
        order = [other for other in np.argsort(-votes[at], kind="stable") if votes[at, other]]
        words = f"said {', '.join(f'{votes[at, other]} {said.labels[other]}' for other in order)}; "
        if check == "answer":
            chance = f"{name} is expected beside the others with a chance of {beside.chance[at, worst]:.2%}"
            return f"{words}{chance}; {times} as an answer to an image drawn at random"
        some = f"{votes[at, worst]} of the {votes[at].sum()} answers, such as those of {name}"
        return f"{words}{times} if {some}, were given to another image"

    found = [
        row(check, partial(evidence, at), figure=odds[at, label[at]], p=p[at], label=said.labels[label[at]],
            said=True, image_id=str(said.image_id[beside.image[at]]))
        for at in range(len(p))
    ]  # fmt: skip
    return found, factor


def _times(odds: float) -> str:
    return f"{np.exp(odds):,.0f} times likelier" if odds > np.log(1.5) else "no likelier"


def _beside(expected: Expected, image: Any, label: Any) -> str:
    if expected.near is None or expected.head is None:
        return ""
    return f"; images like it {expected.near[image, label]:.0%}, head {expected.head[image, label]:.0%}"


def people(said: Said, expected: Expected) -> list[Row]:
    """A row per person with enough answers: how far their answers follow what is expected of the image without them.

    The slope of a person's answers on the expected rates, both less their means over the person's images; its standard
    deviation is that under all permutations of their answers among their images (Hoeffding 1951). p is the chance to
    follow so little for somebody who follows half as much as the median person; whoever does better than 999 of 1,000
    permutations has p = 1.
    """
    if not len(said.image):
        return []
    rate = expected.of_answers(said, habits=False)
    kept = []
    order = np.argsort(said.person, kind="stable")
    counts = np.bincount(said.person, minlength=len(said.people))
    for person, mine in enumerate(np.split(order, counts.cumsum()[:-1])):
        if len(mine) < LEAST_ANSWERS:
            continue
        given = said.chosen[mine] - said.chosen[mine].mean(axis=0)
        others = rate[mine] - rate[mine].mean(axis=0)
        size = (others**2).sum()
        if size < 1e-9:
            continue
        varied = np.sqrt(np.einsum("ij,ij->", given.T @ given, others.T @ others) / (len(mine) - 1))
        kept.append((person, (given * others).sum() / size, varied / size, len(mine)))
    if len(kept) < 3:
        return []
    middle = float(np.median([slope for _, slope, *_ in kept]))
    usual = float(np.median([spread * np.sqrt(n) for *_, spread, n in kept]))
    found = []
    for person, own, by_chance, n in kept:
        sd = by_chance if by_chance > 1e-12 else usual / np.sqrt(n)  # one answer to everything cannot be permuted
        permuted = float(norm.sf(own / sd))
        p = float(norm.cdf((own - middle / 2) / sd)) if permuted > NO_BETTER else 1.0
        evidence = (
            f"{n} answers follow what others and alike images say {own / middle:z.2f} times as closely as the median "
            f"person's; {permuted:.0%} of permutations of their own answers follow as closely"
            if by_chance > 1e-12
            else f"the same answer to all {n} images"
        )
        found.append(row("person", evidence, figure=own / middle, p=p, annotator_id=str(said.people[person])))
    return found


def labels(said: Said, features: NDArray[Any] | None) -> list[Row]:
    """Labels nobody uses, labels that always go together, and labels used in two places with a gap between."""
    used = said.votes.sum(axis=0)
    found = [
        row("unused label", f"none of {int(said.n[:, at].sum()):,} answers has it", figure=0, label=said.labels[at])
        for at in np.flatnonzero(used == 0)
    ]
    single = said.chosen if len(said.image) else said.votes > 0
    if not said.exclusive:
        for one, other in itertools.combinations(range(len(said.labels)), 2):
            both, either = (single[:, one] & single[:, other]).sum(), (single[:, one] | single[:, other]).sum()
            if either >= LEAST_USES and both >= TOGETHER * either:
                evidence = f"with {said.labels[other]} in {both} of the {either} answers that have either"
                found.append(row("labels together", evidence, figure=both / either, label=said.labels[one]))
    return found if features is None else found + _two_things(said, features)


def _two_things(said: Said, features: NDArray[Any]) -> list[Row]:
    """For each label: is it rarer between two groups of images that carry it than in both of them?

    Images lie where the first three principal axes of their embeddings have them. Those with the label are parted in
    two (2-means), and its share among the images nearest to both middles is compared with that among those nearest to
    the place between them, where a label of one meaning is most common: for such a label p is rather too high.
    """
    from sklearn.cluster import KMeans

    asked = np.flatnonzero(said.n.sum(axis=1) > 0)
    share = said.votes[asked] / np.maximum(said.n[asked], 1)
    centred = np.asarray(features[asked], dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    tall = len(centred) > 2 * centred.shape[1]  # then the axes are those of a square, which takes no memory
    place = centred @ np.linalg.svd(np.linalg.qr(centred, mode="r") if tall else centred, full_matrices=False)[2][:3].T
    found = []
    for label in range(len(said.labels)):
        carries = share[:, label] >= min(0.5, 2 * share[:, label].mean())
        if carries.sum() < 2 * AROUND or (place[carries] == place[carries][0]).all():
            continue
        middles = KMeans(2, n_init=5, random_state=0).fit(place[carries]).cluster_centers_
        there = [np.linalg.norm(place - at, axis=1).argsort(kind="stable")[:AROUND]
                 for at in (middles[0], middles.mean(axis=0), middles[1])]  # fmt: skip
        one, between, other = (share[rows, label].mean() for rows in there)
        lower = there[0] if one <= other else there[2]
        spread = np.sqrt(sum(share[rows, label].var(ddof=1) for rows in (lower, there[1])) / AROUND)
        gap = min(one, other) - between
        evidence = (
            f"chosen by {one:.0%} and {other:.0%} of people around two groups of images, by {between:.0%} between "
            f"them (e.g. {_some(said, asked[there[0]])} and {_some(said, asked[there[2]])})"
        )
        p = float(norm.sf(gap / max(spread, 1e-9)))
        found.append(row("label for two things", evidence, figure=gap, p=p, label=said.labels[label]))
    return found


def _some(said: Said, rows: Iterable[int]) -> str:
    return ", ".join(str(said.image_id[at]) for at in itertools.islice(rows, 2))


def copies(found: Duplicates) -> list[Row]:
    """Images that show one picture: all pairs that the split parts, and others until every copy is named.

    Of images whose embeddings are as alike as those of copies, and that have no files to compare, nobody knows. So they
    are listed by themselves.
    """
    images = found.dataset.images
    parts = images.set_index("image_id")["split"].dropna().to_dict() if "split" in images.columns else {}
    rows, named = list[Row](), set[str]()
    for copy in sorted(found.copies, key=lambda copy: -copy.likeness):
        one, other = copy.pair
        here, there = parts.get(one), parts.get(other)
        apart = here != there and here is not None and there is not None
        check = "alike embeddings" if copy.kind == "alike" else "split parts copies" if apart else "copies"
        if check == "split parts copies" or not named.issuperset(copy.pair):
            named.update(copy.pair)
            words = f", in {here} and in {there}: what is learned there is judged here" if apart else ""
            rows.append(row(check, COPIES[copy.kind] + words, figure=copy.likeness, image_id=one, other_id=other))
    return rows


def differing(found: Duplicates, said: Said) -> list[Row]:
    """Pairs that pixels confirm, and whose answers differ more than two panels of people would."""
    at = {str(image): number for number, image in enumerate(said.image_id)}
    pairs = [
        copy for copy in found.copies
        if copy.kind != "alike" and all(image in at and said.n[at[image]].any() for image in copy.pair)
    ]  # fmt: skip
    if not pairs:
        return []
    a, b = np.array([[at[image] for image in copy.pair] for copy in pairs]).T
    p = np.full((len(pairs)), np.nan)
    if said.known:
        p = surprise(hypergeometric(said.n[a], said.n[b], said.votes[a] + said.votes[b]), said.votes[a])
    share = said.votes / np.maximum(said.n, 1)
    label = np.abs(share[a] - share[b]).argmax(axis=1)
    rows = []
    for number, copy in enumerate(pairs):
        here, there, worst = a[number], b[number], label[number]
        if said.known or (said.votes[here] != said.votes[there]).any():
            votes = [f"{said.votes[at, worst]} of {said.n[at, worst]}" for at in (here, there)]
            evidence = f"{COPIES[copy.kind]}; {said.labels[worst]}: {votes[0]} here, {votes[1]} there"
            figure, (one, other) = abs(share[here, worst] - share[there, worst]), copy.pair
            rows.append(
                row("copies differ", evidence, figure=figure, p=p[number], image_id=one, other_id=other,
                    label=said.labels[worst])
            )  # fmt: skip
    return rows


def groups(dataset: Dataset, said: Said) -> list[Row]:
    """Levels of the images' and the people's columns that few images, or few people, stand for."""
    judged = [(dataset.images.set_index("image_id").reindex(said.image_id), LEAST_IMAGES, "images")]
    if dataset.annotators is not None and len(said.people):
        known = dataset.annotators.drop_duplicates("annotator_id").set_index("annotator_id")
        judged.append((known.reindex(said.people), LEAST_PEOPLE, "people"))
    little = {
        "images": "{} images; below {} a figure of this group says little",
        "people": "{} people answered; below {} they speak for themselves, not for a group",
    }
    return [
        row("small group", little[what].format(count, least), figure=count, group=f"{name}={level}")
        for table, least, what in judged
        for name, levels in columns_of(table).items()
        for level, count in levels.value_counts(sort=False).items()
        if count < least
    ]


def promises(dataset: Dataset) -> list[Row]:
    """Each thing that is wrong with a data set's files beside its images, which `pictures` looks at."""
    found = looked_at(of_dataset(dataset.root, images=False))
    return [row("broken file", line) for promise in found for line in promise.wrong]


def pictures(dataset: Dataset) -> list[Row]:
    """Pictures that are missing or cannot be read, are nearly empty, tiny, of odd shape, dark, bright or blurred.

    Where all are missing that is one row.

    Looked at as grey pictures of 256 x 256 pixels. Dark and bright are what 99 % of the pixels are, sharpness is the
    variance of the Laplacian (Pech-Pacheco et al. 2000). Of these three a file is listed if it passes a limit and lies
    far from the median of all, in robust standard deviations: a set of night scenes has no dark files.
    """
    from affectml.encoders import read_image

    if "file" not in dataset.images.columns:
        return []
    named = dataset.images.set_index("image_id")["file"].dropna()
    paths = [dataset.image_path(str(file)) for file in named]
    if len(paths) > 1 and not any(path.exists() for path in paths):
        return [row("broken file", f"none of the {len(paths):,} files is there ({paths[0]}, ...), so none is checked")]
    found, light, sharp = [], {}, {}
    for image, file in track(named.items(), "looking at files", len(named), "images"):
        try:
            whole = read_image(dataset.image_path(str(file))).convert("L")
        except BadInput as error:
            found.append(row("broken file", str(error), image_id=str(image)))
            continue
        pixels = np.asarray(whole.resize((SHARP_SIDE, SHARP_SIDE)), dtype=np.float64)
        short, long = sorted(whole.size)
        if (bits := _bits(pixels)) < EMPTY or pixels.std() < 1:
            evidence = "all of one colour" if pixels.std() < 1 else f"next to nothing in it: {bits:.2f} bits a pixel"
            found.append(row("blank file", evidence, figure=bits, image_id=str(image)))
        elif short < SMALL or long > LONG * short:
            found.append(row("odd shape", f"{long} x {short} pixels", figure=long / short, image_id=str(image)))
        else:
            edges = pixels[1:-1, :-2] + pixels[1:-1, 2:] + pixels[:-2, 1:-1] + pixels[2:, 1:-1] - 4 * pixels[1:-1, 1:-1]
            light[str(image)] = np.quantile(pixels, [0.99, 0.01])
            sharp[str(image)] = float(np.log(edges.var() + 1e-6))
    dark = {image: float(high) for image, (high, _) in light.items()}
    bright = {image: 255 - float(low) for image, (_, low) in light.items()}
    for values, limit, word in ((dark, DARK, "dark"), (bright, BRIGHT, "bright")):
        for image, value, score in _far_below(values, least=1.0):
            if value < limit:
                level = value if word == "dark" else 255 - value
                evidence = f"99 % of its pixels are {word}er than {level:.0f} of 255, or as {word}"
                found.append(row("dark or bright file", evidence, figure=score, image_id=image))
                sharp.pop(image, None)
    middle = float(np.median(list(sharp.values()))) if sharp else 0.0
    for image, value, score in _far_below(sharp, least=0.1):
        if value - middle < TENTH:
            times = f"{np.exp(middle - value):,.0f} times"
            evidence = f"{times} less sharp than the median image: blurred, or compressed hard?"
            found.append(row("blurred file", evidence, figure=score, image_id=image))
    return found


def _bits(pixels: NDArray[np.float64]) -> float:
    """Entropy of the grey levels, bits a pixel."""
    share = np.bincount(pixels.astype(np.int64).ravel(), minlength=256) / pixels.size
    return float(entropy(share, base=2))


def _far_below(values: Mapping[str, float], least: float) -> list[tuple[str, float, float]]:
    """Image, value and score of those FAR robust standard deviations, `least` at least, below the median."""
    if not values:
        return []
    middle = np.median(list(values.values()))
    spread = max(1.4826 * np.median([abs(value - middle) for value in values.values()]), least)
    scored = [(image, value, float((value - middle) / spread)) for image, value in values.items()]
    return [each for each in scored if each[2] < FAR]
