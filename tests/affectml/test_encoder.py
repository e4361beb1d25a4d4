"""The right weights with the right activation and preprocessing, or an error that says which; images; affect-tiny."""

import hashlib
import json
import pickle
import runpy
import shutil
import socket
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import affectml
from affectml.encoders import PRECISIONS, EncoderIdentity, load_encoder, local_weights, read_image
from affectml.encoders._guards import published_as
from affectml.encoders._spec import find
from affectml.encoders.images import quiet_about_size
from affectml.errors import BadInput, EncoderUnavailable
from affectml.taxonomies import builtin_names, get_taxonomy

from .checks import edit, refused

WITH_QUICKGELU = ("openai", "laion400m_e32", "metaclip_400m")
WITH_GELU = "with QuickGELU, but would run with GELU"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch, tmp_path):
    """As on a machine without a network and without a cache: nothing is waited for."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "no-cache"))


def not_loaded(says, spec, **options):
    refused(EncoderUnavailable, says, load_encoder, spec, **options)


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (40 + i, 50, 3), dtype=np.uint8)) for i in range(5)]


@pytest.fixture
def copy(tiny_clip, tmp_path):
    """A copy of the tiny encoder to spoil."""
    return Path(shutil.copytree(tiny_clip, tmp_path / "model"))


def test_embeddings_are_open_clips_own_normalised(spec, encoder, images):
    model, transform = open_clip.create_model_from_pretrained(spec)
    model.eval()
    with torch.inference_mode():
        wanted = model.encode_image(torch.stack([transform(image) for image in images]), normalize=True)
        tokens = open_clip.get_tokenizer(spec)(["joy", "a sad dog"])
        texts = model.encode_text(tokens, normalize=True)
    got = encoder.encode_images(images)
    assert (got.dtype, encoder.dim, got.shape) == (torch.float32, 32, (5, 32))
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-6)
    torch.testing.assert_close(encoder.encode_texts(["joy", "a sad dog"]), texts, rtol=0, atol=1e-6)
    torch.testing.assert_close(got.norm(dim=1), torch.ones(5), rtol=0, atol=1e-6)
    assert encoder.logit_scale == pytest.approx(1 / 0.07)


def test_the_identity_says_what_runs(encoder, tiny_clip):
    identity, weights = encoder.identity, (tiny_clip / "open_clip_model.safetensors").read_bytes()
    assert (identity.weights_sha256, identity.activation) == (hashlib.sha256(weights).hexdigest(), "quickgelu")
    assert [identity.preprocessing[key] for key in ("mean", "interpolation")] == [[0.5, 0.5, 0.5], "bilinear"]
    assert (identity.precision, identity.normalised, identity.dim, identity.has_text) == ("fp32", True, 32, True)
    again = EncoderIdentity.from_json(json.loads(json.dumps(identity.to_json())))
    assert (again, again.slug) == (identity, identity.slug)
    misspelt = identity.to_json() | {"presicion": "fp32"}
    refused(BadInput, "presicion: Unexpected keyword argument", EncoderIdentity.from_json, misspelt)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_each_precision_gives_its_own_identity_and_nearly_the_same_rows(spec, encoder, images, precision):
    own = load_encoder(spec, precision=precision)
    rows = own.encode_images(images)
    assert rows.dtype == own.encode_texts(["joy"]).dtype == torch.float32
    assert ((rows * encoder.encode_images(images)).sum(1) > 0.995).all()
    assert (own.identity.slug == encoder.identity.slug) == (precision == "fp32")


@pytest.fixture
def created(monkeypatch):
    """`created()`: the devices that open_clip has made models on."""
    create = Mock(wraps=open_clip.create_model_from_pretrained)
    monkeypatch.setattr(open_clip, "create_model_from_pretrained", create)
    return lambda: [call.kwargs["device"] for call in create.call_args_list]


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_weights_that_stay_in_their_file_give_the_same_numbers(spec, images, created, precision):
    whole, mapped = (load_encoder(spec, precision=precision, mapped=mapped) for mapped in (0, 1))
    kept = PRECISIONS[precision]
    model, _ = open_clip.create_model_from_pretrained(spec, precision=kept, device="cpu")
    assert created() == ["meta", "meta", "cpu"]
    for encoder in (whole, mapped):
        given = dict(encoder.image_tower.named_buffers()) | encoder.image_tower.state_dict()
        assert given.keys() == (dict(model.named_buffers()) | model.state_dict()).keys()
        for name, part in (dict(model.named_buffers()) | model.state_dict()).items():
            torch.testing.assert_close(given[name], part, atol=0, rtol=0)
    assert (mapped.identity, mapped.logit_scale) == (whole.identity, whole.logit_scale)
    assert torch.equal(mapped.encode_texts(["joy", "a sad dog"]), whole.encode_texts(["joy", "a sad dog"]))
    assert torch.equal(mapped.encode_images(images), whole.encode_images(images))


def test_weights_that_cannot_stay_in_their_file_are_loaded(copy, images, created):
    weights = copy / "open_clip_model.safetensors"
    whole = load_encoder(f"local-dir:{copy}")
    content = load_file(weights)
    torch.save(content, copy / "pytorch_model.bin")
    weights.rename(copy / "kept")
    loaded = load_encoder(f"local-dir:{copy}", mapped=True)
    assert torch.equal(loaded.encode_images(images), whole.encode_images(images))
    save_file(content | {"more": torch.zeros(1)}, weights)
    not_loaded("more", f"local-dir:{copy}", mapped=True)
    del content["visual.conv1.weight"]
    save_file(content, weights)
    not_loaded(r"visual\.conv1\.weight", f"local-dir:{copy}", mapped=True)
    assert created() == ["meta", "cpu"] * 3


def test_no_images_and_no_texts(encoder):
    assert encoder.encode_images([]).shape == encoder.encode_texts([]).shape == (0, 32)
    refused(BadInput, "a list of texts", encoder.encode_texts, "joy")


NO_SPECS = [
    ("affect-tinny", r"did you mean 'affect-tiny'\?.*local-dir:FOLDER"),
    ("ViT-B-32", r"'ViT-B-32'; name its weights too \(ViT-B-32:openai, .*ARCH:TAG"),
    ("ViT-B/32:openai", "no architecture 'ViT-B/32'; did you mean 'ViT-B-32'"),
    ("ViT-B-32:opennai", "neither a tag of ViT-B-32 nor a file; did you mean 'openai'"),
    ("ViT-B-32:/nowhere/w.safetensors", "neither a tag of ViT-B-32 nor a file; no such file"),
    ("ViT-B-32-quickgelu:laion2b_s34b_b79k", "ViT-B-32:laion2b_s34b_b79k exists"),
    ("local-dir:/nowhere", "no such folder"),
    ("hf-hub:", "a spec is"),
    *((f"ViT-B-32:{tag}", rf"{WITH_GELU}.*use the architecture ViT-B-32-quickgelu") for tag in WITH_QUICKGELU),
]


@pytest.mark.parametrize(("spec", "says"), NO_SPECS)
def test_a_spec_that_names_nothing_or_the_wrong_activation(spec, says):
    not_loaded(says, spec)


@pytest.mark.parametrize(
    ("spec", "repository"),
    [("ViT-B-32-quickgelu:openai", "timm/vit_base_patch32_clip_224.openai"), ("hf-hub:some/model", "some/model")],
)
def test_weights_that_cannot_be_had_say_what_was_tried_and_what_would_do(spec, repository):
    with pytest.raises(EncoderUnavailable) as caught:
        load_encoder(spec)
    message = str(caught.value)
    said = (repository, "/path/to/weights.safetensors", "local-dir:FOLDER", "'affect-tiny'")
    assert [words for words in said if words not in message] == []
    assert "\n" not in message


def test_without_a_network_nothing_is_retried_for_a_minute(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    unresolved = socket.gaierror(-2, "Name or service not known")
    monkeypatch.setattr(socket, "getaddrinfo", Mock(side_effect=unresolved))
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    not_loaded(r"did not give them \(huggingface\.co does not resolve", "ViT-B-32-quickgelu:openai")
    assert sum(waits) < 5


def in_cache(cache: Path, repository: str, files: list[Path]) -> None:
    """Put files where the hub's client would have put them."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    (folder / "snapshots" / "0").mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0")
    for file in files:
        shutil.copy(file, folder / "snapshots" / "0")


def test_what_is_in_the_cache_needs_no_network(tmp_path, encoder, tiny_clip):
    in_cache(tmp_path / "no-cache", "some/model", list(tiny_clip.iterdir()))
    cached = load_encoder("hf-hub:some/model")
    assert cached.identity == encoder.identity
    assert torch.equal(cached.encode_texts(["joy"]), encoder.encode_texts(["joy"]))
    in_cache(tmp_path / "no-cache", "timm/ViT-B-16-SigLIP", [tiny_clip / "open_clip_model.safetensors"])
    source = find("ViT-B-16-SigLIP:webli")
    assert (source.weights.name, source.preprocessing["resize_mode"]) == ("open_clip_model.safetensors", "squash")


CACHED = "models--timm--vit_base_patch32_clip_224.openai/snapshots/0/open_clip_model.safetensors"
WITH_QUICK = "with GELU, but would run with QuickGELU.*architecture ViT-B-32"


OTHER_ACTIVATIONS = [
    ("vit_b_32-quickgelu-laion400m_e31-d867053b.pth", "ViT-B-32", WITH_GELU),
    ("ViT-B-32-openai.safetensors", "ViT-B-32", WITH_GELU),
    ("openai.bin", "ViT-B-32", WITH_GELU),
    (CACHED, "ViT-B-32", WITH_GELU),
    ("laion2b_s34b_b79k.safetensors", "ViT-B-32-quickgelu", WITH_QUICK),
]


@pytest.mark.parametrize(("name", "architecture", "says"), OTHER_ACTIVATIONS)
def test_weights_of_a_file_run_with_their_own_activation(tmp_path, name, architecture, says):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")
    refused(EncoderUnavailable, says, find, f"{architecture}:{path}")


def test_a_checksum_says_what_a_file_is_whatever_its_name():
    openai = "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"  # in OpenAI's own address
    assert published_as(Path("renamed.pt"), openai, "ViT-B-32")[1] == "openai"
    assert published_as(Path("renamed.pt"), "0" * 64, "ViT-B-32") is None


def test_a_local_folder_of_quickgelu_weights_says_so_in_its_config(copy):
    folder = copy.rename(copy.with_name("models--timm--vit_base_patch32_clip_224.openai"))
    edit(folder / "open_clip_config.json", model_cfg={"quick_gelu": False})
    not_loaded(WITH_GELU, f"local-dir:{folder}")


def test_a_weights_file_gets_its_architectures_preprocessing_not_openais(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"weights")
    siglip = find(f"ViT-B-16-SigLIP:{path}").preprocessing
    assert siglip["mean"] == siglip["std"] == (0.5, 0.5, 0.5)
    assert siglip["resize_mode"] == "squash"
    openai = find(f"ViT-L-14-quickgelu:{path}").preprocessing
    assert openai["mean"] == (0.48145466, 0.4578275, 0.40821073)
    with (
        pytest.warns(UserWarning, match="ViT-L-14 prepare images in different ways.*laion2b_s32b_b82k"),
        pytest.warns(UserWarning, match="GELU or QuickGELU"),
    ):
        assert find(f"ViT-L-14:{path}").preprocessing["mean"] == openai["mean"]
    named = path.rename(tmp_path / "laion2b_s32b_b82k.safetensors")
    assert find(f"ViT-L-14:{named}").preprocessing["mean"] == (0.5, 0.5, 0.5)


def test_a_file_that_says_nothing_of_its_activation_is_loaded_with_a_warning(tiny_clip, images, tmp_path, monkeypatch):
    config = json.loads((tiny_clip / "open_clip_config.json").read_text())["model_cfg"]
    for name, quick in (("tiny-quickgelu", True), ("tiny", False)):
        (tmp_path / f"{name}.json").write_text(json.dumps({**config, "quick_gelu": quick}))
    for known in ("_MODEL_CONFIG_PATHS", "_MODEL_CONFIGS"):
        monkeypatch.setattr(open_clip.factory, known, getattr(open_clip.factory, known).copy())
    open_clip.add_model_config(tmp_path)
    path = tiny_clip / "open_clip_model.safetensors"
    with (
        pytest.warns(UserWarning, match=rf"GELU or QuickGELU.*use tiny-quickgelu:{path}"),
        pytest.warns(UserWarning, match="no published weights of tiny"),
    ):
        gelu = load_encoder(f"tiny:{path}")
    with pytest.warns(UserWarning, match="no published weights"):
        quick = load_encoder(f"tiny-quickgelu:{path}")
    assert (gelu.identity.activation, quick.identity.activation) == ("gelu", "quickgelu")
    assert gelu.identity.slug != quick.identity.slug
    assert not torch.equal(gelu.encode_images(images), quick.encode_images(images))


def test_no_weights_never_means_random_ones(copy):
    (copy / "open_clip_model.safetensors").unlink()
    not_loaded("no weights there", f"local-dir:{copy}")
    (copy / "w.pt").write_bytes(b"weights")
    not_loaded(r"w\.pt is not looked for: rename it to \.pth", f"local-dir:{copy}")


def test_which_of_several_weights_is_not_guessed(copy):
    weights = copy / "open_clip_model.safetensors"
    shutil.copy(weights, copy / "epoch_1.safetensors")
    assert find(f"local-dir:{copy}").weights == weights == local_weights(f"local-dir:{copy}")
    weights.rename(copy / "epoch_2.safetensors")
    not_loaded(r"several weights files \(epoch_1.safetensors, epoch_2.safetensors\)", f"local-dir:{copy}")


def test_a_folder_without_its_configuration(copy):
    for content, says in (("{}", "no key model_cfg"), ("{", "not valid JSON")):
        (copy / "open_clip_config.json").write_text(content)
        not_loaded(says, f"local-dir:{copy}")
    (copy / "open_clip_config.json").unlink()
    not_loaded("no open_clip_config", f"local-dir:{copy}")


def test_weights_that_do_not_fit_lack_a_part_or_are_not_finite(copy):
    path = copy / "open_clip_model.safetensors"
    whole = load_file(path)
    save_file({k: v for k, v in whole.items() if k != "visual.proj"}, path)
    not_loaded(r"could not load open_clip_model\.safetensors.*visual\.proj", f"local-dir:{copy}")
    whole["visual.proj"] = whole["visual.proj"] * float("nan")
    save_file(whole, path)
    not_loaded(r"visual\.proj has values that are not finite", f"local-dir:{copy}")
    path.write_bytes(b"no safetensors")
    not_loaded("could not load", f"local-dir:{copy}")


class Payload:
    """What a hostile weights file would hold."""

    def __reduce__(self):
        return Path.touch, (Path("ran"),)


def test_a_pickle_is_not_run(copy, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (copy / "open_clip_model.safetensors").unlink()
    torch.save({"state_dict": Payload()}, copy / "model.pth")
    not_loaded("holds more than tensors", f"local-dir:{copy}")
    (copy / "model.pth").write_bytes(pickle.dumps(Payload()))
    not_loaded("could not load model", f"local-dir:{copy}")
    assert not (tmp_path / "ran").exists()


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_torchscript_archive_is_named_as_such(tmp_path):
    path = tmp_path / "ViT-B-32.pt"
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), str(path))
    not_loaded(r"TorchScript archive.*state_dict\(\) with safetensors", f"ViT-B-32-quickgelu:{path}")


def test_a_tokenizer_that_does_not_fit_is_not_used(copy):
    edit(copy / "open_clip_config.json", model_cfg={"text_cfg": {"vocab_size": 100}})
    path = copy / "open_clip_model.safetensors"
    weights = load_file(path)
    weights["token_embedding.weight"] = weights["token_embedding.weight"][:100].clone()
    save_file(weights, path)
    refused(EncoderUnavailable, "but the model has 100", load_encoder(f"local-dir:{copy}").encode_texts, ["joy"])


def test_the_shipped_encoder_is_the_default_and_an_ordinary_folder(images):
    shipped = load_encoder()
    assert shipped.identity.architecture == shipped.spec == "affect-tiny"
    same = load_encoder(f"local-dir:{local_weights('affect-tiny').parent}")
    assert same.identity == shipped.identity
    assert torch.equal(same.encode_images(images), shipped.encode_images(images))


def test_pixels_are_those_of_open_clips_transform_to_the_last_bit(encoder):
    for each in (load_encoder("affect-tiny", threads=1), encoder):
        how = open_clip.transform.PreprocessCfg(**each.identity.preprocessing)
        wanted = open_clip.transform.image_transform_v2(how, is_train=False)
        for size in [(224, 224), (360, 288), (31, 500), (33, 32), (5, 7), (1000, 667)]:
            image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8))
            torch.testing.assert_close(each.preprocess(image), wanted(image), atol=0, rtol=0)


# An image is read as people saw it, or not at all


def pixels(path: Path) -> np.ndarray:
    assert read_image(path).mode == "RGB"
    return np.asarray(read_image(path))


def test_the_exif_orientation_is_applied(tmp_path):
    image = Image.new("RGB", (4, 2), "black")
    image.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held turned: show it rotated by 90 degrees clockwise
    image.save(tmp_path / "a.png", exif=exif)
    read = pixels(tmp_path / "a.png")
    assert (read.shape, read[0, 1].tolist()) == ((4, 2, 3), [255, 255, 255])


def test_transparent_pixels_are_white_not_what_hides_below(tmp_path):
    image = Image.new("RGBA", (2, 1), (10, 20, 30, 255))
    image.putpixel((1, 0), (10, 20, 30, 0))
    image.save(tmp_path / "a.png")
    assert pixels(tmp_path / "a.png").tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path):
    Image.fromarray(np.array([[0, 257 * 100, 65535]], dtype=np.uint16)).save(tmp_path / "a.png")
    assert pixels(tmp_path / "a.png")[0, :, 0].tolist() == [0, 100, 255]


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_of_an_animation_the_first_frame_is_read(tmp_path, suffix):
    first, second = Image.new("RGB", (3, 3), "white"), Image.new("RGB", (3, 3), "black")
    path = tmp_path / f"a.{suffix}"
    first.save(path, save_all=True, append_images=[second], duration=100, lossless=True)
    assert (pixels(path) == 255).all()


@pytest.mark.parametrize(
    ("mode", "suffix"), [*((mode, "tif") for mode in ("1", "L", "LA", "RGB", "CMYK")), ("YCbCr", "jpg")]
)
def test_every_usual_mode_becomes_rgb(tmp_path, mode, suffix):
    Image.new(mode, (5, 4)).save(tmp_path / f"a.{suffix}")
    assert pixels(tmp_path / f"a.{suffix}").shape == (4, 5, 3)


def test_floating_point_pixels_are_refused(tmp_path):
    Image.fromarray(np.array([[0.0, 0.5]], dtype=np.float32)).save(tmp_path / "a.tif")
    refused(BadInput, r"a\.tif: .*floating-point", read_image, tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "webp", "tif", "bmp"])
def test_an_image_cut_short_is_refused_not_filled_with_grey(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    for at_least in (0, 16):  # and at reduced scale, which is for JPEG
        refused(BadInput, rf"a\.{suffix}: ", read_image, path, at_least)


def test_a_file_that_is_no_image_no_file_and_a_folder(tmp_path):
    path = tmp_path / "a.jpg"
    for content, says in ((b"", "empty file"), (b"not an image", "not an image"), (b"\x89PNG hardly", "not an image")):
        path.write_bytes(content)
        refused(BadInput, rf"a\.jpg: {says}", read_image, path)
    path.unlink()
    for place, says in ((path, "no such file"), (tmp_path, "a folder, not a file")):
        refused(BadInput, says, read_image, place)


@pytest.mark.parametrize("limit", [10, 15])  # Pillow raises above twice its limit, and warns below
def test_an_image_of_too_many_pixels_is_refused_without_a_warning(tmp_path, monkeypatch, limit):
    Image.new("L", (5, 5)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    quiet_about_size.cache_clear()
    with warnings.catch_warnings(record=True) as seen:
        warnings.resetwarnings()
        refused(BadInput, f"more than the safe {limit} pixels", read_image, tmp_path / "a.png")
    assert not seen


# The encoder in the wheel: what the file holds, and that it knows the demo set


FOLDER = Path(affectml.__file__).parent / "encoders" / "affect_tiny"


@pytest.fixture(scope="module")
def recipe():
    """What the training script has."""
    return SimpleNamespace(**runpy.run_path(str(FOLDER.parents[2] / "scripts" / "train_affect_tiny.py")))


def test_the_folder_is_small_enough_for_the_wheel():
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 9_000_000


def test_the_file_holds_finite_halves_open_clip_loads_exactly_them_and_the_readmes_say_how_many(caplog):
    stored = load_file(FOLDER / "open_clip_model.safetensors")
    assert all(tensor.dtype == torch.float16 and tensor.isfinite().all() for tensor in stored.values())
    model, _ = open_clip.create_model_from_pretrained(f"local-dir:{FOLDER}")
    assert "random" not in caplog.text
    loaded = model.state_dict()
    assert loaded.keys() == stored.keys()
    assert all(torch.equal(loaded[name].half(), stored[name]) for name in stored)
    whole = sum(x.numel() for x in model.parameters()) / 1e6
    for file, says in (("README.md", "a {:.1f} M-parameter CLIP"), (FOLDER / "README.md", "A CLIP of {:.1f} million")):
        assert says.format(whole) in (FOLDER.parents[2] / file).read_text(encoding="utf-8")


def test_only_tokens_of_its_words_have_a_row(recipe):
    with safe_open(FOLDER / "open_clip_model.safetensors", framework="pt") as file:
        rows = file.get_tensor("token_embedding.weight")
    captions = recipe.all_captions(open_clip.get_tokenizer(f"local-dir:{FOLDER}"))
    used = torch.zeros(len(rows), dtype=torch.bool)
    used[captions.used_tokens()] = True
    assert torch.equal(rows.any(dim=1), used)


def test_no_prompt_of_a_built_in_taxonomy_is_cut_off():
    tokenizer = open_clip.get_tokenizer(f"local-dir:{FOLDER}")
    for name in builtin_names():
        taxonomy = get_taxonomy(name)
        for template in taxonomy.templates:
            tokens = tokenizer([template.format(label=label) for label in taxonomy.labels])
            assert (tokens[:, -1] == 0).all(), f"{name}: {template}"


def test_it_names_the_mode_of_paintings_it_has_not_seen(recipe):
    assert recipe.measure(FOLDER, "mikels-8", seed=1001, images=120).top_1 >= 0.75


@pytest.mark.slow
def test_a_linear_head_on_it_closes_nine_tenths_of_the_gap(recipe):
    assert recipe.measure(FOLDER, "mikels-8", seed=1002, images=1000).gap >= 0.9
