"""The forms of metrics.json and subgroups.json, and of the scores in run.json: what a reader may count on.

Files are checked against them and kept as they are: key order and digits are their own, and keys that are not named
here are passed over.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired

import pandas as pd
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True, ge=0)]
Text = Annotated[str, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]


class Interval(TypedDict):
    """A value with its 95 % interval; few: how many units carry it, where they are few."""

    value: Number
    low: Number
    high: Number
    few: NotRequired[Count]


Scores = dict[str, Interval]  # by metric


class _Inside(TypedDict):
    share: Number
    chance: Number
    errors: Count


class Level(TypedDict):
    """The systems at coarser labels."""

    labels: list[Text]
    lines: list[Text]
    systems: dict[str, Scores]
    errors_inside: _Inside | None


class Point(TypedDict):
    """One point of a learning curve."""

    images: Count
    scores: Scores


class Part(TypedDict):
    """A part of the split, with each label's mean share beside."""

    split: Text
    images: Count


class Energy(TypedDict):
    """What a training cost, and how that was had."""

    by: Text
    how: Text
    measured: Flag
    kwh: Number


class Parameters(TypedDict):
    """Numbers of the head and of the encoder."""

    trained: Count
    frozen: Count | None
    share: Number | None


class _Kept(TypedDict):
    """A promise on some images."""

    units: NotRequired[Count]
    recall: NotRequired[Interval]
    extra: NotRequired[Interval]
    precision: NotRequired[Interval]
    empty: NotRequired[Interval]
    size: NotRequired[Interval]


class _Level(_Kept):
    n: Count


class _Shift(TypedDict):
    found: Flag | None
    words: Text


class _Promise(_Kept):
    shift: _Shift
    promise: Annotated[str, Field(strict=True, pattern=r"^(recall|extra|precision)=\d*\.?\d+(e-\d+)?$")]
    unit: Text
    probability: NotRequired[Number]
    words: Text
    made_on: Text
    spread: Number | None
    without_choices: Count
    by_subgroup: dict[str, dict[str, _Level]]


class _Known(TypedDict):
    people: Count


class Metrics(TypedDict):
    """metrics.json of a run."""

    schema: Literal[1]
    split: Text
    n: Count
    rules: dict[str, Text | Number]
    systems: Annotated[dict[str, Scores], Field(min_length=1)]
    sampling_floor: dict[str, Number | None]
    per_label: dict[str, dict[str, Interval | Number | None]]
    promise: NotRequired[_Promise]
    by_person: NotRequired[dict[str, dict[str, Scores]]]
    by_person_differences: NotRequired[dict[str, dict[str, Scores]]]
    by_person_sizes: NotRequired[dict[str, _Known]]


class _Bias(TypedDict):
    difference: Number
    low: Number
    high: Number


class _Images(TypedDict):
    n: Count
    scores: NotRequired[Scores]
    excess: NotRequired[Scores]
    human: NotRequired[Scores]
    bias: NotRequired[dict[str, _Bias]]


class _People(TypedDict):
    people: Count
    answers: Count
    model: NotRequired[Interval | None]
    others: NotRequired[Interval | None]
    excess: NotRequired[Interval | None]


class _Gap(Interval):
    column: Text
    level: Text
    against: Text
    metric: Text | None
    label: Text | None
    p: Number
    p_holm: Number
    found: Flag


class Subgroups(TypedDict):
    """subgroups.json of a run."""

    schema: Literal[1]
    rules: dict[str, Text | Number]
    tests: Count
    images: dict[str, dict[str, _Images]]
    people: dict[str, dict[str, _People]]
    gaps: list[_Gap]
    findings: list[Text]


def problem(error: ValidationError) -> str:
    """The first problem and where it is, in a line."""
    first = error.errors()[0]
    where = [".".join(map(str, first["loc"]))] if first["loc"] else []
    return ": ".join([*where, first["msg"].removeprefix("Value error, ")])


def of_form(kind: Any, content: Any) -> Any:
    """The content as it is; raises ValueError that says in a line what is not of the form."""
    try:
        TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        raise ValueError(problem(error)) from None
    return content


def like(kind: Any) -> AfterValidator:
    """For a field's type: the form of what it holds, which is kept as it is."""
    return AfterValidator(lambda content: of_form(kind, content))


def same_columns(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a split's table; raises ValueError where one has other columns than the first."""
    for row in rows:
        if list(row) != list(rows[0]):
            raise ValueError("expected rows of the same columns")
        of_form(Part, row)
        of_form(dict[str, Number], {name: value for name, value in row.items() if name != "split"})
    return rows


def score_table(metrics: Mapping[str, Any]) -> pd.DataFrame:
    """Systems down; (metric, value | low | high) across."""
    systems = metrics["systems"]
    names = list(dict.fromkeys(metric for scores in systems.values() for metric in scores))
    columns = pd.MultiIndex.from_product([names, ["value", "low", "high"]], names=["metric", None])
    rows = {
        system: [scores.get(metric, {}).get(part) for metric, part in columns] for system, scores in systems.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).astype("float64").rename_axis("system")
