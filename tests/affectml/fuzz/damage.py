"""Damage to files, drawn from a `random.Random`, which Hypothesis can draw and shrink."""

import hashlib
import io
import json
import random
import re
from contextlib import suppress

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
# words and values; lists and objects without others in them; lines
PLACES = [*map(re.compile, (rb'"(?:[^"\\]|\\.)*"|[^\s,:|\[\]{}"]+', rb"\[[^\[\]]*\]|\{[^{}]*\}", rb"[^\n]*\n"))]
TEXTS = (".csv", ".tsv", ".txt", ".ann", ".yaml", ".md", ".json", ".jsonl")
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
                within = in_parquet if name.endswith(".parquet") else in_text if name.endswith(TEXTS) else in_bytes
                files[name] = (in_bytes if kind < 6 else within)(content, draw)
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


def in_text(content: bytes, draw: random.Random) -> bytes:
    """A word, value, list, object or line is gone, there twice, another one's, or odd."""
    spans = [match.span() for match in draw.choice(PLACES).finditer(content)] or [(0, len(content))]
    (start, end), other, odd = draw.choice(spans), draw.choice(spans), draw.choice(ODD)
    ways = [b"", content[start:end] * 2, content[slice(*other)], json.dumps(odd).encode()]
    new = draw.choice([*ways, str(odd).encode("utf-8", "replace")])
    return content[:start] + new + content[end:]


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
