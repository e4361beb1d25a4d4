"""The right weights with the right activation and preprocessing, or an error that says which."""

import hashlib
import json
import pickle
import shutil
import socket
import time
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from affectml.encoders import PRECISIONS, EncoderIdentity, load_encoder, local_weights
from affectml.encoders._guards import published_as
from affectml.encoders._spec import find
from affectml.errors import BadInput, EncoderUnavailable

from .checks import edit

WITH_QUICKGELU = ("openai", "laion400m_e32", "metaclip_400m")
WITH_GELU = "with QuickGELU, but would run with GELU"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch, tmp_path):
    """As on a machine without a network and without a cache: nothing is waited for."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "no-cache"))


def refused(says, spec, **options):
    with pytest.raises(EncoderUnavailable, match=says):
        load_encoder(spec, **options)


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
    with pytest.raises(BadInput, match="presicion: Unexpected keyword argument"):
        EncoderIdentity.from_json({**identity.to_json(), "presicion": "fp32"})


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
    refused("more", f"local-dir:{copy}", mapped=True)
    del content["visual.conv1.weight"]
    save_file(content, weights)
    refused(r"visual\.conv1\.weight", f"local-dir:{copy}", mapped=True)
    assert created() == ["meta", "cpu"] * 3


def test_no_images_and_no_texts(encoder):
    assert encoder.encode_images([]).shape == (0, 32)
    assert encoder.encode_texts([]).shape == (0, 32)
    with pytest.raises(BadInput, match="a list of texts"):
        encoder.encode_texts("joy")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("affect-tinny", r"did you mean 'affect-tiny'\?.*local-dir:FOLDER"),
        ("ViT-B-32", r"'ViT-B-32'; name its weights too \(ViT-B-32:openai, .*ARCH:TAG"),
        ("ViT-B/32:openai", "no architecture 'ViT-B/32'; did you mean 'ViT-B-32'"),
        ("ViT-B-32:opennai", "neither a tag of ViT-B-32 nor a file; did you mean 'openai'"),
        ("ViT-B-32:/nowhere/w.safetensors", "neither a tag of ViT-B-32 nor a file; no such file"),
        ("ViT-B-32-quickgelu:laion2b_s34b_b79k", "ViT-B-32:laion2b_s34b_b79k exists"),
        ("local-dir:/nowhere", "no such folder"),
        ("hf-hub:", "a spec is"),
        *((f"ViT-B-32:{tag}", rf"{WITH_GELU}.*use the architecture ViT-B-32-quickgelu") for tag in WITH_QUICKGELU),
    ],
)
def test_a_spec_that_names_nothing_or_the_wrong_activation(spec, says):
    refused(says, spec)


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
    refused(r"did not give them \(huggingface\.co does not resolve", "ViT-B-32-quickgelu:openai")
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


@pytest.mark.parametrize(
    ("name", "architecture", "says"),
    [
        ("vit_b_32-quickgelu-laion400m_e31-d867053b.pth", "ViT-B-32", WITH_GELU),
        ("ViT-B-32-openai.safetensors", "ViT-B-32", WITH_GELU),
        ("openai.bin", "ViT-B-32", WITH_GELU),
        (CACHED, "ViT-B-32", WITH_GELU),
        ("laion2b_s34b_b79k.safetensors", "ViT-B-32-quickgelu", WITH_QUICK),
    ],
)
def test_weights_of_a_file_run_with_their_own_activation(tmp_path, name, architecture, says):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")
    with pytest.raises(EncoderUnavailable, match=says):
        find(f"{architecture}:{path}")


def test_a_checksum_says_what_a_file_is_whatever_its_name():
    openai = "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"  # in OpenAI's own address
    assert published_as(Path("renamed.pt"), openai, "ViT-B-32")[1] == "openai"
    assert published_as(Path("renamed.pt"), "0" * 64, "ViT-B-32") is None


def test_a_local_folder_of_quickgelu_weights_says_so_in_its_config(copy):
    folder = copy.rename(copy.with_name("models--timm--vit_base_patch32_clip_224.openai"))
    edit(folder / "open_clip_config.json", model_cfg={"quick_gelu": False})
    refused(WITH_GELU, f"local-dir:{folder}")


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
    refused("no weights there", f"local-dir:{copy}")
    (copy / "w.pt").write_bytes(b"weights")
    refused(r"w\.pt is not looked for: rename it to \.pth", f"local-dir:{copy}")


def test_which_of_several_weights_is_not_guessed(copy):
    weights = copy / "open_clip_model.safetensors"
    shutil.copy(weights, copy / "epoch_1.safetensors")
    assert find(f"local-dir:{copy}").weights == weights == local_weights(f"local-dir:{copy}")
    weights.rename(copy / "epoch_2.safetensors")
    refused(r"several weights files \(epoch_1.safetensors, epoch_2.safetensors\)", f"local-dir:{copy}")


def test_a_folder_without_its_configuration(copy):
    (copy / "open_clip_config.json").write_text("{}")
    refused("no key model_cfg", f"local-dir:{copy}")
    (copy / "open_clip_config.json").write_text("{")
    refused("not valid JSON", f"local-dir:{copy}")
    (copy / "open_clip_config.json").unlink()
    refused("no open_clip_config", f"local-dir:{copy}")


def test_weights_that_do_not_fit_lack_a_part_or_are_not_finite(copy):
    path = copy / "open_clip_model.safetensors"
    whole = load_file(path)
    save_file({k: v for k, v in whole.items() if k != "visual.proj"}, path)
    refused(r"could not load open_clip_model\.safetensors.*visual\.proj", f"local-dir:{copy}")
    whole["visual.proj"] = whole["visual.proj"] * float("nan")
    save_file(whole, path)
    refused(r"visual\.proj has values that are not finite", f"local-dir:{copy}")
    path.write_bytes(b"no safetensors")
    refused("could not load", f"local-dir:{copy}")


class Payload:
    """What a hostile weights file would hold."""

    def __reduce__(self):
        return Path.touch, (Path("ran"),)


def test_a_pickle_is_not_run(copy, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (copy / "open_clip_model.safetensors").unlink()
    torch.save({"state_dict": Payload()}, copy / "model.pth")
    refused("holds more than tensors", f"local-dir:{copy}")
    (copy / "model.pth").write_bytes(pickle.dumps(Payload()))
    refused("could not load model", f"local-dir:{copy}")
    assert not (tmp_path / "ran").exists()


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_torchscript_archive_is_named_as_such(tmp_path):
    path = tmp_path / "ViT-B-32.pt"
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), str(path))
    refused(r"TorchScript archive.*state_dict\(\) with safetensors", f"ViT-B-32-quickgelu:{path}")


def test_a_tokenizer_that_does_not_fit_is_not_used(copy):
    edit(copy / "open_clip_config.json", model_cfg={"text_cfg": {"vocab_size": 100}})
    path = copy / "open_clip_model.safetensors"
    weights = load_file(path)
    weights["token_embedding.weight"] = weights["token_embedding.weight"][:100].clone()
    save_file(weights, path)
    encoder = load_encoder(f"local-dir:{copy}")
    with pytest.raises(EncoderUnavailable, match="but the model has 100"):
        encoder.encode_texts(["joy"])


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
