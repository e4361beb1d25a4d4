"""From a file of replies to a table of what they say, and from several replies about an image to one answer.

A file holds responses to batch requests, JSON lines, or is a table. Several replies are smoothed by a rule that does
not look at the data. Of n replies k name a label: its rate is (k + 1/2) / (n + 1), the posterior mean under Jeffreys'
prior (Jeffreys 1946; Brown, Cai & DasGupta 2001). Where one label was asked for, its share of C labels is
(k + 1/2) / (n + C/2) (Krichevsky & Trofimov 1981).
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._files import need_file
from affectml.data import Dataset, Targets
from affectml.data.targets import SUM_TOLERANCE
from affectml.errors import BadInput, option
from affectml.importers.columns import FILE, LABEL, URL, pick, plain
from affectml.importers.labels import emotion_words
from affectml.importers.read import Table, read_table
from affectml.judging.answers import KEYS, labelled
from affectml.judging.answers import LABEL as COLUMN
from affectml.vlm.config import PEOPLE, Answer, ReadConfig
from affectml.vlm.names import Names, Requested, Words, folded, shown
from affectml.vlm.reply import (
    OF,
    RANKED,
    REASONS,
    Reply,
    Stated,
    Unread,
    Why,
    answer_in,
    fits,
    is_answer,
    parse_reply,
    read_json,
    scale_of,
    stated,
)

Shape = Literal["sets", "ranked", "rates", "distribution"]
SHAPES: tuple[str, ...] = get_args(Shape)
Floats = NDArray[np.float64]
IMAGE_KEYS = ("image_id", "image", "file", "filename", "path", "url", "id")
REPLY_KEYS = ("reply", "response", "content", "output", "completion", "text")
_SCHEMA = re.compile(r"response.?format|schema|grammar", re.IGNORECASE)  # in what a server says that takes none
_ASKED: dict[str, Answer] = {"sets": "sets", "ranked": "ranking", "rates": "shares", "distribution": "shares"}
_FORM = {"sets": "set", "ranked": "ranking", "rates": "share", "distribution": "share"}
_CALLED = {"set": "lists of labels", "ranking": "rankings", "share": "numbers by label"}
_SCALES: dict[float, str] = {PEOPLE: f"counts of {PEOPLE}", 100: "percentages"}
_ROUNDED = 0.005  # a percentage without decimals is off by as much, and so a sum of C of them by C times that
_OTHER_FORM = {Why.LABELS, Why.NUMBERS, Why.UNRANKED, Why.NO_SUM}


@dataclass
class Received:
    """What a file held. rows: all; used: replies that count; samples: the most replies about one image.

    problems: reason -> places, with what else is known of each, in the order of REASONS. unknown_labels: how many
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
    rows, and `ranking` rows of places from 1, NaN for a label without one. wording and draw count from 1, null where
    the file does not say them; split is the data set's own. The index is the custom_id of the request, else the place
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


@dataclass(frozen=True, kw_only=True)
class _Row(Reply):
    """One reply as the file has it.

    place: where it stands. image: the data set's image, None where there is none of that name. detail: more of the
    problem. custom_id, asked: of its request, None where the file names none.
    """

    place: str
    image: str | None = None
    detail: str = ""
    custom_id: str | None = None
    asked: Requested | None = None


def together(replies: Replies, *, one_label: bool, k: int | None = None) -> Said:
    """Bring the replies about each image together; of no replies, zero images.

    Args:
        replies: all that were read, or `replace(replies, table=...)` with some rows of the table, such as those of one
            wording.
        one_label: whether people were asked for one label each. An image of which no reply names any is left out.
        k: of rankings the first k labels are the set; None leaves them without sets.
    """
    table, kind, labels = replies.table, replies.received.shape, labelled(replies.table)
    rows = table[table["form"] == _FORM[kind]]
    values, several = rows[labels].to_numpy(np.float64), bool(rows["image_id"].duplicated().any())
    named = values == 1
    if kind == "ranked":
        values = np.nan_to_num(1 - (values - 1) / len(labels))
    one_of = one_label and kind == "sets"
    if one_of or kind == "distribution":
        some = np.flatnonzero(values.any(axis=1))
        rows, values = rows.iloc[some], values[some]
    if one_of:
        values = values / values.sum(axis=1, keepdims=True)
    at, images = pd.factorize(rows["image_id"])
    counts = np.bincount(at)[:, None]
    votes = pd.DataFrame(values).groupby(at).sum().to_numpy()
    scores = votes / counts
    shape, shares, sets = kind, None, None
    if kind == "sets" and several:
        shape = "distribution" if one_label else "rates"
        shares = (votes + 0.5) / (counts + (len(labels) / 2 if one_label else 1))
    elif _FORM[kind] == "share":
        shares = scores / scores.sum(axis=1, keepdims=True) if kind == "distribution" else scores
    if kind == "ranked" and k is not None:
        sets = ((-scores).argsort(axis=1, kind="stable").argsort(axis=1) < k) & (scores > 0)
    elif kind != "ranked" and not several:
        sets = table[table["form"] == "set"].set_index("image_id")[labels].reindex(images).to_numpy()
    return Said(
        shape=shape,
        image_id=np.asarray(images, dtype=object),
        scores=scores if shares is None else shares,
        shares=shares,
        sets=None if sets is None or np.isnan(sets).any() else sets.astype(np.int64),
        often=pd.DataFrame(named).groupby(at).mean().to_numpy(np.float64) if kind == "ranked" else scores,
        received=replies.received,
    )


def read_replies(
    path: str | Path, dataset: Dataset, targets: Targets, config: ReadConfig | None = None, *, system: str | None = None
) -> Replies:
    """Read a file of replies; its content decides how, not its suffix.

    Args:
        path: responses to batch requests, JSON lines, or a table.
        dataset: whose images they are about.
        targets: whose labels they name; of single labels and distributions, replies make a distribution.
        config: how to read it.
        system: whose replies they are; None calls it as the file.

    Raises:
        BadInput: for an option or a file that cannot be used, and where no reply can be; the reasons are named.
    """
    config, path = config or ReadConfig(), Path(path)
    if config.shape is not None and config.shape not in SHAPES:
        raise BadInput(f"{option('shape', config.shape)}: expected one of {', '.join(SHAPES)}")
    need_file(path)
    words = Words(targets.taxonomy, config.mapping)
    try:
        file = _File(path, Names(dataset.images), words, config)
        usable = _Usable(file, config.shape, one_label=targets.kind in ("single", "distribution"))
    except BadInput as error:
        raise error if str(path) in str(error) else BadInput(f"{path}: {error}") from None
    rows, forms, values = zip(*usable.records, strict=True)
    images, asked = [row.image for row in rows], [row.asked for row in rows]
    split = dataset.images.set_index("image_id").get("split")
    keys: dict[str, Any] = {
        "dataset": dataset.name,
        "image_id": images,
        "split": None if split is None else split.reindex(images).to_numpy(),
        "system": path.stem if system is None else system,
        "wording": [None if each is None else str(each.wording) for each in asked],
        "draw": pd.array([None if each is None else each.sample for each in asked], dtype="Int32"),
        "form": forms,
    }
    index = pd.Index([row.custom_id or row.place for row in rows], name="custom_id")
    names = [COLUMN + label for label in targets.taxonomy.labels]
    table = pd.DataFrame(np.array(values, dtype=np.float32), index=index, columns=names)
    requests = {row.custom_id: row.asked for row in file.rows if row.custom_id and row.asked}
    return Replies(table.assign(**keys)[[*KEYS, *names]], usable.received, requests)


class _File:
    """The rows of a file, what it is, and what was inferred of it."""

    def __init__(self, path: Path, names: Names, words: Words, config: ReadConfig) -> None:
        self.path, self.names, self.words, self.config = path, names, words, config
        self.rows: list[_Row] = []
        self.what, self.notes = "JSON lines", list[str]()
        with path.open("rb") as handle:
            first = handle.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
        if first.startswith((b"[{", b"[\n", b"[ ", b"[\r")):
            raise BadInput(f"{path}: a JSON list; expected JSON lines, one object in each line")
        self._read_lines() if first.startswith(b"{") else self._read_table()

    def _read_lines(self) -> None:
        kinds, counts = set[str](), dict[str, range]()  # counts: custom_id to the rows that count
        with self.path.open("rb") as handle:
            for number, raw in enumerate(handle, start=1):
                if not raw.strip():
                    continue
                place = f"line {number}"
                try:
                    content = read_json(raw.decode("utf-8-sig"))
                except (ValueError, RecursionError):
                    content = None
                if not isinstance(content, dict):
                    self.rows.append(_Row(place=place, problem=Why.NOT_JSON))
                elif "custom_id" in content:
                    if "response" not in content and {"method", "body"} <= content.keys():
                        raise BadInput(
                            f"{self.path}, {place}: a request, not a response; judge the file that the server writes"
                        )
                    kinds.add("batch responses")
                    self._add(list(self._response(content, place)), counts, str(content["custom_id"]))
                else:
                    kinds.add("JSON lines")
                    self.rows.append(self._line(content, place))
        if len(kinds) > 1:
            raise BadInput(
                f"{self.path}: some lines are batch responses (custom_id) and some are not; judge them one by one"
            )
        self.what = next(iter(kinds), self.what)

    def _add(self, fresh: list[_Row], counts: dict[str, range], given: str) -> None:
        """Add a response's rows; of several responses to one request the first that can be used counts."""
        here = range(len(self.rows), len(self.rows) + len(fresh))
        before = counts.setdefault(given, here)
        if before != here and any(not row.problem for row in fresh) and all(self.rows[at].problem for at in before):
            for at in before:
                self.rows[at] = replace(self.rows[at], problem=Why.TWICE, detail="a later line of it can be used")
            counts[given] = here
        elif before != here:
            fresh = [replace(fresh[0], problem=Why.TWICE, detail=f"as {self.rows[before[0]].place}")]
        self.rows += fresh

    def _response(self, content: dict[str, Any], place: str) -> Iterator[_Row]:
        """A line of a batch's output or error file: a row for each choice, which is one for most requests."""
        given = content["custom_id"]
        asked = self.names.of_custom_id(given) if isinstance(given, str) else None
        if asked is None:
            yield _Row(place=place, problem=Why.UNKNOWN_IMAGE, detail=f"custom_id {shown(str(given))}")
            return
        row = _Row(place=place, image=asked.image, custom_id=given, asked=asked)
        response, error = content.get("response"), content.get("error")
        status = response.get("status_code", 200) if isinstance(response, dict) else None
        body = response.get("body", response) if isinstance(response, dict) else None
        choices = body.get("choices") if isinstance(body, dict) else None
        if not error and str(status) == "200" and isinstance(choices, list) and choices:
            yield from (replace(row, **vars(self._choice(choice))) for choice in choices)
            return
        told = said = error or (body.get("error") or body if isinstance(body, dict) else body)
        if isinstance(told, dict):
            said = next((told[key] for key in ("code", "type", "message") if told.get(key)), error)
        parts = [f"HTTP {shown(str(status))}" if status not in (None, 200) else "", shown(str(said or ""))]
        detail = " ".join(filter(None, parts)) or "no message in the response"
        yield replace(row, problem=Why.NO_SCHEMA if _SCHEMA.search(str(told)) else Why.FAILED, detail=detail)

    def _choice(self, choice: Any) -> Reply:
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(message, dict):
            return Reply(problem=Why.FAILED)
        if message.get("refusal"):
            return Reply(problem=Why.REFUSED)
        if problem := {"content_filter": Why.FILTERED, "length": Why.CUT_OFF}.get(str(choice.get("finish_reason"))):
            return Reply(problem=problem)
        content = message.get("content")
        if isinstance(content, list):  # it may come in parts
            content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
        return parse_reply(content if isinstance(content, str) else "", self.words)

    def _line(self, content: dict[str, Any], place: str) -> _Row:
        """A line or a row of any system: an image, and labels, a ranking, numbers by label, or a reply to be read."""
        name = next((content[key] for key in IMAGE_KEYS if content.get(key) is not None), None)
        if not isinstance(name, str | int | float) or isinstance(name, bool):
            return _Row(place=place, problem=Why.NO_IMAGE)
        image = self.names.find(str(name))
        if image is None:
            return _Row(place=place, problem=Why.UNKNOWN_IMAGE, detail=shown(str(name)))
        for key, problem in (("error", Why.FAILED), ("refusal", Why.REFUSED)):
            if why := content.get(key):
                detail = shown(why) if isinstance(why, str) else ""
                return _Row(place=place, image=image, problem=problem, detail=detail)
        if not content.keys() - {*IMAGE_KEYS}:
            return _Row(place=place, image=image, problem=Why.EMPTY)
        said = answer_in({key: value for key, value in content.items() if is_answer(key, self.words)}, self.words)
        reply = next((content[key] for key in REPLY_KEYS if content.get(key) is not None), None)
        if said.problem == Why.NO_LABELS and reply is not None:
            said = parse_reply(reply, self.words) if isinstance(reply, str) else answer_in(reply, self.words)
        return _Row(**vars(said), place=place, image=image)

    def _read_table(self) -> None:
        """A table: an image in each row, and a list of labels, a ranking or a column per label beside it."""
        table = read_table(self.path)
        frame, config = table.frame, self.config
        image = _image_column(table, config.image_column)
        ranked = pick(table, None, RANKED)
        column = config.label_column and pick(table, config.label_column, (), "label_column")
        column = column or pick(table, None, (*LABEL, "set", "answer", "answers"))
        places = [] if ranked else _places(frame)
        listing = places or [c for c in (ranked or column,) if c]
        numeric = [c for c in frame.columns if c not in (image, *listing) and self.words.find(c)]
        reply = None if listing or numeric else pick(table, None, REPLY_KEYS)
        listing = [reply] if reply else listing
        total = [c for c in (pick(table, None, OF),) if c and numeric and not listing]
        if not (listing or numeric):
            raise BadInput(
                f"{self.path}: no column of answers: expected labels ({option('label_column')}), ranking, or a column "
                f"for each label ({', '.join(self.words.taxonomy.labels)}), but it has {', '.join(frame.columns)}"
            )
        key = "ranking" if ranked or places else "reply" if reply else "labels"
        for at, cells in enumerate(map(_filled, frame.astype(object).to_dict("records"))):
            content = {name: cells[name] for name in (*numeric, *total) if name in cells}
            listed = [cells[name] for name in listing if name in cells]
            if listed or (listing and config.empty == "none"):
                content[key] = listed if places or not listed else listed[0]
            if image in cells:
                content["image_id"] = cells[image]
            self.rows.append(self._line(content, f"{table.unit} {table.place[at]}"))
        self.what, rest = "rows", [c for c in frame.columns if c not in (image, *listing, *numeric, *total)]
        emotions = [c for c in rest if folded(c) in emotion_words()]
        others = [shown(c) for c in rest if c not in emotions]
        self.notes += table.notes
        for what, columns in (
            ("of emotions that are no labels of the target", emotions),
            ("that are not used", others),
        ):
            self.notes += [f"columns {what}: {', '.join(columns)}"] if columns else []


def _image_column(table: Table, given: str | None) -> str:
    found = (pick(table, given, names, "image_column") for names in (("imageid",), FILE, URL, ("id",)))
    if image := next(filter(None, found), None):
        return image
    raise BadInput(
        f"{table.path}: no column names images; say which does: {option('image_column')} "
        f"(columns: {', '.join(table.frame.columns)})"
    )


def _places(frame: pd.DataFrame) -> list[str]:
    """Columns top_1, top_2 ... or rank_1, rank_2 ..., in their order."""
    for stem in ("top", "rank"):
        found = {int(name[1]): c for c in frame.columns if (name := re.fullmatch(rf"{stem}(\d+)", plain(c)))}
        if found:
            return [found[place] for place in sorted(found)]
    return []


def _filled(row: dict[Any, Any]) -> dict[str, Any]:
    """The cells of a row in which something stands, as Python's own values; "nan" is what pandas writes for nothing."""
    plainly = {key: cell.tolist() if isinstance(cell, np.ndarray | np.generic) else cell for key, cell in row.items()}
    return {
        key: cell
        for key, cell in plainly.items()
        if (cell.strip() not in ("", "nan", "NaN") if isinstance(cell, str) else not _missing(cell))
    }


def _missing(cell: Any) -> bool:
    return bool(pd.api.types.is_scalar(cell) and pd.isna(cell))


class _Usable:
    """The replies of a file in the target's labels and on one scale.

    The rows of each wording decide what its numbers are parts of that do not say it.

    received: what the file held. records: of each reply and form its row, the form and its values [C].
    """

    def __init__(self, file: _File, shape: str | None, *, one_label: bool) -> None:
        self.words, self.shape, self.one = file.words, shape, one_label
        self.received = Received(rows=len(file.rows), what=file.what, notes=file.notes)
        self.slack = _ROUNDED * len(self.words.taxonomy)
        forms = Counter(row.asked.answer for row in file.rows if row.asked)
        if shape is None and len(forms) > 1:
            counts = ", ".join(f"{count} for {form}" for form, count in forms.most_common())
            raise BadInput(f"the requests asked for several forms of answer ({counts}); {_ways_out()}")
        self.asked = _ASKED[shape] if shape else next(iter(forms), None)
        told = [row for row in file.rows if not row.problem and self.asked not in ("sets", "ranking")]
        self.scale: dict[int | None, float | None] = {}
        for wording in {_wording(row) for row in file.rows}:
            here = [row for row in told if _wording(row) == wording and _bare(row)]
            counted = any(row.asked and row.asked.answer == "shares" for row in here)
            self.scale[wording] = scale_of(map(_bare, here), asked=counted)
        read = list(self._read_all(file.rows))
        kind = self._kind(read)
        self.records = list(self._records(read, kind))
        self._count(kind)

    def _note(self, problem: str, place: str) -> None:
        self.received.problems.setdefault(problem, []).append(place)

    def _read_all(self, rows: Sequence[_Row]) -> Iterator[tuple[_Row, str, Floats, Floats | None]]:
        """Of each reply that can be used its row, form and values, and the set that it names beside numbers."""
        for row in rows:
            unknown = self.received.unknown_labels.total()
            try:
                found = self._read(row)
            except Unread as unread:
                self._note(str(unread), f"{row.place} ({row.detail})" if row.detail else row.place)
            else:
                self.received.shortened += self.received.unknown_labels.total() > unknown
                yield row, *found
        if note := self._way_out():
            self.received.notes.append(note)

    def _records(
        self, read: Sequence[tuple[_Row, str, Floats, Floats | None]], kind: str
    ) -> Iterator[tuple[_Row, str, Floats]]:
        """The same as rows of a table; shares that have to sum to one are divided by their sum if they nearly do."""
        rounded = 0
        for row, form, values, own in read:
            if kind == "distribution" and self.one and self.shape is None:
                total = values.sum()
                if abs(total - 1) > self.slack:
                    self._note(Why.NO_SUM, row.place)
                    continue
                rounded += abs(total - 1) > SUM_TOLERANCE
                values = values / total
            yield row, "set" if kind == "sets" else form, values
            if own is not None and form == "share" and kind != "sets":
                yield row, "set", own
        if rounded:
            self.received.notes.append(f"{rounded} answers sum to one but for rounding, and are divided by their sum")

    def _count(self, kind: str) -> None:
        """Count what can be used, without images of which nothing is said; raises BadInput where nothing is left."""
        received = self.received
        replies = Counter(row.image for row, form, _ in self.records if form == _FORM[kind])
        if kind == "distribution" or (kind == "sets" and self.one):
            some = {row.image for row, form, values in self.records if form == _FORM[kind] and values.any()}
            for image in (image for image in replies if image not in some):
                self._note(Why.NO_MASS, f"image {shown(str(image))}")
            self.records = [record for record in self.records if record[0].image in some]
        received.shape, received.samples = kind, max(replies.values(), default=0)
        received.used = sum(form == _FORM[kind] for _, form, _ in self.records)
        received.problems = {reason: received.problems[reason] for reason in REASONS if reason in received.problems}
        if self.records:
            return
        other = _OTHER_FORM & received.problems.keys()
        if self.shape is not None and other:
            has = "lists of labels" if Why.LABELS in received.problems else "numbers by label"
            raise BadInput(f"{option('shape', self.shape)} does not fit: the answers are {has}")
        reasons = "; ".join(f"{reason}: {len(places)}" for reason, places in received.problems.items()) or "no rows"
        unknown = ", ".join(shown(label) for label, _ in received.unknown_labels.most_common(8))
        more = f" (unknown labels: {unknown}; {option('mapping', {'WORD': 'LABEL'})} names them)" if unknown else ""
        more += f"; {option('shape')} says what they are" if other else ""
        more += f"; {note}" if (note := self._way_out()) else ""
        raise BadInput(f"no answer can be used of {received.rows}: {reasons}{more}")

    def _way_out(self) -> str:
        """What to do where requests failed for their JSON schema; "" where none did."""
        refused = len(self.received.problems.get(Why.NO_SCHEMA, ()))
        how = option("json_schema", False)
        return f"the server refused the JSON schema of {refused} requests; `ask` {how} sends none" if refused else ""

    def _read(self, row: _Row) -> tuple[str, Floats, Floats | None]:
        """Form, values and set of a reply, as far as it counts; raises Unread where it says nothing that does."""
        if row.problem:
            raise Unread(row.problem)
        labels, numbers, ranked, said = row.labels, row.numbers, row.ranked, self.shape is not None
        if self.asked == "shares":
            if numbers is None:
                raise Unread(Why.LABELS)
            # Labels beside the shares that were asked for, such as the first of them, are no set.
            labels = labels if row.asked is None else None
        elif self.asked == "ranking":
            if numbers:
                raise Unread(Why.UNRANKED)
            ranked = True
        elif self.asked == "sets":
            if numbers and labels is None and {*numbers.values()} <= {Stated(0), Stated(1)}:
                labels = tuple(label for label, one in numbers.items() if one.value)
                if not labels and len(numbers) < len(self.words.taxonomy):
                    raise Unread(Why.NO_RATE)
            elif (numbers and not (said and labels is not None)) or (ranked and not said):
                raise Unread(Why.NUMBERS if numbers else Why.RANKED)
            numbers, ranked = None, False
        own = None if labels is None else self._listed(labels, ranked)
        if numbers is not None:
            return "share", self._values(row, numbers), own
        if own is None or np.isnan(own).all():
            raise Unread(Why.NO_MASS)
        return "ranking" if ranked else "set", own, None

    def _values(self, row: _Row, numbers: Mapping[str, Stated]) -> Floats:
        """Shares of all labels [C]."""
        scale, bare = self.scale[_wording(row)], _bare(row)
        if any(map(self.words.unsure, numbers)):
            raise Unread(Why.AMONG)
        if any(bare):
            if scale is None or len(bare) < len(numbers):
                raise Unread(Why.NO_SCALE)
            if not fits(bare, scale):
                raise Unread(Why.OUTSIDE if scale == 1 else Why.OTHER_SCALE)
        known = {label: number for spelt, number in numbers.items() if (label := self._label(spelt))}
        if not known:
            raise Unread(Why.UNKNOWN_ONLY)
        shares = {label: number.value / (number.of or scale or 1) for label, number in known.items()}
        values = np.array([shares.get(label, np.nan) for label in self.words.taxonomy.labels])
        if (values < 0).any() or (values > 1 + SUM_TOLERANCE).any():
            raise Unread(Why.OUTSIDE)
        if np.isnan(values).any() and abs(np.nansum(values) - 1) > (self.slack if self.one else SUM_TOLERANCE):
            raise Unread(Why.NO_RATE)  # of a distribution, what is not named has no share
        return np.asarray(np.nan_to_num(values).clip(0, 1))

    def _listed(self, spelt: Sequence[str], ranked: bool) -> Floats:
        """1 for the labels that are listed, or their places from 1 in a ranking [C]."""
        if any(map(self.words.unsure, spelt)):
            raise Unread(Why.AMONG)
        if any(stated(word) and self.words.find(word) is None for word in spelt):
            raise Unread(Why.BESIDE)
        named = [word for word in spelt if not self.words.says_none(word)]
        known = [label for word in dict.fromkeys(named) if (label := self._label(word))]
        if named and not known:
            raise Unread(Why.UNKNOWN_ONLY)
        if (ranked and len({*known}) < len(known)) or (known and len(named) < len(spelt)):
            raise Unread(Why.CONTRADICTS)
        places = {label: place if ranked else 1.0 for place, label in enumerate(known, start=1)}
        return np.array([places.get(label, np.nan if ranked else 0.0) for label in self.words.taxonomy.labels])

    def _label(self, spelt: str) -> str | None:
        label = self.words.find(spelt)
        if label is None:
            self.received.unknown_labels[shown(spelt)] += 1
        elif label != spelt:
            self.received.renamed[shown(spelt)] = label
        return label

    def _kind(self, read: Sequence[tuple[_Row, str, Floats, Floats | None]]) -> str:
        """What the replies are: as asked, else as they look; what was taken for granted is noted."""
        units = {_SCALES[scale] for scale in self.scale.values() if scale and scale != 1}
        if units:
            taken = " or, by wording, ".join(sorted(units))
            self.received.notes.append(f"numbers without a unit are taken as {taken}, as most answers of the file show")
        if self.shape or self.asked:
            asked = {"sets": "sets", "ranking": "ranked", "shares": "distribution" if self.one else "rates"}
            return self.shape or asked[self.asked or "sets"]
        forms = Counter(form for _, form, *_ in read)
        if len(forms) > 1:
            counts = ", ".join(f"{count} are {_CALLED[form]}" for form, count in forms.most_common())
            raise BadInput(f"some answers are of one form and some of another ({counts}); {_ways_out()}")
        if "ranking" in forms:
            return "ranked"
        table = np.array([values for _, _, values, _ in read])
        if "share" in forms and not ((table == 0) | (table == 1)).all():
            off = np.abs(table.sum(axis=1) - 1)
            sums = (off <= self.slack).mean() > 0.5 if self.one else (off <= SUM_TOLERANCE).all()
            return "distribution" if sums else "rates"
        if "set" in forms and (every := int(table.all(axis=1).sum())):
            how = option("shape", "ranked")
            self.received.notes.append(f"{every} lists name all labels: sets of all, or rankings with {how}")
        return "sets"


def _ways_out() -> str:
    return f"judge them one by one, or say which form counts: {option('shape')} ({', '.join(SHAPES)})"


def _wording(row: _Row) -> int | None:
    return None if row.asked is None else row.asked.wording


def _bare(row: _Row) -> list[float]:
    """The numbers of a row that do not say what they are parts of."""
    return [number.value for number in (row.numbers or {}).values() if number.of is None]
