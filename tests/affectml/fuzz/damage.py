"""Damage to files, drawn from a `random.Random`, which Hypothesis can draw and shrink."""

import hashlib
import io
import json
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = b"a folder in place of the file"
PIECES = [b'"', b",", b"\n", b"\r", b"\t", b"|", b"[", b"{", b"}", b"\\", b" ", b"-", b"9" * 20, b"e999", b"nan",
          b"\xff", b"\0", b"\\ud800", b"null", b"../", b"\xc3\xa9", b"[" * 99_999, b"9" * 5000, b": ", b"&a *a",
          b"!!x ", b"\xef\xbb\xbf", b"\xff\xfe"]  # fmt: skip
ODD = [None, True, False, 0, -1, 0.5, 3, 2**31, 2**63, 10**30, 10**400, 1e308, float("nan"), float("inf"), "", " ",
       "joy", "\ud800", "\0", "../x", "a\nb", "/", "nan", [], {}, [[]], ["joy"], [None], [1, 2], {"joy": 1}, {"": None},
       [{"joy": "awe"}], "x" * 300]  # fmt: skip
Files = dict[str, bytes]


def damaged(files: Files, draw: random.Random) -> Files:
    """The files with one to three faults in them."""
    files = dict(files)
    for _ in range(draw.choice([1, 1, 2, 3])):
        name = draw.choice(sorted(files))
        content = files[name]
        kind = draw.randrange(12)
        if kind == 0:
            files[name] = b""
        elif kind == 1 and len(files) > 1:
            del files[name]
        elif kind == 2:
            files[name] = FOLDER
        elif content == FOLDER:
            continue
        elif kind == 3 and name.endswith((".json", ".safetensors")) and "head.json" in files:
            vouch(files)
        else:
            try:
                files[name] = (in_bytes if kind < 6 else WITHIN.get(Path(name).suffix, in_bytes))(content, draw)
            except Exception:  # damaged already, so that it cannot be taken apart
                files[name] = in_bytes(content, draw)
    return files


def vouch(files: Files) -> None:
    """Let head.json vouch for the tensors that are there, so that they are looked at."""
    with suppress(ValueError, KeyError, AttributeError, TypeError):
        digest = hashlib.sha256(files["head.safetensors"]).hexdigest()
        files["head.json"] = json.dumps({**json.loads(files["head.json"]), "tensors_sha256": digest}).encode()


def in_bytes(content: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(content) + 1)
    kind = draw.randrange(5)
    if kind == 0:
        return content[:at]
    if kind == 1:
        return content[:at] + content[at + draw.randrange(1, 9) :]
    piece = draw.choice(PIECES) if kind < 4 else draw.randbytes(draw.randrange(1, 5))
    return content[:at] + piece + content[at + (len(piece) if kind == 2 else draw.randrange(9)) :]


def in_lines(content: bytes, draw: random.Random) -> bytes:
    lines = content.split(b"\n")
    at, kind = draw.randrange(len(lines)), draw.randrange(6)
    if kind == 0:
        lines.insert(at, draw.choice(lines))
    elif kind == 1:
        del lines[at]
    elif kind == 2:
        other = draw.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    else:
        mark = next((mark for mark in (b"\t", b",", b": ", b" ") if mark in lines[at]), b" ")
        cells = lines[at].split(mark)
        cell, odd = draw.randrange(len(cells)), str(draw.choice(ODD)).encode("utf-8", "replace")
        cells[cell] = draw.choice([odd, b"", draw.choice(cells), cells[cell] * 2, b"-" + cells[cell]])
        lines[at] = mark.join(cells if kind < 5 else [*cells, odd])
    return b"\n".join(lines)


def places(holder: Any) -> list[tuple[Any, Any]]:
    """Every value in a dict or list, at any depth, by what holds it and its key there."""
    keys = [*holder] if isinstance(holder, dict) else [*range(len(holder))] if isinstance(holder, list) else []
    return [place for key in keys for place in ((holder, key), *places(holder[key]))]


def in_json(content: bytes, draw: random.Random) -> bytes:
    whole = [json.loads(content)]
    holder, key = draw.choice(places(whole))
    kind, odd = draw.randrange(8), draw.choice(ODD)
    if kind == 0 and holder is not whole:
        del holder[key]
    elif kind == 1:
        other, there = draw.choice(places(whole))
        holder[key] = json.loads(json.dumps(other[there]))
    elif kind == 2 and isinstance(holder, dict):
        holder[draw.choice(["", "x", "\ud800", "joy", "__class__"])] = odd
    elif kind == 3 and isinstance(holder, list):
        holder.append(odd)
    else:
        holder[key] = odd
    text = json.dumps(whole[0]) if whole else ""
    return text.replace("true", "9" * 5000, 1).encode() if kind == 4 and draw.random() < 0.1 else text.encode()


def in_json_lines(content: bytes, draw: random.Random) -> bytes:
    lines = content.splitlines()
    at = draw.randrange(len(lines))
    if draw.random() < 0.3:
        return in_lines(content, draw)
    lines[at] = in_json(lines[at], draw)
    return b"\n".join(lines) + b"\n"


def in_parquet(content: bytes, draw: random.Random) -> bytes:
    table = pq.read_table(io.BytesIO(content))
    kind, name = draw.randrange(9), draw.choice(table.column_names)
    column, at = table[name], table.column_names.index(name)
    if kind == 0:
        table = table.drop_columns([name])
    elif kind == 1:
        table = table.rename_columns({name: draw.choice(["x", "joy", "n", ""])})
    elif kind == 2:
        table = table.slice(0, draw.randrange(len(table) + 1))
    elif kind == 3:
        table = pa.concat_tables([table, table.slice(draw.randrange(len(table)), 1)])
    elif kind == 4:
        says = draw.choice([None, {b"pandas": b"{"}, {b"pandas": b'{"columns": [], "index_columns": ["x"]}'}])
        table = table.replace_schema_metadata(says)
    else:
        values, odd = column.to_pylist(), draw.choice([*ODD, b"\xff", pd.Timestamp(0), [b"\xff"]])
        new = [odd] * len(values) if kind < 7 else values
        new[draw.randrange(len(new))] = odd
        with suppress(pa.ArrowException, OverflowError, UnicodeError, ValueError):
            table = table.set_column(at, name, pa.array(new, column.type if kind == 8 else None))
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


WITHIN = dict.fromkeys((".csv", ".txt", ".ann", ".yaml"), in_lines) | {
    ".json": in_json, ".jsonl": in_json_lines, ".parquet": in_parquet,
}  # fmt: skip
