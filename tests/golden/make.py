"""What a released version wrote: data sets, embeddings, runs, heads, a label database, and what each of them says.

    cd tests/golden && PYTHONPATH=.. OMP_NUM_THREADS=1 python make.py NEW_FOLDER

A folder was made by the code of the commit in its made_by.json, and by this script as it stood then. It is never made
anew: later versions have to read what that version wrote. See docs/architecture.md.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from make_heads import make_heads, write_expected
from make_labels import make_labels
from make_study import make_study

import affectml
from affectml.data import Dataset, DatasetMeta, TargetMeta, write_dataset
from affectml.data.splits import split_dataset
from affectml.demo_set import write_demo
from affectml.embeddings import EmbeddingStore, embed_dataset
from affectml.encoders import load_encoder
from affectml.importers.embeddings import import_embeddings
from affectml.people.known import read_people
from affectml.predicting import files
from affectml.runs import RunFolder, surroundings
from affectml.training import TrainConfig, train_run

IMAGES, SEED = 80, 11
ANSWERED = 10  # images whose predictions are kept beside each head
TAXONOMY = "mikels-8"
# name of the run: what `affectml train` is told; every run on `data` but those on `imported`
RUNS = {
    "auto": {"target": "one", "head": "auto", "seed": 1},
    "by-person": {"multilabel": True, "target": "emotions", "by_person": True},
    "contrastive-rates": {
        "multilabel": True, "target": "emotions", "head": "contrastive", "options": {"hidden": 6},
        "prompts": "sentiment+synonyms",
    },
    "kernel-rates": {"multilabel": True, "target": "emotions", "head": "kernel"},
    "promise": {"multilabel": True, "target": "emotions", "promise": "recall=.7"},
    "promise-group": {"multilabel": True, "target": "emotions", "promise": "extra=2", "promise_group": "light"},
    "sigmoid": {"multilabel": True, "target": "emotions"},
    "topk": {"multilabel": True, "target": "emotions", "head": "topk"},
    "softmax-imported": {"dataset": "imported"},
    "zero-shot-template": {"target": "one", "head": "zero_shot", "templates": ("an image full of {label}",)},
}  # fmt: skip


def make_data() -> Dataset:
    """Demo paintings without their image files, under a target of every kind, embedded with affect-tiny."""
    with tempfile.TemporaryDirectory() as scratch:
        demo = write_demo(Path(scratch) / "sets", images=IMAGES, seed=SEED, panel="textbook")
        one = write_demo(Path(scratch) / "one", images=IMAGES, seed=SEED, answers="one", panel="textbook")
        rates = demo.target("emotions")
        labels = list(rates.taxonomy.labels)
        split = split_dataset(demo, rates, 0)
        parts = pd.Series(split.assignment, index=split.image_id)
        images = demo.images.assign(
            split=demo.images["image_id"].map(parts),
            group=[f"pair-{row // 2:02d}" if row % 5 == 0 else None for row in range(IMAGES)],
            light=["day" if row % 3 else "night" for row in range(IMAGES)],
            caption=[f"a painting of {['calm', 'fury'][row % 2]}" if row < 12 else None for row in range(IMAGES)],
        )
        entry = demo.meta.targets["emotions"]
        shares = rates.shares()

        def by_label(table: np.ndarray) -> dict[str, np.ndarray]:
            return dict(zip(labels, table.T, strict=True))

        most = np.eye(len(labels), dtype=np.int64)[shares.argmax(axis=1)]
        draw = np.random.default_rng(SEED)
        asked = draw.integers(1, 21, size=(len(shares), 1)) + draw.integers(0, 3, size=shares.shape)
        uneven = draw.binomial(asked, shares.clip(0.02, 0.98))
        tables = {
            "emotions": pd.read_parquet(demo.root / "targets-emotions.parquet"),
            "one": pd.read_parquet(one.root / "targets-emotions.parquet"),
        }
        columns = {
            "mode": by_label(most),
            "agreed": by_label((shares >= 0.4).astype(np.int64)),
            "uneven": {f"n:{label}": n for label, n in by_label(asked).items()} | by_label(uneven),
        }
        tables |= {name: pd.DataFrame({"image_id": rates.image_id, **more}) for name, more in columns.items()}
        kinds = {"emotions": "rates", "one": "distribution", "mode": "single", "agreed": "sets", "uneven": "rates"}
        targets = {
            name: TargetMeta(
                kind=kind,
                construct="evoked",
                question=entry.question,
                taxonomy=TAXONOMY,
                values="votes" if kind in ("rates", "distribution") else "indicator",
                file=f"targets-{name}.parquet",
                vote_rule="one_choice" if name == "one" else None,
                made_by=entry.made_by if name == "emotions" else "",
            )
            for name, kind in kinds.items()
        }
        meta = DatasetMeta("golden", targets, demo.meta.source, "CC0-1.0", ["a note"])
        people = pd.read_parquet(demo.root / "annotators.parquet")
        folder = Path("data")
        folder.mkdir()
        shutil.copytree(demo.root / "images", folder / "images")
        write_dataset(folder, meta, images, tables, demo.judgements, people)
        demo.truth.to_parquet(folder / "truth.parquet")
    dataset = Dataset.open(folder)
    embed_dataset(dataset, load_encoder("affect-tiny", threads=1))
    shutil.rmtree(folder / "images")
    return dataset


def make_imported(dataset: Dataset) -> None:
    """A second data set: 12 features made elsewhere, one label of two each, a taxonomy of its own, no image files."""
    target = dataset.target("mode")
    features = EmbeddingStore.for_dataset(dataset).rows(target.image_id)[:, :12]
    names = np.array(["delight", "distress"])[(target.table[:, :4].sum(axis=1) == 0).astype(int)]
    with tempfile.TemporaryDirectory() as scratch:
        np.savez(made := Path(scratch) / "made.npz", image=target.image_id.astype(str), embedding=features, label=names)
        import_embeddings(made, "imported", name="imported", construct="evoked", question="Which is it?")


def make_runs() -> None:
    """Every run but its report, and what its head says."""
    for name, options in RUNS.items():
        print(name, flush=True)
        told = {"dataset": "data", "threads": 1, **options}
        run = train_run(TrainConfig(**told), out=Path("runs") / name)
        data = Dataset.open(told["dataset"])
        X = EmbeddingStore.for_dataset(data).rows(data.images["image_id"][:ANSWERED])
        write_expected(run.folder, X)


def make_people() -> None:
    """people.json: what the run by person knows of two whom it learned from, of somebody new, and of anybody."""
    run = affectml.load_run("runs/by-person")
    first = Dataset.open("data").images["image_id"][:3].tolist()
    known = {who: who for who in read_people(RunFolder.open(run)).ids[:2]}
    said = {}
    new = dict(zip(first, (["awe"], [], ["fear", "awe"]), strict=True))
    for name, answers in {**known, "new": new, "": None}.items():
        person = run.for_person(answers, threads=1)
        said[name] = {
            "answers": answers,
            "thresholds": person.thresholds.to_dict("list"),
            "predictions": person.predict("data", threads=1).head(ANSWERED).to_dict("list"),
        }
    Path("people.json").write_text(json.dumps(said, indent=1))


def make_reading() -> None:
    """What is read back of the data sets: each target's shares, people and votes, and the store's vectors."""
    said = {}
    for name in ("data", "imported"):
        dataset = Dataset.open(name)
        store = EmbeddingStore.for_dataset(dataset)
        rows = np.ascontiguousarray(store.rows(store.ids).astype("<f2"))
        said[name] = {
            "fingerprint": {name: dataset.fingerprint(name) for name in dataset.meta.targets},
            "ids": list(store.ids),
            "rows_sha256": hashlib.sha256(rows.tobytes()).hexdigest(),
            "first_row": rows[0, :8].astype(float).tolist(),
            "identity": store.identity.to_json(),
            "specs": list(store.specs),
            "logit_scale": store.logit_scale,
            "texts": {
                path.name: hashlib.sha256(np.load(path.with_suffix(".npy")).astype("<f4").tobytes()).hexdigest()
                for path in sorted(store.folder.glob("texts-*.json"))
            },
            "targets": {},
        }
        for key in dataset.meta.targets:
            target = dataset.target(key)
            said[name]["targets"][key] = {
                "kind": target.kind,
                "labels": list(target.taxonomy.labels),
                "images": len(target.image_id),
                "shares_by_label": target.shares().mean(axis=0).tolist(),
                "people": None if target.people is None else int(target.people.sum()),
                "votes": None if target.votes is None else target.votes.sum(axis=0).tolist(),
            }
    Path("reading.json").write_text(json.dumps(said, indent=1))


def make_demos() -> None:
    """What `demo` writes, five ways: its tables, and a digest of every painting's pixels."""
    from PIL import Image

    ways = {
        "plain": {},
        "one": {"answers": "one"},
        "busy": {"look": "busy", "seed": 8},
        "parrott-25": {"taxonomy": "parrott-25", "seed": 4294967296},
        "local": {"panel": "local"},
    }
    for name, options in ways.items():
        told = {"images": 20, "seed": 7, "size": 96, "panel": "textbook", **options}
        out = Path("demo") / name
        with tempfile.TemporaryDirectory() as scratch:
            demo = write_demo(Path(scratch) / "set", **told)
            out.mkdir(parents=True)
            for table in sorted(demo.root.glob("*.parquet")):
                shutil.copy(table, out)
            shutil.copy(demo.root / "dataset.json", out)
            pixels = {}
            for file in demo.images["file"]:
                with Image.open(demo.root / file) as picture:
                    pixels[file] = hashlib.sha256(picture.convert("RGB").tobytes()).hexdigest()
        (out / "made_with.json").write_text(json.dumps({"options": told, "pixels_sha256": pixels}, indent=1))


def main() -> None:
    """Make all of it in a new folder."""
    code = Path(__file__).resolve().parents[2] / "affectml"
    last = ["git", "log", "-1", "--format=%h", "--", code, code.parent / "annotation"]
    commit = subprocess.check_output(last, text=True).strip()
    out = Path(sys.argv[1])
    out.mkdir()
    os.chdir(out)
    make_imported(make_data())
    make_runs()
    make_people()
    for ending in ("csv", "jsonl", "parquet"):
        files.predict_to_file("runs/promise", "data", f"predictions/whole.{ending}", threads=1)
    make_heads(ANSWERED)
    make_reading()
    make_demos()
    make_labels(Path("labels"))
    make_study(Path("study"))
    Path("made_by.json").write_text(json.dumps({"commit": commit, **surroundings()}, indent=1))
    written = sorted(path for path in Path().rglob("*") if path.is_file())
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.as_posix()}\n" for path in written]
    Path("SHA256SUMS").write_text("".join(lines))


if __name__ == "__main__":
    main()
