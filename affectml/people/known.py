"""What a by-person run knows of its people, in a file beside the run folder, and of its images, in a file inside it.

RUN-people.safetensors     personal data, of mode 0600: `mean` [J, K] and `covariance` [J, K, K] of each person's
                           thresholds and tastes, `answers` [J]; in its metadata schema, head, people and dataset
RUN/image_effects.parquet  image_id, features_sha256, of each label `effect:LABEL` and `variance:LABEL`

The first lies beside the folder, so that nobody who copies, zips or shares a run gives its people away.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Json, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from affectml._files import read_frame, read_json, replacing, write_parquet
from affectml.errors import BadInput, BadRun, did_you_mean, option
from affectml.runs.folder import RunFolder
from affectml.runs.schema import Text, problem

if TYPE_CHECKING:
    from affectml.heads import ImageEffects
    from affectml.heads.inputs import Features
    from affectml.heads.mixed_logit import Normals

SCHEMA = "1"
ENDING = "-people"
EFFECTS = "image_effects.parquet"
_TENSORS = ("mean", "covariance", "answers")
_AGAIN = "remove it, and train again"
_PART = 4096  # rows of features that are in memory at once

Floats = NDArray[np.float64]


@dataclass(frozen=True, repr=False, eq=False)
class People:
    """A people file's content: what is believed of J people.

    mean: [J, K] of thresholds (a label each), then tastes; covariance: [J, K, K]. answers: [J], how many each gave.
    head: the sha256 of the head's tensors that they belong to. dataset, fingerprint: of
    what they answered, see `Dataset.fingerprint`.
    """

    file: Path
    ids: tuple[str, ...]
    mean: Floats
    covariance: Floats
    answers: NDArray[np.int64]
    head: str
    dataset: str
    fingerprint: dict[str, str]

    def row(self, who: str) -> int:
        """The row of a person; raises BadInput where there is nobody of that name, without saying who is there."""
        if who not in self.ids:
            raise BadInput(
                f"{self.file}: nobody called {who!r}{did_you_mean(who, self.ids)} ({len(self.ids):,} people are "
                f"there); of somebody new, {option('answers')} says what they chose"
            )
        return self.ids.index(who)

    def without(self, people: Iterable[str]) -> "People":
        """The same less these people."""
        gone = set(people)
        kept = [row for row, who in enumerate(self.ids) if who not in gone]
        left = {name: getattr(self, name)[kept] for name in _TENSORS}
        return replace(self, ids=tuple(self.ids[row] for row in kept), **left)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"<People {self.file}: {len(self.ids):,}>"


def people_file(folder: Path | str) -> Path:
    """Where the people of a run are: beside its folder."""
    place = Path(os.path.abspath(folder))  # noqa: PTH100 (resolve would leave the place of a link)
    beside = place.with_name(f"{place.name}{ENDING}.safetensors")
    return beside if Path(folder).is_absolute() else Path(os.path.relpath(beside))


def write_people(run: RunFolder, ids: Sequence[str], people: "Normals", answers: Iterable[int]) -> Path:
    """Write the people of a run beside its folder, which is written already. One that is there is kept.

    Args:
        run: the run; its head.json says which head they belong to, its run.json which data set they answered about.
        ids: J annotator ids.
        people: what is believed of them, in this order.
        answers: how many answers each gave, in this order.

    Returns:
        The file.
    """
    from affectml_annotation.exchange.files import keep

    made = People(
        people_file(run.folder),
        tuple(str(who) for who in ids),
        np.asarray(people.mean, dtype=np.float64),
        np.asarray(people.covariance, dtype=np.float64),
        np.array([int(count) for count in answers], dtype=np.int64),
        head_of(run.folder),
        run.info.data.name,
        dict(run.info.data.fingerprint),
    )
    if made.file.exists():
        keep(made.file)
    save_people(made)
    return made.file


def save_people(people: People) -> None:
    """Write a people file, atomically, for nobody's eyes but its owner's; where it is a link, what that leads to."""
    from safetensors.numpy import save

    metadata = {
        "schema": SCHEMA,
        "head": people.head,
        "people": json.dumps(people.ids, ensure_ascii=False),
        "dataset": json.dumps({"name": people.dataset, "fingerprint": people.fingerprint}, ensure_ascii=False),
    }
    content = save({name: np.ascontiguousarray(getattr(people, name)) for name in _TENSORS}, metadata)
    with replacing(people.file.resolve(), 0o600) as temporary:
        temporary.write_bytes(content)


def read_people(run: RunFolder) -> People:
    """The people of a run.

    Raises:
        BadRun: where the file is not there, is damaged, or belongs to another head.
    """
    file = people_file(run.folder)
    if not file.exists():
        raise BadRun(
            f"{file}: no such file. It has the run's people and never goes along with the run: copy it here from where "
            f"the run was trained, or give a person's answers ({option('answers')})"
        )
    people = open_people(file)
    if people.head != head_of(run.folder):
        raise BadRun(f"{file}: its people belong to another training's head than {run.folder} has; {_AGAIN}")
    return people


def open_people(file: Path) -> People:
    """A people file by itself, checked; raises BadRun naming it where it cannot be used."""
    from safetensors import safe_open

    try:
        with safe_open(file, framework="numpy") as opened:
            mean, covariance, answers = (opened.get_tensor(name) for name in _TENSORS)
            told = TypeAdapter(_Metadata).validate_python(dict(opened.metadata() or {}))
    except ValidationError as error:
        raise BadRun(f"{file}: metadata {problem(error)}; {_AGAIN}") from None
    except OSError as error:
        raise BadRun(f"{file}: cannot be read ({error.strerror or error})") from None
    except Exception as error:  # safetensors' own, and numpy's of types that it does not know
        raise BadRun(f"{file}: not a readable safetensors file ({error}); {_AGAIN}") from None
    ids, dataset = told["people"], told["dataset"]
    count, width = len(ids), mean.shape[-1] if mean.ndim else 0
    shapes = mean.shape, covariance.shape, answers.shape
    if shapes != ((count, width), (count, width, width), (count,)) or not _normal(
        mean, np.diagonal(covariance, axis1=1, axis2=2)
    ):
        raise BadRun(f"{file}: mean, covariance and answers are not those of {count} people; {_AGAIN}")
    of_whom = told["head"], dataset["name"], dataset["fingerprint"]
    return People(file, tuple(ids), mean, covariance, answers, *of_whom)


class _DataSet(TypedDict):
    name: Text
    fingerprint: dict[str, Text]


class _Metadata(TypedDict):
    schema: Literal["1"]
    head: Text
    people: Json[list[Text]]
    dataset: Json[_DataSet]


def _normal(mean: Floats, variance: Floats) -> bool:
    """Whether these can be means and variances."""
    return bool(np.isfinite(mean).all() and np.isfinite(variance).all() and (variance >= 0).all())


def head_of(folder: Path) -> str:
    """The sha256 of the head's tensors, as head.json has it."""
    file = folder / "head.json"
    try:
        return str(read_json(file, BadRun)["tensors_sha256"])
    except OSError as error:
        raise BadRun(f"{file}: cannot be read ({error.strerror})") from None
    except (KeyError, TypeError):
        raise BadRun(f"{file}: no tensors_sha256: the run is damaged, train again") from None


@dataclass(frozen=True, eq=False)
class KnownImages:
    """What is known of a run's own images beyond their features: mean and variance [N, C] in log-odds.

    row: of an image, by `features_key` of its features, so that it is known under any name and in any data set.
    """

    row: dict[str, int]
    mean: Floats
    variance: Floats


def features_key(features: NDArray[Any]) -> str:
    """By what an image is known again: the start of the sha256 of its features [D] in single precision."""
    return hashlib.sha256(np.ascontiguousarray(features, dtype="<f4").tobytes()).hexdigest()[:32]


def write_image_effects(
    folder: Path, image_ids: Sequence[str] | NDArray[Any], labels: Sequence[str], effects: "ImageEffects", X: "Features"
) -> None:
    """Write what answers said of a run's training and validation images beyond their features.

    Args:
        folder: the run's.
        image_ids: N ids.
        labels: C of them.
        effects: of these images, [N, C].
        X: their features [N, D], as the head took them.
    """
    keys: list[str] = []
    for start in range(0, len(image_ids), _PART):
        keys += [features_key(row) for row in np.asarray(X[start : start + _PART])]
    columns: dict[str, Any] = {"image_id": [str(image) for image in image_ids], "features_sha256": keys}
    for kind, table in (("effect", effects.mean), ("variance", effects.variance)):
        columns |= zip(_columns(kind, labels), np.asarray(table, dtype=np.float32).T, strict=True)
    write_parquet(folder / EFFECTS, pd.DataFrame(columns))


def read_image_effects(folder: Path, labels: Sequence[str]) -> KnownImages:
    """What `write_image_effects` wrote, and nothing of a shared run, which comes without it; BadRun where damaged."""
    file = folder / EFFECTS
    if not file.exists():
        nothing = np.empty((0, len(labels)))
        return KnownImages({}, nothing, nothing)
    try:
        table = read_frame(file)
        mean, variance = (table[_columns(kind, labels)].to_numpy(np.float64) for kind in ("effect", "variance"))
        keys = table["features_sha256"].astype(str)
    except Exception as error:  # pyarrow raises many kinds for a damaged file
        raise BadRun(f"{file}: cannot be read ({error}): train again with {option('by_person', True)}") from None
    if not _normal(mean, variance):
        raise BadRun(f"{file}: an impossible mean or variance: the run is damaged, train again")
    return KnownImages({key: row for row, key in enumerate(keys)}, mean, variance)


def _columns(kind: str, labels: Sequence[str]) -> list[str]:
    return [f"{kind}:{label}" for label in labels]
