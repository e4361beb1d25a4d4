"""What a browser is told of an image, and what it is not.

Never: whether an image is a check or a repeat (people would answer differently), what others said, or a suggestion
before the blind answer is stored and the store has drawn this look for the arm that sees one.
"""

import hashlib
import hmac
from typing import Any

import pandas as pd

from affectml_annotation import Claim, Task
from affectml_annotation.columns import COLUMNS
from affectml_annotation.languages import current
from affectml_apps.relabel import queries, verify
from affectml_apps.relabel.task import LabelTask

_SAID = [column.name for column in COLUMNS if column.by == "person"]
LOOKS = {"second": "second", "discussion": "again"}


def ticket(secret: str, who: str, image_id: str, round_number: int) -> str:
    """Proof that this image was given to this person in this round; it outlives the claim."""
    message = f"item:{who}\0{image_id}\0{round_number}".encode()
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def item_of(task: LabelTask, file: Task, who: str, claim: Claim) -> dict[str, Any]:
    """One image for this person's queue, as plain values."""
    look = LOOKS.get(claim.purpose, "first")
    item: dict[str, Any] = {
        "image": claim.image_id,
        "round": claim.round,
        "ticket": ticket(task.secret, who, claim.image_id, claim.round),
        "revision": claim.revision,
        "look": look,
    }
    if task.verifying:
        item["ask"] = task.taxonomy.display(verify.label_of(claim.image_id), current())
    elif file.page.show_original and claim.image_id in task.originals:
        item["original"] = task.taxonomy.display(task.originals[claim.image_id], current())
    if look != "first":
        before = queries.own_answer(task.store, who, claim.image_id, 1)
        if before is not None:
            item["before"] = {"kind": before[0], "labels": before[1]}
    if look == "second" and claim.suggestions_visible and claim.image_id in task.suggestions:
        item["suggestion"] = [task.taxonomy.display(label, current()) for label in task.suggestions[claim.image_id]]
    return item


def past_items(task: LabelTask, who: str, limit: int) -> list[dict[str, Any]]:
    """This person's own answers, oldest first, so that they can go back to them after a reload."""
    history = task.store.history(who, limit).iloc[::-1]
    blind = queries.second_round(task.store, 1) is not None and task.file.page.blind_first
    rounds = task.store.rounds()
    purposes = dict(zip(rounds["round"], rounds["purpose"], strict=True))
    return [
        {
            "image": row["image_id"],
            "round": row["round"],
            "ticket": ticket(task.secret, who, row["image_id"], row["round"]),
            "revision": row["revision"],
            "look": LOOKS.get(purposes[row["round"]], "first"),
            "fixed": blind and row["round"] == 1,
            **({"ask": task.taxonomy.display(verify.label_of(row["image_id"]), current())} if task.verifying else {}),
            "answer": {
                name: None if pd.api.types.is_scalar(value := row[name]) and pd.isna(value) else value for name in _SAID
            },
        }
        for row in history.to_dict("records")
    ]
