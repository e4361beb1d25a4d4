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

from affectml._files import read_frame, replacing, sha256, write_parquet
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
KEY = "features_sha256"
HEAD = "head.safetensors"
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


def people_file(folder: Path | str) -> Path:
    """Where the people of a run are: beside its folder."""
    place = Path(os.path.abspath(folder))  # noqa: PTH100 (resolve would leave the place of a link)
    beside = place.with_name(f"{place.name}{ENDING}.safetensors")
    return beside if Path(folder).is_absolute() else Path(os.path.relpath(beside))


def write_people(run: RunFolder, ids: Sequence[str], people: "Normals", answers: Iterable[int]) -> None:
    """Write the people of a run beside its folder, which is written already. One that is there is kept.

    Args:
        run: the run; its head.json says which head they belong to, its run.json which data set they answered about.
        ids: J annotator ids.
        people: what is believed of them, in this order.
        answers: how many answers each gave, in this order.
    """
    from affectml_annotation.exchange.files import keep

    known = People(
        people_file(run.folder),
        tuple(map(str, ids)),
        np.asarray(people.mean, dtype=np.float64),
        np.asarray(people.covariance, dtype=np.float64),
        np.array(list(map(int, answers)), dtype=np.int64),
        sha256(run.folder / HEAD),
        run.info.data.name,
        dict(run.info.data.fingerprint),
    )
    if known.file.exists():
        keep(known.file)
    save_people(known)


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
    if people.head != sha256(run.folder / HEAD):
        raise BadRun(f"{file}: its people belong to another training's head than {run.folder} has; {_AGAIN}")
    return people


def open_people(file: Path) -> People:
    """A people file by itself, checked; raises BadRun naming it where it cannot be used."""
    from safetensors import safe_open

    try:
        with safe_open(file, framework="numpy") as opened:
            mean, covariance, answers = (opened.get_tensor(name) for name in _TENSORS)
            metadata = TypeAdapter(_Metadata).validate_python(dict(opened.metadata() or {}))
    except ValidationError as error:
        raise BadRun(f"{file}: metadata {problem(error)}; {_AGAIN}") from None
    except Exception as error:  # the system's, safetensors' own, and numpy's of types that it does not know
        raise BadRun(f"{file}: not a readable safetensors file ({error}); {_AGAIN}") from None
    ids, dataset = metadata["people"], metadata["dataset"]
    count, width = len(ids), mean.shape[-1] if mean.ndim else 0
    shapes = mean.shape, covariance.shape, answers.shape
    expected = (count, width), (count, width, width), (count,)
    if shapes != expected or not _normal(mean, np.diagonal(covariance, axis1=1, axis2=2)):
        raise BadRun(f"{file}: mean, covariance and answers are not those of {count} people; {_AGAIN}")
    return People(
        file, tuple(ids), mean, covariance, answers, metadata["head"], dataset["name"], dataset["fingerprint"]
    )


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
    from affectml.heads.inputs import feature_parts

    keys = [features_key(row) for part in feature_parts(X, None, _PART) for row in part.numpy()]
    columns: dict[str, Any] = {"image_id": [str(image) for image in image_ids], KEY: keys}
    numbers = np.concatenate([effects.mean, effects.variance], axis=1, dtype=np.float32)
    write_parquet(folder / EFFECTS, pd.DataFrame(columns | dict(zip(_columns(labels), numbers.T, strict=True))))


def read_image_effects(folder: Path, labels: Sequence[str]) -> pd.DataFrame:
    """What is known of a run's own images beyond their features, by `features_key`: C means, then C variances.

    So an image is known under any name and in any data set. Nothing is known of a shared run's, which comes without
    the file. Raises BadRun where it is damaged.
    """
    file, columns = folder / EFFECTS, _columns(labels)
    if not file.exists():
        return pd.DataFrame(columns=columns, dtype=np.float64)
    try:
        table = read_frame(file).drop_duplicates(KEY, keep="last").set_index(KEY)[columns].astype(np.float64)
    except Exception as error:  # pyarrow raises many kinds for a damaged file
        raise BadRun(f"{file}: cannot be read ({error}): train again with {option('by_person', True)}") from None
    if not _normal(table.to_numpy(), table[columns[len(labels) :]].to_numpy()):
        raise BadRun(f"{file}: an impossible mean or variance: the run is damaged, train again")
    return table


def _columns(labels: Sequence[str]) -> list[str]:
    return [f"{kind}:{label}" for kind in ("effect", "variance") for label in labels]
