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
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._files import need_file
from affectml.data import Dataset, Targets
from affectml.data.targets import SUM_TOLERANCE
from affectml.errors import BadInput, option
from affectml.importers.columns import FILE, LABEL, URL, pick
from affectml.importers.labels import emotion_words
from affectml.importers.read import read_table
from affectml.judging.answers import KEYS, labelled
from affectml.judging.answers import LABEL as COLUMN
from affectml.vlm.config import PEOPLE, Answer, ReadConfig
from affectml.vlm.names import Names, Requested, Words, folded, shown
from affectml.vlm.reply import FIELDS, LabelReader, Reply, Unread, Why, parse_line, parse_reply, read_json, scale_of
from affectml_annotation.tables import plain

Floats = NDArray[np.float64]
SHAPES = ("sets", "ranked", "rates", "distribution")
_SCHEMA = re.compile(r"response.?format|schema|grammar", re.IGNORECASE)  # in what a server says that takes none
_ASKED: dict[str, Answer] = {"sets": "sets", "ranked": "ranking", "rates": "shares", "distribution": "shares"}
_FORM = {"sets": "set", "ranked": "ranking", "rates": "share", "distribution": "share"}
_CALLED = {"set": "lists of labels", "ranking": "rankings", "share": "numbers by label"}
_SCALES: dict[float, str] = {PEOPLE: f"counts of {PEOPLE}", 100: "percentages"}
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

    @property
    def wording(self) -> str | None:
        """The number of its wording."""
        return None if self.asked is None else str(self.asked.wording)


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
    if config.shape not in (None, *SHAPES):
        raise BadInput(f"{option('shape', config.shape)}: expected one of {', '.join(SHAPES)}")
    need_file(path)
    words = Words(targets.taxonomy, config.mapping)
    try:
        file = _File(path, Names(dataset.images), words, config)
        usable = _Usable(file, config.shape, one_label=targets.kind in ("single", "distribution"))
        rows, forms, values = zip(*usable.records(), strict=True)
    except BadInput as error:
        raise error if str(path) in str(error) else BadInput(f"{path}: {error}") from None
    images, split = [row.image for row in rows], dataset.images.set_index("image_id").get("split")
    keys: dict[str, Any] = {
        "dataset": dataset.name,
        "image_id": images,
        "split": None if split is None else split.reindex(images).to_numpy(),
        "system": path.stem if system is None else system,
        "wording": [row.wording for row in rows],
        "draw": pd.array([None if row.asked is None else row.asked.sample for row in rows], dtype="Int32"),
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
        self.what, self.notes = "", list[str]()
        with path.open("rb") as handle:
            first = handle.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
        if first.startswith((b"[{", b"[\n", b"[ ", b"[\r")):
            raise BadInput(f"{path}: a JSON list; expected JSON lines, one object in each line")
        self._read_lines() if first.startswith(b"{") else self._read_table()

    def _read_lines(self) -> None:
        counts: dict[str, range] = {}  # custom_id to the rows that count
        with self.path.open("rb") as handle:
            for place, raw in ((f"line {number}", raw) for number, raw in enumerate(handle, start=1) if raw.strip()):
                try:
                    content = read_json(raw.decode("utf-8-sig"))
                except (ValueError, RecursionError):
                    content = None
                if not isinstance(content, dict):
                    self.rows.append(_Row(place=place, problem=Why.NOT_JSON))
                    continue
                if "response" not in content and {"custom_id", "method", "body"} <= content.keys():
                    why = "a request, not a response; judge the file that the server writes"
                    raise BadInput(f"{self.path}, {place}: {why}")
                what = "batch responses" if "custom_id" in content else "JSON lines"
                if self.what not in ("", what):
                    why = "some lines are batch responses (custom_id) and some are not; judge them one by one"
                    raise BadInput(f"{self.path}: {why}")
                self.what = what
                if "custom_id" in content:
                    self._add(list(self._response(content, place)), counts, str(content["custom_id"]))
                else:
                    self.rows.append(self._line(content, place))

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
        response = response if isinstance(response, dict) else {}
        status, body = response.get("status_code", 200 if response else None), response.get("body", response or None)
        choices = body.get("choices") if isinstance(body, dict) else None
        if not error and str(status) == "200" and isinstance(choices, list) and choices:
            yield from (replace(row, **vars(self._choice(choice))) for choice in choices)
            return
        told = said = error or (body.get("error") or body if isinstance(body, dict) else body)
        if isinstance(told, dict):
            said = next((told[key] for key in ("code", "type", "message") if told.get(key)), error)
        code = "" if status in (None, 200) else f"HTTP {shown(str(status))}"
        detail = f"{code} {shown(str(said or ''))}".strip() or "no message in the response"
        yield replace(row, problem=Why.NO_SCHEMA if _SCHEMA.search(str(told)) else Why.FAILED, detail=detail)

    def _choice(self, choice: Any) -> Reply:
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(message, dict):
            return Reply(problem=Why.FAILED)
        ended = {"content_filter": Why.FILTERED, "length": Why.CUT_OFF}.get(str(choice.get("finish_reason")), "")
        if problem := Why.REFUSED if message.get("refusal") else ended:
            return Reply(problem=problem)
        content = message.get("content")
        if isinstance(content, list):  # it may come in parts
            content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
        return parse_reply(content if isinstance(content, str) else "", self.words)

    def _line(self, content: dict[str, Any], place: str) -> _Row:
        """A line or a row of any system: an image, and labels, a ranking, numbers by label, or a reply to be read."""
        name = next((content[key] for key in FIELDS["image"] if content.get(key) is not None), None)
        if not isinstance(name, str | int | float) or isinstance(name, bool):
            return _Row(place=place, problem=Why.NO_IMAGE)
        image = self.names.find(str(name))
        if image is None:
            return _Row(place=place, problem=Why.UNKNOWN_IMAGE, detail=shown(str(name)))
        for key, problem in (("error", Why.FAILED), ("refusal", Why.REFUSED)):
            if why := content.get(key):
                detail = shown(why) if isinstance(why, str) else ""
                return _Row(place=place, image=image, problem=problem, detail=detail)
        said = parse_line(content, self.words) if content.keys() - {*FIELDS["image"]} else Reply(problem=Why.EMPTY)
        return _Row(**vars(said), place=place, image=image)

    def _read_table(self) -> None:
        """A table: an image in each row, and a list of labels, a ranking or a column per label beside it."""
        table, config = read_table(self.path), self.config
        frame, columns = table.frame, table.frame.columns.tolist()
        names, given = (("imageid",), FILE, URL, ("id",)), config.image_column
        image = next(filter(None, (pick(table, given, some, "image_column") for some in names)), None)
        if image is None:
            way = f"say which does: {option('image_column')} (columns: {', '.join(columns)})"
            raise BadInput(f"{self.path}: no column names images; {way}")
        ranked = pick(table, None, FIELDS["ranking"])
        column = config.label_column and pick(table, config.label_column, (), "label_column")
        column = column or pick(table, None, (*LABEL, "set", "answer", "answers"))
        places = [] if ranked else _places(columns)
        listing = places or [c for c in (ranked or column,) if c]
        numeric = [c for c in columns if c not in (image, *listing) and self.words.find(c)]
        reply = None if listing or numeric else pick(table, None, FIELDS["reply"])
        listing = [reply] if reply else listing
        numeric += [c for c in (pick(table, None, FIELDS["n"]),) if c and numeric and not listing]
        if not (listing or numeric):
            raise BadInput(
                f"{self.path}: no column of answers: expected labels ({option('label_column')}), ranking, or a column "
                f"for each label ({', '.join(self.words.taxonomy.labels)}), but it has {', '.join(columns)}"
            )
        key = "ranking" if ranked or places else "reply" if reply else "labels"
        filled = frame.astype(object).where(frame.notna(), "")
        for place, row in zip(table.place, filled.to_dict("records"), strict=True):
            cells = {name: cell.tolist() if isinstance(cell, np.ndarray) else cell for name, cell in row.items()}
            cells = {name: cell for name, cell in cells.items() if str(cell).strip() not in ("", "nan", "NaN")}
            content = {name: cells[name] for name in numeric if name in cells}
            listed = [cells[name] for name in listing if name in cells]
            if listed or (listing and config.empty == "none"):
                content[key] = listed if places or not listed else listed[0]
            self.rows.append(self._line(content | {"image_id": cells.get(image)}, f"{table.unit} {place}"))
        rest = [c for c in columns if c not in (image, *listing, *numeric)]
        emotions = [c for c in rest if folded(c) in emotion_words()]
        others = [shown(c) for c in rest if c not in emotions]
        self.what, self.notes = "rows", [*table.notes]
        for what, some in (("of emotions that are no labels of the target", emotions), ("that are not used", others)):
            self.notes += [f"columns {what}: {', '.join(some)}"] if some else []


def _places(columns: Sequence[str]) -> list[str]:
    """Columns top_1, top_2 ... or rank_1, rank_2 ..., in their order."""
    for stem in ("top", "rank"):
        found = {int(name[1]): c for c in columns if (name := re.fullmatch(rf"{stem}(\d+)", plain(c)))}
        if found:
            return [found[place] for place in sorted(found)]
    return []


class _Usable:
    """The replies of a file in the target's labels and on one scale.

    The rows of each wording decide what its numbers are parts of that do not say it. received: what the file held.
    """

    def __init__(self, file: _File, shape: str | None, *, one_label: bool) -> None:
        self.rows, self.shape, self.one = file.rows, shape, one_label
        self.slack = _ROUNDED * len(file.words.taxonomy)
        forms = Counter(row.asked.answer for row in file.rows if row.asked)
        if shape is None and len(forms) > 1:
            counts = ", ".join(f"{count} for {form}" for form, count in forms.most_common())
            raise BadInput(f"the requests asked for several forms of answer ({counts}); {_ways_out()}")
        self.asked = _ASKED[shape] if shape else next(iter(forms), None)
        told = [row for row in file.rows if not row.problem and self.asked not in ("sets", "ranking") and row.bare]
        self.scale: dict[str | None, float | None] = {}
        for wording in {row.wording for row in file.rows}:
            here = [row for row in told if row.wording == wording]
            counted = any(row.asked and row.asked.answer == "shares" for row in here)
            self.scale[wording] = scale_of([row.bare for row in here], asked=counted)
        slack = self.slack if one_label else None
        self.reader = reader = LabelReader(file.words, self.asked, given=shape is not None, slack=slack)
        self.received = Received(rows=len(file.rows), what=file.what or "JSON lines", notes=file.notes)
        self.received.unknown_labels, self.received.renamed = reader.unknown, reader.renamed

    def records(self) -> list[tuple[_Row, str, Floats]]:
        """Of each reply and form the row, the form and its values [C]; raises BadInput where none can be used.

        Shares that have to sum to one are divided by their sum if they nearly do. Images of which no reply says
        anything are left out.
        """
        received, read = self.received, list[tuple[_Row, dict[str, Floats]]]()
        for row in self.rows:
            unknown = received.unknown_labels.total()
            try:
                read.append((row, self.reader.read(row, self.scale[row.wording], was_asked=row.asked is not None)))
                received.shortened += received.unknown_labels.total() > unknown
            except Unread as unread:
                self._note(str(unread), f"{row.place} ({row.detail})" if row.detail else row.place)
        refused, how = len(received.problems.get(Why.NO_SCHEMA, ())), option("json_schema", False)
        way_out = f"the server refused the JSON schema of {refused} requests; `ask` {how} sends none"
        received.notes += [way_out] if refused else []
        kind, records, rounded = self._kind(read), list[tuple[_Row, str, Floats]](), 0
        for row, said in read:
            values = next(iter(said.values()))
            if kind == "distribution" and self.one and self.shape is None:
                off = abs(values.sum() - 1)
                if off > self.slack:
                    self._note(Why.NO_SUM, row.place)
                    continue
                rounded += off > SUM_TOLERANCE
                said["share"] = values / values.sum()
            records += [(row, form, each) for form, each in ({"set": values} if kind == "sets" else said).items()]
        if rounded:
            received.notes.append(f"{rounded} answers sum to one but for rounding, and are divided by their sum")
        replies = Counter(row.image for row, form, _ in records if form == _FORM[kind])
        if kind == "distribution" or (kind == "sets" and self.one):
            some = {row.image for row, form, values in records if form == _FORM[kind] and values.any()}
            for image in (image for image in replies if image not in some):
                self._note(Why.NO_MASS, f"image {shown(str(image))}")
            records = [record for record in records if record[0].image in some]
        received.shape, received.samples = kind, max(replies.values(), default=0)
        received.used = sum(form == _FORM[kind] for _, form, _ in records)
        received.problems = {str(reason): received.problems[reason] for reason in Why if reason in received.problems}
        if not records:
            raise BadInput(self._none_usable(way_out if refused else ""))
        return records

    def _note(self, problem: str, place: str) -> None:
        self.received.problems.setdefault(problem, []).append(place)

    def _none_usable(self, way_out: str) -> str:
        received = self.received
        other = received.problems.keys() & {Why.LABELS, Why.NUMBERS, Why.UNRANKED, Why.NO_SUM}
        if self.shape is not None and other and not received.samples:
            has = "lists of labels" if Why.LABELS in other else "numbers by label"
            return f"{option('shape', self.shape)} does not fit: the answers are {has}"
        reasons = "; ".join(f"{reason}: {len(places)}" for reason, places in received.problems.items()) or "no rows"
        unknown = ", ".join(shown(label) for label, _ in received.unknown_labels.most_common(8))
        more = f" (unknown labels: {unknown}; {option('mapping', {'WORD': 'LABEL'})} names them)" if unknown else ""
        ways = (reasons + more, f"{option('shape')} says what they are" if other else "", way_out)
        return f"no answer can be used of {received.rows}: {'; '.join(filter(None, ways))}"

    def _kind(self, read: Sequence[tuple[_Row, dict[str, Floats]]]) -> str:
        """What the replies are: as asked, else as they look; what was taken for granted is noted."""
        units = {_SCALES[scale] for scale in self.scale.values() if scale and scale != 1}
        if units:
            taken = " or, by wording, ".join(sorted(units))
            self.received.notes.append(f"numbers without a unit are taken as {taken}, as most answers of the file show")
        if self.shape or self.asked:
            asked = {"sets": "sets", "ranking": "ranked", "shares": "distribution" if self.one else "rates"}
            return self.shape or asked[self.asked or "sets"]
        forms = Counter(next(iter(said)) for _, said in read)
        if len(forms) > 1:
            counts = ", ".join(f"{count} are {_CALLED[form]}" for form, count in forms.most_common())
            raise BadInput(f"some answers are of one form and some of another ({counts}); {_ways_out()}")
        table = np.array([next(iter(said.values())) for _, said in read])
        if "share" in forms and not ((table == 0) | (table == 1)).all():
            off = np.abs(table.sum(axis=1) - 1)
            sums = (off <= self.slack).mean() > 0.5 if self.one else (off <= SUM_TOLERANCE).all()
            return "distribution" if sums else "rates"
        if "set" in forms and (every := int(table.all(axis=1).sum())):
            how = option("shape", "ranked")
            self.received.notes.append(f"{every} lists name all labels: sets of all, or rankings with {how}")
        return "ranked" if "ranking" in forms else "sets"


def _ways_out() -> str:
    return f"judge them one by one, or say which form counts: {option('shape')} ({', '.join(SHAPES)})"
