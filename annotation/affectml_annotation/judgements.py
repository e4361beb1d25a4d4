"""The judgement table: what one person said of one image, one row each, and its numeric form.

Five columns are enough: image_id and annotator_id (text, never empty), round (a whole number), kind (see `KINDS`), and
labels (a list: at least one label for the kind `labels`, empty or missing for every other). `columns.COLUMNS` has all;
the others are carried along where they exist.

`labels` and `none` are answers: the empty set says that none of the labels applies, and it counts. Somebody
who was unsure or skipped the image was asked but gave no answer, and leaves the number of people counted. One person
judges one image at most once in a round.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from affectml_annotation.errors import AnnotationError, BadJudgement, UnknownLabel
from affectml_annotation.languages import named_or_code

KINDS = ("labels", "none", "unsure", "skip")
FLAG = "flag"  # a kind of its own until 0.3.0: a skip, beside which the column `flag` is true
ANSWERS = ("labels", "none")
REQUIRED = ("image_id", "annotator_id", "round", "kind", "labels")
NOT_DATA = {"check": "answers to attention checks", "practice": "answers of practice", "repeat": "repeats"}  # purposes
UNSTORABLE = "holds a character that no database stores (half of a surrogate pair, or NUL)"

Rounds = Literal["first", "last", "all"] | int
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


def storable(text: str) -> bool:
    """Whether SQLite and PostgreSQL can hold a text: neither takes half of a surrogate pair, PostgreSQL no NUL."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def of_now(judgements: pd.DataFrame) -> pd.DataFrame:
    """A table whose kinds may be those of before 0.3.0, with those of now."""
    if "kind" not in judgements or not (flags := judgements["kind"] == FLAG).any():
        return judgements
    before = judgements["flag"].eq(True) if "flag" in judgements else False
    return judgements.assign(kind=judgements["kind"].mask(flags, "skip"), flag=flags | before)


def answer_problems(kind: object, chosen: Sequence[str], labels: Collection[str]) -> Iterator[str]:
    """What is wrong with the kind and the labels of one judgement."""
    if kind not in (*KINDS, FLAG):
        yield f"expected kind to be one of {', '.join(KINDS)}, but received {kind!r}"
    elif (kind == "labels") != bool(len(chosen)):
        yield f"kind {kind!r} with {len(chosen)} labels"
    for label in chosen:
        if label not in labels:
            yield str(UnknownLabel.named(label, list(labels)))
    if len(set(chosen)) != len(chosen):
        yield f"a label stands there twice: {list(chosen)}"


@dataclass(frozen=True, eq=False)
class Panel:
    """A judgement table as numbers: M judgements of N images by A people over C labels.

    image, annotator [M]: positions in `image_ids` and `annotator_ids`; chosen [M, C]: the labels of each
    judgement; answered [M]: whether it is an answer (labels or none); row [M]: its place in the table.
    """

    labels: tuple[str, ...]
    image_ids: npt.NDArray[np.object_]
    annotator_ids: npt.NDArray[np.object_]
    image: IntArray
    annotator: IntArray
    chosen: BoolArray
    answered: BoolArray
    row: IntArray

    def answers(self) -> "Panel":
        """Only the judgements that are answers; images and annotators keep their positions."""
        return self.where(self.answered)

    def where(self, keep: BoolArray) -> "Panel":
        """Some of the judgements, [M]; images and annotators keep their positions."""
        rows = ("image", "annotator", "chosen", "answered", "row")
        return replace(self, **{name: getattr(self, name)[keep] for name in rows})


@dataclass(frozen=True, eq=False)
class Votes:
    """How many of the `n` people who answered chose each label: image_id [N], votes [N, C], n [N]."""

    labels: tuple[str, ...]
    image_id: npt.NDArray[np.object_]
    votes: IntArray
    n: IntArray

    def table(self) -> pd.DataFrame:
        """As targets-NAME.parquet has them: image_id, n, then one column of votes per label."""
        found = pd.DataFrame(self.votes, columns=list(self.labels))
        found.insert(0, "image_id", self.image_id)
        found.insert(1, "n", self.n)
        return found


def languages_in(column: "pd.Series[Any]") -> tuple["pd.Series[Any]", int | None]:
    """The codes of a column of languages, each in one form; and the first row whose value names no language.

    A column with such a row is one of the user's own, of another meaning: none of its codes are there.
    """
    blank = column.isna() | column.isin(["", "und"])  # undetermined, as ISO 639 says it
    codes = (
        column.mask(blank).astype(object).map({value: named_or_code(str(value)) for value in column[~blank].unique()})
    )
    strange = (codes.isna() & ~blank).to_numpy(dtype=bool)
    own = _first(strange) if strange.any() else None
    return (codes if own is None else codes.mask(codes.notna())).astype("str"), own


def _where(row: int, judgements: pd.DataFrame) -> str:
    image, person = judgements["image_id"].iloc[row], judgements["annotator_id"].iloc[row]
    return f"judgement row {row} (image {image!r}, annotator {person!r})"


def _first(mask: npt.NDArray[np.bool_]) -> int:
    return int(np.flatnonzero(mask)[0])


def _check_columns(judgements: pd.DataFrame) -> None:
    if isinstance(judgements, Votes):
        raise BadJudgement(
            "these are vote counts: who said what is not known, so nothing about single annotators or whole sets "
            "can be computed; label_agreement, fit_beta_prior and label_sets take counts"
        )
    missing = [name for name in REQUIRED if name not in judgements.columns]
    if missing:
        raise BadJudgement(
            f"judgement table: expected the columns {', '.join(REQUIRED)}, but {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing; rename yours or add them"
        )


def as_list(value: Any) -> list[Any]:
    """A cell of labels or numbers as a list; a missing one is empty. Raises TypeError for text and what is no list."""
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return []
    if isinstance(value, str | bytes | dict):
        raise TypeError("text, not a list")
    return list(value)


def _label_lists(judgements: pd.DataFrame) -> list[Sequence[str]]:
    """The labels column as lists; text is refused."""
    lists: list[Any] = judgements["labels"].tolist()
    for row, value in enumerate(lists):
        try:
            lists[row] = value if type(value) is list else as_list(value)
        except TypeError:
            raise BadJudgement(
                f"{_where(row, judgements)}: expected a list in labels, but received {value!r}; "
                "split delimited text into a list first"
            ) from None
    return lists


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a table as numbers, kind [M], round [M] and chosen [M, C]; and what is wrong with which, if anything.

    problems: the row, what is wrong with it, and the error that says so.
    """

    kind: IntArray
    round: IntArray
    chosen: BoolArray
    problems: list[tuple[int, str, type[AnnotationError]]]


def read_rows(judgements: pd.DataFrame, labels: Sequence[str]) -> Rows:
    """Check each row against the contract; that nobody judges an image twice in a round is for whoever calls."""
    problems: list[tuple[int, str, type[AnnotationError]]] = []
    for name in ("image_id", "annotator_id"):
        code, known = pd.factorize(judgements[name])
        blank = np.array([*(not str(text).strip() for text in known), True])  # the last is that of a missing one
        empty = f"expected text in {name}, but it is empty"
        problems += [(row, empty, BadJudgement) for row in np.flatnonzero(blank[code]).tolist()]
    kind = pd.Index(KINDS).get_indexer(pd.Index(of_now(judgements)["kind"])).astype(np.int64)
    for row in np.flatnonzero(kind < 0).tolist():
        received = judgements["kind"].iloc[row]
        what = f"expected kind to be one of {', '.join(KINDS)}, but received {received!r}"
        problems.append((row, what, BadJudgement))
    numbers = pd.to_numeric(judgements["round"], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    whole = np.isfinite(numbers) & (numbers == np.floor(numbers))
    for row in np.flatnonzero(~whole).tolist():
        what = f"expected a whole number in round, but received {judgements['round'].iloc[row]!r}"
        problems.append((row, what, BadJudgement))
    lists = _label_lists(judgements)
    sizes = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    for row in np.flatnonzero((kind >= 0) & ((sizes == 0) == (kind == 0))).tolist():
        rule = "at least one for 'labels' and none for every other kind (that nothing applies is kind 'none')"
        what = f"kind {KINDS[kind[row]]!r} with {sizes[row]} labels; expected {rule}"
        problems.append((row, what, BadJudgement))
    place = {label: at for at, label in enumerate(labels)}
    every = chain.from_iterable(lists)
    flat = np.fromiter((place.get(label, -1) for label in every), dtype=np.int64, count=int(sizes.sum()))
    owner = np.repeat(np.arange(len(lists)), sizes)
    for row in np.unique(owner[flat < 0]).tolist():
        unknown = dict.fromkeys(label for label in lists[row] if label not in place)
        problems += [(row, str(UnknownLabel.named(label, labels)), UnknownLabel) for label in unknown]
    chosen = np.zeros((len(lists), len(labels)), dtype=bool)
    chosen[owner[flat >= 0], flat[flat >= 0]] = True
    known_labels = np.bincount(owner[flat >= 0], minlength=len(lists))
    for row in np.flatnonzero(chosen.sum(axis=1) != known_labels).tolist():
        problems.append((row, f"a label stands there twice: {list(lists[row])}", BadJudgement))
    return Rows(kind, np.where(whole, numbers, 0).astype(np.int64), chosen, problems)


def _check_labels(labels: Sequence[str]) -> tuple[str, ...]:
    names = (labels,) if isinstance(labels, str) else tuple(labels)
    if not names or len(set(names)) != len(names):
        raise BadJudgement(f"expected different labels, at least one, but received {list(names)}")
    return names


def found_labels(judgements: pd.DataFrame) -> tuple[str, ...]:
    """The labels that occur in the table, sorted: for when no taxonomy is at hand.

    Args:
        judgements: a judgement table.

    Returns:
        The labels; none of them where nobody chose any.

    Raises:
        BadJudgement: a column is missing, or labels are no list.
    """
    _check_columns(judgements)
    return tuple(sorted(set(chain.from_iterable(_label_lists(judgements)))))


def are_data(judgements: pd.DataFrame, rounds: Rounds = "first") -> BoolArray:
    """Which rows are data, [M], by their `purpose`: all but checks, practice and, unless a round is named, repeats."""
    if "purpose" not in judgements.columns:
        return np.ones(len(judgements), dtype=bool)
    apart = [purpose for purpose in NOT_DATA if isinstance(rounds, str) or purpose != "repeat"]
    return ~judgements["purpose"].isin(apart).to_numpy(dtype=bool)


def only_data(judgements: pd.DataFrame, more: str = "") -> tuple[pd.DataFrame, list[str]]:
    """The rows of a table that are data, and a line about the others, if there are any, which ends in `more`."""
    data = are_data(judgements)
    if data.all():
        return judgements, []
    counts = judgements["purpose"][~data].value_counts().sort_index()
    apart = " and ".join(f"{count} {NOT_DATA[str(purpose)]}" for purpose, count in counts.items())
    return judgements[data], [f"passed over: {apart}, which are no data{more}"]


def _kept(rounds: Rounds, order: IntArray, pair: IntArray, round_number: IntArray) -> IntArray:
    """The rows that `rounds` keeps. order: rows by person and image, then round; pair [M]: of person and image."""
    match rounds:
        case "first" | "last":
            keep = ~pd.Series(pair[order]).duplicated(keep=rounds).to_numpy()
        case "all":
            keep = np.ones(len(order), dtype=bool)
        case str():
            raise BadJudgement(f"rounds: expected first, last, all or a round's number, but received {rounds!r}")
        case number:
            keep = round_number[order] == number
    return np.sort(order[keep])


def encode(
    judgements: pd.DataFrame, labels: Sequence[str], image_ids: Sequence[str] | None = None, *, rounds: Rounds = "first"
) -> Panel:
    """Check the table against the contract and turn what is data in it into numbers; see `are_data`.

    Args:
        judgements: a judgement table.
        labels: the C labels in order.
        image_ids: the N images wanted, in order. Judgements of other images are checked and left out, and images that
            nobody judged stay in. Without it, the images of the table's data in order of appearance.
        rounds: "first" or "last" keeps one judgement per person and image (a person who looks twice is still one
            person), a number keeps that round, with its repeats, "all" keeps every row.

    Returns:
        The panel, one entry per judgement kept, in the order of the table.

    Raises:
        BadJudgement: the first row that breaks the contract.
        UnknownLabel: the first row with a label that is not in `labels`.
    """
    names = _check_labels(labels)
    _check_columns(judgements)
    rows = read_rows(judgements, names)
    if rows.problems:
        row, what, error = min(rows.problems, key=lambda problem: problem[0])
        raise error(f"{_where(row, judgements)}: {what}")
    round_number = rows.round
    person, people = pd.factorize(judgements["annotator_id"])
    image, images = pd.factorize(judgements["image_id"])
    pair = image.astype(np.int64) * max(len(people), 1) + person
    order = np.lexsort((round_number, pair))
    same = (pair[order][1:] == pair[order][:-1]) & (round_number[order][1:] == round_number[order][:-1])
    if same.any():
        first, second = sorted(order[_first(same) : _first(same) + 2].tolist())
        raise BadJudgement(
            f"{_where(second, judgements)}: a second judgement in round {round_number[second]} "
            f"(the other is row {first}); keep one, or give the second look a round of its own"
        )
    data = are_data(judgements, rounds)
    keep = _kept(rounds, order[data[order]], pair, round_number)
    known = np.asarray(images[pd.unique(image[data])] if image_ids is None else image_ids, dtype=object)
    if image_ids is not None or not data.all():
        wanted = pd.Index(known)
        if not wanted.is_unique:
            raise BadJudgement(f"image_ids: {wanted[wanted.duplicated()][0]!r} stands there twice")
        image = wanted.get_indexer(pd.Index(images)).astype(np.int64)[image] if len(image) else image
        keep = keep[image[keep] >= 0]
    return Panel(
        labels=names,
        image_ids=known,
        annotator_ids=np.asarray(people, dtype=object),
        image=image[keep].astype(np.int64),
        annotator=person[keep].astype(np.int64),
        chosen=rows.chosen[keep],
        answered=rows.kind[keep] < len(ANSWERS),
        row=keep.astype(np.int64),
    )


def one_look(
    judgements: pd.DataFrame, labels: Sequence[str], image_ids: Sequence[str] | None = None, *, rounds: Rounds = "first"
) -> Panel:
    """As `encode`, one judgement of each person and image at most; BadJudgement where rounds is "all"."""
    if rounds == "all":
        raise BadJudgement("rounds='all' would count a person twice; choose a round, first or last")
    return encode(judgements, labels, image_ids, rounds=rounds)


def validate_judgements(judgements: pd.DataFrame, labels: Sequence[str]) -> None:
    """Check a table against the contract of judgement tables; do nothing where it holds.

    Args:
        judgements: the table.
        labels: all labels in use.

    Raises:
        BadJudgement: the first row that breaks the contract.
        UnknownLabel: the first row with a label that is not in `labels`.
    """
    encode(judgements, labels, rounds="all")


def count_votes(
    judgements: pd.DataFrame, labels: Sequence[str], image_ids: Sequence[str] | None = None, *, rounds: Rounds = "first"
) -> Votes:
    """Votes per image and label, and how many people answered.

    Args:
        judgements: a judgement table.
        labels: the C labels in order.
        image_ids: the images wanted, in order; see `encode`.
        rounds: which looks count; see `encode`.

    Returns:
        The votes; an image that nobody answered has n = 0.

    Raises:
        BadJudgement: the first row that breaks the contract.
        UnknownLabel: the first row with a label that is not in `labels`.

    >>> table = pd.DataFrame({
    ...     "image_id": ["a", "a", "a"], "annotator_id": ["u", "v", "w"], "round": 1,
    ...     "kind": ["labels", "none", "skip"], "labels": [["awe", "fear"], [], []],
    ... })
    >>> counted = count_votes(table, ["awe", "fear"])
    >>> counted.votes.tolist(), counted.n.tolist()
    ([[1, 1]], [2])
    """
    panel = encode(judgements, labels, image_ids, rounds=rounds).answers()
    votes = sum_by_image(panel, panel.chosen).astype(np.int64)
    return Votes(panel.labels, panel.image_ids, votes, people_by_image(panel))


def sum_by_image(panel: Panel, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Sums of per-judgement values [M, C] over the judgements of each image, [N, C]."""
    images = len(panel.image_ids)
    return np.stack([np.bincount(panel.image, weights=column, minlength=images) for column in values.T], axis=1)


def people_by_image(panel: Panel) -> IntArray:
    """How many judgements each image has, [N]."""
    return np.bincount(panel.image, minlength=len(panel.image_ids)).astype(np.int64)


def judgement_tensor(
    judgements: pd.DataFrame, labels: Sequence[str], image_ids: Sequence[str] | None = None, *, rounds: Rounds = "first"
) -> tuple[npt.NDArray[np.uint8], BoolArray, npt.NDArray[np.object_]]:
    """Who chose what, as arrays: what `affectml_metrics.human_reference` takes.

    Args:
        judgements: a judgement table.
        labels: the C labels in order.
        image_ids: the N images wanted, in order; see `encode`.
        rounds: which looks count; see `encode`. One judgement per person and image is needed, so "all" is refused.

    Returns:
        chosen [N, A, C] uint8; asked [N, A], true where that person gave an answer (labels or none; unsure and skip
        are false); annotator_ids [A].

    Raises:
        BadJudgement: the first row that breaks the contract, or rounds is "all".
        UnknownLabel: the first row with a label that is not in `labels`.
    """
    panel = one_look(judgements, labels, image_ids, rounds=rounds).answers()
    shape = (len(panel.image_ids), len(panel.annotator_ids))
    chosen = np.zeros((*shape, len(panel.labels)), dtype=np.uint8)
    asked = np.zeros(shape, dtype=bool)
    chosen[panel.image, panel.annotator] = panel.chosen
    asked[panel.image, panel.annotator] = True
    return chosen, asked, panel.annotator_ids
