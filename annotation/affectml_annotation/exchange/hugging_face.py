"""A folder that Hugging Face `datasets` loads: Parquet files and a README.md whose header says which."""

from pathlib import Path

import pandas as pd

from affectml_annotation.columns import COLUMNS
from affectml_annotation.errors import BadExport, BadImport
from affectml_annotation.exchange.columns import for_files, from_files
from affectml_annotation.exchange.files import new_folder, read_frame, readable, write_parquet, write_text

CARD = """---
pretty_name: {name}
configs:
- config_name: judgements
  default: true
  data_files:
  - split: train
    path: data/judgements-*.parquet
---
# {name}

One row per judgement: what one person said of one image. Question: {question}

{columns}

`train` is the name that the format wants; it holds every judgement.
"""


def write_hugging_face(judgements: pd.DataFrame, folder: str | Path, *, name: str, question: str) -> None:
    """Write a new folder for `datasets.load_dataset(FOLDER)`; it holds every column. Raises BadExport if taken."""
    folder = Path(folder)
    if folder.exists() and (folder.is_file() or any(folder.iterdir())):
        raise BadExport(str(folder), ["exists already"], "name a new folder")
    with new_folder(folder) as fresh:
        table = for_files(judgements)
        write_parquet(fresh / "data" / "judgements-00000-of-00001.parquet", table)
        columns = "\n".join(f"- `{column.name}`: {column.about}" for column in COLUMNS if column.name in table)
        write_text(fresh / "README.md", CARD.format(name=name, question=question, columns=columns))


def read_hugging_face(folder: str | Path, empty: str | None = None) -> pd.DataFrame:
    """Read the Parquet files under such a folder's data/, in the order of their names. empty: see `from_files`."""
    folder = Path(folder)
    files = sorted(folder.glob("data/*.parquet"))
    if not files:
        raise BadImport(str(folder), ["no data/*.parquet in it"])
    tables = []
    for file in files:
        with readable(file):
            tables.append(read_frame(file))
    with readable(folder):
        table = pd.concat(tables, ignore_index=True)
    return from_files(table, str(folder), empty)
