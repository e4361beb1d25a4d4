"""A label database as a team leaves it, and everything that it tells: tables, exports, counts, agreement."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectml_annotation import (
    Answer,
    LabelStore,
    Task,
    aggregate,
    agreement_report,
    annotator_report,
    write_judgements,
)
from affectml_annotation.exchange.dataset_folder import Collected, write_dataset_folder
from affectml_annotation.uncertainty import disagreement

LABELS = ("awe", "contentment", "fear", "sadness", "something else")
QUESTION = "Which of these feelings does this image evoke in you? Choose all that apply, or none."
START = 1_767_600_000.0  # seconds since 1970, of the first answer
FOREVER = 3e9  # seconds: claims that were open when the database was written are open still
PEOPLE = ("ann", "ben", "chloé", "dmitri", "eve", "late")
METHODS = ("votes", "shares", "smoothed", "weighted", "set_split", "normalised", "posterior", "majority", "mode")


class Team:
    """Simulated people at work in one store; every random choice from one generator."""

    def __init__(self, store: LabelStore) -> None:
        self.store, self.rng, self.count = store, np.random.default_rng(17), 0

    def says(self, who: str, claim, **given) -> object:
        """One answer of this person to what they were handed: as given, else drawn."""
        self.count += 1
        if "kind" not in given:
            labels = tuple(label for label in LABELS if self.rng.random() < 0.3)
            given |= {"kind": "labels" if labels else "none", "labels": labels}
        given.setdefault("event_id", f"event-{self.count:03d}")
        seconds = round(float(self.rng.uniform(1, 20)), 2)
        at = START + 30.5 * self.count
        [receipt] = self.store.submit([Answer(claim.image_id, who, round=claim.round, at=at, seconds=seconds, **given)])
        assert receipt.status != "refused", receipt.error
        return receipt


def make_labels(folder: Path) -> None:
    """labels.db and what it says."""
    folder.mkdir()
    images = pd.DataFrame({
        "image_id": [f"i{n:02d}" for n in range(24)],
        "file": [f"images/i{n:02d}.jpg" for n in range(24)],
        "stratum": ["warm", "cold"] * 12,
    })  # fmt: skip
    task = Task(labels=LABELS, question=QUESTION, name="golden task", overlap=3, strategy="stratified").but(
        lease=FOREVER / 60, checks={"rate": 0.1}, repeats={"rate": 0.1, "gap": 3}, seed=4
    )
    with LabelStore(folder / "labels.db") as store:
        store.init_task(task, images)
        store.invite(PEOPLE, {"ann": {"age": "30-39"}, "ben": {"age": "20-29"}, "chloé": {"age": "30-39"}})
        store.add_checks(pd.DataFrame({"image_id": ["i23"], "accepted": [["awe"]], "forbidden": [["fear"]]}))
        store.enqueue(["i05", "i09"], more=4)
        team = Team(store)
        _work(team)
        _further_rounds(team)
        store.decide("i05", ["awe", "fear"], by="lead", note="after talk")
        store.decide("i05", ["awe"], by="lead")
        store.decide("i09", [], by="lead", note="none of them")
        _write_said(store, folder)


def _work(team: Team) -> None:
    """The main round: sets, empty sets, everything else that can be said, corrections, conflicts, a withdrawal."""
    store = team.store
    for who in PEOPLE[:5]:
        store.consent(who)
    for _ in range(4):
        for who in PEOPLE[:5]:
            for claim in store.claim(who, 2):
                team.says(who, claim)
    ann = store.claim("ann", 6)
    team.says("ann", ann[0], kind="unsure")
    team.says("ann", ann[1], kind="skip", note="too dark to see")
    team.says("ann", ann[2], kind="flag", note='not a photograph: "<b>", = + - @, 日本語')
    team.says(
        "ann", ann[3], kind="labels", labels=("fear", "awe"), intensities=(2.0, None), valence=-0.5, arousal=0.75,
        note="strong", context={"chips": ["awe", "fear"], "client": "test"},
    )  # fmt: skip
    team.says("ann", ann[4], kind="labels", labels=("awe",))
    team.says("ann", ann[4], kind="none", base_revision=1)
    team.says("ann", ann[4], kind="labels", labels=("sadness",), base_revision=1, event_id="clash-open")
    ben = store.claim("ben", 2)
    team.says("ben", ben[0], kind="labels", labels=("contentment",), valence=0.5, arousal=-0.25)
    team.says("ben", ben[0], kind="labels", labels=("contentment", "awe"), base_revision=1)
    team.says("ben", ben[0], kind="labels", labels=("awe",), base_revision=1, event_id="clash-kept")
    store.resolve_conflict("clash-kept", keep=True, by="lead")
    [mine] = store.claim("eve", 1)
    team.says("eve", mine, kind="labels", labels=("something else",))
    store.withdraw("eve")
    answers = store.judgements()
    full = answers.groupby("image_id")["annotator_id"].nunique().sort_values(ascending=False).index[0]
    others = set(answers[answers["image_id"] == full]["annotator_id"])
    if "late" not in others:
        late = Answer(str(full), "late", "labels", ("fear",), event_id="surplus", at=START + 9_000, seconds=4.0)
        [receipt] = store.submit([late])
        assert receipt.status in ("surplus", "accepted"), receipt


def _further_rounds(team: Team) -> None:
    """A discussion."""
    store = team.store
    talk = store.open_round(["i05", "i09"])
    for who in ("ann", "ben", "chloé"):
        for claim in store.claim(who, 2, round_number=talk):
            if claim.round == talk:
                team.says(who, claim)
    store.claim("chloé", 3)
    store.claim("dmitri", 2)


def write_said(store: LabelStore, folder: Path, tables: dict[str, pd.DataFrame], said: dict[str, Any]) -> None:
    """tables/NAME.json, said.json and the task as a data set."""
    (folder / "tables").mkdir()
    for name, table in tables.items():
        plain = json.loads(table.to_json(orient="records", date_format="iso", date_unit="ms", double_precision=15))
        lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in plain)
        (folder / "tables" / f"{name}.json").write_text(f"[\n{lines}\n]\n")
    said = {"file": store.task.model_dump(mode="json", by_alias=True), **said}
    (folder / "said.json").write_text(json.dumps(said, indent=1, ensure_ascii=False))
    votes = {"labels": lambda judgements: aggregate(judgements, store.task.labels, "votes")}
    write_dataset_folder(folder / "export", Collected.of(store), votes)


def _write_said(store: LabelStore, folder: Path) -> None:
    names = ("judgements", "events", "images", "annotators", "conflicts", "decisions", "checks", "rounds")
    tables = {name: getattr(store, name)() for name in names}
    tables["judgements-of-all"] = store.judgements(surplus=True, withdrawn=True)
    tables["history-ann"] = store.history("ann")
    judgements = tables["judgements"]
    rounds = tables["rounds"]
    claimed = tables["annotators"].set_index("annotator_id")["claimed"].to_dict()
    said = {
        "progress": {int(n): _whole(store.progress(round_number=int(n))) for n in rounds["round"]},
        "held": {who: [*map(_held, store.claim(who, n))] for who, n in claimed.items() if n},
        "counts": {
            method: {
                "image_id": list(made.image_id),
                "n": made.n.tolist(),
                "values": made.values.tolist(),
                "left_out": made.left_out,
            }
            for method in METHODS
            for made in [aggregate(judgements, LABELS, method)]
        },
        "agreement": agreement_report(judgements, LABELS, seed=1).to_dict(),
        "annotators": json.loads(
            annotator_report(
                judgements, LABELS, checks=store.checks(), repeats=rounds[rounds["purpose"] == "repeat"]
            ).to_json(orient="records", double_precision=15)
        ),
        "disagreement": {str(k): float(v) for k, v in disagreement(judgements, LABELS).items()},
    }  # fmt: skip
    write_said(store, folder, tables, said)
    (folder / "files").mkdir()
    for file in ("judgements.csv", "judgements.jsonl", "judgements.parquet", "judgements.json"):
        write_judgements(judgements, folder / "files" / file)


def _held(claim) -> dict:
    return {name: value for name, value in vars(claim).items() if name != "lease_until"}


def _whole(progress) -> dict[str, int]:
    return {name: value for name, value in vars(progress).items() if isinstance(value, int)}
