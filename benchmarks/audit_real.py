"""What `affectml audit` says of real people and photographs.

    python benchmarks/audit_real.py oasis DATA    # who finds which photograph beautiful: as it is, and with faults
    python benchmarks/audit_real.py files DATA    # spoiled files among photographs, beside cleanvision if it is there
    python benchmarks/audit_real.py top DATA      # the first twenty images of OASIS, Emotion6 and FER+
    python benchmarks/audit_real.py votes DATA [--seeds 10]    # FER+, counts alone: votes that changed, and none

DATA is the folder of real test data, see CONTRIBUTING.md.
"""

import argparse
import contextlib
import io
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from audit import at_the_planted_number, log_loss, mean_and_error
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.stats import entropy

import affectml
from affectml.auditing import LEVEL, Audit
from affectml.auditing import _checks as checks
from affectml.auditing._audit import adjusted
from affectml.auditing._expect import (
    EDGE,
    KINDS,
    Expected,
    Said,
    _beside,
    _folds,
    _kinds,
    _odds,
    counted,
    expect,
    read_said,
)
from affectml.data import Dataset, DatasetMeta, TargetMeta, write_dataset
from affectml.embeddings import EmbeddingStore
from affectml.heads import SigmoidHead, SoftmaxHead
from affectml.importers.embeddings import import_embeddings
from affectml_annotation import Panel, count_votes


def audited(dataset: Dataset, **options: Any) -> Audit:
    """An audit that says nothing meanwhile."""
    return affectml.audit(dataset, say=lambda line: None, **options)


def tested(rows: list[checks.Row]) -> list[checks.Row]:
    """The rows of one check, each with `listed`."""
    return [{**row, "listed": not p > LEVEL} for row, p in zip(rows, adjusted([row["p"] for row in rows]), strict=True)]


def spoiled(image: Image.Image, how: str, colour: tuple[int, int, int]) -> Image.Image:
    """One photograph, spoiled."""
    pixels = np.asarray(image, dtype=np.float64)
    if how.startswith("blurred"):
        return image.filter(ImageFilter.GaussianBlur(int(how.split()[1])))
    if how == "dark":
        return Image.fromarray((0.06 * pixels).astype(np.uint8))
    if how == "bright":
        return Image.fromarray((225 + 0.15 * pixels).clip(0, 255).astype(np.uint8))
    if how == "a strip":
        return image.crop((0, 0, image.width, image.height // 12))
    if how == "tiny":
        return image.resize((24, 20))
    blank = Image.new("RGB", image.size, colour)
    if how == "nearly empty":
        blank.paste((30, 30, 30), (10, 10, 90, 20))
    return blank


def of_files(folder: Path, each: int = 10) -> None:
    """Spoil some of the photographs in a folder, and count which of them the audit lists, and cleanvision does."""
    kinds = ("cut short", "one colour", "nearly empty", "dark", "bright", "a strip", "tiny", "blurred 2", "blurred 4",
             "blurred 8")  # fmt: skip
    draw, files = np.random.default_rng(0), sorted((folder / "Images").glob("*.jpg"))
    order = draw.permutation(len(files))
    planted = {files[at].name: how for row, how in enumerate(kinds) for at in order[row * each : (row + 1) * each]}
    with tempfile.TemporaryDirectory() as temporary:
        for name, spoil in (("as they are", False), ("spoiled", True)):
            root = Path(temporary) / name
            (root / "images").mkdir(parents=True)
            for file in files:
                how, to = planted.get(file.name) if spoil else None, root / "images" / file.name
                if how is None:
                    shutil.copy(file, to)
                elif how == "cut short":
                    to.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
                else:
                    red, green, blue = map(int, draw.integers(0, 256, 3))
                    with Image.open(file) as image:
                        spoiled(image.convert("RGB"), how, (red, green, blue)).save(to, quality=95)
            ids = [file.name for file in files]
            images = pd.DataFrame({"image_id": ids, "file": [f"images/{name}" for name in ids]})
            start = time.process_time()
            rows = checks.pictures(write_dataset(root, DatasetMeta("photographs"), images, {}))
            ours, seconds = {row["image_id"] for row in rows}, time.process_time() - start
            start = time.process_time()
            theirs, said = cleanvision_lists(root / "images", [n for n, how in planted.items() if how == "cut short"])
            if not spoil:
                beside = "" if theirs is None else f", {len(theirs)} by cleanvision"
                print(f"{len(files)} photographs as they are: {len(ours)} listed{beside}.\n")
                continue
            print(f"| {each} of each among them | listed | by cleanvision |\n|---|--:|--:|")
            for how in (*kinds, "none of these"):
                names = {n for n in ids if planted.get(n, "none of these") == how}
                other = "–" if theirs is None else str(len(names & theirs))
                print(f"| {how} | {len(names & ours)} of {len(names)} | {other if how != 'cut short' else said} |")
            beside = "" if theirs is None else f", cleanvision's {time.process_time() - start:.1f}"
            print(f"\nCPU seconds: {seconds:.1f}{beside}.")


def cleanvision_lists(folder: Path, cut: Sequence[str]) -> tuple[set[str] | None, str]:
    """The files with any of cleanvision's issues but grey and double ones, and how it does on those that are cut."""
    try:
        from cleanvision import Imagelab
    except ImportError:
        return None, "–"
    said = "listed"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            lab = Imagelab(data_path=str(folder))
            lab.find_issues(n_jobs=1)
        except OSError:
            said = "stops with an error"
            for name in cut:
                (folder / name).unlink()
            lab = Imagelab(data_path=str(folder))
            lab.find_issues(n_jobs=1)
    columns = [c for c in lab.issues if c.startswith("is_") and "duplicates" not in c and "grayscale" not in c]
    return {Path(file).name for file in lab.issues.index[lab.issues[columns].any(axis=1)]}, said


def top_twenty(data: Path) -> None:
    """Audit OASIS (who finds which photograph beautiful or ugly), Emotion6 (people's shares) and FER+ (votes)."""
    with tempfile.TemporaryDirectory() as temporary:
        for name, make in (("OASIS", oasis_set), ("Emotion6", emotion6_set), ("FER+", ferplus_set)):
            dataset = make(data, Path(temporary) / name)
            target = next(iter(dataset.meta.targets)) if len(dataset.meta.targets) == 1 else "distribution"
            people = 15 if dataset.target(target).meta.values == "shares" else None
            found = audited(dataset, target=target, people=people, top=10**6 if name == "FER+" else 100)
            print(f"\n{name}: {found.summary()}\n")
            for _, row in found.table[found.table["check"].isin(("image", "blurred file"))].head(20).iterrows():
                print(f"{'' if row['listed'] else '(not listed) '}{row['image_id']}: {row['evidence']}")
            if name == "Emotion6":
                fits = fits_valence(dataset, found)
                first = found.table["image_id"][found.table["check"] == "image"].head(20)
                print("\nThe valence that the same people gave fits what was expected better than their own shares of")
                print(f"{', '.join(first[~fits[:20]])}; of all {len(fits)} images in {1 - fits.mean():.0%}.")
            if name == "FER+":
                votes_beside(dataset, found)
            if name == "OASIS":
                rated = pd.read_csv(data / "oasis" / "beauty_by_person.csv.gz")
                middle = (rated["beauty"] == 4).groupby(rated["image"]).mean().sort_values(ascending=False)
                print(f"\nIn the middle of the scale are {middle.iloc[0]:.0%} of the ratings of {middle.index[0]},")
                print(f"{middle.iloc[1]:.0%} of {middle.index[1]}, and {middle.median():.0%} of the median image.")


def votes_beside(dataset: Dataset, found: Audit) -> None:
    """What to set beside the first twenty of FER+: how often labels meet, single votes, halves, and other seeds."""
    votes, rows = found.votes.set_index("image_id"), found.table.set_index("image_id")
    pairs = (("fear", "happiness"), ("sadness", "happiness"), ("surprise", "fear"), ("sadness", "neutral"))
    met = [f"{one} and {other} {((votes[one] > 2) & (votes[other] > 2)).sum():,}" for one, other in pairs]
    print(f"\nFaces with three votes or more for both: {', '.join(met)}.")
    print(f"Faces by votes for NF: {votes['NF'].value_counts().sort_index().to_dict()}.")
    single = rows[rows["check"] == "answer"].head(300)["evidence"].str.split(";").str[0].value_counts().head(4)
    print(f"Among the first 300 for a single vote: {single.to_dict()}.")
    for one, other in (("happiness", "anger"), ("sadness", "neutral")):
        halves = votes.index[(votes[one] == 5) & (votes[other] == 5)]
        p = rows[rows["check"] == "image"].loc[halves, "p"]
        print(f"Five for {one} and five for {other}: {len(p)} faces, p {p.min():.1g} to {p.max():.1g}.")
    tops = [set(rows.index[rows["check"] == "image"][:20])]
    for seed in range(1, 5):
        other_table = audited(dataset, seed=seed).table
        tops.append(set(other_table[other_table["check"] == "image"]["image_id"].head(20)))
    shared = [len(tops[0] & each) for each in tops[1:]]
    print(f"Of its first twenty, {shared} are among those of seeds 1 to 4, {len(set.intersection(*tops))} among all.")


def fits_valence(dataset: Dataset, found: Audit) -> NDArray[np.bool_]:
    """Whether people's valence is nearer to what their own shares say of it than to what the expected ones say.

    Valence by a linear regression on shares, each image by a fit without its fold; the oddest image first.
    """
    said = read_said(dataset, dataset.target("distribution"), people=15)
    assert said is not None
    X = EmbeddingStore.for_dataset(dataset, None).rows(said.image_id)
    rate = expect(said, X, said.image_id, SoftmaxHead, 0).rate
    shares = dataset.target("distribution").table
    felt = dataset.images.set_index("image_id").loc[said.image_id, "valence"].to_numpy(dtype=float)
    own, other = np.zeros(len(felt)), np.zeros(len(felt))
    for fold in range(5):
        held = np.arange(len(felt)) % 5 == fold
        for table, guess in ((shares, own), (rate, other)):
            terms = np.column_stack([np.ones(len(felt)), table[:, 1:]])
            guess[held] = terms[held] @ np.linalg.lstsq(terms[~held], felt[~held], rcond=None)[0]
    rows = found.table[found.table["check"] == "image"]["image_id"]
    rest = [image for image in said.image_id if image not in set(rows)]
    order = pd.Index(said.image_id).get_indexer(pd.Index([*rows, *rest]))
    return (np.abs(own - felt) < np.abs(other - felt))[order]


def oasis_set(data: Path, folder: Path) -> Dataset:
    """OASIS with single people's ratings of beauty, 5 or more of 7 and 3 or less, and MobileNetV2 features."""
    table = pd.read_csv(data / "oasis" / "beauty_by_person.csv.gz")
    shutil.copytree(data / "oasis" / "Images", folder / "Images")
    ids, labels = sorted(table["image"].unique()), ["beautiful", "ugly"]
    given = [["beautiful"] if beauty >= 5 else ["ugly"] if beauty <= 3 else [] for beauty in table["beauty"]]
    said = pd.DataFrame({"image_id": table["image"], "annotator_id": table["person"], "round": 1,
                         "kind": ["labels" if one else "none" for one in given], "labels": given})  # fmt: skip
    group = [Path(image).stem.rstrip("0123456789 ") for image in ids]
    meta = TargetMeta("rates", "evoked", {"name": "beauty", "labels": {each: {} for each in labels}}, "votes",
                      "targets-beauty.parquet")  # fmt: skip
    images = pd.DataFrame({"image_id": ids, "file": ids, "group": group})
    counts = count_votes(said, labels, ids).table()
    write_dataset(folder, DatasetMeta("OASIS beauty", {"beauty": meta}), images, {"beauty": counts}, said)
    return import_embeddings(data / "oasis" / "oasis_mobilenet_v2.npz", folder)


def emotion6_set(data: Path, folder: Path) -> Dataset:
    """Emotion6 with CLIP features and people's shares."""
    return import_embeddings(data / "emotion6" / "emotion6_clip_vit_l_14_people.npz", folder)


def ferplus_set(data: Path, folder: Path) -> Dataset:
    """FER+: ten people's votes on faces that are not here; a row with another's name, or none, has its number."""
    table = pd.read_csv(data / "ferplus" / "fer2013new.csv")
    labels = list(table.columns[2:12])
    names = table["Image name"]
    ids = names.where(names.notna() & ~names.duplicated(), [f"row {at}" for at in range(len(table))])
    meta = TargetMeta("distribution", "expressed", {"name": "fer", "labels": {each: {} for each in labels}}, "votes",
                      "targets-fer.parquet", vote_rule="one_choice")  # fmt: skip
    folder.mkdir()
    votes = table[labels].assign(image_id=ids, n=table[labels].sum(axis=1))[["image_id", "n", *labels]]
    images = pd.DataFrame({"image_id": ids, "usage": table["Usage"]})
    return write_dataset(folder, DatasetMeta("FER+", {"fer": meta}), images, {"fer": votes})


def of_oasis(folder: Path) -> None:
    """Who finds which photograph beautiful (5 or more of 7) or ugly (3 or less): as it is, and with planted faults."""
    table = pd.read_csv(folder / "beauty_by_person.csv.gz")
    with np.load(folder / "oasis_mobilenet_v2.npz", allow_pickle=False) as made:
        ids, features = made["image"].astype(str).astype(object), made["embedding"].astype(np.float32)
    image, (person, people) = pd.Index(ids).get_indexer(pd.Index(table["image"])), pd.factorize(table["person"])
    themes = np.array([Path(name).stem.rstrip("0123456789 ") for name in ids], dtype=object)
    chosen = np.stack([table["beauty"].to_numpy() >= 5, table["beauty"].to_numpy() <= 3], axis=1)

    def look(chosen: NDArray[np.bool_]) -> tuple[Said, Expected, list[checks.Row]]:
        labels, place = np.array(["beautiful", "ugly"], dtype=object), np.arange(len(image))
        single = Panel(tuple(labels), ids, np.asarray(people), image, person, chosen, place >= 0, place)
        said = Said(labels, ids, *counted(single), single, exclusive=False, known=True)
        who = tested(checks.people(said, expect(said, features, themes, SigmoidHead, 0)))
        odd = [row["annotator_id"] for row in who if row["listed"]]
        said = said.without(odd)
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
    loss = log_loss(np.clip(expected.head, EDGE, 1 - EDGE)[said.single.image], said.single.chosen).sum(axis=1)
    answered = said.image_id[said.single.image]
    who = pd.DataFrame({"image_id": answered, "annotator_id": said.single.annotator_ids[said.single.annotator]})
    hits = {row["annotator_id"] for row in odd} & set(people[careless])
    print(
        f"20 people's answers in another order, 3 % of the others change places: {len(hits)} of 20 people listed, and"
    )
    print(f"{len(odd) - len(hits)} others; of {len(planted):,} answers that changed, precision at that number")
    print(f"{at_the_planted_number(found, planted):.3f}; by the plain log loss of the out-of-fold head")
    print(f"{at_the_planted_number(who.iloc[np.argsort(-loss, kind='stable')], planted):.3f}, at random")
    print(f"{len(planted) / len(who):.3f}.")


def of_votes(data: Path, seeds: int) -> None:
    """FER+: what goes with what, on images held out; planted votes, among as many images as have one; and none."""
    with tempfile.TemporaryDirectory() as temporary:
        dataset = ferplus_set(data, Path(temporary) / "fer")
        said = read_said(dataset, dataset.target("fer"))
    assert said is not None
    fold = _folds(np.arange(len(said.n)), 0)
    print(f"{len(said.n):,} images. Log chance of an answer beside the others, on a fifth held out, nats:\n")
    chances = held_out(said.votes[fold != 0], said.votes[fold == 0])
    print("; ".join(f"{name} {value:.3f}" for name, value in chances.items()) + ".")
    plants = {
        "a vote to a label that nobody chose there, as common": (one_vote, False),
        "a vote to any such label": (one_vote, True),
        "four votes swapped with another image's": (four_votes, True),
    }
    found, clean = [], []
    for seed in range(seeds):
        draw = np.random.default_rng(seed)
        for name, (plant, alike) in plants.items():
            votes, planted = plant(said.votes, draw, alike)
            found.append({"planted": name, **ranked(replace(said, votes=votes), planted, draw)})
        weight, rate = _kinds(said.votes, KINDS, draw)
        kinds = draw.choice(len(weight), len(said.n), p=np.exp(weight))
        clean.append(ranked(replace(said, votes=draw.multinomial(said.n[:, 0], np.exp(rate)[kinds])), None, draw))
    shown = pd.DataFrame(found).groupby("planted", sort=False)
    told = list(clean[0])
    ways = [name for name in found[0] if name not in ("planted", *told)]
    print(f"\nPlanted in 3 % of the images; precision among as many, {seeds} seeds, mean ± SE:\n")
    print(f"| planted | {' | '.join(ways)} |\n|---|{'--:|' * len(ways)}")
    for name, part in shown:
        print(f"| {name} | {' | '.join(mean_and_error(part[way], 3) for way in ways)} |")
    print("\nImages listed, sets that list any, and how many times as often as chance says p is below .05 and .001:\n")
    print(f"| planted | {' | '.join(told)} |\n|---|{'--:|' * len(told)}")
    for name, part in (("nothing, drawn from the kinds", pd.DataFrame(clean)), *shown):
        print(f"| {name} | {' | '.join(f'{part[what].mean():.2f}' for what in told)} |")


def held_out(train: NDArray[np.int64], held: NDArray[np.int64]) -> dict[str, float]:
    """Mean log chance of an answer beside the image's other answers, by ways to learn what goes with what."""
    share = train.sum(axis=0) / train.sum()
    met = train.T @ train - np.diag(train.sum(axis=0)) + 20 * share
    met = met / met.sum(axis=1, keepdims=True)
    one = np.eye(held.shape[1], dtype=np.int64)
    ways: dict[str, Callable[[NDArray[np.int64]], NDArray[np.float64]]] = {
        "all answers' shares": lambda others: np.tile(share, (len(others), 1)),
        "the others' shares, drawn to all answers'": lambda others: drawn_to(others, share, 2),
        "how often labels meet, averaged over the others": lambda others: shares(others) @ met,
        "the others' shares, drawn to that": lambda others: drawn_to(others, shares(others) @ met, 4),
    }
    found = {}
    for name, way in ways.items():
        total = 0.0
        for label in range(held.shape[1]):
            rows = held[held[:, label] > 0]
            total += (rows[:, label] * np.log(way(rows - one[label])[:, label])).sum()
        found[name] = total / held.sum()
    for count in (8, 32, 128):
        chance = _odds(held, *_kinds(train, count, np.random.default_rng(0)))[0]
        found[f"{count} kinds of images"] = (held * np.log(np.where(held > 0, chance, 1))).sum() / held.sum()
    return found


def shares(votes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Votes that sum to one."""
    return np.asarray(votes / votes.sum(axis=1, keepdims=True))


def drawn_to(votes: NDArray[np.int64], share: NDArray[np.float64], by: float) -> NDArray[np.float64]:
    """Shares of votes with so many more that are as `share` says."""
    return np.asarray((votes + by * share) / (votes.sum(axis=1, keepdims=True) + by))


def one_vote(votes: NDArray[np.int64], draw: np.random.Generator, alike: bool) -> tuple[NDArray[np.int64], set[int]]:
    """3 % of the images with one vote moved to a label without any there, by the labels' shares or all alike."""
    votes, share = votes.copy(), votes.sum(axis=0) / votes.sum()
    rows = draw.permutation(len(votes))[: round(0.03 * len(votes))]
    for row in rows:
        taken = draw.choice(votes.shape[1], p=votes[row] / votes[row].sum())
        free = np.where(votes[row] == 0, 1.0 if alike else share, 0.0)
        given = draw.choice(votes.shape[1], p=free / free.sum())
        votes[row, [taken, given]] += [-1, 1]
    return votes, set(rows)


def four_votes(votes: NDArray[np.int64], draw: np.random.Generator, alike: bool) -> tuple[NDArray[np.int64], set[int]]:
    """3 % of the images, each with four votes of the next one; planted are those whose votes are others then."""
    votes = votes.copy()
    rows = draw.permutation(len(votes))[: round(0.03 * len(votes))]
    moved = np.array([draw.multivariate_hypergeometric(votes[row], 4) for row in rows])
    other = np.roll(moved, 1, axis=0)
    votes[rows] += other - moved
    return votes, set(rows[(other != moved).any(axis=1)])


def ranked(said: Said, planted: set[int] | None, draw: np.random.Generator) -> dict[str, float]:
    """Precision of each way's first images, if any are planted; how many are listed, and how often p is small."""
    beside = _beside(said, _folds(said.image_id.astype(str), 0), 0)
    assert beside is not None
    expected = Expected(np.zeros(0), None, None, np.zeros(0), beside)
    row: dict[str, float] = {}
    scores = {"random order": np.zeros(len(said.n)), "entropy": entropy(said.votes, axis=1)}
    for check, of in (("answer", checks.answers), ("image", checks.images)):
        rows = tested(of(said, expected)[0])
        p = np.array([each["p"] for each in rows])
        scores[f"audit: {check}"] = -p
        row[f"{check}: listed"] = sum(each["listed"] for each in rows)
        row[f"{check}: any"] = float(row[f"{check}: listed"] > 0)
        row |= {f"{check}: {at}": (p < at).mean() / at for at in (0.05, 0.001)}
    if planted is None:
        return row
    scores["least chance beside the others"] = -np.where(said.votes > 0, beside.chance, 1.0).min(axis=1)
    for name, score in scores.items():
        first = np.lexsort((draw.random(len(score)), -score))[: len(planted)]
        row[name] = len(planted.intersection(first)) / len(planted)
    return row


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("topic", choices=("oasis", "files", "top", "votes"))
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--seeds", type=int, default=10, help="with votes")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.topic == "top":
        top_twenty(args.data)
    elif args.topic == "votes":
        of_votes(args.data, args.seeds)
    else:
        {"oasis": of_oasis, "files": of_files}[args.topic](args.data / "oasis")


if __name__ == "__main__":
    main()
