"""What `affectml audit` says of real people and photographs.

    python benchmarks/audit_real.py oasis DATA    # who finds which photograph beautiful: as it is, and with faults
    python benchmarks/audit_real.py top DATA      # the first twenty images of OASIS and Emotion6

DATA is the folder of real test data, see CONTRIBUTING.md.
"""

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from audit import at_the_planted_number, log_loss
from numpy.typing import NDArray

import affectml
from affectml.auditing import LEVEL, Audit
from affectml.auditing import _checks as checks
from affectml.auditing._audit import adjusted
from affectml.auditing._expect import (
    EDGE,
    Expected,
    Said,
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


def top_twenty(data: Path) -> None:
    """Audit OASIS (who finds which photograph beautiful or ugly) and Emotion6 (people's shares)."""
    with tempfile.TemporaryDirectory() as temporary:
        for name, make in (("OASIS", oasis_set), ("Emotion6", emotion6_set)):
            dataset = make(data, Path(temporary) / name)
            target = next(iter(dataset.meta.targets)) if len(dataset.meta.targets) == 1 else "distribution"
            people = 15 if dataset.target(target).meta.values == "shares" else None
            found = audited(dataset, target=target, people=people)
            print(f"\n{name}: {found.summary()}\n")
            for _, row in found.table[found.table["check"].eq("image")].head(20).iterrows():
                print(f"{'' if row['listed'] else '(not listed) '}{row['image_id']}: {row['evidence']}")
            if name == "Emotion6":
                fits = fits_valence(dataset, found)
                first = found.table["image_id"][found.table["check"] == "image"].head(20)
                print("\nThe valence that the same people gave fits what was expected better than their own shares of")
                print(f"{', '.join(first[~fits[:20]])}; of all {len(fits)} images in {1 - fits.mean():.0%}.")
            if name == "OASIS":
                rated = pd.read_csv(data / "oasis" / "beauty_by_person.csv.gz")
                middle = (rated["beauty"] == 4).groupby(rated["image"]).mean().sort_values(ascending=False)
                print(f"\nIn the middle of the scale are {middle.iloc[0]:.0%} of the ratings of {middle.index[0]},")
                print(f"{middle.iloc[1]:.0%} of {middle.index[1]}, and {middle.median():.0%} of the median image.")


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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("topic", choices=("oasis", "top"))
    parser.add_argument("data", type=Path, metavar="DATA")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.topic == "top":
        top_twenty(args.data)
    else:
        of_oasis(args.data / "oasis")


if __name__ == "__main__":
    main()
