"""The encoder in the wheel: what the file holds, that it loads as any other, and that it knows the demo set."""

import importlib.util
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import affectml
from affectml.taxonomies import builtin_names, get_taxonomy

FOLDER = Path(affectml.__file__).parent / "encoders" / "affect_tiny"


@pytest.fixture(scope="module")
def recipe():
    """The training script as a module."""
    script = FOLDER.parents[2] / "scripts" / "train_affect_tiny.py"
    spec = importlib.util.spec_from_file_location("train_affect_tiny", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_folder_is_small_enough_for_the_wheel():
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 9_000_000


def test_the_file_holds_finite_halves_and_open_clip_loads_exactly_them(caplog):
    stored = load_file(FOLDER / "open_clip_model.safetensors")
    assert all(tensor.dtype == torch.float16 and tensor.isfinite().all() for tensor in stored.values())
    model, _ = open_clip.create_model_from_pretrained(f"local-dir:{FOLDER}")
    assert "random" not in caplog.text
    loaded = model.state_dict()
    assert loaded.keys() == stored.keys()
    assert all(torch.equal(loaded[name].half(), stored[name]) for name in stored)


def test_the_readmes_say_how_large_it_is():
    model, _ = open_clip.create_model_from_pretrained(f"local-dir:{FOLDER}")
    whole = sum(x.numel() for x in model.parameters()) / 1e6
    first = (FOLDER.parents[2] / "README.md").read_text(encoding="utf-8")
    assert f"a {whole:.1f} M-parameter CLIP" in first
    assert f"A CLIP of {whole:.1f} million parameters" in (FOLDER / "README.md").read_text(encoding="utf-8")


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
