"""Does `affectml audit` find what was planted in demo sets, and nothing where nothing was?

    python benchmarks/audit.py [--seeds 10] [--images 400]
    python benchmarks/audit.py --second-round       # what it is worth to ask about the audit's first tenth again
    python benchmarks/audit.py growth [--images 1000 10000 100000]      # CPU seconds and memory, by images

Prints two tables: planted faults (faults.py) beside other ways of ranking answers, and clean demo sets.
The other ways have out-of-fold rates of the same head, and are told who is careless: the plain log loss of an answer,
cleanlab's multilabel filter (where it is installed), and a random order.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from faults import _panel, plant_faults
from numpy.typing import NDArray
from scale import FEATURES, drawn
from scipy.special import xlogy

import affectml
from affectml._files import new_folder
from affectml.auditing import CHECKS, Audit
from affectml.auditing._expect import Said, expect, read_said
from affectml.data import Dataset, DatasetMeta, TargetMeta, write_dataset
from affectml.demo_set import write_demo
from affectml.demo_set.people import choice_chances
from affectml.embeddings import ensure_embeddings, write_store
from affectml.encoders import EncoderIdentity
from affectml.heads import SigmoidHead
from affectml.taxonomies import get_taxonomy

AGAIN = ("copies differ", "image", "answer")  # the checks that people can say more about
Truth = tuple[NDArray[Any], NDArray[np.float64]]
Scores = Mapping[str, NDArray[np.float64]]


def log_loss(chance: NDArray[Any], chosen: NDArray[Any]) -> NDArray[np.float64]:
    """-log of the chance of what was said, of each label [M, C]."""
    return np.asarray(-xlogy(chosen, chance) - xlogy(~chosen, 1 - chance))


def rivals(dataset: Dataset, careless: set[str], seed: int) -> tuple[pd.DataFrame, Scores]:
    """Careful people's answers (image_id, annotator_id), and how odd other ways take each to be; higher is odder."""
    said = read_said(dataset, dataset.target("emotions"))
    assert said is not None
    said = said.without(list(careless))
    features = ensure_embeddings(dataset, "affect-tiny", threads=1, say=lambda line: None).rows(said.image_id)
    alone = np.arange(len(said.image_id)).astype(str)
    expected = expect(said, features, alone, seed)
    chance = expected.rate[said.single.image]
    answered = said.image_id[said.single.image]
    who = pd.DataFrame({"image_id": answered, "annotator_id": said.single.annotator_ids[said.single.annotator]})
    scores = {
        "plain log loss": log_loss(chance, said.single.chosen).sum(axis=1),
        "random order": np.random.default_rng(seed).random(len(who)),
    }
    try:
        from cleanlab.multilabel_classification import get_label_quality_scores
    except ImportError:
        return who, scores
    given = [list(map(int, np.flatnonzero(row))) for row in said.single.chosen]
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
    return {
        "answers: affectml audit": at_the_planted_number(rows["answer"], swapped),
        "answers listed: precision": right / len(listed) if len(listed) else np.nan,
        "answers listed: recall": right / len(swapped),
        "copies: precision": len(pairs & crossing) / len(crossing) if crossing else np.nan,
        "copies: recall": len(pairs & crossing) / len(pairs),
        "people: precision": len(careless & people) / len(people) if people else np.nan,
        "people: recall": len(careless & people) / len(careless),
    }


def excess(X: NDArray[Any], votes: NDArray[Any], n: NDArray[Any], test: Truth, *, by_n: bool) -> float:
    """Cross-entropy of a linear head above that of the true rates, nats a label, on paintings nobody answered."""
    weights = n.astype(float) if by_n else None
    made = torch.Generator().manual_seed(0)
    head = SigmoidHead().fit(X, votes / np.maximum(n, 1), weights=weights, generator=made)
    rate = np.clip(head.predict_rates(test[0]).numpy(), 1e-6, 1 - 1e-6)
    return float((test[1] * np.log(test[1] / rate) + (1 - test[1]) * np.log((1 - test[1]) / (1 - rate))).mean())


def truth_of(dataset: Dataset, ids: NDArray[Any], labels: Sequence[str]) -> NDArray[np.float64]:
    """The true rates of images; copies have those of what they show."""
    assert dataset.truth is not None
    of: dict[str, str] = {}
    if (faults := dataset.root / "truth-faults.parquet").is_file():
        copies = pd.read_parquet(faults).query("fault == 'copy'")
        of = dict(zip(copies["other_id"], copies["image_id"], strict=True))
    rows = dataset.truth.set_index("image_id").loc[[of.get(str(image), str(image)) for image in ids]]
    return rows[list(labels)].to_numpy(dtype=np.float64)


class Asked:
    """A demo set's own people, who answer further images: nobody twice, and nobody who is listed as a person."""

    def __init__(self, dataset: Dataset, said: Said, audit: Audit, more: int, seed: int) -> None:
        self.said, self.more, self.draw = said, more, np.random.default_rng(seed)
        panel = _panel(dataset, said.labels)
        self.chance = choice_chances(truth_of(dataset, said.image_id, said.labels), panel)
        odd = set(audit.listed["annotator_id"][audit.listed["check"] == "person"])
        self.careful = np.array([who not in odd for who in panel.ids])
        self.done = np.zeros((len(said.image_id), len(panel.ids)), dtype=bool)
        who = pd.Index(said.single.annotator_ids[said.single.annotator].astype(str))
        self.done[said.single.image, pd.Index(panel.ids).get_indexer(who)] = True
        self.odd = odd

    def __call__(self, images: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Votes [N, C] and people [N, 1] of new answers to these images."""
        votes, n = np.zeros_like(self.said.votes), np.zeros((len(self.said.n), 1), dtype=np.int64)
        for at in images:
            free = np.flatnonzero(self.careful & ~self.done[at])
            who = self.draw.permutation(free)[: self.more]
            chosen = self.draw.random((len(who), votes.shape[1])) < self.chance[who, at]
            votes[at], n[at] = chosen.sum(axis=0), len(who)
        return votes, n


def ways(X: NDArray[Any], asked: Asked, audit: Audit, images: NDArray[Any], test: Truth) -> dict[str, float]:
    """Excess cross-entropy with new answers to these images, by what becomes of the old ones."""
    said = asked.said
    new, m = asked(images)
    votes, n = said.votes + new, said.n + m
    fine = said.without(list(asked.odd))
    replaced, left = votes.copy(), n.copy()
    replaced[images], left[images] = new[images], m[images]
    kept, some = votes.copy(), n.copy()
    first = audit.table[audit.table["check"] == "answer"].drop_duplicates("image_id").set_index("image_id")
    who = said.single.annotator_ids[said.single.annotator]
    person = {pair: at for at, pair in enumerate(zip(said.single.image, who, strict=True))}
    for image in images:
        if (name := str(said.image_id[image])) in first.index and m[image, 0]:
            row, label = first.loc[name], list(said.labels).index(first.loc[name, "label"])
            chosen = said.single.chosen[person[image, row["annotator_id"]]]
            if (2 * new[image, label] > m[image, 0]) != chosen[label]:
                kept[image], some[image] = kept[image] - chosen, some[image] - 1
    return {
        "beside the old ones": excess(X, votes, n, test, by_n=False),
        "beside the old ones, images count by their answers": excess(X, votes, n, test, by_n=True),
        "beside the old ones, without listed people's": excess(X, fine.votes + new, fine.n + m, test, by_n=False),
        "an image's oddest answer set aside where they outvote it": excess(X, kept, some, test, by_n=False),
        "in place of the old ones": excess(X, replaced, left, test, by_n=False),
    }


def second_round(seeds: int, images: int, more: int, draws: int) -> None:
    """As many new answers to the audit's first tenth of images, and to a random tenth: what a head has from either."""
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        new = write_demo(Path(temporary) / "test", images=1000, seed=777, size=96)
        labels = new.target("emotions").taxonomy.labels
        ids = new.images["image_id"].to_numpy(dtype=object)
        quiet = {"threads": 1, "say": lambda line: None}
        test = (ensure_embeddings(new, "affect-tiny", **quiet).rows(ids), truth_of(new, ids, labels))  # type: ignore[arg-type]
        for seed in range(seeds):
            demo = write_demo(Path(temporary) / f"demo{seed}", images=images, seed=seed, size=96)
            faulty = plant_faults(demo, Path(temporary) / f"faulty{seed}", seed=seed, merged=False)
            for name, dataset in (("faults planted", faulty), ("nothing planted", demo)):
                store = ensure_embeddings(dataset, "affect-tiny", **quiet)  # type: ignore[arg-type]
                audit = affectml.audit(dataset, seed=seed, top=10**6, say=lambda line: None)
                said = read_said(dataset, dataset.target("emotions"))
                assert said is not None
                X, asked = store.rows(said.image_id), Asked(dataset, said, audit, more, seed)
                odd = audit.table[audit.table["check"].isin(AGAIN)].sort_values(["p_adjusted", "p"], kind="stable")
                count = len(said.image_id) // 10
                first = pd.Index(said.image_id).get_indexer(pd.Index(odd["image_id"].drop_duplicates().head(count)))
                row = {"set": name, "none": excess(X, said.votes, said.n, test, by_n=False)}
                for where in ("first", "random"):
                    found = [
                        ways(
                            X, asked, audit, first if where == "first" else asked.draw.permutation(len(X))[:count], test
                        )
                        for _ in range(draws)
                    ]
                    row |= {f"{way}: {where}": value for way, value in pd.DataFrame(found).mean().items()}
                rows.append(row)
    print(
        f"{seeds} demo sets of {images}, five answers each, without the double label. A tenth of the images\n"
        f"get {more} more answers each, by people whom the audit does not list: its first tenth, or a random\n"
        f"one ({draws} draws). Excess cross-entropy of a sigmoid head on 1,000 other paintings, in thousandths of\n"
        "a nat a label.\n"
    )
    sets = [(name, part) for name, part in pd.DataFrame(rows).groupby("set", sort=True)]
    without = (f"{name} ({1000 * part['none'].mean():.2f} without)" for name, part in sets)
    print(f"| new answers, random: first tenth less random ± SE | {' | '.join(without)} |")
    print("|---|" + "--:|" * len(sets))
    for way in dict.fromkeys(c.rsplit(": ", 1)[0] for c in sets[0][1] if ": " in c):
        cells = []
        for _, part in sets:
            one, other = 1000 * part[f"{way}: first"], 1000 * part[f"{way}: random"]
            cells.append(f"{other.mean():.2f}: {mean_and_error(one - other)}")
        print(f"| {way} | {' | '.join(cells)} |")


def write_large(folder: Path, count: int, *, embedded: bool) -> None:
    """So many images without files, on each of which 5 of 300 people chose among 8 labels; with or without features."""
    names, labels = [f"{at:09d}" for at in range(count)], get_taxonomy("mikels-8").labels
    fixed, draw = np.random.default_rng(1), np.random.default_rng(7)
    X, _ = drawn(count, 0)
    rate = 1 / (1 + np.exp(1 - 3 * X.astype(np.float32) @ fixed.normal(size=(FEATURES, len(labels)))))
    chosen = draw.random((count, 5, len(labels))) < rate[:, None, :]
    people = [f"p{who:03d}" for _ in names for who in draw.choice(300, 5, replace=False)]
    said = [[labels[at] for at in np.flatnonzero(row)] for row in chosen.reshape(-1, len(labels))]
    kinds = ["labels" if row else "none" for row in said]
    answers = {"image_id": np.repeat(names, 5), "annotator_id": people, "round": 1, "kind": kinds, "labels": said}
    votes = pd.DataFrame(chosen.sum(axis=1), columns=list(labels))
    votes.insert(0, "n", 5)
    votes.insert(0, "image_id", names)
    identity = EncoderIdentity("imported-drawn", None, None, {}, "float16", True, FEATURES, False, "0" * 64)
    meta = TargetMeta("rates", "evoked", "mikels-8", "votes", "targets-rates.parquet")
    with new_folder(folder) as temporary:
        if embedded:
            write_store(temporary, identity, names, [X])
        images = pd.DataFrame({"image_id": names})
        write_dataset(temporary, DatasetMeta("drawn", {"rates": meta}), images, {"rates": votes}, pd.DataFrame(answers))


def growth(counts: Sequence[int]) -> None:
    """What `affectml audit` takes for so many images, in a process of its own."""
    print("8 labels, 5 of 300 people an image, no files of pictures; 512 features, a sigmoid head. One thread.\n")
    print("| images | data | CPU, s | peak, MiB |\n|--:|---|--:|--:|")
    for count in counts:
        for embedded in (False, True):
            with tempfile.TemporaryDirectory() as temporary:
                write_large(Path(temporary) / "set", count, embedded=embedded)
                words = ("audit", Path(temporary) / "set", "--out", Path(temporary) / "audit")
                process = subprocess.Popen([sys.executable, "-m", "affectml", *words], stdout=subprocess.DEVNULL)
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                if process.returncode:
                    raise SystemExit(f"affectml audit: exit code {process.returncode}")
                cost = f"{usage.ru_utime + usage.ru_stime:.1f} | {usage.ru_maxrss / 1024:.0f}"
                print(f"| {count:,} | {'with' if embedded else 'without'} embeddings | {cost} |", flush=True)


def mean_and_error(values: "pd.Series[float]", digits: int = 2) -> str:
    """Mean and standard error over seeds."""
    return f"{values.mean():.{digits}f} ± {values.std(ddof=1) / np.sqrt(len(values)):.{digits}f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("topic", nargs="?", choices=["growth"], help="otherwise, what the audit finds")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--images", type=int, nargs="+", help="400; of growth 1000 10000 100000")
    parser.add_argument("--clean", type=int, default=0, help="so many further sets, seeds 100 on, with nothing planted")
    parser.add_argument("--second-round", action="store_true", help="measure what asking again is worth, too")
    parser.add_argument("--more", type=int, default=3, help="with --second-round: new answers per image")
    parser.add_argument("--draws", type=int, default=3, help="with --second-round: draws per seed")
    args = parser.parse_args()
    if args.topic == "growth":
        growth(args.images or [1000, 10_000, 100_000])
        return
    [images] = args.images or [400]
    torch.set_num_threads(1)
    planted, clean = [], []
    for seed in range(args.seeds):
        with tempfile.TemporaryDirectory() as temporary:
            demo = write_demo(Path(temporary) / "demo", images=images, seed=seed, size=96)
            faulty = plant_faults(demo, Path(temporary) / "faulty", seed=seed)
            for dataset in (demo, faulty):
                ensure_embeddings(dataset, "affect-tiny", threads=1, say=lambda line: None)
            found = affectml.audit(demo, seed=seed, say=lambda line: None).listed["check"]
            clean.append({check: float((found == check).any()) for check in CHECKS})
            faults = pd.read_parquet(faulty.root / "truth-faults.parquet")
            row = judge(affectml.audit(faulty, seed=seed, top=10**6, say=lambda line: None), faults)
            swapped = faults[faults["fault"] == "answer"]
            pairs = set(zip(swapped["image_id"], swapped["annotator_id"], strict=True))
            who, scores = rivals(faulty, set(faults[faults["fault"] == "person"]["annotator_id"]), seed)
            for name, values in scores.items():
                order = np.argsort(-values, kind="stable")
                row[f"answers: {name}"] = at_the_planted_number(who.iloc[order], pairs)
            planted.append(row)
    print(f"{args.seeds} demo sets of {images} paintings each, `affect-tiny`, a sigmoid head. Planted: 3 % of the")
    print("answers change places, 20 copies across the split, two careless people, one label said for two. Answers:")
    print("precision, which is recall too, among as many as were planted.\n")
    for seed in range(100, 100 + args.clean):
        with tempfile.TemporaryDirectory() as temporary:
            demo = write_demo(Path(temporary) / "demo", images=images, seed=seed, size=96)
            ensure_embeddings(demo, "affect-tiny", threads=1, say=lambda line: None)
            found = affectml.audit(demo, seed=seed, say=lambda line: None).listed["check"]
            clean.append({check: float((found == check).any()) for check in CHECKS})
    table = pd.DataFrame(planted)
    print("| planted | mean | SE |\n|---|--:|--:|")
    for name in sorted(table):
        values = table[name].dropna()
        print(f"| {name} | {values.mean():.3f} | {values.std(ddof=1) / np.sqrt(len(values)):.3f} |")
    shares = pd.DataFrame(clean).mean()
    listed = ", ".join(f"{name} {share:.2f}" for name, share in shares[shares > 0].items()) or "none"
    print(f"\nChecks that list anything where nothing is planted, share of {len(clean)} sets: {listed}; the other")
    print(f"{(shares == 0).sum()} checks list nothing.")
    if args.second_round:
        print()
        second_round(args.seeds, images, args.more, args.draws)


if __name__ == "__main__":
    main()
