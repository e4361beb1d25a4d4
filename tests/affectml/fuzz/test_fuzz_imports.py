"""Importers, given damaged files."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.io import savemat

from affectml.importers import get_importer
from affectml.importers.clip_e import import_clip_e

from .reading import (  # noqa: F401
    Reader,
    imports,
    parquet,
    picture,
    test_with_any_damage_it_is_read_or_is_an_error_of_ours,
    test_without_damage_it_is_read,
    text,
    written,
)

READERS: dict[str, Reader] = {}
URL = "https://stock.example/"
READERS["table"] = Reader(
    written(("t.csv", "file,label,split", "0.jpg,joy|awe,train", "1.jpg,awe,test", "2.jpg,joy,")),
    imports("table", "t.csv", images="none"),
)
READERS["table of votes"] = Reader(
    written(("t.csv", "file,joy,awe,n,width", "0.jpg,3,1,4,1990", "1.jpg,0,2,5,", "2.jpg,1,1,4,2001")),
    imports("table", "t.csv", images="none"),
)
READERS["table of judgements"] = Reader(
    written(("t.csv", "file,annotator,label,seconds", "0.jpg,ann,joy,1", "0.jpg,bob,none,2.5", "1.jpg,ann,awe;joy,")),
    imports("table", "t.csv", images="none"),
)
READERS["table beside its images"] = Reader(
    written(("t.tsv", "file\tlabel", "a.jpg\tjoy", "b.jpg\tawe"), pictures=("a.jpg", "b.jpg")),
    imports("table", "t.tsv"),
)


READERS["table in Parquet"] = Reader(
    parquet("t.parquet", file=["0.jpg", "1.jpg", "2.jpg"], label=[["joy"], ["joy", "awe"], []], year=[1, None, 3]),
    imports("table", "t.parquet", images="none"),
)
READERS["folder"] = Reader(written(pictures=("joy/a.jpg", "joy/b.jpg", "awe/c.jpg")), imports("folder"))
READERS["images"] = Reader(
    written(("captions.csv", "file,caption", "a.jpg,a bird", "b/c.jpg,a boat"), pictures=("a.jpg", "b/c.jpg")),
    lambda folder, out: get_importer("images")(folder, out, taxonomy="ekman-6", captions=folder / "captions.csv"),
)
COCO = {
    "images": [{"id": number, "file_name": f"{number}.jpg", "license": 1} for number in range(3)],
    "categories": [{"id": 1, "name": "joy"}, {"id": 2, "name": "awe"}],
    "annotations": [{"id": 1, "image_id": 0, "category_id": 1}, {"id": 2, "image_id": 0, "category_id": 2}],
    "licenses": [{"id": 1, "name": "CC0"}],
}
READERS["coco"] = Reader(written(("c.json", json.dumps(COCO))), imports("coco", "c.json", images="none"))

# Published sets, in their own layouts.

MIKELS = ("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness")
READERS["webemo"] = Reader(
    written(
        ("train25.txt", f"{URL}a.jpg 0", f"{URL}b.jpg 24", f"{URL}a.jpg 19"),
        ("test25.txt", f"{URL}c.jpg 3"),
        pictures=("train/zest/b.jpg",),
    ),
    imports("webemo"),
)
READERS["emotion6"] = Reader(
    written(
        (
            "ground_truth.txt",
            "[image_filename]\t[valence]\t[arousal]\t[prob. anger]\t[prob. disgust]\t[prob. fear]\t[prob. joy]"
            "\t[prob. sadness]\t[prob. surprise]\t[prob. neutral]",
            "disgust/1.jpg\t2.5\t3.8\t0.1\t0.7\t0\t0.1\t0.1\t0\t0",
            "joy/2.jpg\t7\t5\t0\t0\t0\t1\t0\t0\t0",
        ),
        pictures=("images/disgust/1.jpg", "images/joy/2.jpg"),
    ),
    imports("emotion6"),
)
READERS["fi"] = Reader(
    written(pictures=tuple(f"emotion_dataset/{label}/{label}_1.jpg" for label in MIKELS)), imports("fi")
)
READERS["unbiasedemo"] = Reader(
    written(
        pictures=tuple(
            f"images/{label}/baby/1.jpg" for label in ("anger", "fear", "joy", "love", "sadness", "surprise")
        )
    ),
    imports("unbiasedemo"),
)
READERS["artphoto"] = Reader(
    written(
        pictures=tuple(f"testImages_artphoto/{label[:3] if label == 'sadness' else label}_1.jpg" for label in MIKELS)
    ),
    imports("artphoto"),
)
READERS["abstract"] = Reader(
    written(
        (
            "testImages_abstract/ABSTRACT_groundTruth.csv",
            "'','Amusement','Anger','Awe','Content','Disgust','Excitement','Fear','Sad'",
            "'abstract_0001.jpg',1,0,2,3,0,0,0,8",
            "'abstract_0003.jpg',5,4,0,0,0,0,0,1",
        ),
        pictures=("testImages_abstract/abstract_0001.jpg", "testImages_abstract/abstract_0003.jpg"),
    ),
    imports("abstract"),
)


def emoset(folder: Path) -> None:
    for label, split in zip(MIKELS, ("train", "val", "test"), strict=False):
        image, annotation = f"image/{label}/{label}_1.jpg", f"annotation/{label}/{label}_1.json"
        picture(folder / image)
        said = {"image_id": "x", "emotion": label, "brightness": 0.4, "object": ["Dog", "Ball"], "scene": None}
        text(folder / annotation, json.dumps(said))
        text(folder / f"{split}.json", json.dumps([[label, image, annotation]]))
    text(folder / "info.json", json.dumps({"emotion": {"label2idx": {label: i for i, label in enumerate(MIKELS)}}}))


READERS["emoset"] = Reader(emoset, imports("emoset"))


def emotic(folder: Path) -> None:
    picture(folder / "emotic" / "mscoco" / "images" / "a.jpg")

    def person(*said: str) -> dict[str, Any]:
        return {
            "body_bbox": [0, 0, 5, 3],
            "annotations_categories": [
                {"categories": np.array([word], dtype=object), "worker_id": f"w{at}"} for at, word in enumerate(said)
            ],
            "combined_continuous": {"valence": 3.0, "arousal": 4, "dominance": 5},
            "gender": "Male",
            "age": "Adult",
        }

    photo = {"filename": "a.jpg", "folder": "mscoco/images", "person": [person("Anger", "Fear"), person("Peace")]}
    savemat(folder / "Annotations.mat", {"train": [photo]})


READERS["emotic"] = Reader(emotic, imports("emotic"))
READERS["findingemo"] = Reader(
    written(
        (
            "data/annotations_single.ann",
            "index,user,image_path,reject,tag,age,valence,arousal,emotion,dec_factors,ambiguity,datetime",
            "0,u1,/Run_1/party/a.jpg,Keep,\"['x', 'y']\",Adults,2,4,Joy,\"Face, Body\",1,2022-01-01",
            "1,u2,/Run_1/party/b.jpg,Keep,,,-3,5,Terror,,0,2022-01-02",
        ),
        ("data/dataset_urls_exploded.json", json.dumps([{"rel_path": "Run_1/party/b.jpg", "url": URL, "idx_url": 1}])),
        pictures=("Run_1/party/a.jpg",),
    ),
    imports("findingemo"),
)
READERS["oasis"] = Reader(
    written(
        (
            "OASIS.csv",
            ",Theme,Category,Source,Valence_mean,Valence_SD,Valence_N,Arousal_mean,Arousal_SD,Arousal_N",
            "1,Dog 1,Animal,x,4,2,100,4,2,101",
            "2,Fence 1 ,Object,x,2,1.0,104,3,1.5,99",
        ),
        pictures=("Images/Dog 1.jpg", "Images/Fence 1.jpg"),
    ),
    imports("oasis"),
)
READERS["artemis"] = Reader(
    written(
        (
            "artemis_dataset_release_v0.csv",
            "art_style,painting,emotion,utterance,repetition",
            'Baroque,rembrandt_watch,awe,"so ""grand"" and dark",2',
            "Baroque,rembrandt_watch,Sadness,dark,2",
        ),
        pictures=("wikiart/Baroque/rembrandt_watch.jpg",),
    ),
    imports("artemis"),
)
READERS["twitter1"] = Reader(
    written(
        ("three_agree.txt", "a.jpg 1", "b.jpg 0"),
        ("five_agree.txt", "a.jpg 1"),
        ("amt_result.csv", "image,n,x,y", "a.jpg,5,0,5", "b.jpg,5,4,1"),
        pictures=("Agg_AMT_Candidates/a.jpg", "Agg_AMT_Candidates/b.jpg"),
    ),
    imports("twitter1"),
)
LDL = "images-name Amusement Awe Contentment Excitement Anger Disgust Fear Sadness"
for ldl in ("flickrldl", "twitterldl"):
    READERS[ldl] = Reader(
        written(
            ("train_ground_truth.txt", LDL, "a.jpg 1 2 0 0 0 0 0 8", "b.jpg 11 0 0 0 0 0 0 0"),
            ("test_ground_truth.txt", LDL, "c.jpg 0 0 0 0 0 0 5 6"),
            pictures=("images/a.jpg", "images/b.jpg", "images/c.jpg"),
        ),
        imports(ldl),
    )


def clip_e(folder: Path) -> None:
    with h5py.File(folder / "w.hdf5", "w") as handle:
        for name, shape in (("img_fc1", (8, 4)), ("preds", (4, 6))):
            handle[f"{name}/kernel:0"], handle[f"{name}/bias:0"] = np.ones(shape), np.ones(shape[1])


READERS["clip-e"] = Reader(clip_e, lambda folder, out: import_clip_e(folder / "w.hdf5", out).head)

# Embeddings and containers.


def embedded() -> pa.Table:
    return pa.table({
        "image": ["a.jpg", "b.jpg", "c.jpg"],
        "embedding": np.eye(3, 4, dtype=np.float32).tolist(),
        "label": ["joy", "fear", "joy"],
        "year": [1990, 2001, 1999],
        "shares": [{"joy": 0.5, "fear": 0.5}, {"joy": 0.0, "fear": 1.0}, {"joy": 0.25, "fear": 0.75}],
    })  # fmt: skip


def as_npz(folder: Path) -> None:
    table = embedded()
    shares = np.array([list(cell.values()) for cell in table["shares"].to_pylist()])
    names = {name: np.array(table[name].to_pylist()) for name in ("image", "embedding", "label", "year")}
    np.savez(
        folder / "t.npz", shares=shares, labels=np.array(["joy", "fear"]), split=["train", "train", "test"], **names
    )


def as_npy(folder: Path) -> None:
    np.save(folder / "t.npy", np.eye(3, 4, dtype=np.float32))
    text(folder / "t.csv", "file,label", "a.jpg,joy", "b.jpg,awe", "c.jpg,joy")


def as_safetensors(folder: Path) -> None:
    from safetensors.numpy import save_file

    header = {name: json.dumps(embedded()[name].to_pylist()) for name in ("image", "label")}
    save_file({"embedding": np.eye(3, 4, dtype=np.float32)}, folder / "t.safetensors", metadata=header)


def as_arrow(folder: Path) -> None:
    with pa.ipc.new_file(folder / "t.arrow", embedded().schema) as writer:
        writer.write_table(embedded(), max_chunksize=2)


EMBEDDED: dict[str, Callable[[Path], object]] = {
    "t.npz": as_npz,
    "t.npy": as_npy,
    "t.safetensors": as_safetensors,
    "t.parquet": lambda folder: pq.write_table(embedded(), folder / "t.parquet"),
    "t.arrow": as_arrow,
    "saved": lambda folder: datasets.Dataset(embedded()).save_to_disk(str(folder / "saved")),
}
for file, write in EMBEDDED.items():
    READERS[f"embeddings {file}"] = Reader(write, imports("embeddings", file))


def as_tar(folder: Path) -> None:
    picture(folder / "a.jpg")
    content = (folder / "a.jpg").read_bytes()
    (folder / "a.jpg").unlink()
    with tarfile.open(folder / "t.tar", "w") as archive:
        for name, said in (("0", {"label": "joy", "n": 3}), ("1", {"label": "awe", "n": None})):
            for end, data in (("jpg", content), ("json", json.dumps(said).encode())):
                info = tarfile.TarInfo(f"{name}.{end}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))


def as_images_in_parquet(folder: Path) -> None:
    picture(folder / "a.jpg")
    content = (folder / "a.jpg").read_bytes()
    (folder / "a.jpg").unlink()
    features = datasets.Features(image=datasets.Image(), label=datasets.Value("string"), n=datasets.Value("int64"))
    rows = {"image": [{"bytes": content, "path": "a.jpg"}, {"bytes": content, "path": None}], "label": ["joy", "awe"]}
    datasets.Dataset.from_dict({**rows, "n": [1, None]}, features=features).to_parquet(folder / "train.parquet")


READERS["datasets tar"] = Reader(as_tar, imports("datasets", "t.tar"))
READERS["datasets parquet"] = Reader(as_images_in_parquet, imports("datasets", "train.parquet"))
READERS["datasets imagefolder"] = Reader(
    written(
        ("metadata.jsonl", '{"file_name": "a.jpg", "label": "joy"}', '{"file_name": "b.jpg", "label": "awe"}'),
        pictures=("a.jpg", "b.jpg"),
    ),
    imports("datasets"),
)
