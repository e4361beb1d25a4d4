"""A store survives whatever happens to the run that fills it, and never says more than it has."""

import errno
import io
import itertools
import json
import resource
import shutil
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from affectml import parts
from affectml.data import Dataset
from affectml.embeddings import EmbeddingStore, embed_dataset, embedded, ensure_embeddings, write_store
from affectml.embeddings.writing import begin_store, write_list, write_part
from affectml.encoders import load_encoder, read_image
from affectml.errors import BadDataset, BadInput, EncoderUnavailable

from .checks import edit, files_of, noise, noise_set, refused
from .fuzz.sources import as_before


def rewrite(dataset: Dataset, table: pd.DataFrame) -> Dataset:
    table.to_parquet(dataset.root / "images.parquet", index=False)
    return Dataset.open(dataset.root)


def add_row(dataset: Dataset, **row: str) -> Dataset:
    return rewrite(dataset, pd.concat([dataset.images, pd.DataFrame([row])], ignore_index=True))


def test_rows_are_the_encoders_in_the_order_asked(tmp_path, encoder, monkeypatch):
    dataset = noise_set(tmp_path / "d", 10)
    monkeypatch.setattr(parts, "SIZE", 4)
    summary = embed_dataset(dataset, encoder, batch_size=2)
    assert (summary.done, summary.skipped_existing, summary.unreadable) == (10, 0, [])
    assert summary.images_per_second == pytest.approx(10 / summary.seconds)
    store = EmbeddingStore.for_dataset(dataset)
    (listed,) = store.folder.glob("list-0000-*.parquet")
    files = [store.folder / f"part-{listed.stem.removeprefix('list-')}-0000{i}.npy" for i in range(3)]
    assert sorted(store.folder.glob("*.npy")) == files
    asked = ["i9", "i0", "i9", "i4"]
    wanted = encoder.encode_images([read_image(dataset.root / f"images/{i[1:]}.png") for i in asked]).numpy()
    got = store.rows(asked)
    assert (got.dtype, store.rows([]).shape) == (np.float32, (0, store.dim))
    np.testing.assert_allclose(got, wanted, atol=1e-3)  # float16 on disk
    assert [(np.load(file).dtype, len(np.load(file))) for file in files] == [(np.float16, n) for n in (4, 4, 2)]
    assert (store.identity, store.logit_scale) == (encoder.identity, encoder.logit_scale)


def test_only_what_is_new_is_embedded(tmp_path, encoder):
    dataset = noise_set(tmp_path / "d", 6)
    everything = dataset.images
    dataset = rewrite(dataset, everything.iloc[:4])
    first = embed_dataset(dataset, encoder).store.rows(["i0", "i3"])
    dataset = rewrite(dataset, everything)
    store, asked = EmbeddingStore.for_dataset(dataset), ["i5", "i0", "i4"]
    assert store.missing(asked) == ["i5", "i4"]
    refused(BadDataset, r"no embedding for image 'i5' \(2 of 3 missing", store.rows, asked)
    summary = embed_dataset(dataset, encoder)
    assert (summary.done, summary.skipped_existing) == (2, 4)
    np.testing.assert_array_equal(summary.store.rows(["i0", "i3"]), first)
    assert embed_dataset(dataset, encoder).done == 0


def test_unreadable_images_are_listed_counted_and_tried_again(tmp_path, encoder, monkeypatch):
    dataset = noise_set(tmp_path / "d", 9)
    whole = (dataset.root / "images/2.png").read_bytes()
    (dataset.root / "images/2.png").write_bytes(whole[: len(whole) // 2])
    (dataset.root / "images/5.png").write_bytes(b"not an image")
    (dataset.root / "images/8.png").unlink()
    monkeypatch.setattr(parts, "SIZE", 4)
    summary = embed_dataset(dataset, encoder, batch_size=2)
    assert summary.done == 6
    assert [(i, file) for i, file, _ in summary.unreadable] == [(f"i{i}", f"images/{i}.png") for i in (2, 5, 8)]
    why = ["cannot be read whole", "not an image that Pillow can read", "no such file"]
    assert [reason.split(" (")[0] for _, _, reason in summary.unreadable] == why
    listed = pd.read_csv(summary.store.folder / "unreadable.csv")
    assert listed["image_id"].tolist() == ["i2", "i5", "i8"]
    assert summary.store.missing(["i1", "i2", "i5"]) == ["i2", "i5"]

    (dataset.root / "images/2.png").write_bytes(whole)
    summary = embed_dataset(dataset, encoder)
    assert (summary.done, summary.skipped_existing, len(summary.unreadable)) == (1, 6, 2)
    for late in (5, 8):
        shutil.copy(dataset.root / "images/0.png", dataset.root / f"images/{late}.png")
    assert embed_dataset(dataset, encoder).unreadable == []
    before = files_of(summary.store.folder)
    assert "unreadable.csv" not in before
    assert (embed_dataset(dataset, encoder).done, files_of(summary.store.folder)) == (0, before)


def test_an_image_that_could_not_be_opened_is_tried_again_though_its_size_stays(dataset, encoder, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("affectml.embeddings.embed.read_image", Mock(side_effect=BadInput("no permission")))
        says = "none of its 3 images could be read; the first: no permission"
        refused(BadDataset, says, embed_dataset, dataset, encoder)
    refused(BadDataset, "no embeddings yet; run `affectml embed", EmbeddingStore.for_dataset, dataset)
    assert embed_dataset(dataset, encoder).done == 3


def test_a_file_that_changes_is_embedded_anew_and_one_that_goes_keeps_its_embedding(tmp_path, encoder):
    dataset = noise_set(tmp_path / "d", 4)
    before = embed_dataset(dataset, encoder).store.rows(["i1", "i2"])
    Image.new("RGB", (30, 20), "red").save(dataset.root / "images/2.png")
    (dataset.root / "images/1.png").unlink()
    summary = embed_dataset(dataset, encoder)
    assert (summary.done, summary.skipped_existing, sorted(summary.store.ids)) == (1, 4, ["i0", "i1", "i2", "i3"])
    after = summary.store.rows(["i1", "i2"])
    np.testing.assert_array_equal(after[0], before[0])
    red = encoder.encode_images([read_image(dataset.root / "images/2.png")]).numpy()
    np.testing.assert_allclose(after[1:], red, atol=1e-3)
    assert ensure_embeddings(dataset, None, threads=1, say=print).ids.tolist() == summary.store.ids.tolist()


def test_rows_without_a_file_are_named(dataset, encoder):
    dataset = add_row(dataset, image_id="remote", url="https://example.org/a.jpg")
    dataset = add_row(dataset, image_id="nothing")
    summary = embed_dataset(dataset, encoder)
    assert (summary.done, summary.url_only, summary.no_image) == (3, ["remote"], ["nothing"])
    alone = rewrite(dataset, dataset.images[dataset.images["file"].isna()])
    says = r"no image file to embed by local-dir:.*\(1 rows with a url only, 1 with neither\); its embeddings \(.*\)"
    refused(BadDataset, says + " are by another encoder; `affectml import fetch .*d`", embed_dataset, alone, encoder)


@pytest.fixture
def dataset(tmp_path):
    """Three images."""
    return noise_set(tmp_path / "d", 3)


@pytest.fixture
def broken(tmp_path):
    """A data set of 11 images, of which one cannot be read."""
    dataset = noise_set(tmp_path / "d", 11)
    (dataset.root / "images/3.png").write_bytes(b"not an image")
    return dataset


def test_whoever_is_stopped_loses_the_part_in_hand_and_ends_as_if_undisturbed(broken, encoder, monkeypatch, tmp_path):
    """At each batch of 2, in parts of 4 images; a kill leaves what the disk has then, Ctrl-C what it has afterwards."""
    monkeypatch.setattr(parts, "SIZE", 4)
    whole = shutil.copytree(broken.root, tmp_path / "whole")
    reference = embed_dataset(whole, encoder, batch_size=2).store
    for at in range(1, 7):
        stopped, killed, calls = tmp_path / f"stopped at {at}", tmp_path / f"killed at {at}", itertools.count(1)
        shutil.copytree(broken.root, stopped)

        def advance(bar, count, at=at, stopped=stopped, killed=killed, calls=calls):
            if next(calls) == at:
                shutil.copytree(stopped, killed)
                raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("affectml._progress.Progress.advance", advance)
            embed_dataset(stopped, encoder, batch_size=2)
        for claim in killed.rglob("*.claim"):
            claim.write_text(f"{socket.gethostname()} {2**22 + 1}")  # no process has this number
        for left in (stopped, killed):
            store = EmbeddingStore.open(left / "embeddings" / reference.folder.name)
            assert len(store.ids) == {0: 0, 1: 3, 2: 7}[(at - 1) // 2]
            np.testing.assert_array_equal(store.rows(store.ids), reference.rows(store.ids))
            summary = embed_dataset(left, encoder, batch_size=2)
            assert (summary.done, summary.skipped_existing) == (10 - len(store.ids), len(store.ids))
            assert files_of(summary.store.folder) == files_of(reference.folder)


def test_two_that_begin_at_once_write_one_list(tmp_path, encoder):
    both = [begin_store(tmp_path, encoder.identity) for _ in range(2)]
    assert [store.missing(["a", "b"]) for store in both] == [["a", "b"]] * 2  # before either has written
    one, other = (write_list(store, ["a", "b"], [10, 20]) for store in both)
    assert one == other
    assert write_list(EmbeddingStore.open(one.parent), ["c"], [30]).name.startswith("list-0001-")


def test_two_that_begin_at_once_share_the_work_and_the_store_is_that_of_one(broken, tmp_path, encoder, monkeypatch):
    monkeypatch.setattr(parts, "SIZE", 2)
    whole = shutil.copytree(broken.root, tmp_path / "whole")
    with ThreadPoolExecutor(2) as pool:
        done = [summary.done for summary in pool.map(embed_dataset, [broken.root] * 2, [encoder] * 2)]
    assert sum(done) == 10, "nothing twice"
    store = EmbeddingStore.for_dataset(broken)
    assert files_of(store.folder) == files_of(embed_dataset(whole, encoder).store.folder)


def not_read(folder, says):
    """What a store holds is refused."""
    refused(BadDataset, says, getattr, EmbeddingStore.open(folder), "ids")


def test_folders_made_on_machines_without_a_common_disk_are_copied_together(broken, encoder, tmp_path):
    everything = broken.images
    stores = []
    for name, rows in (("one", everything.iloc[:6]), ("two", everything.iloc[6:])):
        data = Dataset.open(shutil.copytree(broken.root, tmp_path / name))
        stores.append(embed_dataset(rewrite(data, rows), encoder).store)
    folder = broken.root / "embeddings" / stores[0].folder.name
    for store in stores:
        shutil.copytree(store.folder, folder, dirs_exist_ok=True)
    summary = embed_dataset(broken, encoder)
    assert (summary.done, summary.skipped_existing, [row[0] for row in summary.unreadable]) == (0, 10, ["i3"])
    for store in stores:
        np.testing.assert_array_equal(summary.store.rows(store.ids), store.rows(store.ids))

    said: list[str] = []
    next(folder.glob("list-*")).unlink()
    assert embed_dataset(broken, encoder, say=said.append).done == 5
    assert "no list names its images (1 such files); copy its list here, too" in said[0]
    edit(folder / "encoder.json", identity={"activation": "gelu"})
    not_read(folder, r"part-.*\.npy: by another encoder than encoder.json says; remove it")


def test_a_store_of_before_is_read_in_place_and_added_to(tmp_path, encoder):
    dataset = noise_set(tmp_path / "d", 7)
    everything = dataset.images
    before = as_before(embed_dataset(rewrite(dataset, everything.iloc[:5]), encoder).store)
    files, rows = files_of(before.folder), before.rows(before.ids)
    assert before.ids.tolist() == [f"i{i}" for i in range(5)]
    dataset = rewrite(dataset, everything)
    summary = embed_dataset(dataset, encoder)
    assert (summary.done, summary.skipped_existing, summary.store.ran) == (2, 5, [encoder.ran])
    np.testing.assert_array_equal(summary.store.rows(before.ids), rows)
    assert files_of(before.folder).items() >= files.items()
    whole = embed_dataset(noise_set(tmp_path / "whole", 7), encoder).store
    np.testing.assert_array_equal(summary.store.rows(whole.ids), whole.rows(whole.ids))
    table = pd.read_parquet(before.folder / "ids.parquet")
    table[table["shard"] == 1].to_parquet(before.folder / "ids-00001.parquet")  # one that was cut short
    table[table["shard"] == 0].to_parquet(before.folder / "ids.parquet")
    np.testing.assert_array_equal(EmbeddingStore.open(before.folder).rows(whole.ids), whole.rows(whole.ids))
    (before.folder / "shard-00001.npy").unlink()
    not_read(before.folder, r"shard-00001\.npy: no such shard, but ids.parquet names it")
    (before.folder / "ids.parquet").write_bytes(b"PAR1")
    not_read(before.folder, "not a readable ids table")


def test_rows_that_are_there_are_written_in_parts(tmp_path, encoder, monkeypatch):
    monkeypatch.setattr(parts, "SIZE", 4)
    rows = np.random.default_rng(0).normal(size=(10, encoder.dim)).astype(np.float32)
    ids = [f"i{i}" for i in range(10)]
    store = write_store(tmp_path, encoder.identity, ids, np.split(rows, [3, 3, 9]), specs=["a"])
    assert (store.ids.tolist(), store.specs, store.ran) == (ids, ("a",), [])
    np.testing.assert_array_equal(store.rows(ids), rows)
    assert len(list(store.folder.glob("part-*"))) == 3
    for blocks, says in (([rows[:, :3]], r"expected rows \[N, 32\]"), ([rows[:9]], "for each of 10 images, got 9")):
        refused(BadInput, says, write_store, tmp_path / "x", encoder.identity, ids, blocks)


@contextmanager
def no_file_larger_than(size):
    """As on a disk that takes no more."""
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)


def test_a_store_that_cannot_be_written_says_where_embeddings_are_kept(tmp_path, dataset, encoder):
    (dataset.root / "embeddings").write_text("a file")
    says = r"cannot write there \(.*\), and embeddings are kept beside the images"
    refused(BadDataset, says, embed_dataset, dataset, encoder)
    (dataset.root / "embeddings").unlink()
    (dataset.root / "images/1.png").write_bytes(b"no image")
    store = embed_dataset(dataset, encoder).store
    more = Dataset.open(shutil.copytree(dataset.root, tmp_path / "more"))
    more = add_row(more, image_id="again", file="images/2.png")
    with no_file_larger_than(0), pytest.raises(BadDataset, match=says):
        assert embed_dataset(dataset, encoder).skipped_existing == 2  # nothing is left to write
        embed_dataset(more, encoder)
    assert EmbeddingStore.for_dataset(more).ids.tolist() == store.ids.tolist() == ["i0", "i2"]


def test_two_identities_are_never_mixed(dataset, encoder):
    edit(embed_dataset(dataset, encoder).store.folder / "encoder.json", identity={"activation": "gelu"})
    says = r"another encoder \(activation: quickgelu, not gelu\).*cannot be mixed"
    refused(BadDataset, says, embed_dataset, dataset, encoder)


def test_which_store_a_spec_means(dataset, spec, encoder):
    fp32 = embed_dataset(dataset, encoder).store.folder
    bf16 = embed_dataset(dataset, load_encoder(spec, precision="bf16")).store.folder
    refused(BadDataset, f"several embedding stores.*{fp32.name}, {bf16.name}", EmbeddingStore.for_dataset, dataset)
    refused(BadDataset, "several embedding stores", EmbeddingStore.for_dataset, dataset, spec)
    assert EmbeddingStore.for_dataset(dataset, spec, precision="pure_bf16").folder == bf16
    assert EmbeddingStore.for_dataset(dataset, fp32.name).folder == fp32
    says = r"no embeddings of ViT-B-32-quickgelu:openai \(it has: .*--encoder"
    refused(BadDataset, says, EmbeddingStore.for_dataset, dataset, "ViT-B-32-quickgelu:openai")


def test_changed_weights_do_not_pass_for_the_old_ones(tmp_path, tiny_clip):
    dataset, model = noise_set(tmp_path / "d", 2), Path(shutil.copytree(tiny_clip, tmp_path / "model"))
    embed_dataset(dataset, f"local-dir:{model}")
    moved = Path(shutil.copytree(model, tmp_path / "moved"))
    assert len(EmbeddingStore.for_dataset(dataset, f"local-dir:{moved}").ids) == 2
    weights = model / "open_clip_model.safetensors"
    weights.write_bytes(weights.read_bytes() + b"x")
    refused(BadDataset, "no embeddings of local-dir", EmbeddingStore.for_dataset, dataset, f"local-dir:{model}")
    shutil.rmtree(model)  # the weights have gone; their embeddings serve
    assert len(EmbeddingStore.for_dataset(dataset, f"local-dir:{model}").ids) == 2


def test_texts_are_encoded_once(dataset, spec, encoder):
    store = embed_dataset(dataset, encoder).store
    refused(EncoderUnavailable, "these 2 texts are not cached", store.text_features, None, ["joy", "fear"])
    factory = Mock(return_value=encoder)
    first = store.text_features(factory, ["joy", "fear"])
    again = EmbeddingStore.open(store.folder).text_features(factory, ["joy", "fear"])
    assert factory.call_count == 1
    np.testing.assert_array_equal(first, again)
    assert torch.equal(torch.from_numpy(first), encoder.encode_texts(["joy", "fear"]))
    np.testing.assert_array_equal(store.text_features(factory, ["fear", "joy"]), first[::-1])
    assert factory.call_count == 2
    says, other = r"not the one that made these.*precision: pure_bf16, not fp32", load_encoder(spec, precision="bf16")
    refused(EncoderUnavailable, says, store.text_features, lambda: other, ["sadness"])


def test_a_damaged_store_says_which_file(tmp_path, encoder, monkeypatch):
    monkeypatch.setattr(parts, "SIZE", 2)
    folder = embed_dataset(noise_set(tmp_path / "d", 4), encoder).store.folder
    (listed,), second = folder.glob("list-*"), sorted(folder.glob("part-*"))[1]
    whole = second.read_bytes()
    row = io.BytesIO()
    np.save(row, np.zeros((1, 32), dtype=np.float16))
    end = whole[whole.index(b'{"encoder') :]
    for content, says in (
        (whole[:-8], "does not end with what made it"),
        (b"", "not a readable part"),
        (np.zeros(3).tobytes(), "not a readable part"),
        (row.getvalue() + end, r"expected 2 rows of 32, got \(1, 32\)"),
        (whole[: -len(end)] + end.replace(b"{}", b'{"7": "x"}'), r"does not end .* \(unreadable: no such row"),
    ):
        second.write_bytes(content)
        not_read(folder, rf"{second.name}: {says}.*remove it, and `affectml embed` makes it again")
    second.unlink()
    assert EmbeddingStore.open(folder).ids.tolist() == ["i0", "i1"]
    assert embed_dataset(tmp_path / "d", encoder).done == 2
    assert second.read_bytes() == whole
    for content in (b"PAR1", pd.DataFrame({"image_id": ["a"], "part": [1], "size": [1]}).to_parquet()):
        listed.write_bytes(content)
        not_read(folder, "not a readable list of images")
    for content in ("{", "[]", "{}"):
        (folder / "encoder.json").write_text(content)
        refused(BadDataset, r"encoder\.json", EmbeddingStore.open, folder)
    refused(BadDataset, "so it is no embedding store", EmbeddingStore.open, tmp_path / "nothing")


def test_the_command_prints_what_was_done(told, dataset, spec):
    (dataset.root / "images/1.png").write_bytes(b"not an image")
    words = ["embed", dataset.root, "--encoder", spec, "--threads", "1"]
    shown = " ".join(told(*words).split())
    assert "images/s" in shown
    assert "images/1.png: not an image" in shown
    content = json.loads(told(*words, "--json"))
    done = content["done"], content["skipped_existing"], content["unreadable"][0]["image_id"]
    assert (*done, len(content["fingerprint"])) == (0, 2, "i1", 64)


def test_a_file_outside_the_data_set_is_not_read(dataset, encoder):
    outside = add_row(dataset, image_id="x", file="../secret.png")
    refused(BadDataset, r"'\.\./secret\.png' leaves the data set's folder", embed_dataset, outside, encoder)
    assert not (dataset.root / "embeddings").exists()


def test_what_a_kill_left_beside_the_last_part_goes_though_nothing_is_left_to_make(broken, encoder):
    folder = embed_dataset(broken, encoder).store.folder
    (part,), before = folder.glob("part-*"), files_of(folder)
    (folder / f"{part.name}.claim").write_text(f"{socket.gethostname()} {2**22 + 1}")
    (folder / f".{part.name}.01234567.tmp").write_bytes(b"x")
    assert embed_dataset(broken, encoder).done == 0
    assert files_of(folder) == before


def test_texts_are_embedded_where_they_cannot_be_cached(dataset, encoder, monkeypatch):
    store = embed_dataset(dataset, encoder).store
    before, full = sorted(store.folder.iterdir()), OSError(errno.EROFS, "Read-only file system")
    monkeypatch.setattr("affectml.embeddings.store.write_json", Mock(side_effect=full))
    found = store.text_features(lambda: encoder, ["joy", "fear"])
    np.testing.assert_array_equal(found, encoder.encode_texts(["joy", "fear"]).numpy())
    assert sorted(store.folder.iterdir()) == before


def test_a_disk_that_takes_no_more_of_a_part_says_so(tmp_path, encoder):
    """numpy alone says how many of its numbers were written, and not why no more were."""
    with no_file_larger_than(4096), pytest.raises(OSError, match="File too large") as failed:
        write_part(tmp_path / "part.npy", np.zeros((100, 100)), encoder.identity, None, {})
    assert (failed.value.errno, failed.value.filename) == (errno.EFBIG, str(tmp_path / "part.npy"))
    assert list(tmp_path.iterdir()) == []


# The stream of images that stores are filled from


@dataclass(frozen=True)
class Noise:
    """An image of its own for every number; multiples of 7 cannot be read."""

    number: int

    @property
    def name(self):
        return f"{self.number}.png"

    def read(self, at_least=0):
        if self.number % 7 == 0:
            raise BadInput(f"{self.name}: not an image")
        return noise(self.number)


def several(numbers):
    return [Noise(number) for number in numbers]


def test_a_stream_that_is_left_leaves_torch_as_it_was_and_ends_its_threads(encoder):
    at_start: list[int] = []
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        stream = embedded(encoder, [several(range(1, 1000))], batch_size=4)
        next(stream)
        decoding = [thread for thread in threading.enumerate() if thread.name.startswith("decode")]
        assert decoding
        stream.close()
        thread = threading.Thread(target=lambda: at_start.append(torch.get_num_threads()))
        thread.start()
    finally:
        torch.set_num_threads(before)
    for ends in (thread, *decoding):
        ends.join(timeout=300)
        assert not ends.is_alive()
    assert at_start == [3]


def test_rows_belong_to_their_items_and_the_unreadable_are_named(encoder):
    batches = list(embedded(encoder, [several(range(1, 24))], batch_size=5))
    assert [len(batch.items) for batch in batches] == [5, 5, 5, 5]
    unreadable = [(item.number, why) for batch in batches for item, why in batch.bad]
    assert unreadable == [(number, "not an image") for number in (7, 14, 21)]
    items = [item for batch in batches for item in batch.items]
    assert [item.number for item in items] == [n for n in range(1, 24) if n % 7]
    wanted = encoder.encode_images([item.read() for item in items]).numpy()
    np.testing.assert_allclose(np.concatenate([batch.rows for batch in batches]), wanted, atol=1e-6)


def test_a_batch_of_unreadable_items_has_no_rows(encoder):
    (batch,) = embedded(encoder, [several((0, 7))])
    assert (batch.items, batch.rows.shape, len(batch.bad)) == ([], (0, encoder.dim), 2)
    assert list(embedded(encoder, [])) == list(embedded(encoder, [[]])) == []


def test_no_batch_has_images_of_two_parts(encoder):
    numbers = [list(range(1, 8)), [9, 14, 21], [14, 21], [22, 23, 24]]  # the last of some cannot be read
    found = list(embedded(encoder, map(several, numbers), batch_size=3))
    each = [[item.number for item in batch.items] + [item.number for item, _ in batch.bad] for batch in found]
    assert each == [[1, 2, 3], [4, 5, 6], [7], [9, 14, 21], [14, 21], [22, 23, 24]]


def test_padded_rows_do_not_depend_on_where_a_batch_ends():
    tiny = load_encoder("affect-tiny", threads=1)
    items = [Noise(7 * i + 1) for i in range(32)]
    whole = np.concatenate([batch.rows for batch in embedded(tiny, [items], batch_size=16, padded=True)])
    for count in (1, 2, 3, 5, 18):
        parts = [items[:count], items[count:]]
        some = np.concatenate([batch.rows for batch in embedded(tiny, parts, batch_size=16, padded=True)])
        np.testing.assert_array_equal(some, whole)
