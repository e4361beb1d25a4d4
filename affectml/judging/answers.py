"""answers.parquet: what systems answer of images, a row for each image, system and form of answer.

dataset               the data set's name
image_id, split       of the image
system                prior, zero_shot, model, or any other
wording, draw         which wording of a question asked more than one, and which draw; null for heads, which answer once
form                  score: numbers that rank the labels; share: rates or a distribution; set: 0 or 1; ranking: places
label:NAME            float32, a column for each label; NaN: the label was not asked

A `set` row of zeros chose nothing; without a `set` row there is no set. A person's answers are never in it. A share is
kept within [1e-6, 1 - 1e-6] before it is written (`affectml.judging.scoring.unsure`); float32 rounds a share near 1
by up to 3e-8.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._files import replacing
from affectml.errors import BadRun

if TYPE_CHECKING:
    from affectml.judging.scoring import Answers

Array = NDArray[Any]
Floats = NDArray[np.float32]
FILE = "answers.parquet"
KEYS = ("dataset", "image_id", "split", "system", "wording", "draw", "form")
FORMS = ("score", "share", "set")  # of heads: they give no ranking
LABEL = "label:"
PART = 65_536  # how many images of a system are in memory at once, and in a part of the file


def write_answers(
    file: Path,
    dataset: str | Iterable[str],
    labels: Sequence[str],
    said: "Iterable[tuple[str, Array, Array, Answers | SystemAnswers]]",
) -> None:
    """Write what systems say that were asked once; each form of an entry of `said` is a part that can be read alone.

    Args:
        file: where to.
        dataset: the data set's name, or that of each entry of `said`.
        labels: C names.
        said: a system's name, image_id [N] and split [N] of some images, and what it says of them: scores, shares and
            sets [N, C]; what is None gets no rows. `SystemAnswers` may have some of the labels, in any
            order: the others are NaN.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names, texts = [LABEL + label for label in labels], [name for name in KEYS if name != "image_id"]
    keys = [(name, pa.int32() if name == "draw" else pa.string()) for name in KEYS]
    schema = pa.schema([*keys, *((name, pa.float32()) for name in names)])
    with (
        replacing(file) as temporary,  # a dictionary makes what hardly changes cost nothing, and other columns larger
        pq.ParquetWriter(temporary, schema, compression="zstd", use_dictionary=texts) as writer,
    ):
        of = repeat(dataset) if isinstance(dataset, str) else dataset
        for name, (system, image_id, split, answers) in zip(of, said, strict=False):
            for form, values in zip(FORMS, (answers.scores, answers.shares, answers.sets), strict=True):
                if values is not None:
                    own = answers.labels if isinstance(answers, SystemAnswers) else labels
                    rows = pd.DataFrame(np.asarray(values, dtype=np.float32), columns=[LABEL + label for label in own])
                    rows = rows.reindex(columns=names)
                    rows = rows.assign(dataset=name, image_id=image_id, split=split, system=system, form=form)
                    writer.write_table(pa.Table.from_pandas(rows.assign(wording=None, draw=None), schema))


def read_answers(source: str | os.PathLike[str], *, system: str | None = None, form: str | None = None) -> pd.DataFrame:
    """answers.parquet as it is.

    Args:
        source: a run's folder, or a file of this form.
        system: read that system's rows alone.
        form: read the rows of that form alone.

    Raises:
        BadRun: without the file, for a damaged one, for a column that is missing or of a label and no numbers, and for
            an image with two rows of one system, wording, draw and form.
    """
    import pyarrow.parquet as pq

    file = _file(source)
    only = [(name, "=", value) for name, value in (("system", system), ("form", form)) if value is not None]
    try:
        rows = pq.read_table(file, filters=only or None, partitioning=None, pre_buffer=False)  # buffers take 10 MB
        rows.validate(full=True)  # text that is not in UTF-8 raises here, not where it is first looked at
        table: pd.DataFrame = rows.to_pandas(split_blocks=True, self_destruct=True)
        bad = _problem(table)
    except FileNotFoundError:
        raise BadRun(
            f"{file.parent}: no {file.name}, which a shared run and imported weights come without: judge it with "
            "`affectml evaluate`, or name a run that was trained on the data set"
        ) from None
    except Exception as error:  # pyarrow raises many kinds for a damaged file
        raise BadRun(f"{file}: cannot be read ({error})") from None
    if bad is not None:
        raise _damaged(file, bad)
    return table


def _file(source: str | os.PathLike[str]) -> Path:
    return Path(source) / FILE if Path(source).is_dir() else Path(source)


def _damaged(file: Path, why: str) -> BadRun:
    return BadRun(f"{file}: {why}: the run is damaged, train again")


def _problem(table: pd.DataFrame) -> str | None:
    """What is wrong with a table of answers."""
    for name in KEYS:
        if name not in table:
            return f"no column {name}"
    for name in labelled(table):
        if not pd.api.types.is_numeric_dtype(table[name]):
            return f"column {name}: expected numbers, got {table[name].dtype}"
    if table["image_id"].is_unique:  # as of one system and form: known much sooner
        return None
    for _, row in table[table.duplicated([name for name in KEYS if name != "split"])].iterrows():
        return f"image {row['image_id']!r} has two rows of system {row['system']}, form {row['form']}"
    return None


def labelled(table: pd.DataFrame) -> list[str]:
    """The columns of labels, in their order."""
    return [name for name in map(str, table.columns) if name.startswith(LABEL)]


@dataclass(frozen=True, eq=False)
class SystemAnswers:
    """What one system says of N images over C labels, float32 [N, C]; a row of NaN has no answer of that form.

    image_id, split: [N]. scores: what ranks the labels: of a system without them its shares, or else its sets. shares,
    sets: None where the system has none.
    """

    labels: tuple[str, ...]
    image_id: Array
    split: Array
    scores: Floats
    shares: Floats | None = None
    sets: Floats | None = None

    @classmethod
    def of(cls, given: "Answers", labels: Sequence[str], image_id: Array, split: Array | str) -> "SystemAnswers":
        """What was answered of these images; split: [N], or of all of them."""
        others = (None if rows is None else np.asarray(rows, dtype=np.float32) for rows in (given.shares, given.sets))
        splits = np.broadcast_to(np.asarray(split, dtype=object), len(image_id))
        return cls(tuple(labels), image_id, splits, np.asarray(given.scores, dtype=np.float32), *others)

    @classmethod
    def read(
        cls, source: str | os.PathLike[str], labels: Sequence[str] | None = None, *, system: str = "model"
    ) -> "SystemAnswers":
        """Those of a system that was asked once; see `read_answers`.

        Args:
            source: a run's folder, or a file of this form.
            labels: the labels that it has to have, in this order; None takes the file's.
            system: which.

        Raises:
            BadRun: as `read_answers` does, and where a label has no column or the system no row.
        """
        tables: dict[str, pd.DataFrame] = {}
        for form in FORMS[::-1]:  # one at a time, for less memory
            rows = read_answers(source, system=system, form=form)
            columns = labelled(rows) if labels is None else [LABEL + label for label in labels]
            bad = [f"no column {name}" for name in columns if name not in rows]
            bad += [] if rows["image_id"].is_unique else [f"system {system} answered one image more than once"]
            if bad:
                raise _damaged(_file(source), bad[0])
            if len(rows):
                tables[form] = rows.set_index("image_id")[["split", *columns]]
        if not tables:
            raise _damaged(_file(source), f"no answer of system {system}")
        split = pd.concat([rows["split"] for rows in reversed(tables.values())])
        split = split[~split.index.duplicated()]  # some have not every form
        arrays = [
            None if form not in tables else tables.pop(form)[columns].reindex(split.index).to_numpy(np.float32)
            for form in FORMS
        ]
        names, ids = tuple(name.removeprefix(LABEL) for name in columns), split.index.to_numpy(dtype=object)
        ranking = next(array for array in arrays if array is not None)
        return cls(names, ids, split.to_numpy(dtype=object), ranking, *arrays[1:])

    @property
    def frame(self) -> pd.DataFrame:
        """The scores, a column for each label, by image_id."""
        return pd.DataFrame(self.scores, index=pd.Index(self.image_id, name="image_id"), columns=list(self.labels))

    def set_of(self, row: int) -> tuple[str, ...] | None:
        """The labels of an image's set; None where there is none."""
        if self.sets is None or np.isnan(self.sets[row]).all():
            return None
        return tuple(label for label, inside in zip(self.labels, self.sets[row], strict=True) if inside > 0)
