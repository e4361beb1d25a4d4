"""Does `affectml audit` find what was planted in demo sets, and nothing where nothing was?

    python benchmarks/audit.py [--seeds 10] [--images 400]
    python benchmarks/audit.py --oasis FOLDER       # real people's answers instead: OASIS beauty, see CONTRIBUTING.md

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
from affectml.auditing import _checks as checks
from affectml.auditing._audit import _tested as tested
from affectml.auditing._expect import EDGE, Expected, expect, log_loss
from affectml.auditing._said import Said, read_said
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


def of_oasis(folder: Path) -> None:
    """Who finds which photograph beautiful (5 or more of 7) or ugly (3 or less): as it is, and with planted faults."""
    table = pd.read_csv(folder / "beauty_by_person.csv.gz")
    with np.load(folder / "oasis_mobilenet_v2.npz", allow_pickle=False) as made:
        ids, features = made["image"].astype(str).astype(object), made["embedding"].astype(np.float32)
    image, (person, people) = pd.Index(ids).get_indexer(pd.Index(table["image"])), pd.factorize(table["person"])
    themes = np.array([Path(name).stem.rstrip("0123456789 ") for name in ids], dtype=object)
    chosen = np.stack([table["beauty"].to_numpy() >= 5, table["beauty"].to_numpy() <= 3], axis=1)

    def look(chosen: NDArray[np.bool_]) -> tuple[Said, Expected, list[checks.Row]]:
        votes = np.zeros((len(ids), 2), dtype=np.int64)
        np.add.at(votes, image, chosen.astype(np.int64))
        n = np.repeat(np.bincount(image, minlength=len(ids))[:, None], 2, axis=1)
        said = Said(("beautiful", "ugly"), ids, votes, n, image, person, chosen, np.asarray(people), False, True)
        who = tested(checks.people(said, expect(said, features, themes, SigmoidHead, 0)))
        odd = [row["annotator_id"] for row in who if row["listed"]]
        said = said.without(np.flatnonzero(np.isin(said.people.astype(str), odd)))
        return said, expect(said, features, themes, SigmoidHead, 0), [row for row in who if row["listed"]]

    said, expected, known = look(chosen)
    answers, images = (tested(check(said, expected)[0]) for check in (checks.answers, checks.images))
    p = np.array([row["p"] for row in answers])
    listed = [sum(row["listed"] for row in rows) for rows in (answers, images)]
    often = [round(float((p < at).mean() / at), 2) for at in (0.05, 0.01, 0.001)]
    print(f"As it is: {len(known)} of {len(people)} people are listed, {listed[0]} of {len(answers):,} answers,")
    print(f"{listed[1]} of {len(ids)} images; p of answers below .05, .01 and .001: {often}")
    print("times as often as chance says.\n")
    draw, faulty = np.random.default_rng(0), chosen.copy()
    careless = draw.choice(len(people), 20, replace=False)
    for each in careless:
        mine = np.flatnonzero(person == each)
        faulty[mine] = faulty[draw.permutation(mine)]
    rows = draw.permutation(np.flatnonzero(~np.isin(person, careless)))[: round(0.03 * len(person))]
    before = faulty.copy()
    faulty[rows] = faulty[np.roll(rows, 1)]
    changed = rows[(faulty[rows] != before[rows]).any(axis=1)]
    planted = set(zip(ids[image[changed]], people[person[changed]], strict=True))
    said, expected, odd = look(faulty)
    assert expected.head is not None
    found = pd.DataFrame(checks.answers(said, expected)[0]).sort_values("p", kind="stable")
    loss = log_loss(np.clip(expected.head, EDGE, 1 - EDGE)[said.image], said.chosen).sum(axis=1)
    who = pd.DataFrame({"image_id": said.image_id[said.image], "annotator_id": said.people[said.person]})
    hits = {row["annotator_id"] for row in odd} & set(people[careless])
    print(
        f"20 people's answers in another order, 3 % of the others change places: {len(hits)} of 20 people listed, and"
    )
    print(f"{len(odd) - len(hits)} others; of {len(planted):,} answers that changed, precision at that number")
    print(f"{at_the_planted_number(found, planted):.3f}; by the plain log loss of the out-of-fold head")
    print(f"{at_the_planted_number(who.iloc[np.argsort(-loss, kind='stable')], planted):.3f}, at random")
    print(f"{len(planted) / len(who):.3f}.")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--clean", type=int, default=0, help="so many further sets, seeds 100 on, with nothing planted")
    parser.add_argument("--oasis", type=Path, metavar="FOLDER", help="measure on OASIS beauty in this folder instead")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.oasis is not None:
        of_oasis(args.oasis)
        return
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
    for seed in range(100, 100 + args.clean):
        with tempfile.TemporaryDirectory() as temporary:
            demo = write_demo(Path(temporary) / "demo", images=args.images, seed=seed)
            ensure_embeddings(demo, "affect-tiny", threads=1, say=lambda line: None)
            found = audit_dataset(demo, seed=seed).listed["check"]
            clean.append({check: float((found == check).any()) for check in CHECKS})
    table = pd.DataFrame(planted)
    print("| planted | mean | SE |\n|---|--:|--:|")
    for name in sorted(table):
        values = table[name].dropna()
        print(f"| {name} | {values.mean():.3f} | {values.std(ddof=1) / np.sqrt(len(values)):.3f} |")
    print(f"\n| nothing planted: {len(clean)} sets | sets in which the check lists anything |\n|---|--:|")
    for name, share in pd.DataFrame(clean).mean().items():
        print(f"| {name} | {share:.2f} |")


if __name__ == "__main__":
    main()
