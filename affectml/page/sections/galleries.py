"""Images with what people and the model said of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from affectml.page.data import ReportData
from affectml.page.numbers import among_themselves
from affectml.page.section import Bar, Card, Cards, Section
from affectml.page.tables import number, percent

SHOWN = 6  # images of a gallery
BARS = 12  # labels of an image: of more, those with the largest shares


def galleries(data: ReportData) -> Section:
    """Images on which model and people agree most, and least, and on which people disagree most among themselves."""
    truth = data.truth
    distance = differences(data)
    ranked = np.argsort(distance, kind="stable")
    few = min(SHOWN, max(1, len(ranked) // 3))
    them = "people" if data.them == "people" else "the labels"
    its = "score" if truth.single_positive else "rate" if truth.kind in ("rates", "sets") else "share"
    theirs = "people's share" if data.them == "people" else "the label"
    key = [f"blue bar: {theirs}", f"orange bar: the model's {its}"]
    if truth.oracle is not None:
        key.append("upright line: the true rate")
    if truth.sets is not None:
        key.append("●: in people's set" if data.them == "people" else "●: in the image's set")
    if data.model.sets is not None:
        key.append("○: in the model's set")
    found = [
        Cards(f"Where the model and {them} agree most", cards(data, ranked[:few], distance), "; ".join(key)),
        Cards(f"Where the model and {them} agree least", cards(data, ranked[::-1][:few], distance)),
    ]
    if truth.kind in ("rates", "distribution") and truth.vote_rule != "moments":
        apart = among_themselves(truth.shares, rates=truth.kind == "rates")
        most = np.argsort(-apart, kind="stable")[:few]
        found.append(Cards("Where people disagree most among themselves", cards(data, most, distance)))
    note = "Agreement: the mean absolute difference over all labels."
    return Section("images", "Images", galleries=tuple(found), notes=(note,))


def differences(data: ReportData) -> NDArray[np.float64]:
    """Mean absolute difference between the model's and people's shares of each image, [N]."""
    shares = data.model.shares if data.model.shares is not None else data.model.scores
    return np.asarray(np.abs(shares.numpy() - data.truth.shares).mean(axis=1))


def cards(data: ReportData, rows: Sequence[int] | NDArray[np.intp], distance: NDArray[np.float64]) -> tuple[Card, ...]:
    """These test images with their bars."""
    truth, model = data.truth, data.model
    shares = (model.shares if model.shares is not None else model.scores).numpy()
    found = []
    for row in rows:
        n = "" if truth.people is None else f" · {int(truth.people[row].max())} people"
        image_id = str(truth.image_id[row])
        largest = np.maximum(truth.shares[row], shares[row])
        shown = np.sort(np.argsort(-largest, kind="stable")[:BARS])
        bars = [
            Bar(
                truth.labels[c],
                round(100 * float(truth.shares[row, c]), 1),
                round(100 * float(shares[row, c]), 1),
                None if truth.oracle is None else round(100 * float(truth.oracle[row, c]), 1),
                bool(truth.sets is not None and truth.sets[row, c]),
                bool(model.sets is not None and model.sets[row, c]),
            )
            for c in map(int, shown)
        ]
        least = np.delete(largest, shown)
        rest = f"{len(least)} other labels: at most {percent(float(least.max()))}" if len(least) else ""
        line = f"{image_id} · mean difference {number(float(distance[row]))}{n}"
        found.append(Card(image_id, data.thumbnail(image_id), line, tuple(bars), them=data.them, rest=rest))
    return tuple(found)
