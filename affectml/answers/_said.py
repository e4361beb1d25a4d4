"""From rows to what a system says of each image: sets, rankings, rates or a distribution, and what got lost on the way.

Several answers per image are smoothed by a rule that does not look at the data. Of n answers k name a label: its rate
is (k + 1/2) / (n + 1), the posterior mean under Jeffreys' prior (Jeffreys 1946; Brown, Cai & DasGupta 2001). Where one
label was asked for, its share of C labels is (k + 1/2) / (n + C/2) (Krichevsky & Trofimov 1981).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from affectml.answers._reply import REASONS, Unread, Why
from affectml.answers._rows import Row, Rows
from affectml.answers._usable import Floats, Read, Received, Shape, Usable
from affectml.answers._words import Words, shown
from affectml.errors import BadInput, option
from affectml.judging.bias import firsts

HALF = 0.5
_FORMS = {Why.LABELS, Why.NUMBERS, Why.UNRANKED, Why.NO_SUM}


@dataclass(frozen=True, eq=False)
class Said:
    """What a system says of M images over C labels.

    scores [M, C] rank the labels. shares [M, C]: rates or a distribution, as `shape` says, None of sets and rankings.
    sets [M, C]: as the system gave them, else None. often [M, C]: how often it names each label, unsmoothed.
    """

    shape: Shape
    image_id: NDArray[np.object_]
    scores: Floats
    shares: Floats | None
    sets: NDArray[np.int64] | None
    often: Floats
    received: Received


def gather(
    found: Rows,
    words: Words,
    *,
    one_label: bool,
    shape: str | None,
    k: int | None,
    only: Callable[[Row], bool] | None = None,
) -> Said:
    """Bring the rows of each image together.

    Args:
        found: what was read.
        words: the target's labels.
        one_label: whether people were asked for one label, so that answers make a distribution.
        shape: what answers are; None takes what they look like.
        k: of ranked lists the first k labels are the set; None leaves them without sets.
        only: which rows count, such as those of one wording; None takes all.

    Raises:
        BadInput: where no answer can be used; the reasons are named.
    """
    usable = Usable(found.rows, words, shape, one_label=one_label)
    chosen = [row for row in found.rows if only is None or only(row)]
    received = Received(rows=len(chosen), what=found.what, notes=list(found.notes))
    by_image: dict[str, list[Read]] = {}
    for row in chosen:
        unknown = received.unknown_labels.total()
        try:
            read = usable.read(row, received)
        except Unread as unread:
            _note(received, str(unread), row)
        else:
            received.shortened += received.unknown_labels.total() > unknown
            by_image.setdefault(str(row.image), []).append(read)
    if note := _way_out(received):
        received.notes.append(note)
    kind = usable.shape([read for reads in by_image.values() for read in reads], received)
    if kind == "distribution" and one_label and shape is None:
        by_image = usable.to_one(by_image, received)
    if not by_image:
        _none_usable(received, shape)
    received.shape, received.samples = kind, max(map(len, by_image.values()))
    made = _made(by_image, kind, len(words.taxonomy), one_label=one_label, k=k, received=received)
    received.used = sum(len(by_image[image]) for image in made.image_id)
    received.problems = {reason: received.problems[reason] for reason in REASONS if reason in received.problems}
    return made


def _note(received: Received, problem: str, row: Row) -> None:
    place = f"{row.place} ({row.detail})" if row.detail else row.place
    received.problems.setdefault(problem, []).append(place)


def _way_out(received: Received) -> str:
    """What to do where requests failed for their JSON schema; "" where none did."""
    refused = len(received.problems.get(Why.NO_SCHEMA, ()))
    how = option("json_schema", False)
    return f"the server refused the JSON schema of {refused} requests; `ask` {how} sends none" if refused else ""


def _none_usable(received: Received, shape: str | None) -> NoReturn:
    if shape is not None and _FORMS & received.problems.keys():
        has = "lists of labels" if Why.LABELS in received.problems else "numbers by label"
        raise BadInput(f"{option('shape', shape)} does not fit: the answers are {has}")
    reasons = "; ".join(f"{reason}: {len(places)}" for reason, places in received.problems.items()) or "no rows"
    unknown = ", ".join(shown(label) for label, _ in received.unknown_labels.most_common(8))
    more = f" (unknown labels: {unknown}; {option('mapping', {'WORD': 'LABEL'})} names them)" if unknown else ""
    if _FORMS & received.problems.keys():
        more += f"; {option('shape')} says what they are"
    if note := _way_out(received):
        more += f"; {note}"
    raise BadInput(f"no answer can be used of {received.rows}: {reasons}{more}")


def _made(
    by_image: dict[str, list[Read]], kind: Shape, labels: int, *, one_label: bool, k: int | None, received: Received
) -> Said:
    """Arrays of all images, several answers smoothed."""
    several, one_of = received.samples > 1, kind == "sets" and one_label
    kept, votes, counts, first, own = [], [], [], [], []
    for image, reads in by_image.items():
        table = np.stack([read.values for read in reads])
        named = table[table.any(axis=1)]
        if not len(named) and (one_of or kind == "distribution"):
            received.problems.setdefault(Why.NO_MASS, []).append(f"image {shown(image)}")
            continue
        table = named / named.sum(axis=1, keepdims=True) if one_of else table
        kept.append(image)
        votes.append(table.sum(axis=0))
        counts.append([len(table)])
        first.append(firsts(table).mean(axis=0))
        own.append(_own(reads, kind, k))
    if not kept:
        _none_usable(received, None)
    scores = np.stack(votes) / np.array(counts)
    smooth = kind == "sets" and several
    if smooth:
        shares = (np.stack(votes) + HALF) / (np.array(counts) + (HALF * labels if one_label else 1))
    else:
        shares = scores / scores.sum(axis=1, keepdims=True) if kind == "distribution" else scores
    told = smooth or kind in ("rates", "distribution")
    sets = [each for each in own if each is not None] if kind == "ranked" or not several else []
    return Said(
        shape=("distribution" if one_label else "rates") if smooth else kind,
        image_id=np.array(kept, dtype=object),
        scores=shares if told else scores,
        shares=shares if told else None,
        sets=np.stack(sets).astype(np.int64) if len(sets) == len(kept) else None,
        often=np.stack(first) if kind == "ranked" else scores,
        received=received,
    )


def _own(reads: Sequence[Read], kind: Shape, k: int | None) -> Floats | None:
    """The set that the system itself gives; None where it gives none."""
    if kind != "ranked":
        return reads[0].values if kind == "sets" else reads[0].own
    mean = np.mean([read.values for read in reads], axis=0)
    return None if k is None else ((-mean).argsort(kind="stable").argsort() < k) * (mean > 0.0)
