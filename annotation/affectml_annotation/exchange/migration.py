"""dataset.json of an earlier schema, read as the present one."""

from collections.abc import Mapping
from typing import Any


def as_schema_2(meta: Mapping[str, Any], *, judged: bool) -> dict[str, Any]:
    """The content of dataset.json in schema 2: construct and question belong to each target, and to the judgements.

    Schema 1 had one construct and one question for all; where an export's question was another, it stood at the end of
    the target's `made_by`. judged: whether the data set has annotations.parquet, whose
    people were then asked that question. Content of schema 2 comes back as it is; nothing is checked here.
    """
    if meta.get("schema", 1) != 1 or ("schema" not in meta and "construct" not in meta):
        return dict(meta)
    rest = {key: value for key, value in meta.items() if key not in ("schema", "construct", "question")}
    asked = {key: meta[key] for key in ("construct", "question") if key in meta}
    targets = meta.get("targets", {})
    if isinstance(targets, Mapping):  # what is none is the reader's to complain about
        rest["targets"] = {
            name: asked | _own_question(entry) if isinstance(entry, Mapping) else entry
            for name, entry in targets.items()
        }
    if judged and asked:
        rest["judgements"] = asked
    return {"schema": 2, **rest}


def _own_question(entry: Mapping[str, Any]) -> dict[str, Any]:
    made_by, _, question = str(entry.get("made_by", "")).partition("; asked: ")
    return {**entry, "made_by": made_by, "question": question} if question else dict(entry)
