"""Reading a system's answers from a file, a row at a time: batch responses, JSON lines, or a table."""

import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectml._files import need_file
from affectml.answers._config import Answer
from affectml.answers._names import Names
from affectml.answers._reply import OF, RANKED, Reply, Why, answer_in, is_answer, parse_reply, read_json
from affectml.answers._words import Words, folded, shown
from affectml.errors import BadInput, option
from affectml.importers.columns import FILE, LABEL, URL, pick, plain
from affectml.importers.labels import emotion_words
from affectml.importers.read import Table, read_table

IMAGE_KEYS = ("image_id", "image", "file", "filename", "path", "url", "id")
REPLY_KEYS = ("reply", "response", "content", "output", "completion", "text")
_SCHEMA = re.compile(r"response.?format|schema|grammar", re.IGNORECASE)  # in what a server says that takes none


@dataclass(frozen=True, kw_only=True)
class Row(Reply):
    """One answer as the file has it.

    place: where it stands. image: the data set's image, None where there is none of that name. detail: more of the
    problem. sample, wording: of the request, from 1. asked: the form of answer that it asked for, None where nothing
    says. shuffle: as in `Requested`.
    """

    place: str
    image: str | None = None
    detail: str = ""
    sample: int = 1
    wording: int = 1
    asked: Answer | None = None
    shuffle: str = ""


@dataclass(frozen=True)
class Rows:
    """All answers of a file, and what it is. notes: what was inferred."""

    rows: list[Row]
    what: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """How to read a file. empty: what an empty cell of a table is, "none" (no label applies) or "skip" (no answer)."""

    words: Words
    names: Names
    image_column: str | None = None
    label_column: str | None = None
    empty: str | None = None


def read_rows(path: Path, reading: Reading) -> Rows:
    """Read the answers of a file; its content decides how, not its suffix.

    Raises:
        BadInput: for a file that cannot be read at all, or a table without a column of images or of answers.
    """
    need_file(path)
    with path.open("rb") as handle:
        first = handle.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    if first.startswith(b"{"):
        return _json_lines(path, reading)
    if first.startswith((b"[{", b"[\n", b"[ ", b"[\r")):
        raise BadInput(f"{path}: a JSON list; expected JSON lines, one object in each line")
    return _table(path, reading)


def _json_lines(path: Path, reading: Reading) -> Rows:
    rows: list[Row] = []
    kinds: set[str] = set()
    counts: dict[str, range] = {}  # custom_id to the rows that count
    with path.open("rb") as handle:
        for number, raw in enumerate(handle, start=1):
            if not raw.strip():
                continue
            place, content = f"line {number}", _object(raw)
            if content is None:
                rows.append(Row(place=place, problem=Why.NOT_JSON))
            elif "custom_id" in content:
                if "response" not in content and {"method", "body"} <= content.keys():
                    raise BadInput(f"{path}, {place}: a request, not a response; judge the file that the server writes")
                kinds.add("batch responses")
                _add(rows, _response(content, place, reading), counts, str(content["custom_id"]))
            else:
                kinds.add("JSON lines")
                rows.append(_plain_line(content, place, reading))
    if len(kinds) > 1:
        raise BadInput(f"{path}: some lines are batch responses (custom_id) and some are not; judge them one by one")
    return Rows(rows, next(iter(kinds), "JSON lines"))


def _add(rows: list[Row], fresh: list[Row], counts: dict[str, range], given: str) -> None:
    """Add a response's rows; of several responses to one request the first that can be used counts."""
    here = range(len(rows), len(rows) + len(fresh))
    before = counts.setdefault(given, here)
    if before != here and any(not row.problem for row in fresh) and all(rows[at].problem for at in before):
        for at in before:
            rows[at] = replace(rows[at], problem=Why.TWICE, detail="a later line of it can be used")
        counts[given] = here
    elif before != here:
        fresh = [replace(row, problem=Why.TWICE, detail=f"as {rows[before[0]].place}") for row in fresh[:1]]
    rows += fresh


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        content = read_json(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _response(content: dict[str, Any], place: str, reading: Reading) -> list[Row]:
    """A line of a batch's output or error file: a row for each choice, which is one for most requests."""
    given = content["custom_id"]
    asked = reading.names.of_custom_id(given) if isinstance(given, str) else None
    if asked is None:
        return [Row(place=place, problem=Why.UNKNOWN_IMAGE, detail=f"custom_id {shown(str(given))}")]
    about = asdict(asked)
    row = Row(place=place, asked=about.pop("answer"), **about)
    response, error = content.get("response"), content.get("error")
    status = response.get("status_code", 200) if isinstance(response, dict) else None
    body = response.get("body", response) if isinstance(response, dict) else None
    choices = body.get("choices") if isinstance(body, dict) else None
    if error or str(status) != "200" or not isinstance(choices, list) or not choices:
        return [_failed(row, error, body, status)]
    return [replace(row, **vars(_choice(choice, reading))) for choice in choices]


def _choice(choice: Any, reading: Reading) -> Reply:
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
    return parse_reply(content if isinstance(content, str) else "", reading.words)


def _failed(row: Row, error: Any, body: Any, status: Any) -> Row:
    """The row of a request without an answer, with what the server says of it."""
    told = error or (body.get("error") or body if isinstance(body, dict) else body)
    said = told
    if isinstance(told, dict):
        said = next((told[key] for key in ("code", "type", "message") if told.get(key)), error)
    parts = [f"HTTP {shown(str(status))}" if status not in (None, 200) else "", shown(str(said or ""))]
    detail = " ".join(part for part in parts if part) or "no message in the response"
    return replace(row, problem=Why.NO_SCHEMA if _SCHEMA.search(str(told)) else Why.FAILED, detail=detail)


def _plain_line(content: dict[str, Any], place: str, reading: Reading) -> Row:
    """A line or a row of any system: an image, and labels, a ranking, numbers by label, or a reply to be read."""
    name = next((content[key] for key in IMAGE_KEYS if content.get(key) is not None), None)
    for key, problem in (("error", Why.FAILED), ("refusal", Why.REFUSED)):
        if why := content.get(key):
            return _about(name, Reply(problem=problem), place, reading, shown(why) if isinstance(why, str) else "")
    said = {key: value for key, value in content.items() if is_answer(key, reading.words)}
    reply = next((content[key] for key in REPLY_KEYS if content.get(key) is not None), None)
    answer = answer_in(said, reading.words)
    if answer.problem == Why.NO_LABELS and reply is not None:
        answer = parse_reply(reply, reading.words) if isinstance(reply, str) else answer_in(reply, reading.words)
    return _about(name, answer if content.keys() - {*IMAGE_KEYS} else Reply(problem=Why.EMPTY), place, reading)


def _about(name: Any, reply: Reply, place: str, reading: Reading, detail: str = "") -> Row:
    """A row about the image of a name."""
    if name is None or not isinstance(name, str | int | float) or isinstance(name, bool):
        return Row(place=place, problem=Why.NO_IMAGE)
    image = reading.names.find(str(name))
    if image is None:
        return Row(place=place, problem=Why.UNKNOWN_IMAGE, detail=shown(str(name)))
    return Row(**vars(reply), place=place, image=image, detail=detail)


def _table(path: Path, reading: Reading) -> Rows:
    """A table: an image in each row, and a list of labels, a ranking or a column per label beside it."""
    table = read_table(path)
    image = _image_column(table, reading.image_column)
    frame = table.frame
    ranked = pick(table, None, RANKED)
    column = reading.label_column and pick(table, reading.label_column, (), "label_column")
    column = column or pick(table, None, (*LABEL, "set", "answer", "answers"))
    places = _places(frame, ranked)
    listing = [*places] or [c for c in (ranked or column,) if c]
    numeric = [c for c in frame.columns if c not in (image, *listing) and reading.words.find(c)]
    reply = None if listing or numeric else pick(table, None, REPLY_KEYS)
    listing += [reply] if reply else []
    total = [c for c in (pick(table, None, OF),) if c and numeric and not listing]
    if not (listing or numeric):
        raise BadInput(
            f"{path}: no column of answers: expected labels ({option('label_column')}), ranking, or a column for each "
            f"label ({', '.join(reading.words.taxonomy.labels)}), but it has {', '.join(frame.columns)}"
        )
    key = "ranking" if ranked or places else "reply" if reply else "labels"
    rows = []
    for at, cells in enumerate(map(_filled, frame.astype(object).to_dict("records"))):
        content = {column: cells[column] for column in (*numeric, *total) if column in cells}
        listed = [cells[column] for column in listing if column in cells]
        if listed or (listing and reading.empty == "none"):
            content[key] = listed if places or not listed else listed[0]
        if image in cells:
            content["image_id"] = cells[image]
        rows.append(_plain_line(content, f"{table.unit} {table.place[at]}", reading))
    return Rows(rows, "rows", (*table.notes, *_unused(frame, {image, *listing, *numeric, *total})))


def _filled(row: dict[Any, Any]) -> dict[str, Any]:
    """The cells of a row in which something stands, as Python's own values."""
    plainly = {key: cell.tolist() if isinstance(cell, np.ndarray | np.generic) else cell for key, cell in row.items()}
    return {key: cell for key, cell in plainly.items() if not _gap(cell)}


def _image_column(table: Table, given: str | None) -> str:
    found = (pick(table, given, names, "image_column") for names in (("imageid",), FILE, URL, ("id",)))
    if image := next(filter(None, found), None):
        return image
    raise BadInput(
        f"{table.path}: no column names images; say which does: {option('image_column')} "
        f"(columns: {', '.join(table.frame.columns)})"
    )


def _places(frame: pd.DataFrame, ranked: str | None) -> list[str]:
    """Columns top_1, top_2 ... or rank_1, rank_2 ..., in their order."""
    for stem in ("top", "rank") if ranked is None else ():
        found = {int(plain(c).removeprefix(stem)): c for c in frame.columns if plain(c).removeprefix(stem).isdecimal()}
        if found and all(plain(c).startswith(stem) for c in found.values()):
            return [found[place] for place in sorted(found)]
    return []


def _unused(frame: pd.DataFrame, used: set[str]) -> list[str]:
    """A note for columns that nothing was taken from; emotions that are no labels of the target are told apart."""
    rest = [column for column in frame.columns if column not in used]
    emotions = [column for column in rest if folded(column) in emotion_words()]
    others = [shown(column) for column in rest if column not in emotions]
    notes = [f"columns of emotions that are no labels of the target: {', '.join(emotions)}"] if emotions else []
    return [*notes, *([f"columns that are not used: {', '.join(others)}"] if others else [])]


def _gap(cell: Any) -> bool:
    """Whether a cell is empty, or holds what pandas writes for nothing."""
    if isinstance(cell, str):
        return cell.strip() in ("", "nan", "NaN")
    return bool(pd.api.types.is_scalar(cell) and pd.isna(cell))
