"""From a file of replies to a table of what they say, and from several replies about an image to one answer.

A file holds responses to batch requests, JSON lines, or is a table. Several replies are smoothed by a rule that does
not look at the data. Of n replies k name a label: its rate is (k + 1/2) / (n + 1), the posterior mean under Jeffreys'
prior (Jeffreys 1946; Brown, Cai & DasGupta 2001). Where one label was asked for, its share of C labels is
(k + 1/2) / (n + C/2) (Krichevsky & Trofimov 1981).
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._files import need_file
from affectml.data import Dataset, Targets
from affectml.data.targets import SUM_TOLERANCE
from affectml.errors import BadInput, option
from affectml.importers.labels import emotion_words
from affectml.importers.read import read_table
from affectml.judging.answers import KEYS, labelled
from affectml.judging.answers import LABEL as COLUMN
from affectml.vlm.config import PEOPLE, Answer
from affectml.vlm.reply import (
    Names,
    Reply,
    Requested,
    Unread,
    Why,
    Words,
    first_of,
    folded,
    parse_line,
    parse_reply,
    read_json,
    refuse_if,
    shown,
)
from affectml_annotation.tables import plain

Floats = NDArray[np.float64]
SHAPES = ("sets", "ranked", "rates", "distribution")
_SCHEMA = re.compile(r"response.?format|schema|grammar", re.IGNORECASE)  # in what a server says that takes none
_TOP = re.compile(r"(?:top|rank)(\d+)")  # columns top_1, top_2 ... of a ranking
_ASKED: dict[str, Answer] = {"sets": "sets", "ranked": "ranking", "rates": "shares", "distribution": "shares"}
_FORM = {"sets": "set", "ranked": "ranking", "rates": "share", "distribution": "share"}
_CALLED = {"set": "lists of labels", "ranking": "rankings", "share": "numbers by label"}
_ROUNDED = 0.005  # a percentage without decimals is off by as much, and so a sum of C of them by C times that


@dataclass
class Received:
    """What a file held. rows: all; used: replies that count; samples: the most replies about one image.

    problems: reason -> places, with what else is known of each, in the order of Why. unknown_labels: how many
    replies named each; shortened: how many replies count without theirs. renamed: as spelt -> label.
    """

    rows: int = 0
    used: int = 0
    samples: int = 0
    shortened: int = 0
    what: str = ""
    shape: str = ""
    problems: dict[str, list[str]] = field(default_factory=dict)
    unknown_labels: Counter[str] = field(default_factory=Counter)
    renamed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Replies:
    """The replies of one system that can be used, and what the file held.

    table: a row for each reply and form, with the columns of `affectml.judging.answers`: `set` rows of 0 and 1, `share`
    rows, and `ranking` rows of places from 1, NaN for a label without one. draw counts from 1, null where the file does
    not say it; wording is null, and split the data set's own. The index is the custom_id of the request, else the place
    in the file. requests: every request that the file responds to, by its custom_id.
    """

    table: pd.DataFrame
    received: Received
    requests: Mapping[str, Requested]


@dataclass(frozen=True, eq=False)
class Said:
    """What a system says of M images over C labels.

    scores [M, C] rank the labels. shares [M, C]: rates or a distribution, as `shape` says, None of sets and rankings.
    sets [M, C]: as the system gave them, else None. often [M, C]: how often it names each label, unsmoothed.
    received: what its file held.
    """

    shape: str
    image_id: NDArray[np.object_]
    scores: Floats
    shares: Floats | None
    sets: NDArray[np.int64] | None
    often: Floats
    received: Received


def together(replies: Replies, *, one_label: bool) -> Said:
    """Bring the replies about each image together; of no replies, zero images.

    Args:
        replies: all that were read, or `replace(replies, table=...)` with some rows of the table, such as those of one
            draw.
        one_label: whether people were asked for one label each. An image is left out if no reply names a label.
    """
    kind, labels, table = replies.received.shape, labelled(replies.table), replies.table.set_index("image_id")
    rows = table.loc[table["form"] == _FORM[kind], labels].astype(np.float64)
    several, one_of, named = rows.index.has_duplicates, one_label and kind == "sets", rows == 1
    if kind == "ranked":
        rows = (1 - (rows - 1) / len(labels)).fillna(0)
    if one_of or kind == "distribution":
        rows = rows[rows.any(axis=1)]
    if one_of:
        rows = rows.div(rows.sum(axis=1), axis=0)
    images = rows.groupby(level=0, sort=False)
    votes, counts = images.sum(), images.size().to_numpy()[:, None]
    scores = votes.to_numpy() / counts
    shape, shares, sets = kind, None, None
    if kind == "sets" and several:
        shape = "distribution" if one_label else "rates"
        shares = (votes.to_numpy() + 0.5) / (counts + (len(labels) / 2 if one_label else 1))
    elif _FORM[kind] == "share":
        shares = scores / scores.sum(axis=1, keepdims=True) if kind == "distribution" else scores
    if kind != "ranked" and not several:
        sets = table.loc[table["form"] == "set", labels].reindex(votes.index).to_numpy()
    return Said(
        shape=shape,
        image_id=votes.index.to_numpy(dtype=object),
        scores=scores if shares is None else shares,
        shares=shares,
        sets=None if sets is None or np.isnan(sets).any() else sets.astype(np.int64),
        often=named.groupby(level=0, sort=False).mean().to_numpy(np.float64) if kind == "ranked" else scores,
        received=replies.received,
    )


def read_replies(
    path: str | Path,
    dataset: Dataset,
    targets: Targets,
    *,
    shape: str | None = None,
    mapping: Mapping[str, str] | None = None,
    system: str | None = None,
) -> Replies:
    """Read a file of replies; its content decides how, not its suffix.

    Args:
        path: responses to batch requests, JSON lines, or a table. A table's columns are found by their names, and an
            empty cell is no answer.
        dataset: whose images they are about.
        targets: whose labels they name; of single labels and distributions, replies make a distribution.
        shape: what the answers are, one of SHAPES; None takes what was asked, or what the answers look like.
        mapping: the label that a word of the file stands for.
        system: whose replies they are; None calls it as the file.

    Raises:
        BadInput: for an option or a file that cannot be used, and where no reply can be; the reasons are named.
    """
    path = Path(path)
    if shape not in (None, *SHAPES):
        raise BadInput(f"{option('shape', shape)}: expected one of {', '.join(SHAPES)}")
    need_file(path)
    words, names = Words(targets.taxonomy, mapping), Names(dataset.images)
    with path.open("rb") as handle:
        begins = handle.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    try:
        rows, what, notes = (_lines if begins == b"{" else _table_rows)(path, names, words)
        received = Received(rows=len(rows), what=what, notes=notes)
        records = _Usable(rows, words, shape, received, targets.kind in ("single", "distribution")).records()
    except BadInput as error:
        raise error if str(path) in str(error) else BadInput(f"{path}: {error}") from None
    used, forms, values = zip(*records, strict=True)
    images, split = [row.image for row in used], dataset.images.set_index("image_id").get("split")
    keys: dict[str, Any] = {
        "dataset": dataset.name,
        "image_id": images,
        "split": None if split is None else split.reindex(images).to_numpy(),
        "system": path.stem if system is None else system,
        "wording": None,
        "draw": pd.array([row.asked.sample if row.asked else None for row in used], dtype="Int32"),
        "form": forms,
    }
    columns = [COLUMN + label for label in words.taxonomy.labels]
    index = pd.Index([row.key for row in used], name="custom_id")
    table = pd.DataFrame(np.array(values, dtype=np.float32), index=index, columns=columns)
    requests = {row.key: row.asked for row in rows if row.asked}
    return Replies(table.assign(**keys)[[*KEYS, *columns]], received, requests)


@dataclass(frozen=True)
class _Row:
    """One reply as the file has it.

    place: where it stands. reply: what it says, else why it cannot be used. image: the data set's. asked, custom_id:
    of its request, where the file names one.
    """

    place: str
    reply: Reply | Unread
    image: str = ""
    asked: Requested | None = None
    custom_id: str = ""

    @property
    def key(self) -> str:
        """The custom_id of its request, else where it stands."""
        return self.custom_id or self.place


def _lines(path: Path, names: Names, words: Words) -> tuple[list[_Row], str, list[str]]:
    """The rows of a file of JSON lines or of a batch's responses, which of the two it is, and no notes."""
    rows, kinds = list[_Row](), set[str]()
    with path.open("rb") as handle:
        for place, raw in ((f"line {number}", raw) for number, raw in enumerate(handle, start=1) if raw.strip()):
            try:
                content = read_json(raw.decode("utf-8-sig"))
            except (ValueError, RecursionError):
                content = None
            if not isinstance(content, dict):
                rows.append(_Row(place, Unread(Why.NOT_JSON)))
            elif "custom_id" not in content:
                kinds.add("JSON lines")
                rows.append(_line(content, place, names, words))
            elif "response" in content or not {"method", "body"} <= content.keys():
                kinds.add("batch responses")
                rows += _response(content, place, names, words)
            else:
                raise BadInput(f"{place}: a request, not a response; judge the file that the server writes")
    if len(kinds) > 1:
        raise BadInput("some lines are batch responses (custom_id) and some are not; judge them one by one")
    # of several lines that respond to a request the first that can be used counts, else the first
    counts = {row.key: row.place for row in sorted(rows, key=lambda row: isinstance(row.reply, Unread))[::-1]}
    for at, row in enumerate(rows):
        if counts[row.key] != row.place:
            rows[at] = replace(row, reply=Unread(Why.TWICE, counts[row.key]))
    return rows, "".join(kinds) or "JSON lines", []


def _line(content: Mapping[str, Any], place: str, names: Names, words: Words) -> _Row:
    """A line or a row of any system: an image, and labels, a ranking, numbers by label, or a reply to be read."""
    name = first_of(content, "image")
    try:
        refuse_if(not isinstance(name, str | int | float) or isinstance(name, bool), Why.NO_IMAGE)
        image = names.find(str(name))
        refuse_if(image is None, Why.UNKNOWN_IMAGE, shown(str(name)))
        for key, why in (("error", Why.FAILED), ("refusal", Why.REFUSED)):
            refuse_if(content.get(key), why, shown(str(content.get(key))))
        return _Row(place, parse_line(content, words), str(image))
    except Unread as unread:
        return _Row(place, unread)


def _response(content: Mapping[str, Any], place: str, names: Names, words: Words) -> list[_Row]:
    """A line of a batch's output or error file: a row for each choice, which is one for most requests."""
    request_id, response, error = str(content["custom_id"]), content.get("response"), content.get("error")
    asked = names.of_custom_id(request_id)
    if asked is None:
        return [_Row(place, Unread(Why.UNKNOWN_IMAGE, f"custom_id {shown(request_id)}"))]
    response = response if isinstance(response, dict) else {}
    status, body = response.get("status_code", 200), response.get("body", response)
    choices = body.get("choices") if isinstance(body, dict) else None
    if not error and str(status) == "200" and isinstance(choices, list) and choices:
        return [_Row(place, _choice(choice, words), asked.image, asked, request_id) for choice in choices]
    told = message = error or (body.get("error") or body if isinstance(body, dict) else body)
    if isinstance(told, dict):
        message = next((told[key] for key in ("code", "type", "message") if told.get(key)), error)
    code = "" if status in (None, 200) else f"HTTP {shown(str(status))}"
    detail = f"{code} {shown(str(message or ''))}".strip() or "no message in the response"
    why = Unread(Why.NO_SCHEMA if _SCHEMA.search(str(told)) else Why.FAILED, detail)
    return [_Row(place, why, asked.image, asked, request_id)]


def _choice(choice: Any, words: Words) -> Reply | Unread:
    """What a choice of a response says, or why it cannot be used."""
    message = choice.get("message") if isinstance(choice, dict) else None
    try:
        if not isinstance(message, dict):
            raise Unread(Why.FAILED)
        refuse_if(message.get("refusal"), Why.REFUSED)
        refuse_if(choice.get("finish_reason") == "content_filter", Why.FILTERED)
        refuse_if(choice.get("finish_reason") == "length", Why.CUT_OFF)
        text = message.get("content")
        if isinstance(text, list):  # it may come in parts
            text = "".join(str(part.get("text") or "") for part in text if isinstance(part, dict))
        return parse_reply(text if isinstance(text, str) else "", words)
    except Unread as unread:
        return unread


def _table_rows(path: Path, names: Names, words: Words) -> tuple[list[_Row], str, list[str]]:
    """The rows of a table, each read as a line of any system; columns top_1, top_2 ... are a ranking."""
    table, rows = read_table(path), list[_Row]()
    columns = table.frame.columns.tolist()
    tops = {int(top[1]): c for c in columns if (top := _TOP.fullmatch(plain(c)))}
    filled = table.frame.astype(object).where(table.frame.notna(), "")
    for place, *row in zip(table.place, *(filled[name] for name in columns), strict=True):
        cells = {
            name: cell for name, cell in zip(columns, row, strict=True) if str(cell).strip() not in ("", "nan", "NaN")
        }
        cells = {name: cell.tolist() if isinstance(cell, np.ndarray) else cell for name, cell in cells.items()}
        if ranked := [cells.pop(tops[at]) for at in sorted(tops) if tops[at] in cells]:
            cells["ranking"] = ranked
        rows.append(_line(cells, f"{table.unit} {place}", names, words))
    others = ", ".join(shown(c) for c in columns if folded(c) in emotion_words() and not words.find(c))
    notes = [f"columns of emotions that are no labels of the target: {others}"] if others else []
    return rows, "rows", [*table.notes, *notes]


class _Usable:
    """The replies of a file in the target's labels.

    asked: the form that counts; None takes each as it looks. slack: how much a sum of shares may be off. received: what
    the file held.
    """

    def __init__(self, rows: Sequence[_Row], words: Words, shape: str | None, received: Received, one: bool) -> None:
        self.rows, self.words, self.shape, self.received, self.one = rows, words, shape, received, one
        self.slack = _ROUNDED * len(words.taxonomy) if one else SUM_TOLERANCE
        forms = Counter(row.asked.answer for row in rows if row.asked)
        if shape is None and len(forms) > 1:
            counts = ", ".join(f"{count} for {form}" for form, count in forms.most_common())
            raise BadInput(f"the requests asked for several forms of answer ({counts}); {_ways_out()}")
        self.asked = _ASKED[shape] if shape else next(iter(forms), None)

    def records(self) -> list[tuple[_Row, str, Floats]]:
        """Of each reply and form the row, the form and its values [C]; raises BadInput if none can be used.

        Shares that have to sum to one are divided by their sum if they nearly do.
        """
        received, read = self.received, list[tuple[_Row, dict[str, Floats]]]()
        for row in self.rows:
            unknown = received.unknown_labels.total()
            try:
                read.append((row, self._read(row)))
                received.shortened += received.unknown_labels.total() > unknown
            except Unread as unread:
                self._note(unread.why, f"{row.place} ({unread.detail})" if unread.detail else row.place)
        if refused := len(received.problems.get(Why.NO_SCHEMA, ())):
            way = f"`ask` {option('json_schema', False)} sends none"
            received.notes.append(f"the server refused the JSON schema of {refused} requests; {way}")
        kind, records, rounded = self._kind([forms for _, forms in read]), list[tuple[_Row, str, Floats]](), 0
        summed = kind == "distribution" and self.one and self.shape is None
        for row, forms in read:
            values = next(iter(forms.values()))
            off = abs(values.sum() - 1) if summed else 0
            if off > self.slack:
                self._note(Why.NO_SUM, row.place)
            elif not values.any() and (kind == "distribution" or (kind == "sets" and self.one)):
                self._note(Why.NO_MASS, row.place)
            else:
                rounded += off > SUM_TOLERANCE
                forms = (
                    {"set": values} if kind == "sets" else forms | {"share": values / values.sum()} if summed else forms
                )
                records += [(row, form, values) for form, values in forms.items()]
        if rounded:
            received.notes.append(f"{rounded} answers sum to one but for rounding, and are divided by their sum")
        replies = Counter(row.image for row, form, _ in records if form == _FORM[kind])
        received.shape, received.used, received.samples = kind, replies.total(), max(replies.values(), default=0)
        received.problems = {str(reason): received.problems[reason] for reason in Why if reason in received.problems}
        if not records:
            raise BadInput(self._none_usable())
        return records

    def _note(self, why: str, place: str) -> None:
        self.received.problems.setdefault(why, []).append(place)

    def _none_usable(self) -> str:
        received = self.received
        reasons = "; ".join(f"{reason}: {len(places)}" for reason, places in received.problems.items()) or "no rows"
        unknown = ", ".join(shown(label) for label, _ in received.unknown_labels.most_common(8))
        more = f" (unknown labels: {unknown}; {option('mapping', {'WORD': 'LABEL'})} names them)" if unknown else ""
        other = received.problems.keys() & {Why.LABELS, Why.NUMBERS, Why.UNRANKED, Why.NO_SUM}
        ways = [f"{option('shape')} says what they are"] if other else []
        return "; ".join([f"no answer can be used of {received.rows}: {reasons}{more}", *ways, *received.notes])

    def _kind(self, read: Sequence[Mapping[str, Floats]]) -> str:
        """What the replies are: as asked, else as they look; what was taken for granted is noted."""
        if self.shape or self.asked:
            asked = {"sets": "sets", "ranking": "ranked", "shares": "distribution" if self.one else "rates"}
            return self.shape or asked[str(self.asked)]
        forms = Counter(next(iter(forms_of_reply)) for forms_of_reply in read)
        if len(forms) > 1:
            counts = ", ".join(f"{count} are {_CALLED[form]}" for form, count in forms.most_common())
            raise BadInput(f"some answers are of one form and some of another ({counts}); {_ways_out()}")
        table = np.array([next(iter(forms_of_reply.values())) for forms_of_reply in read])
        if "share" in forms and not ((table == 0) | (table == 1)).all():
            off = np.abs(table.sum(axis=1) - 1) <= self.slack
            return "distribution" if (off.mean() > 0.5 if self.one else off.all()) else "rates"
        if "set" in forms and (every := int(table.all(axis=1).sum())):
            how = option("shape", "ranked")
            self.received.notes.append(f"{every} lists name all labels: sets of all, or rankings with {how}")
        return "ranked" if "ranking" in forms else "sets"

    def _read(self, row: _Row) -> dict[str, Floats]:
        """By form what a reply says, as far as it counts, shares before a set; raises Unread where it says nothing.

        A set has 1 for each of its labels, a ranking their places from 1 and NaN for the others [C].
        """
        reply = row.reply
        if isinstance(reply, Unread):
            raise reply
        labels, numbers, ranked = reply.labels, reply.numbers, reply.ranked
        if self.asked == "sets" and labels is None and {*numbers.values()} <= {0, 1}:
            labels, numbers = tuple(label for label, chosen in numbers.items() if chosen), {}
            refuse_if(not labels and len(reply.numbers) < len(self.words.taxonomy), Why.NO_RATE)
        refuse_if(self.asked == "shares" and not numbers, Why.LABELS)
        refuse_if(self.asked == "ranking" and numbers, Why.UNRANKED)
        refuse_if(self.asked == "sets" and numbers and not (self.shape and labels is not None), Why.NUMBERS)
        refuse_if(self.asked == "sets" and ranked and not self.shape, Why.RANKED)
        if self.asked in ("sets", "ranking"):
            numbers, ranked = {}, self.asked == "ranking"
        for word, label in reply.means.items():
            if label is None:
                self.received.unknown_labels[shown(word)] += 1
            elif label != word:
                self.received.renamed[shown(word)] = label
        forms = {"share": self._shares(row, reply)} if numbers else {}
        if labels is not None:
            known = [label for word in dict.fromkeys(labels) if (label := reply.means[word])]
            refuse_if(labels and not known, Why.UNKNOWN_ONLY)
            refuse_if(ranked and len({*known}) < len(known), Why.CONTRADICTS)
            refuse_if(ranked and not known, Why.NO_MASS)
            places = {label: place if ranked else 1.0 for place, label in enumerate(known, start=1)}
            absent = np.nan if ranked else 0.0
            values = np.array([places.get(label, absent) for label in self.words.taxonomy.labels])
            forms["ranking" if ranked else "set"] = values
        return forms

    def _shares(self, row: _Row, reply: Reply) -> Floats:
        """The numbers of a reply as shares [C].

        Whole numbers count PEOPLE where these were asked about, but for numbers that sum to 100, which are percentages;
        others are shares from 0 to 1.
        """
        numbers, scale = reply.numbers.values(), 1
        if row.asked and row.asked.answer == "shares" and all(isinstance(value, int) for value in numbers):
            scale = PEOPLE
        refuse_if(sum(numbers) == 100 if scale == PEOPLE else max(numbers) > 1 + SUM_TOLERANCE, Why.NO_SCALE)
        known = {label: number for word, number in reply.numbers.items() if (label := reply.means[word])}
        refuse_if(not known, Why.UNKNOWN_ONLY)
        shares = {label: number / scale for label, number in known.items()}
        refuse_if(min(shares.values()) < 0 or max(shares.values()) > 1 + SUM_TOLERANCE, Why.OUTSIDE)
        off = abs(sum(shares.values()) - 1)  # of a distribution, what is not named has no share
        refuse_if(len(shares) < len(self.words.taxonomy) and off > self.slack, Why.NO_RATE)
        return np.array([shares.get(label, 0.0) for label in self.words.taxonomy.labels]).clip(0, 1)


def _ways_out() -> str:
    return f"judge them one by one, or say which form counts: {option('shape')} ({', '.join(SHAPES)})"
