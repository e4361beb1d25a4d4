"""Precision auto: a fast way where it agrees with fp32, recorded by the part, and no part of an identity."""

import shutil
import sys
import time

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from affectml.data import Dataset
from affectml.embeddings import EmbeddingStore, embed_dataset, ensure_embeddings
from affectml.encoders import Ran, load_encoder, read_image
from affectml.encoders.identity import Agreement
from affectml.encoders.threads import fast_bfloat16
from affectml.encoders.towers import TorchTower, natural_precision, spared, without_padding

from .checks import edit, files_of, noise_set
from .fuzz.sources import as_before

BF16 = "affectml.encoders.towers.fast_bfloat16"  # what tells whether the processor has instructions for bf16


@pytest.fixture
def with_bf16(monkeypatch):
    """A machine that has instructions for bf16."""
    monkeypatch.setattr(BF16, lambda: True)


@pytest.fixture
def auto(spec):
    return lambda: load_encoder(spec, precision="auto", threads=1)


def ways(store):
    return [ran.precision for ran in store.ran]


def test_an_agreement_by_hand():
    exact = texts = torch.eye(2)
    turned = torch.tensor([[0.6, 0.8], [0.0, 1.0]])
    assert Agreement.of(exact, exact, texts) == Agreement(2, 1.0, 1.0)
    assert Agreement.of(turned, exact, texts) == Agreement(2, 0.6, 0.5)
    assert Agreement.of(turned, exact, None) == Agreement(2, 0.6, None)
    said = [Agreement(9, c, o).agrees for c, o in [(0.999, 0.99), (0.9989, 1.0), (1.0, 0.98), (1.0, None)]]
    assert said == [True, False, False, True]


def test_labels_within_rounding_have_no_order():
    exact, fast = torch.tensor([[0.6, 0.8]]), torch.tensor([[0.6004, 0.7997]])
    near = torch.tensor([[1.0, 0.0], [0.6, 0.6000]])  # cosines .6 and .84, far apart
    tied = torch.tensor([[1.0, 0.0], [0.0, 0.7504]])  # .6 and .6003, then .6004 and .6001
    assert Agreement.of(fast, exact, near).order == Agreement.of(fast, exact, tied).order == 1
    assert Agreement.of(torch.tensor([[0.61, 0.79]]), exact, torch.tensor([[1.0, 0.0], [0.0, 0.7525]])).order == 0


def tiny(**vision):
    torch.manual_seed(0)
    sizes = {"image_size": 32, "patch_size": 8, "width": 16, "head_width": 8, "layers": 2}
    text = {"context_length": 8, "vocab_size": 20, "width": 16, "heads": 2, "layers": 1}
    return open_clip.CLIP(8, {**sizes, **vision}, text, quick_gelu=vision.get("pool_type") != "avg").eval()


@pytest.mark.parametrize("vision", [{}, {"ls_init_value": 0.5}, {"final_ln_after_pool": True}])
def test_a_spared_tower_gives_the_same_features_with_the_same_weights(vision):
    model = tiny(**vision)
    twin, pixels = spared(model), torch.randn(3, 3, 32, 32)
    read = []
    for each in (model, twin):
        each.visual.transformer.resblocks[-1].register_forward_hook(lambda block, given, found: read.append(found))
    with torch.inference_mode():
        assert torch.allclose(model.encode_image(pixels), twin.encode_image(pixels), rtol=0, atol=1e-6)
    assert [tuple(tokens.shape) for tokens in read] == [(3, 17, 16), (3, 1, 16)]
    assert {part.data_ptr() for part in twin.parameters()} == {part.data_ptr() for part in model.parameters()}


@pytest.mark.parametrize("vision", [{"pool_type": "avg"}, {"attentional_pool": True}, {"output_tokens": True}])
def test_a_tower_whose_tokens_all_count_is_not_spared(vision):
    model = tiny(**vision)
    assert spared(model) is model


def test_texts_without_their_padding_have_the_same_features():
    encoder = load_encoder(threads=1)
    texts = ["awe", "", "a photo that evokes awe and fear", "joy"]
    model, tokens = without_padding(encoder.image_tower, encoder._tokens(texts))
    assert tokens.shape[1] < encoder._tokens(texts).shape[1]
    rows = torch.nn.functional.normalize(model.encode_text(tokens), dim=-1)
    torch.testing.assert_close(rows, encoder.encode_texts(texts), atol=1e-6, rtol=0)
    for some in (texts, texts[:1]):
        bare, padded = (encoder.encode_texts(some, padded=way) for way in (False, True))
        torch.testing.assert_close(bare, padded, atol=1e-6, rtol=0)
    assert encoder.image_tower.attn_mask.shape[0] > tokens.shape[1]  # which is the encoder's still


def test_a_store_is_the_same_file_by_file_whatever_runs_beside_it(tmp_path, spec, monkeypatch, spawn, with_bf16):
    def clock():
        raise AssertionError("a time was asked for")

    monkeypatch.setattr(time, "process_time", clock)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    made = []
    for threads, busy in [(1, 0), (None, 2)]:
        beside = [spawn([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
        dataset = noise_set(tmp_path / f"{threads} {busy}", 12)
        store = embed_dataset(dataset, load_encoder(spec, precision="auto", threads=threads), batch_size=4).store
        assert ways(store) == ["pure_bf16"]
        made.append(files_of(store.folder))
        for one in beside:
            one.kill()
    assert made[0] == made[1]


INSTRUCTIONS = [
    ("avx2 avx512f avx512_bf16", "", True),
    ("avx2 amx_bf16", "AVX512_CORE_AMX", True),
    ("avx2 avx512f avx512_bf16", "avx2", False),
    ("avx2 avx512f avx512_bf16", "AVX512_CORE_VNNI", False),
    ("avx2", "", False),
]


@pytest.mark.parametrize(("flags", "limit", "has"), INSTRUCTIONS)
def test_instructions_that_onednn_is_kept_from_are_not_there(monkeypatch, flags, limit, has):
    monkeypatch.setattr("affectml.encoders.threads.cpuinfo", lambda key: flags)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert fast_bfloat16() is has


@pytest.mark.parametrize("agrees", [True, False])
def test_a_trial_leaves_no_trace_in_the_rows(tmp_path, auto, spec, with_bf16, monkeypatch, agrees):
    """As if the precision had been named: of 20 images in batches of 4, with some that cannot be read."""
    dataset = noise_set(tmp_path / "d", 20)
    monkeypatch.setattr("affectml.parts.SIZE", 8)
    for i in (0, 2, 17):
        (dataset.root / f"images/{i}.png").write_text("no image")
    named = load_encoder(spec, precision="bf16" if agrees else "fp32", threads=1)
    wanted = embed_dataset(dataset, named, batch_size=4)
    shutil.move(wanted.store.folder, tmp_path / "wanted")
    if not agrees:
        monkeypatch.setattr("affectml.encoders.identity.COSINE", 1.1)
    said = []
    found = embed_dataset(dataset, auto(), batch_size=4, say=said.append)
    assert ways(found.store) == ["pure_bf16" if agrees else "fp32"]
    chosen = "bf16, which agrees with fp32" if agrees else "fp32, since bf16 does not agree with it here"
    assert f"embedding in {chosen} (3 images: cosine to fp32 at least 0.99" in said[0]
    assert (found.done, found.unreadable) == (17, wanted.unreadable)
    ours, theirs = found.store, EmbeddingStore.open(tmp_path / "wanted")
    assert ours.ids.tolist() == theirs.ids.tolist()
    np.testing.assert_array_equal(ours.rows(ours.ids), theirs.rows(theirs.ids))


def test_a_fast_way_that_gives_no_numbers_is_not_kept(tmp_path, auto, with_bf16, monkeypatch):
    class Nothing(TorchTower):
        def __call__(self, pixels):
            return super().__call__(pixels) * torch.nan

    def converted(tower, precision):
        return Nothing(tower._model, tower.precision, tower._device)

    monkeypatch.setattr(TorchTower, "converted", converted)
    assert ways(embed_dataset(noise_set(tmp_path / "d"), auto()).store) == ["fp32"]


def test_the_next_run_goes_on_in_the_precision_of_the_last(tmp_path, auto, monkeypatch):
    dataset = noise_set(tmp_path / "d")
    everything = dataset.images
    for has_bf16, count, wanted in (
        (False, 2, ["fp32"]),
        (True, 4, ["fp32"]),
        (True, 2, ["pure_bf16"]),  # anew
        (True, 4, ["pure_bf16"]),
        (False, 6, ["pure_bf16", "fp32"]),  # a machine without it
    ):
        if count == 2:
            shutil.rmtree(dataset.root / "embeddings", ignore_errors=True)
        monkeypatch.setattr(BF16, lambda has_bf16=has_bf16: has_bf16)
        everything.iloc[:count].to_parquet(dataset.root / "images.parquet", index=False)
        assert ways(embed_dataset(Dataset.open(dataset.root), auto()).store) == wanted


def test_a_store_in_a_precision_of_its_own_is_gone_on_with(tmp_path, auto, spec, with_bf16):
    dataset = noise_set(tmp_path / "d")
    fp32 = embed_dataset(dataset, load_encoder(spec, threads=1)).store
    said = []
    again = embed_dataset(dataset, auto(), say=said.append)
    assert (again.store.folder, again.done) == (fp32.folder, 0)
    assert "by the same encoder in fp32: going on with that" in said[0]
    assert ensure_embeddings(dataset, spec, threads=1, say=said.append, precision="auto").folder == fp32.folder
    assert auto().identity.may_use(fp32.identity)
    assert not fp32.identity.may_use(auto().identity)


def test_provenance_survives_the_way_to_disk(tmp_path, auto, with_bf16):
    encoder = auto()
    assert embed_dataset(noise_set(tmp_path / "d"), encoder, batch_size=2).store.ran == [encoder.ran]
    before = {"threads": 2, "probe": {"images": 3, "cosine": 1.0, "order": None}}
    assert Ran.from_json({**encoder.ran.to_json(), **before}) == encoder.ran


MACHINES = [
    ("cpu", True, True, "bf16"),
    ("cpu", True, False, "fp32"),
    ("cuda:0", True, False, "bf16"),
    ("cuda:0", False, True, "fp16"),
    ("mps", True, True, "fp32"),
]


@pytest.mark.parametrize(("device", "gpu_has_bf16", "cpu_has_bf16", "precision"), MACHINES)
def test_the_machine_says_what_images_are_embedded_in(monkeypatch, device, gpu_has_bf16, cpu_has_bf16, precision):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *, including_emulation: gpu_has_bf16)
    monkeypatch.setattr(BF16, lambda: cpu_has_bf16)
    assert natural_precision(device) == precision


# Stores of before. What they are called in encoder.json says whether the same numbers can be computed.


@pytest.mark.parametrize(("precision", "spoken"), [("openvino", "openvino"), ("bf16", "mixed bf16")])
def test_a_store_in_a_precision_that_left_is_used_and_joined_by_nothing(tmp_path, spec, auto, precision, spoken):
    """Five of six images were embedded in what a file calls so, with a check that is kept."""
    folder, images = tmp_path / "d", noise_set(tmp_path / "d").images
    images.iloc[:5].to_parquet(folder / "images.parquet", index=False)
    store = embed_dataset(folder, load_encoder(spec, threads=1)).store
    edit(store.folder / "encoder.json", identity={"precision": precision})
    probe = {"images": 3, "cosine": 0.99995, "order": 1.0}
    as_before(store, precision=precision, backend="openvino", probe=probe)
    store.folder.rename(store.folder.parent / EmbeddingStore.open(store.folder).identity.slug)
    images.to_parquet(folder / "images.parquet", index=False)
    dataset = Dataset.open(folder)
    before = EmbeddingStore.for_dataset(dataset)
    files, said = files_of(before.folder), []
    used = ensure_embeddings(dataset, None, threads=1, say=said.append)
    assert (used.folder, used.missing(dataset.images["image_id"])) == (before.folder, ["i5"])
    gone = f"these embeddings are in {spoken}, which is computed no more, so new images cannot join them"
    why = f"{before.folder}: {gone}"
    assert said == [f"{why}; `affectml embed {dataset.root} --encoder {spec}` embeds all of them anew"]
    anew = embed_dataset(dataset, auto(), say=said.append)
    assert (anew.done, anew.store.identity.precision) == (6, "auto")
    assert said[1] == f"{why}: embedding all images anew"
    assert files_of(before.folder) == files
    assert embed_dataset(dataset, load_encoder(spec, threads=1)).store.folder != before.folder


def test_affect_tiny_is_in_fp32():
    assert load_encoder("affect-tiny", precision="auto").identity.precision == "fp32"


@pytest.mark.parametrize(("orientation", "subsampling"), [(1, 2), (6, 0)])
def test_a_large_jpeg_at_reduced_scale_prepares_alike(tmp_path, encoder, orientation, subsampling):
    """The tolerance that docs/data.md states, on what varies most: noise of all sizes."""
    rng = np.random.default_rng(0)
    levels = [Image.fromarray(rng.integers(0, 255, (n, n, 3), dtype=np.uint8)).resize((800, 640)) for n in (7, 40, 300)]
    mixed = np.mean([np.asarray(level, dtype=np.float32) for level in levels], axis=0).astype(np.uint8)
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / "large.jpg"
    Image.fromarray(mixed).save(path, quality=90, subsampling=subsampling, exif=exif)
    whole, reduced = read_image(path), read_image(path, 2 * 32)
    assert reduced.size == ((80, 100) if orientation == 6 else (100, 80))
    assert read_image(path, 321).size == whole.size
    off = (encoder.preprocess(whole) - encoder.preprocess(reduced)).abs() * 0.25 * 255  # the transform's deviation
    assert off.max() <= 10
    assert off.mean() < 1
    rows = encoder.encode_images([whole, reduced])
    assert float(rows[0] @ rows[1]) > 0.9999
