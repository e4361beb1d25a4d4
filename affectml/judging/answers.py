"""answers.parquet: what systems answer of images, a row for each image, system and form of answer.

dataset               the data set's name
image_id, split       of the image
system                prior, zero_shot, model, or any other
wording, draw         which wording of a question asked more than one, and which draw; null for heads, which answer once
form                  score: numbers that rank the labels; share: rates or a distribution; set: 0 or 1; ranking: places
label:NAME            float32, a column for each label; NaN: the label was not asked

A `set` row of zeros chose nothing; without a `set` row there is no set. A person's answers are never in it. A share is
kept within [1e-6, 1 - 1e-6] before it is written (`affectml.evaluation.scoring.unsure`); float32 rounds a share near 1
by up to 3e-8.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._files import replacing
from affectml.errors import BadRun

if TYPE_CHECKING:
    from affectml.evaluation.scoring import Answers

Array = NDArray[Any]
Floats = NDArray[np.float32]
FILE = "answers.parquet"
KEYS = ("dataset", "image_id", "split", "system", "wording", "draw", "form")
LABEL = "label:"
PART = 65_536  # how many images of one system are in memory, and in a part of the file that is read or passed over


def write_answers(
    file: Path, dataset: str, labels: Sequence[str], said: "Iterable[tuple[str, Array, Array, Answers | SystemAnswers]]"
) -> None:
    """Write what systems say that were asked once; each entry of `said` becomes a part that can be read alone.

    Args:
        file: where to.
        dataset: the data set's name.
        labels: C names.
        said: a system's name, image_id [N] and split [N] of some images, and what it says of them: scores, shares and
            sets [N, C], of which those that are None get no rows.
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
        for system, image_id, split, answers in said:
            forms = {"score": answers.scores, "share": answers.shares, "set": answers.sets}
            parts = [
                pd.DataFrame(np.asarray(values, dtype=np.float32), columns=names).assign(
                    dataset=dataset, image_id=image_id, split=split, system=system, wording=None, draw=None, form=form
                )
                for form, values in forms.items()
                if values is not None
            ]
            writer.write_table(pa.Table.from_pandas(pd.concat(parts), schema))


def read_answers(source: str | os.PathLike[str], *, system: str | None = None) -> pd.DataFrame:
    """answers.parquet as it is.

    Args:
        source: a run's folder, or a file of this form.
        system: read that system's rows alone.

    Raises:
        BadRun: without the file, for a damaged one, for a column that is missing or of a label and no numbers, and for
            an image with two rows of one system, wording, draw and form.
    """
    import pyarrow.parquet as pq

    file = Path(source) / FILE if Path(source).is_dir() else Path(source)
    only = None if system is None else [("system", "=", system)]
    try:
        rows = pq.read_table(file, filters=only, partitioning=None)
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
        raise BadRun(f"{file}: {bad}: the run is damaged, train again")
    return table


def _problem(table: pd.DataFrame) -> str | None:
    """What is wrong with a table of answers."""
    for name in KEYS:
        if name not in table:
            return f"no column {name}"
    for name in labelled(table):
        if not pd.api.types.is_numeric_dtype(table[name]):
            return f"column {name}: expected numbers, got {table[name].dtype}"
    for _, one in table[table.duplicated([name for name in KEYS if name != "split"])].iterrows():
        return f"image {one['image_id']!r} has two rows of system {one['system']}, form {one['form']}"
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
        table = read_answers(source, system=system)
        columns = labelled(table) if labels is None else [LABEL + label for label in labels]
        images = table.drop_duplicates("image_id")
        index = pd.Index(images["image_id"])

        def those(form: str) -> Floats | None:
            rows = table[table["form"] == form]
            made = np.full((len(index), len(columns)), np.nan, dtype=np.float32)
            made[index.get_indexer(rows["image_id"])] = rows[columns]
            return made if len(rows) else None

        bad = [f"no column {name}" for name in columns if name not in table]
        score, share, chosen = map(those, ("score", "share", "set")) if not bad else (None, None, None)
        scores = next((each for each in (score, share, chosen) if each is not None), None)
        if scores is None:
            bad.append(f"no answer of system {system}")
            raise BadRun(f"{os.fspath(source)}: {FILE}: {bad[0]}: the run is damaged, train again")
        ids, split = (images[name].to_numpy(dtype=object) for name in ("image_id", "split"))
        return cls(tuple(name.removeprefix(LABEL) for name in columns), ids, split, scores, share, chosen)

    @property
    def frame(self) -> pd.DataFrame:
        """The scores, a column for each label, by image_id."""
        return pd.DataFrame(self.scores, index=pd.Index(self.image_id, name="image_id"), columns=list(self.labels))

    def set_of(self, row: int) -> tuple[str, ...] | None:
        """The labels of an image's set; None where there is none."""
        if self.sets is None or np.isnan(self.sets[row]).all():
            return None
        return tuple(label for label, inside in zip(self.labels, self.sets[row], strict=True) if inside > 0)
