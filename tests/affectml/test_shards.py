"""Shards of a job: done anywhere, each image once, and joined to what one process alone makes, byte for byte."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

import affectml
from affectml.data import Dataset
from affectml.embeddings import EmbeddingStore, embed_dataset, merge_shards
from affectml.encoders import load_encoder
from affectml.errors import BadDataset, BadInput, command_line
from affectml.predicting.files import predict_to_file
from affectml.predicting.predictor import Predictor
from affectml.predicting.shards import merge_predictions
from affectml.shards import Shard

from .noise import noise_set


@given(count=st.integers(0, 300), of=st.integers(1, 40), block=st.integers(1, 20))
def test_every_row_is_in_one_shard_and_blocks_are_whole(count, of, block):
    parts = [Shard(number, of).rows(count, block) for number in range(1, of + 1)]
    assert [row for part in parts for row in part] == list(range(count))
    assert all(part.start % block == 0 for part in parts if part)
    blocks = [-(-len(part) // block) for part in parts]
    assert max(blocks) - min(blocks) <= 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0/3", "--shard 0/3: shards are 1/3 to 3/3"),
        ("4/3", "--shard 4/3: shards are 1/3 to 3/3"),
        ("1/0", "--shard 1/0: there is at least one shard, 1/1"),
        ("a/b", "--shard a/b: expected NUMBER/OF, two whole numbers such as 3/16"),
        ("-1/3", "--shard -1/3: expected NUMBER/OF"),
        ("1.5/3", "--shard 1.5/3: expected NUMBER/OF"),
        ("3", "--shard 3: expected NUMBER/OF"),
        ("", "--shard '': expected NUMBER/OF"),
    ],
)
def test_a_shard_that_is_none_is_an_error(text, says):
    with pytest.raises(BadInput) as refused, command_line():
        Shard.parse(text)
    assert str(refused.value).startswith(says)


@pytest.fixture(scope="module")
def noise(tmp_path_factory) -> Path:
    """200 images of which two cannot be read, and a row with a url alone."""
    data = noise_set(tmp_path_factory.mktemp("noise") / "data", 200)
    (data.root / "images/3.png").write_bytes(b"not an image")
    (data.root / "images/150.png").unlink()
    far = pd.DataFrame([{"image_id": "far", "url": "https://example.org/x.png"}])
    pd.concat([data.images, far], ignore_index=True).to_parquet(data.root / "images.parquet", index=False)
    return data.root


@pytest.fixture
def data(noise, tmp_path) -> Path:
    return Path(shutil.copytree(noise, tmp_path / "data"))


@pytest.fixture(scope="module")
def alone(noise, tmp_path_factory, encoder) -> dict[str, bytes]:
    """What one process writes."""
    whole = Path(shutil.copytree(noise, tmp_path_factory.mktemp("alone") / "data"))
    return content(embed_dataset(whole, encoder, shard_size=32).store.folder)


def quiet(line: str) -> None:
    pass


def content(folder: Path) -> dict[str, bytes]:
    assert not [path for path in folder.iterdir() if path.is_dir()]
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


def embed_shards(data, encoder, *shards):
    return [embed_dataset(data, encoder, shard=shard, shard_size=32, progress=False) for shard in shards]


def predict_shards(run, images, out, *shards):
    return [predict_to_file(run, images, out, shard=shard, threads=1, say=quiet) for shard in shards]


@pytest.mark.parametrize("of", [1, 3, 7])
def test_merged_shards_are_the_store_of_one_process(data, encoder, alone, of):
    done = embed_shards(data, encoder, *[f"{number}/{of}" for number in reversed(range(1, of + 1))])
    assert sum(summary.done for summary in done) == 198
    assert not list(data.glob("embeddings/*/encoder.json"))
    said = []
    merged = merge_shards(data, shard_size=32, say=said.append)
    assert said == []
    assert (merged.done, merged.merged, merged.skipped_existing) == (198, of, 0)
    assert [row[0] for row in merged.unreadable] == ["i3", "i150"]
    assert merged.url_only == ["far"]
    assert content(merged.store.folder) == alone


def test_more_shards_than_images(tmp_path, noise, encoder):
    few = shutil.copytree(noise, tmp_path / "few")
    table = pd.read_parquet(few / "images.parquet").head(4)
    table.to_parquet(few / "images.parquet", index=False)
    embed_shards(few, encoder, *[f"{number}/6" for number in range(1, 7)])
    assert list(merge_shards(few).store.ids) == ["i0", "i1", "i2"]


def test_what_one_process_began_is_completed_by_shards(data, encoder, alone):
    table = pd.read_parquet(data / "images.parquet")
    table.head(70).to_parquet(data / "images.parquet", index=False)
    embed_dataset(data, encoder, shard_size=32)  # 69 rows: two files of 32, one of 5
    before = content(EmbeddingStore.for_dataset(Dataset.open(data)).folder)
    table.to_parquet(data / "images.parquet", index=False)
    whole = Path(shutil.copytree(data, data.with_name("whole")))
    first, second = embed_shards(data, encoder, "1/2", "2/2")
    assert (first.skipped_existing, second.skipped_existing) == (69, 0)
    merged = merge_shards(data, shard_size=32)
    assert merged.skipped_existing == 69
    after = content(merged.store.folder)
    assert after == content(embed_dataset(whole, encoder, shard_size=32).store.folder)
    assert after["shard-00000.npy"] == before["shard-00000.npy"] == alone["shard-00000.npy"]


def test_what_is_missing_is_named_by_shard_and_image_and_nothing_changes(data, encoder):
    embed_shards(data, encoder, "1/5", "3/5")
    shards = EmbeddingStore.open(next(data.glob("embeddings/*/shards/3-of-5"))).folder
    ids = pd.read_parquet(shards / "ids.parquet")
    ids.head(32).to_parquet(shards / "ids.parquet", index=False)  # as a kill leaves it
    before = sorted(data.rglob("*"))
    with pytest.raises(BadDataset) as refused:
        merge_shards(data)
    assert "128 of 200 images are in no shard" in str(refused.value)
    assert "not there: shards 2, 4-5 of 5; shard 3/5 lacks 8 images, the first 'i112'" in str(refused.value)
    assert str(refused.value).endswith(
        "embed as before with shard='2/5', and so on, and merge again; what is there is kept"
    )
    assert sorted(data.rglob("*")) == before
    done = embed_shards(data, encoder, *[f"{number}/5" for number in range(1, 6)])
    assert [summary.done for summary in done] == [0, 40, 8, 39, 40]
    assert merge_shards(data).done == 198


def test_an_image_that_came_later_is_embedded_by_the_same_commands(data, encoder):
    table = pd.read_parquet(data / "images.parquet")
    table.head(120).to_parquet(data / "images.parquet", index=False)
    embed_shards(data, encoder, "1/2", "2/2")
    table.to_parquet(data / "images.parquet", index=False)
    with pytest.raises(BadDataset, match="80 of 200 images are in no shard"):
        merge_shards(data)
    done = embed_shards(data, encoder, "1/2", "2/2")
    assert sum(summary.done for summary in done) >= 79
    merged = merge_shards(data)
    assert list(merged.store.ids) == [f"i{i}" for i in range(200) if i not in (3, 150)]


def test_images_that_the_data_set_no_longer_names_are_left_out(data, encoder):
    embed_shards(data, encoder, "1/2", "2/2")
    table = pd.read_parquet(data / "images.parquet")
    table[table["image_id"] != "i7"].to_parquet(data / "images.parquet", index=False)
    said = []
    assert "i7" not in set(merge_shards(data, say=said.append).store.ids)
    assert said == ["left out: 1 images that images.parquet does not name, such as 'i7'"]


def test_a_file_that_is_another_one_is_named(data, encoder):
    embed_shards(data, encoder, "1/2", "2/2")
    shutil.copy(data / "images/0.png", data / "images/120.png")
    with pytest.raises(BadDataset, match=r"120.png: not the file that shard 2/2 embedded as image 'i120' \(1 such"):
        merge_shards(data)
    assert merge_shards(data, check_images=False).done == 198


def test_files_that_are_not_here_are_not_compared_and_it_is_said(data, encoder):
    embed_shards(data, encoder, "1/2", "2/2")
    shutil.rmtree(data / "images")
    said = []
    assert merge_shards(data, say=said.append).done == 198
    assert said == ["198 image files are not here, so they were not compared with what was embedded"]


def test_two_shards_that_embedded_other_files_as_one_image_are_named(data, encoder):
    embed_shards(data, encoder, "1/2", "2/2")
    shutil.copy(data / "images/0.png", data / "images/5.png")
    embed_shards(data, encoder, "1/4")
    with pytest.raises(BadDataset, match=r"shards 1/2 and 1/4 embedded other files as image 'i5' \(1 such images\)"):
        merge_shards(data)


def test_shards_of_another_precision_are_not_mixed_in(data, encoder, tiny_clip):
    embed_shards(data, encoder, "1/2")
    embed_shards(data, load_encoder(f"local-dir:{tiny_clip}", precision="bf16", threads=1), "2/2")
    with pytest.raises(
        BadInput, match=r"several encoders or precisions \(.*fp32.*: shard 1 of 2; .*bf16.*: shard 2 of 2\)"
    ):
        merge_shards(data)
    with pytest.raises(BadDataset, match="not there: shard 2 of 2"):
        merge_shards(data, precision="fp32")
    with pytest.raises(BadInput, match="no shard by this encoder in this precision"):
        merge_shards(data, "affect-tiny")


def test_a_mixture_of_ways_is_named_and_kept_in_provenance(data, encoder, tiny_clip, monkeypatch):
    for shard, way in (("1/2", "fp32"), ("2/2", "pure_bf16")):
        monkeypatch.setattr("affectml.encoders.towers.fast_bfloat16", lambda way=way: way == "pure_bf16")
        made = load_encoder(f"local-dir:{tiny_clip}", precision="auto", threads=1)
        embed_dataset(data, made, shard=shard, shard_size=32)
    said = []
    store = merge_shards(data, shard_size=32, say=said.append).store
    assert said == ["computed in several ways: fp32 by torch: shard 1 of 2; bf16 by torch: shard 2 of 2"]
    assert [(ran.precision, shards) for ran, shards in store.provenance] == [
        ("fp32", range(4)),
        ("pure_bf16", range(3, 7)),  # file 3 has rows of both
    ]


def test_an_encoder_that_is_another_one_is_named(data, encoder):
    embed_shards(data, encoder, "1/2", "2/2")
    path = next(data.glob("embeddings/*/shards/2-of-2/encoder.json"))
    described = json.loads(path.read_text())
    described["identity"]["weights_sha256"] = "0" * 64
    path.write_text(json.dumps(described))
    with pytest.raises(BadDataset, match="made by another encoder than 1-of-2 .weights_sha256: 000"):
        merge_shards(data)


def test_nothing_to_merge_and_a_shard_in_work(data, encoder):
    with pytest.raises(
        BadInput, match="no shard of its embeddings is there to merge; `affectml embed .* --shard 1/16`"
    ):
        merge_shards(data)
    (done,) = embed_shards(data, encoder, "1/1")
    with FileLock(done.store.folder / ".lock"), pytest.raises(BadDataset, match="shard 1/1 is being embedded; wait"):
        merge_shards(data)


@pytest.mark.parametrize(
    "place", ["affectml.embeddings._writer.write_parquet", "affectml.embeddings._merge.shutil.rmtree"]
)
def test_a_merge_that_was_killed_goes_on(data, encoder, alone, monkeypatch, place):
    embed_shards(data, encoder, "1/2", "2/2")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(place, killed)
        with pytest.raises(KeyboardInterrupt):
            merge_shards(data, shard_size=32)
    assert content(merge_shards(data, shard_size=32).store.folder) == alone


def test_a_shard_that_reads_nothing_is_named_when_merging(data, encoder):
    away = data.rename(data.with_name("away"))
    shutil.copytree(away, data, ignore=lambda folder, names: [n for n in names if n.endswith(".png")])
    (nothing,) = embed_shards(data, encoder, "2/2")
    assert len(nothing.unreadable) == 100
    shutil.copytree(away / "images", data / "images", dirs_exist_ok=True)
    embed_shards(data, encoder, "1/2")
    said = []
    merged = merge_shards(data, say=said.append)
    assert said == ["shard 2/2 could read none of its 100 images, the first: no such file"]
    assert merged.done == 99
    assert embed_dataset(data, encoder).done == 99  # as those that could not be read always are


@pytest.fixture(scope="module")
def demo(demo_set):
    return demo_set("mydata", images=120, seed=3)


@pytest.fixture(scope="module")
def run(demo, encoder, tmp_path_factory):
    embed_dataset(demo, encoder)
    out = tmp_path_factory.mktemp("runs") / "run"
    return affectml.train(demo, multilabel=True, out=out, encoder=encoder.spec, threads=1, say=quiet).folder


class TestPredictions:
    """Shards of a file of predictions are whole parts of it, so that joined they are the file of one process."""

    @pytest.fixture(autouse=True)
    def small_parts(self, monkeypatch):
        monkeypatch.setattr("affectml.predicting.files.PART", 16)

    @pytest.fixture
    def photos(self, demo, tmp_path):
        """85 files, of which two cannot be read: six parts of 16."""
        folder = tmp_path / "photos"
        folder.mkdir()
        for file in sorted((demo.root / "images").glob("*.png"))[:85]:
            shutil.copy(file, folder)
        (folder / "000020.png").write_text("broken")
        (folder / "000070.png").write_text("broken")
        return folder

    @pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
    def test_joined_shards_are_the_file_of_one_process(self, run, photos, tmp_path, ending):
        whole, out = tmp_path / f"whole.{ending}", tmp_path / f"out.{ending}"
        predict_to_file(run, photos, whole, threads=1, say=quiet)
        made = predict_shards(run, photos, out, "4/4", "1/4", "3/4", "2/4")
        assert [one.images for one in made] == [20, 16, 16, 31]
        assert not out.exists()
        said = []
        joined = merge_predictions(run, photos, out, say=said.append)
        assert said == []
        assert (joined.images, [name for name, _ in joined.bad]) == (83, [f"{photos}/0000{n}.png" for n in (20, 70)])
        assert out.read_bytes() == whole.read_bytes()
        listed = [path.with_name(f"{path.name}.unreadable.csv").read_bytes() for path in (out, whole)]
        assert listed[0] == listed[1]
        assert not list(tmp_path.glob("out.*.parts")) + list(tmp_path.glob("out.*.shards"))

    def test_a_data_set_without_embeddings_is_read_from_its_files(self, run, demo, tmp_path):
        bare = tmp_path / "bare"
        shutil.copytree(demo.root, bare, ignore=shutil.ignore_patterns("embeddings"))
        (bare / "images/000005.png").write_text("broken")
        rows = pd.read_parquet(bare / "images.parquet")
        rows.loc[7, "file"] = None
        rows.to_parquet(bare / "images.parquet", index=False)
        out, whole = tmp_path / "out.csv", tmp_path / "whole.csv"
        predict_shards(run, bare, out, "1/3", "2/3", "3/3")
        assert not (bare / "embeddings").exists()
        merge_predictions(run, bare, out, say=quiet)
        predict_to_file(run, bare, whole, threads=1, say=quiet)
        assert out.read_bytes() == whole.read_bytes()
        assert Path(f"{out}.unreadable.csv").read_bytes() == Path(f"{whole}.unreadable.csv").read_bytes()

    def test_embeddings_that_are_there_are_used_and_compared(self, run, demo, tmp_path):
        out = tmp_path / "out.csv"
        data = Path(shutil.copytree(demo.root, tmp_path / "data"))
        shutil.rmtree(data / "images")
        predict_shards(run, data, out, "1/2", "2/2")
        store = EmbeddingStore.for_dataset(Dataset.open(data))
        rows = np.load(store.folder / "shard-00000.npy")
        rows[100] = rows[0]
        np.save(store.folder / "shard-00000.npy", rows)
        with pytest.raises(BadInput, match=f"{store.ids[100]}: not the image that shard 2/2 predicted .1 such images"):
            merge_predictions(run, data, out, say=quiet)
        said = []
        shutil.rmtree(data / "embeddings")
        assert merge_predictions(run, data, out, say=said.append).images == 120
        assert said == ["120 images are not here as they were read, so they were not compared with what was predicted"]

    def test_what_is_missing_is_named_and_kept(self, run, photos, tmp_path):
        out = tmp_path / "out.csv"
        with pytest.raises(BadInput, match="no shard of it is there to merge; the same command with shard='1/16'"):
            merge_predictions(run, photos, out, say=quiet)
        predict_shards(run, photos, out, "1/4", "3/4")
        with pytest.raises(BadInput) as refused:
            merge_predictions(run, photos, out, say=quiet)
        assert "out.csv.shards: 53 of 85 images are in no shard, the first" in str(refused.value)
        assert "000016.png'; they belong to shards 2, 4 of 4: predict as before with shard='2/4'" in str(refused.value)
        assert not Path(f"{out}.parts").exists()
        predict_shards(run, photos, out, "2/4", "4/4")
        assert merge_predictions(run, photos, out, say=quiet).images == 83

    def test_a_shard_goes_on_where_it_was_stopped_and_starts_afresh_where_an_image_changed(
        self, run, photos, tmp_path, monkeypatch
    ):
        done = []
        before = Predictor.predict

        def predict(self, found, *args):
            if len(done) == 2:
                raise KeyboardInterrupt
            done.append(found[0].name)
            return before(self, found, *args)

        monkeypatch.setattr(Predictor, "predict", predict)
        out = tmp_path / "out.csv"
        with pytest.raises(KeyboardInterrupt):
            predict_to_file(run, photos, out, shard="1/2", threads=1, say=quiet)
        del done[:]
        said = []
        predict_to_file(run, photos, out, shard="1/2", threads=1, say=said.append)
        assert said == [f"going on after 32 of 48 images, as {out}.shards/1-of-2 has them"]
        assert done == [f"{photos}/000032.png"]
        del done[:]
        shutil.copy(photos / "000000.png", photos / "000040.png")
        with pytest.raises(KeyboardInterrupt):
            predict_to_file(run, photos, out, shard="1/2", threads=1, say=said.append)
        assert said[1:] == [f"{out}.shards/1-of-2 was begun with images that have changed since: starting afresh"]

    def test_what_does_not_fit_is_refused(self, run, demo, photos, tmp_path, encoder):
        out = tmp_path / "out.csv"
        predict_shards(run, photos, out, "1/2", "2/2")
        other = affectml.train(demo, multilabel=True, out=tmp_path / "other", threads=1, seed=1, say=quiet).folder
        with pytest.raises(BadInput, match="1-of-2: shard 1/2 was made with another run; name what it was made of"):
            merge_predictions(other, photos, out, say=quiet)
        with pytest.raises(BadInput, match="shard 1/2 was made with other images"):
            merge_predictions(run, [photos, demo.root], out, say=quiet)
        shutil.copy(photos / "000000.png", photos / "000050.png")
        with pytest.raises(BadInput, match=r"000050.png: not the image that shard 2/2 predicted \(1 such images\)"):
            merge_predictions(run, photos, out, say=quiet)
        out.write_text("old")
        with pytest.raises(BadInput, match="exists; name another file, or write over it with replace=True"):
            merge_predictions(run, photos, out, say=quiet)
        joined = merge_predictions(run, photos, out, check_images=False, replace=True, say=quiet)
        assert joined.kept.read_text() == "old"

    def test_mixtures_are_named(self, run, photos, tmp_path):
        for number, threads in ((1, 1), (2, 2)):
            predict_to_file(run, photos, tmp_path / "out.csv", shard=f"{number}/2", threads=threads, say=quiet)
        said = []
        merge_predictions(run, photos, tmp_path / "out.csv", say=said.append)
        assert said == ["predicted with several numbers of threads: 1: shard 1 of 2; 2: shard 2 of 2"]

    def test_a_shard_in_work_is_not_joined(self, run, photos, tmp_path):
        out = tmp_path / "out.csv"
        made = predict_to_file(run, photos, out, shard="1/1", threads=1, say=quiet)
        with FileLock(made.file / ".lock"), pytest.raises(BadInput, match="shard 1/1 is being predicted; wait"):
            merge_predictions(run, photos, out, say=quiet)

    @pytest.mark.parametrize("place", ["Parts.join", "Parts.finish", "shutil.rmtree"])
    def test_a_merge_that_was_killed_goes_on(self, run, photos, tmp_path, monkeypatch, place):
        out, whole = tmp_path / "out.csv", tmp_path / "whole.csv"
        predict_to_file(run, photos, whole, threads=1, say=quiet)
        predict_shards(run, photos, out, "1/2", "2/2")

        def killed(*_, **__):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(f"affectml.predicting.parts.{place}", killed)
            with pytest.raises(KeyboardInterrupt):
                merge_predictions(run, photos, out, say=quiet)
        merge_predictions(run, photos, out, say=quiet)
        assert out.read_bytes() == whole.read_bytes()
        assert not list(tmp_path.glob("out.*.parts")) + list(tmp_path.glob("out.*.shards"))


def test_the_commands(command, data, encoder):
    embed = ["embed", data, "--encoder", encoder.spec, "--precision", "fp32", "--threads", "1"]
    assert command(*embed, "--shard", "1/2", "--json")[0] == 0
    code, _, said = command("embed", data, "--merge")
    assert code == 2
    assert said.count("\n") == 1
    assert "embed as before with --shard 2/2, and so on, and merge again" in said
    code, shown, _ = command(*embed, "--shard", "2/2", "--json")
    assert (code, json.loads(shown)["shard"]) == (0, "2/2")
    code, shown, _ = command("embed", data, "--merge", "--json")
    assert (code, json.loads(shown)["merged"], json.loads(shown)["done"]) == (0, 2, 198)
    for words, says in (
        ([*embed, "--shard", "0/3"], "BadInput: --shard 0/3: shards are 1/3 to 3/3\n"),
        ([*embed, "--shard", "1/3", "--merge"], "BadInput: --shard 1/3 and --merge: give one of them\n"),
        (["predict", "run", "x", "--shard", "1/2"], "BadInput: --shard belongs to --out\n"),
        (["predict", "run", "x", "--merge"], "BadInput: --merge belongs to --out\n"),
        ([*embed, "--engine", "dask"], "BadInput: --engine dask: expected ray\n"),
        ([*embed, "--address", "auto"], "BadInput: --address auto belongs to --engine ray\n"),
    ):
        code, _, said = command(*words)
        assert code == 2
        assert said.endswith(says)
