"""A store survives whatever happens to the run that fills it, and never says more than it has."""

import errno
import itertools
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from functools import partial, partialmethod
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from affectml._files import write_parquet
from affectml.data import Dataset
from affectml.embeddings import EmbeddingStore, StoreWriter, embed_dataset
from affectml.embeddings.store import save_array
from affectml.encoders import load_encoder, read_image
from affectml.errors import BadDataset, BadInput, EncoderUnavailable

from .noise import noise_set


def rewrite(dataset: Dataset, table: pd.DataFrame) -> Dataset:
    table.to_parquet(dataset.root / "images.parquet", index=False)
    return Dataset.open(dataset.root)


def add_row(dataset: Dataset, **row: str) -> Dataset:
    return rewrite(dataset, pd.concat([dataset.images, pd.DataFrame([row])], ignore_index=True))


def test_rows_are_the_encoders_in_the_order_asked(tmp_path, encoder):
    dataset = noise_set(tmp_path / "d", 10)
    summary = embed_dataset(dataset, encoder, batch_size=2, shard_size=4)
    assert (summary.done, summary.skipped_existing, summary.unreadable) == (10, 0, [])
    assert summary.seconds > 0
    assert summary.images_per_second == pytest.approx(10 / summary.seconds)
    store = EmbeddingStore.for_dataset(dataset)
    assert sorted(p.name for p in store.folder.glob("*.npy")) == [f"shard-0000{i}.npy" for i in range(3)]
    asked = ["i9", "i0", "i9", "i4"]
    wanted = encoder.encode_images([read_image(dataset.root / f"images/{i[1:]}.png") for i in asked]).numpy()
    got = store.rows(asked)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, wanted, atol=1e-3)  # float16 on disk
    assert np.load(store.folder / "shard-00000.npy").dtype == np.float16
    assert store.identity == encoder.identity
    assert store.logit_scale == encoder.logit_scale
    assert store.rows([]).shape == (0, store.dim)


def test_only_what_is_new_is_embedded(tmp_path, encoder):
    dataset = noise_set(tmp_path / "d", 6)
    everything = dataset.images
    dataset = rewrite(dataset, everything.iloc[:4])
    first = embed_dataset(dataset, encoder).store.rows(["i0", "i3"])
    dataset = rewrite(dataset, everything)
    assert EmbeddingStore.for_dataset(dataset).missing(["i5", "i0", "i4"]) == ["i5", "i4"]
    with pytest.raises(BadDataset, match="no embedding for image 'i5' \\(2 of 3 missing"):
        EmbeddingStore.for_dataset(dataset).rows(["i5", "i0", "i4"])
    summary = embed_dataset(dataset, encoder)
    assert (summary.done, summary.skipped_existing) == (2, 4)
    np.testing.assert_array_equal(summary.store.rows(["i0", "i3"]), first)
    assert embed_dataset(dataset, encoder).done == 0


def test_unreadable_images_are_listed_counted_and_tried_again(tmp_path, encoder):
    dataset = noise_set(tmp_path / "d", 9)
    whole = (dataset.root / "images/2.png").read_bytes()
    (dataset.root / "images/2.png").write_bytes(whole[: len(whole) // 2])
    (dataset.root / "images/5.png").write_bytes(b"not an image")
    (dataset.root / "images/8.png").unlink()
    summary = embed_dataset(dataset, encoder, batch_size=2, shard_size=4)
    assert summary.done == 6
    assert [(i, file) for i, file, _ in summary.unreadable] == [(f"i{i}", f"images/{i}.png") for i in (2, 5, 8)]
    assert [reason.split(" (")[0] for _, _, reason in summary.unreadable] == [
        "cannot be read whole",
        "not an image that Pillow can read",
        "no such file",
    ]
    listed = pd.read_csv(summary.store.folder / "unreadable.csv")
    assert listed["image_id"].tolist() == ["i2", "i5", "i8"]
    assert summary.store.missing(["i1", "i2", "i5"]) == ["i2", "i5"]

    (dataset.root / "images/2.png").write_bytes(whole)
    summary = embed_dataset(dataset, encoder)
    assert (summary.done, summary.skipped_existing, len(summary.unreadable)) == (1, 6, 2)
    shutil.copy(dataset.root / "images/0.png", dataset.root / "images/5.png")
    shutil.copy(dataset.root / "images/0.png", dataset.root / "images/8.png")
    assert embed_dataset(dataset, encoder).unreadable == []
    assert not (summary.store.folder / "unreadable.csv").exists()


def test_rows_without_a_file_are_named(tmp_path, encoder):
    dataset = add_row(noise_set(tmp_path / "d", 3), image_id="remote", url="https://example.org/a.jpg")
    dataset = add_row(dataset, image_id="nothing")
    summary = embed_dataset(dataset, encoder)
    assert (summary.done, summary.url_only, summary.no_image) == (3, ["remote"], ["nothing"])
    alone = rewrite(dataset, dataset.images[dataset.images["file"].isna()])
    with pytest.raises(
        BadDataset,
        match="names no image file to embed \\(1 rows with a url only, 1 with neither\\); `affectml fetch .*d`",
    ):
        embed_dataset(alone, encoder)


def test_no_readable_image_at_all_is_an_error(tmp_path, encoder):
    dataset = noise_set(tmp_path / "d", 2)
    for i in range(2):
        (dataset.root / f"images/{i}.png").write_bytes(b"?")
    with pytest.raises(BadDataset, match="none of its 2 images could be read; the first: not an image"):
        embed_dataset(dataset, encoder)
    with pytest.raises(BadDataset, match="no embeddings yet; run `affectml embed"):
        EmbeddingStore.for_dataset(dataset)


def test_a_file_outside_the_data_set_is_not_read(tmp_path, encoder):
    dataset = add_row(noise_set(tmp_path / "d", 2), image_id="x", file="../secret.png")
    with pytest.raises(BadDataset, match=r"'\.\./secret\.png' leaves the data set's folder"):
        embed_dataset(dataset, encoder)
    assert not (dataset.root / "embeddings").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from affectml.embeddings import embed_dataset
from affectml.encoders import load_encoder

encoder = load_encoder(sys.argv[2], threads=1)
transform = encoder.preprocess
def killed(image):  # at the first image to be read once the shard asked for is there
    if Path(sys.argv[3]).exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return transform(image)
encoder.preprocess = killed
embed_dataset(sys.argv[1], encoder, batch_size=8, shard_size=16)
"""


@pytest.mark.slow
@pytest.mark.parametrize("shards", [1, 4])
def test_a_killed_run_loses_at_most_the_shard_in_hand(tmp_path, tiny_clip, encoder, shards):
    dataset = noise_set(tmp_path / "d", 160)
    (dataset.root / "images/3.png").write_bytes(b"not an image")
    whole = Path(shutil.copytree(dataset.root, tmp_path / "whole"))
    folder = dataset.root / "embeddings" / encoder.identity.slug
    last = folder / f"shard-{shards - 1:05d}.npy"
    ended = subprocess.run([sys.executable, "-c", KILLED, dataset.root, f"local-dir:{tiny_clip}", last])
    assert ended.returncode == -signal.SIGKILL

    store = EmbeddingStore.open(folder)
    kept = len(store.ids)
    assert 16 * (shards - 1) - 1 <= kept < 160
    assert np.isfinite(store.rows(store.ids)).all()
    summary = embed_dataset(dataset, encoder, batch_size=8, shard_size=16)
    assert summary.skipped_existing == kept
    assert [row[0] for row in summary.unreadable] == ["i3"]
    assert not list(folder.glob(".*.tmp"))
    reference = embed_dataset(whole, encoder, batch_size=8, shard_size=16).store
    ids = [i for i in dataset.images["image_id"] if i != "i3"]
    assert summary.store.missing(ids) == []
    np.testing.assert_array_equal(summary.store.rows(ids), reference.rows(ids))


def files_of(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.iterdir() if path.name != ".lock"}


@pytest.fixture
def stopped(tmp_path, encoder, monkeypatch):
    """`stopped(at, by)`: a data set of 21 images whose embedding, in batches of 2 and shards of 12, ended at a batch.

    A batch takes 4 seconds. `by` is kill, which leaves what the disk has, or Ctrl-C.
    """
    whole = noise_set(tmp_path / "whole", 21)
    (whole.root / "images/3.png").write_bytes(b"not an image")

    def embed(data: Path | Dataset):
        clock = itertools.count(step=4)
        monkeypatch.setattr("affectml.embeddings._writer.time.monotonic", lambda: next(clock))
        return embed_dataset(data, encoder, batch_size=2, shard_size=12)

    def stop(at: int, by: str) -> Path:
        calls, left = itertools.count(1), tmp_path / f"left by a {by} at {at}"
        data = shutil.copytree(whole.root, tmp_path / f"{by} at {at}", ignore=shutil.ignore_patterns("embeddings"))

        def advance(bar, count):
            if next(calls) == at:
                shutil.copytree(data, left)
                raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("affectml._progress.Progress.advance", advance)
            embed(data)
        return left if by == "kill" else Path(data)

    return embed, whole, stop


@pytest.mark.parametrize(("by", "lost"), [("kill", 3), ("Ctrl-C", 0)])
def test_a_shard_in_the_making_is_kept_and_ends_as_if_nothing_had_been(stopped, encoder, by, lost):
    embed, whole, stop = stopped
    reference = embed(whole).store
    assert sorted(files_of(reference.folder)) == [
        "encoder.json", "ids.parquet", "provenance.json", "shard-00000.npy", "shard-00001.npy", "unreadable.csv"
    ]  # fmt: skip
    for at in (2, 4, 6, 7, 10):  # before this batch ends; a shard has six
        data = stop(at, by)
        store = EmbeddingStore.open(data / "embeddings" / reference.folder.name)
        assert 2 * (at - 1 - lost) <= len(store.ids) <= 2 * (at - 1)
        np.testing.assert_array_equal(store.rows(store.ids), reference.rows(store.ids))
        summary = embed(data)
        assert (summary.done, summary.skipped_existing) == (20 - len(store.ids), len(store.ids))
        assert files_of(summary.store.folder) == files_of(reference.folder)


def test_what_was_stopped_goes_on_beside_new_images_and_an_end_stays_an_end(stopped, encoder):
    embed, whole, stop = stopped
    embed(whole)
    data = Dataset.open(stop(4, "Ctrl-C"))
    for dataset, shards in ((data, {0: 12, 1: 9}), (whole, {0: 12, 1: 8, 2: 1})):
        shutil.copy(dataset.root / "images/0.png", dataset.root / "images/new.png")
        store = embed(add_row(dataset, image_id="new", file="images/new.png")).store
        assert store.table.groupby("shard").size().to_dict() == shards


def test_a_kill_between_the_shard_and_its_ids(tmp_path, encoder, monkeypatch):
    dataset = noise_set(tmp_path / "d", 8)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("affectml.embeddings._writer.write_parquet", killed)
        with pytest.raises(KeyboardInterrupt):
            embed_dataset(dataset, encoder, shard_size=4)
    folder = dataset.root / "embeddings" / encoder.identity.slug
    assert (folder / "shard-00000.npy").exists()
    assert len(EmbeddingStore.open(folder).ids) == 0
    assert embed_dataset(dataset, encoder, shard_size=3).done == 8


def written(root, identity, count=13):
    """Adds what is not there yet of `count` shards of two rows, one by one."""
    with StoreWriter(root, identity) as writer:
        for shard in range(len(writer.store.ids) // 2, count):
            ids = [f"i{2 * shard}", f"i{2 * shard + 1}"]
            writer.add(ids, np.full((2, identity.dim), shard, dtype=np.float16))
    return root / "embeddings" / identity.slug


@pytest.mark.slow
def test_a_store_is_the_same_bytes_wherever_its_writing_was_cut_short(tmp_path, encoder, monkeypatch):
    """At each write of a file and at each removal of one, in turn."""
    whole = written(tmp_path / "whole", encoder.identity)
    wanted = {path.name: path.read_bytes() for path in whole.iterdir()}
    assert not list(whole.glob("ids-*"))
    parts, remove = set(), Path.unlink
    for at in itertools.count():
        calls = itertools.count()

        def step(do, *given, at=at, calls=calls, **also):
            if next(calls) == at:
                raise KeyboardInterrupt
            return do(*given, **also)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", partial(step, os.fsync))
            patch.setattr(Path, "unlink", partialmethod(lambda path, **also: step(remove, path, **also)))
            try:
                written(tmp_path / str(at), encoder.identity)
                break
            except KeyboardInterrupt:
                folder = tmp_path / str(at) / "embeddings" / encoder.identity.slug
        if (folder / "encoder.json").exists():
            store = EmbeddingStore.open(folder)
            assert store.ids.tolist() == [f"i{i}" for i in range(len(store.ids))]
            assert store.rows(store.ids)[:, 0].tolist() == [i // 2 for i in range(len(store.ids))]
            parts |= {len(list(folder.glob("ids-*")))}
        written(tmp_path / str(at), encoder.identity)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == wanted
    assert at > 2 * 13
    assert parts >= {0, 1, 2, 3}


def test_ids_are_not_written_anew_with_each_shard(tmp_path, encoder, monkeypatch):
    """So that the work grows with the rows, not with their square."""
    rows = []

    def counted(path, table):
        rows.append(len(table))
        write_parquet(path, table)

    monkeypatch.setattr("affectml.embeddings._writer.write_parquet", counted)
    written(tmp_path, encoder.identity, 200)
    assert 400 < sum(rows) <= 4 * 400


def test_two_runs_do_not_write_to_one_store(tmp_path, encoder):
    dataset = noise_set(tmp_path / "d", 3)
    with (
        StoreWriter(dataset.root, encoder.identity),
        pytest.raises(BadDataset, match="another process is writing to it"),
    ):
        embed_dataset(dataset, encoder)
    assert embed_dataset(dataset, encoder).done == 3


def test_a_store_that_cannot_be_written_says_where_embeddings_are_kept(tmp_path, encoder):
    dataset = noise_set(tmp_path / "d", 3)
    (dataset.root / "embeddings").write_text("a file")
    with pytest.raises(BadDataset, match=r"cannot write there \(.*\), and embeddings are kept beside the images"):
        embed_dataset(dataset, encoder)


def test_two_identities_are_never_mixed(tmp_path, encoder):
    dataset = noise_set(tmp_path / "d", 3)
    folder = embed_dataset(dataset, encoder).store.folder
    description = json.loads((folder / "encoder.json").read_text())
    description["identity"]["activation"] = "gelu"
    (folder / "encoder.json").write_text(json.dumps(description))
    with pytest.raises(BadDataset, match=r"another encoder \(activation: quickgelu, not gelu\).*cannot be mixed"):
        embed_dataset(dataset, encoder)


def test_which_store_a_spec_means(tmp_path, tiny_clip, encoder):
    dataset = noise_set(tmp_path / "d", 3)
    spec = f"local-dir:{tiny_clip}"
    fp32 = embed_dataset(dataset, encoder).store.folder
    bf16 = embed_dataset(dataset, load_encoder(spec, precision="bf16")).store.folder
    with pytest.raises(BadDataset, match=f"several embedding stores.*{fp32.name}, {bf16.name}"):
        EmbeddingStore.for_dataset(dataset)
    with pytest.raises(BadDataset, match="several embedding stores"):
        EmbeddingStore.for_dataset(dataset, spec)
    assert EmbeddingStore.for_dataset(dataset, spec, precision="pure_bf16").folder == bf16
    assert EmbeddingStore.for_dataset(dataset, fp32.name).folder == fp32
    with pytest.raises(BadDataset, match=r"no embeddings of ViT-B-32-quickgelu:openai \(it has: .*--encoder"):
        EmbeddingStore.for_dataset(dataset, "ViT-B-32-quickgelu:openai")


def test_changed_weights_do_not_pass_for_the_old_ones(tmp_path, tiny_clip):
    dataset = noise_set(tmp_path / "d", 2)
    model = Path(shutil.copytree(tiny_clip, tmp_path / "model"))
    embed_dataset(dataset, f"local-dir:{model}")
    moved = Path(shutil.copytree(model, tmp_path / "moved"))
    assert len(EmbeddingStore.for_dataset(dataset, f"local-dir:{moved}").ids) == 2
    weights = model / "open_clip_model.safetensors"
    weights.write_bytes(weights.read_bytes() + b"x")
    with pytest.raises(BadDataset, match="no embeddings of local-dir"):
        EmbeddingStore.for_dataset(dataset, f"local-dir:{model}")
    shutil.rmtree(model)  # the weights have gone; their embeddings serve
    assert len(EmbeddingStore.for_dataset(dataset, f"local-dir:{model}").ids) == 2


def test_texts_are_encoded_once(tmp_path, tiny_clip, encoder):
    dataset = noise_set(tmp_path / "d", 2)
    store = embed_dataset(dataset, encoder).store
    with pytest.raises(EncoderUnavailable, match="these 2 texts are not cached"):
        store.text_features(None, ["joy", "fear"])
    asked = []

    def factory():
        asked.append(1)
        return encoder

    first = store.text_features(factory, ["joy", "fear"])
    again = EmbeddingStore.open(store.folder).text_features(factory, ["joy", "fear"])
    assert asked == [1]
    np.testing.assert_array_equal(first, again)
    assert torch.equal(torch.from_numpy(first), encoder.encode_texts(["joy", "fear"]))
    np.testing.assert_array_equal(store.text_features(factory, ["fear", "joy"]), first[::-1])
    assert len(asked) == 2
    other = load_encoder(f"local-dir:{tiny_clip}", precision="bf16")
    with pytest.raises(EncoderUnavailable, match=r"not the one that made these.*precision: pure_bf16, not fp32"):
        store.text_features(lambda: other, ["sadness"])


def test_texts_are_embedded_where_they_cannot_be_cached(tmp_path, encoder, monkeypatch):
    store = embed_dataset(noise_set(tmp_path / "d", 3), encoder).store
    before = sorted(store.folder.iterdir())

    def refuse(*args):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("affectml.embeddings.store.write_json", refuse)
    found = store.text_features(lambda: encoder, ["joy", "fear"])
    np.testing.assert_array_equal(found, encoder.encode_texts(["joy", "fear"]).numpy())
    assert sorted(store.folder.iterdir()) == before


def test_a_disk_that_takes_no_more_of_a_shard_says_so(tmp_path):
    """numpy alone says how many of its numbers were written, and not why no more were."""
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, most[1]))
    try:
        with pytest.raises(OSError, match="File too large") as refused:
            save_array(tmp_path / "shard.npy", np.zeros((100, 100)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    assert (refused.value.errno, refused.value.filename) == (errno.EFBIG, str(tmp_path / "shard.npy"))
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_store_says_which_file(tmp_path, encoder):
    dataset = noise_set(tmp_path / "d", 4)
    folder = embed_dataset(dataset, encoder, shard_size=2).store.folder
    shard = folder / "shard-00001.npy"
    whole = shard.read_bytes()
    for content in (whole[:-8], b"", np.zeros(3).tobytes()):
        shard.write_bytes(content)
        with pytest.raises(BadDataset, match=r"shard-00001\.npy: not a readable shard"):
            EmbeddingStore.open(folder).rows(["i0"])
    np.save(shard, np.zeros((1, 32), dtype=np.float16))
    with pytest.raises(BadDataset, match=r"shard-00001\.npy: expected at least 2 rows of 32, got \(1, 32\)"):
        EmbeddingStore.open(folder).rows(["i0"])
    shard.unlink()
    with pytest.raises(BadDataset, match=r"shard-00001\.npy: no such shard"):
        EmbeddingStore.open(folder).rows(["i0"])
    (folder / "ids.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadDataset, match="not a readable ids table"):
        _ = EmbeddingStore.open(folder).ids
    for content in ("{", "[]", "{}"):
        (folder / "encoder.json").write_text(content)
        with pytest.raises(BadDataset, match=r"encoder\.json"):
            EmbeddingStore.open(folder)
    with pytest.raises(BadDataset, match="so it is no embedding store"):
        EmbeddingStore.open(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["batch_size", "shard_size", "decode_threads"])
def test_sizes_below_one(tmp_path, encoder, name):
    dataset = noise_set(tmp_path / "d", 1)
    with pytest.raises(BadInput, match=f"{name} must be at least 1, got 0"):
        embed_dataset(dataset, encoder, **{name: 0})


def test_the_command_prints_what_was_done(command, tmp_path, tiny_clip):
    dataset = noise_set(tmp_path / "d", 3)
    (dataset.root / "images/1.png").write_bytes(b"not an image")
    words = ["embed", dataset.root, "--encoder", f"local-dir:{tiny_clip}", "--threads", "1"]
    code, shown, _ = command(*words)
    assert code == 0
    assert "images/s" in shown
    assert "images/1.png: not an image" in " ".join(shown.split())
    content = json.loads(command(*words, "--json")[1])
    assert (content["done"], content["skipped_existing"]) == (0, 2)
    assert content["unreadable"][0]["image_id"] == "i1"
    assert len(content["fingerprint"]) == 64
