"""Published sets as small as can be, each in its own layout, and what else tests read."""

import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from PIL import Image
from scipy.io import savemat

from affectml.embeddings import EmbeddingStore


def picture(path: Path, size=(6, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, (10, 90, 40))
    image.paste((250, 0, 0), (0, 0, size[0] // 2, size[1]))
    image.save(path, format="JPEG", quality=95)


def text(path: Path, *lines: str, end: str = "\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((end.join(lines) + end).encode())
    return path


MIKELS = ("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness")
PARROTT = ("anger", "fear", "joy", "love", "sadness", "surprise")


def fi_folder(root: Path, labels=MIKELS) -> Path:
    for label in labels:
        picture(root / "emotion_dataset" / label / f"{label}_1.jpg")
    (root / "emotion_dataset" / labels[0] / "Thumbs.txt").write_text("x")
    return root


def emoset_folder(root: Path, *, splits=("train", "val", "test"), annotations=True) -> Path:
    attributes = {"brightness": 0.4, "scene": "beach", "object": ["Dog", "Ball"], "facial_expression": None}
    for at, split in enumerate(splits):
        label = MIKELS[at]
        image, annotation = f"image/{label}/{label}_0000{at}.jpg", f"annotation/{label}/{label}_0000{at}.json"
        picture(root / image)
        if annotations and split != "test":
            text(root / annotation, json.dumps({"image_id": "x", "emotion": label, **attributes}))
        text(root / f"{split}.json", json.dumps([[label, image.replace("/", "\\"), annotation]]))
    known = {label: number for number, label in enumerate(MIKELS)}
    return text(root / "info.json", json.dumps({"emotion": {"label2idx": known}})).parent


# Abstract: headers and names in single quotes, `Content` and `Sad`, an unnamed first header, CR line ends.
ABSTRACT = [
    "'','Amusement','Anger','Awe','Content','Disgust','Excitement','Fear','Sad'",
    "'abstract_0001.jpg',1,0,2,3,0,0,0,8",
    "'abstract_0002.jpg',0,0,0,0,0,0,0,0",
    "'abstract_0003.jpg',5,4,0,0,0,0,0,1",
]


def abstract_folder(root: Path, lines=ABSTRACT, images=("0001", "0003", "0009"), end="\r") -> Path:
    folder = root / "testImages_abstract"
    for number in images:
        picture(folder / f"abstract_{number}.jpg")
    text(folder / "ABSTRACT_groundTruth.csv", *lines, end=end)
    return root


# Emotion6: brackets in the header, tabs, and shares rounded to six digits.
EMOTION6 = [
    "[image_filename]\t[valence]\t[arousal]\t[prob. anger]\t[prob. disgust]\t[prob. fear]\t[prob. joy]"
    "\t[prob. sadness]\t[prob. surprise]\t[prob. neutral]",
    "disgust/1.jpg\t2.5\t3.8\t0.133333\t0.7\t0\t0.0666667\t0.1\t0\t0",
    "joy\\2.jpg\t7\t5 \t0\t0\t0\t1\t0\t0\t0",
    "fear/3.jpg\t3\t6\t0\t0\t0.5\t0\t0\t0\t0.5",
]


def emotion6_folder(root: Path, lines=EMOTION6, images=("disgust/1.jpg", "joy/2.jpg")) -> Path:
    for image in images:
        picture(root / "images" / image)
    return text(root / "ground_truth.txt", *lines, end="\r\n").parent


# The LDL sets: space-separated, two files, trailing spaces; the order of the columns is the header's.
LDL = "images-name Amusement Awe Contentment Excitement Anger Disgust Fear Sadness"


def ldl_folder(root: Path, train, test=(), images=("a.jpg", "b.jpg", "c.jpg"), header=LDL) -> Path:
    for image in images:
        picture(root / "images" / image)
    head = [header] if header else []
    text(root / "train_ground_truth.txt", *head, *train)
    if test:
        text(root / "test_ground_truth.txt", *head, *test, end="\r")
    return root


# Twitter I: three lists of agreement.
LISTS = {"three": ["a.jpg 1", "b.jpg 0", "c.jpg 1"], "four": ["a.jpg 1", "b.jpg 0"], "five": ["a.jpg 1 "]}


def twitter_folder(root: Path, lists=LISTS) -> Path:
    for image in ("a", "b", "c"):
        picture(root / "Agg_AMT_Candidates" / f"{image}.jpg")
    for name, lines in lists.items():
        text(root / f"{name}_agree.txt", *lines)
    return root


OASIS_HEADER = "Theme,Category,Source,Valence_mean,Valence_SD,Valence_N,Arousal_mean,Arousal_SD,Arousal_N"
OASIS = [
    "Dog 1,Animal,x,4,2,100,4,2,101",
    "Dog 2,Animal,x,6.5,0.8,104,5,2.5,99",
    "Fence 1 ,Object,x,2,1.0,104,3,1.5,99",
]


def oasis_folder(root: Path, rows: list[str], images: list[str], end: str = "\n") -> Path:
    (root / "Images").mkdir(parents=True)
    for theme in images:
        picture(root / "Images" / f"{theme}.jpg")
    return text(root / "OASIS.csv", OASIS_HEADER, *rows, end=end).parent


URL = "https://ak.picdn.net/shutterstock/"
TRAIN = [f"{URL}a.jpg 0", f"{URL}b.jpg 24 ", f"{URL}a.jpg 19", f"{URL}both.jpg 2"]
TEST = [f"{URL}c.jpg\t7", f"{URL}both.jpg 5"]


# ArtEmis: a quoted utterance with a line end, names damaged on the way, capitals, both spellings of the ninth answer.
ARTEMIS = [
    "art_style,painting,emotion,utterance,repetition",
    'Baroque,rembrandt_the-night-watch-1642,awe,"so ""grand""\nand dark",3',
    "Baroque,rembrandt_the-night-watch-1642,Sadness,dark,3",
    "Baroque,rembrandt_the-night-watch-1642,something_else,odd,3",
    "Impressionism,l\u00c3\u00a9on_jardin,contentment,calm,1",
    "Impressionism,monet_lost,fear,gone,1",
]


def artemis_folder(root: Path, lines=ARTEMIS) -> Path:
    text(root / "artemis_dataset_release_v0.csv", *lines)
    picture(root / "wikiart" / "Baroque" / "rembrandt_the-night-watch-1642.jpg")
    picture(root / "wikiart" / "Impressionism" / "l\u00c3\u00a9on_jardin.jpg")
    return root


FINDING = [
    "index,user,image_path,reject,tag,age,valence,arousal,emotion,dec_factors,ambiguity,datetime",
    "0,u1,/Run_1/party/a.jpg,Keep,\"['x', 'y']\",Adults,2,4,Joy,\"Facial expression, Body\",1,2022-01-01",
    "1,u2,/Run_1/party/b.jpg,Keep,,,-3,5,Terror,,0,2022-01-02",
    "2,u2,Run_2\\sad\\c.jpg,Keep,,,-1,1,Undefined,,3,2022-01-03",
    "3,u1,/Run_2/sad/d.jpg,Reject,,,0,0,,,0,2022-01-04",
    "4,u3,/Run_2/sad/e.jpg,Keep,,,-1,1,Grief,,0,2022-01-05",
]


def finding_folder(root: Path, lines=FINDING, urls=True) -> Path:
    text(root / "data" / "annotations_single.ann", *lines)
    picture(root / "Run_1" / "party" / "a.jpg")
    if urls:
        rows = [
            {"rel_path": "Run_1/party/b.jpg", "url": "http://x/second.jpg", "idx_url": 1},
            {"rel_path": "Run_1/party/b.jpg", "url": "http://x/first.jpg", "idx_url": 0},
            {"rel_path": "/Run_2/sad/c.jpg", "url": "http://x/c.jpg", "idx_url": 0},
        ]
        text(root / "data" / "dataset_urls_exploded.json", json.dumps(rows))
    return root


def struct(*entries):
    """MATLAB's array of structs."""
    table = np.zeros((1, len(entries)), dtype=[(key, object) for key in entries[0]])
    for at, entry in enumerate(entries):
        for key, value in entry.items():
            table[0, at][key] = value
    return table


def cell(*words):
    table = np.empty((1, len(words)), dtype=object)
    table[0, :] = words
    return table


def somebody(box, axes, *categories, gender="Female", age="Adult", **more):
    """One person of a photo. categories: the words of each annotator."""
    return {
        "body_bbox": np.array([box], dtype=float),
        "annotations_categories": struct(*({"categories": cell(*words)} for words in categories)),
        "annotations_continuous": struct(dict(zip(("valence", "arousal", "dominance"), axes, strict=True))),
        "gender": gender,
        "age": age,
        **more,
    }


def emotic_folder(root: Path, *, box=(0, 0, 10, 20), label="Happiness", images=True, valence=8.0) -> Path:
    one = somebody(box, (valence, 4.0, 10.0), (label, "Doubt/Confusion"))
    other = somebody((10.0, -5.0, 500.0, 18.5), (np.nan, np.nan, np.nan), ("Disquietment",))
    combined = {"combined_categories": cell("Affection", "Fear", "Peace"),
                "combined_continuous": one["annotations_continuous"]}  # fmt: skip
    said = (("Peace", "Affection"), ("Peace",), ("Fear",))
    judged = somebody((2.0, 2.0, 8.0, 8.0), (8.0, 4.0, 10.0), *said, gender="Male", age="Kid", **combined)
    photo = {"image_size": struct({"n_col": 40, "n_row": 20}), "original_database": struct({"name": "mscoco"})}
    content = {
        "train": struct({"filename": "one.jpg", "folder": "mscoco/images", **photo, "person": struct(one, other)}),
        "val": struct({"filename": "two.jpg", "folder": "ade20k\\images", **photo, "person": struct(judged)}),
    }
    (root / "Annotations").mkdir(parents=True)
    savemat(root / "Annotations" / "Annotations.mat", content)
    if images:
        picture(root / "emotic" / "mscoco" / "images" / "one.jpg", (40, 20))
        picture(root / "emotic" / "ade20k" / "images" / "two.jpg", (40, 20))
    return root


def keras_weights(path: Path) -> Path:
    """CLIP-E's layers with six outputs, of ones, as Keras 2 keeps them."""
    with h5py.File(path, "w") as handle:
        for name, shape in (("img_fc1", (8, 4)), ("preds", (4, 6))):
            handle[f"{name}/kernel:0"], handle[f"{name}/bias:0"] = np.ones(shape), np.ones(shape[1])
    return path


def as_before(store: EmbeddingStore, **way: object) -> EmbeddingStore:
    """Write a store anew as it was before 0.3: ids.parquet, shards of three rows, and in provenance.json what ran."""
    rows = store.rows(store.ids).astype(np.float16)
    at = np.arange(len(rows))
    entries = [{**ran.to_json(), "threads": 2, **way, "shards": [0, int(at[-1] // 3)]} for ran in store.ran]
    table = pd.DataFrame({"image_id": store.ids, "shard": at // 3, "row": at % 3})
    for path in [*store.folder.glob("list-*"), *store.folder.glob("part-*")]:
        path.unlink()
    table.to_parquet(store.folder / "ids.parquet", index=False)
    (store.folder / "provenance.json").write_text(json.dumps(entries))
    for number in range(at[-1] // 3 + 1):
        np.save(store.folder / f"shard-{number:05d}.npy", rows[3 * number : 3 * number + 3])
    return EmbeddingStore.open(store.folder)
