"""Does `affectml audit` find what was planted in demo sets, and nothing where nothing was?

    python benchmarks/audit.py [--seeds 10] [--images 400]

Prints two tables: planted faults (affectml.demo_set.faults) beside other ways of ranking answers, and clean demo sets.
The other ways have out-of-fold rates of the same head, and are told who is careless: the plain log loss of an answer,
cleanlab's multilabel filter (where it is installed), and a random order.
"""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from affectml.auditing import CHECKS, Audit, audit_dataset
from affectml.auditing._audit import read_said
from affectml.auditing._expect import EDGE, expect, log_loss
from affectml.data import Dataset
from affectml.demo_set import write_demo
from affectml.demo_set.faults import plant_faults
from affectml.embeddings import ensure_embeddings
from affectml.heads import SigmoidHead

Scores = Mapping[str, NDArray[np.float64]]


def rivals(dataset: Dataset, careless: set[str], seed: int) -> tuple[pd.DataFrame, Scores]:
    """Careful people's answers (image_id, annotator_id), and how odd other ways take each to be; higher is odder."""
    said = read_said(dataset, dataset.target("emotions"))
    assert said is not None
    said = said.without(np.flatnonzero(np.isin(said.people.astype(str), list(careless))))
    features = ensure_embeddings(dataset, "affect-tiny", threads=1, say=lambda line: None).rows(said.image_id)
    alone = np.arange(len(said.image_id)).astype(str)
    expected = expect(said, features, alone, SigmoidHead, seed)
    assert expected.head is not None
    chance = np.clip(expected.head, EDGE, 1 - EDGE)[said.image]
    who = pd.DataFrame({"image_id": said.image_id[said.image], "annotator_id": said.people[said.person]})
    scores = {
        "plain log loss": log_loss(chance, said.chosen).sum(axis=1),
        "random order": np.random.default_rng(seed).random(len(who)),
    }
    try:
        from cleanlab.multilabel_classification import get_label_quality_scores
    except ImportError:
        return who, scores
    given = [list(map(int, np.flatnonzero(row))) for row in said.chosen]
    return who, scores | {"cleanlab": 1 - get_label_quality_scores(given, chance)}


def at_the_planted_number(found: pd.DataFrame, planted: set[tuple[str, str]]) -> float:
    """Share of the first K answers that are planted, K being their number: precision and recall in one."""
    first = found.head(len(planted))
    return sum(pair in planted for pair in zip(first["image_id"], first["annotator_id"], strict=True)) / len(planted)


def judge(audit: Audit, faults: pd.DataFrame) -> dict[str, float]:
    """Precision and recall of each check at the planted number, and of what it lists."""
    of = dict(list(faults.groupby("fault")))
    rows = {check: audit.table[audit.table["check"] == check] for check in CHECKS}
    swapped = set(zip(of["answer"]["image_id"], of["answer"]["annotator_id"], strict=True))
    listed = rows["answer"][rows["answer"]["listed"]]
    right = sum(pair in swapped for pair in zip(listed["image_id"], listed["annotator_id"], strict=True))
    pairs = {frozenset(pair) for pair in zip(of["copy"]["image_id"], of["copy"]["other_id"], strict=True)}
    parted = rows["split parts copies"]
    crossing = {frozenset(pair) for pair in zip(parted["image_id"], parted["other_id"], strict=True)}
    careless = set(of["person"]["annotator_id"])
    people = set(rows["person"][rows["person"]["listed"]]["annotator_id"])
    two = rows["label for two things"]
    label = of["label"]["label"].iloc[0]
    return {
        "answers: affectml audit": at_the_planted_number(rows["answer"], swapped),
        "answers listed: precision": right / len(listed) if len(listed) else np.nan,
        "answers listed: recall": right / len(swapped),
        "copies: precision": len(pairs & crossing) / len(crossing) if crossing else np.nan,
        "copies: recall": len(pairs & crossing) / len(pairs),
        "people: precision": len(careless & people) / len(people) if people else np.nan,
        "people: recall": len(careless & people) / len(careless),
        "label for two things: first": float(len(two) > 0 and two["label"].iloc[0] == label),
        "label for two things: listed": float(label in set(two[two["listed"]]["label"])),
        "label for two things: another listed": float(bool(set(two[two["listed"]]["label"]) - {label})),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--images", type=int, default=400)
    args = parser.parse_args()
    torch.set_num_threads(1)
    planted, clean = [], []
    for seed in range(args.seeds):
        with tempfile.TemporaryDirectory() as temporary:
            demo = write_demo(Path(temporary) / "demo", images=args.images, seed=seed)
            faulty = plant_faults(demo, Path(temporary) / "faulty", seed=seed)
            for dataset in (demo, faulty):
                ensure_embeddings(dataset, "affect-tiny", threads=1, say=lambda line: None)
            found = audit_dataset(demo, seed=seed).listed["check"]
            clean.append({check: float((found == check).any()) for check in CHECKS})
            faults = pd.read_parquet(faulty.root / "truth-faults.parquet")
            row = judge(audit_dataset(faulty, seed=seed, top=10**6), faults)
            swapped = faults[faults["fault"] == "answer"]
            pairs = set(zip(swapped["image_id"], swapped["annotator_id"], strict=True))
            who, scores = rivals(faulty, set(faults[faults["fault"] == "person"]["annotator_id"]), seed)
            for name, values in scores.items():
                order = np.argsort(-values, kind="stable")
                row[f"answers: {name}"] = at_the_planted_number(who.iloc[order], pairs)
            planted.append(row)
    print(f"{args.seeds} demo sets of {args.images} paintings each, `affect-tiny`, a sigmoid head. Planted: 3 % of the")
    print("answers change places, 20 copies across the split, two careless people, one label said for two. Answers:")
    print("precision, which is recall too, among as many as were planted.\n")
    table = pd.DataFrame(planted)
    print("| planted | mean | SE |\n|---|--:|--:|")
    for name in sorted(table):
        values = table[name].dropna()
        print(f"| {name} | {values.mean():.3f} | {values.std(ddof=1) / np.sqrt(len(values)):.3f} |")
    print(f"\n| nothing planted: {args.seeds} sets | sets in which the check lists anything |\n|---|--:|")
    for name, share in pd.DataFrame(clean).mean().items():
        print(f"| {name} | {share:.2f} |")


if __name__ == "__main__":
    main()
