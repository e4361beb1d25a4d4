"""dataset.json as pydantic dataclasses: an unknown key or value is an error that names the file."""

import json
from dataclasses import field
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import ConfigDict, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from affectml.errors import BadDataset
from affectml.taxonomies import Taxonomy, get_taxonomy

Construct = Literal["evoked", "expressed", "intended", "query"]
Kind = Literal["single", "sets", "rates", "distribution"]
VoteRule = Literal["one_choice", "set_split", "normalised", "moments", "unknown"]
Values = Literal["votes", "shares", "indicator"]

_VALUES_OF: dict[str, tuple[str, ...]] = {
    "single": ("indicator",),
    "sets": ("indicator",),
    "rates": ("votes", "shares"),
    "distribution": ("votes", "shares"),
}
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class TargetMeta:
    """One entry of dataset.json's `targets`: what the columns of targets-NAME.parquet mean.

    taxonomy is a built-in name or the content of a taxonomy file. vote_rule says how votes became a
    distribution, or that rates are `moments` (made from a mean and an SD).
    """

    kind: Kind
    taxonomy: str | dict[str, Any]
    values: Values
    file: str
    vote_rule: VoteRule | None = None
    made_by: str = ""

    @model_validator(mode="after")
    def _values_fit_the_kind(self) -> "TargetMeta":
        allowed = _VALUES_OF[self.kind]
        if self.values not in allowed:
            raise ValueError(f"kind {self.kind!r} takes values {' or '.join(allowed)}, got {self.values!r}")
        if self.kind == "distribution" and self.vote_rule is None:
            raise ValueError(f"a distribution needs its vote_rule, one of {get_args(VoteRule)}")
        return self

    def resolve_taxonomy(self) -> Taxonomy:
        """The Taxonomy named or spelled out inline."""
        if isinstance(self.taxonomy, str):
            return get_taxonomy(self.taxonomy)
        return Taxonomy.from_dict(self.taxonomy, where="inline taxonomy")


@dataclass(frozen=True, config=_STRICT)
class DatasetMeta:
    """dataset.json. construct: what the labels are about; question: what people were asked, word for word."""

    name: str
    construct: Construct
    targets: dict[str, TargetMeta]
    question: str = ""
    source: str = ""
    licence: str = ""
    notes: list[str] = field(default_factory=list)
    schema: Literal[1] = 1

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for `write_json`; `read_meta` reads them back."""
        content = _ADAPTER.dump_python(self, mode="json", exclude_none=True)
        return {"schema": content.pop("schema"), **content}


_ADAPTER = TypeAdapter(DatasetMeta)


def read_meta(path: Path) -> DatasetMeta:
    """Read and check dataset.json; raises BadDataset with the first problem and where it is."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadDataset(
            f"{path.parent}: no dataset.json there, so it is not an affectml data set; "
            "`affectml import --help` turns folders and tables into one"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BadDataset(f"{path}: not valid JSON ({error})") from None
    try:
        return _ADAPTER.validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadDataset(f"{path}: {where}: {first['msg']}") from None
