"""Explanations: maps and curves by hand, verdicts, the command."""

import copy
import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

import affectml
from affectml import explanation
from affectml.encoders import load_encoder
from affectml.encoders.towers import in_dtype
from affectml.errors import BadInput, BadRun, UnknownLabel
from affectml.heads import PriorHead
from affectml.runs import RunFolder

from .checks import GOLDEN, edited_copy, refused

HIGH, LOW = 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(1))


def one_patch(pixels):
    """Rates of two labels: the first rests on the third quarter of the image alone, the second on nothing."""
    third = torch.nn.functional.adaptive_avg_pool2d(pixels.mean(dim=1, keepdim=True), 2).flatten(1)[:, 2]
    return torch.stack([torch.sigmoid(2 * third - 1), torch.full((len(pixels),), 0.3)], dim=1).double()


PIXELS, BLACK = torch.ones(3, 4, 4), {"mean": torch.zeros(3, 4, 4)}
ENDS = torch.tensor([HIGH, LOW], dtype=torch.float64)


# Occlusion


PEAKS = [
    ((0.0,), 1),  # a fall of 2 in log-odds, the largest: 1
    ((0.0, 0.9), pytest.approx(1)),  # each filling has the same say: a tenth of the fall, in the same place
    ((3.0,), -1),  # the patch speaks against the label
]


@pytest.mark.parametrize(("lights", "peak"), PEAKS)
def test_a_map_peaks_at_the_one_patch_that_the_rate_rests_on(lights, peak):
    found = explanation.occlusion(one_patch, PIXELS, {str(light): PIXELS * light for light in lights}, (2, 2))
    assert found.tolist() == [[[0, 0], [peak, 0]], [[0, 0], [0, 0]]]


# Curves


ORDERS = [
    (1, [HIGH, LOW, LOW, LOW, LOW], [LOW, HIGH, HIGH, HIGH, HIGH], LOW + (HIGH - LOW) / 8, (HIGH - LOW) * 3 / 4),
    (-1, [HIGH, HIGH, HIGH, HIGH, LOW], [LOW, LOW, LOW, LOW, HIGH], HIGH - (HIGH - LOW) / 8, (LOW - HIGH) * 3 / 4),
]


@pytest.mark.parametrize(("sign", "deletion", "insertion", "deleted", "gain"), ORDERS, ids=["best", "worst"])
def test_the_curves_of_an_order_where_the_rate_rests_on_one_patch(sign, deletion, insertion, deleted, gain):
    order = sign * explanation.spread(torch.tensor([[0.0, 0.0], [1.0, 0.0]]), (4, 4))
    made = explanation.curves(one_patch, PIXELS, BLACK, order, 0, ENDS, 4)["mean"]
    assert (made.deletion, made.insertion) == (pytest.approx(deletion), pytest.approx(insertion))
    assert (made.deletion_area, made.gain) == (pytest.approx(deleted), pytest.approx(gain))


def test_fillings_keep_what_they_say():
    colour = torch.tensor([0.5, -1.0, 2.0])
    found = explanation.covers_of(PIXELS * colour[:, None, None])
    assert (found["mean"] == 0).all()
    assert torch.allclose(found["blur"][:, 0, 0], colour)  # one colour has no shapes to lose
    board = (torch.arange(64)[:, None] + torch.arange(64)[None]) % 2 * 1.0
    blurred = explanation.covers_of(board.expand(3, 64, 64))["blur"]
    assert blurred[:, 32, 32].tolist() == pytest.approx([0.5] * 3, abs=1e-3)


# Towers


def test_a_tower_in_half_precision_is_explained_in_fp32_and_left_as_it_is(spec):
    half, whole = (load_encoder(spec, precision=precision, threads=1) for precision in ("bf16", "fp32"))
    tower = in_dtype(half.image_tower, torch.float32)
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    dtypes = [{p.dtype for p in each.visual.parameters()} for each in (tower, half.image_tower)]
    assert dtypes == [{torch.float32}, {torch.bfloat16}]
    twin = in_dtype(whole.image_tower, torch.float32)
    pairs = zip(twin.visual.parameters(), whole.image_tower.visual.parameters(), strict=True)
    assert all(one.data_ptr() == other.data_ptr() for one, other in pairs)  # no weights are copied in fp32
    with torch.inference_mode():
        rows, exact = (model.encode_image(pixels) for model in (tower, whole.image_tower))
    assert torch.nn.functional.cosine_similarity(rows, exact).min() > 0.999


# Verdicts


def by(blur, mean, fall=0.5):
    """Curves of a map by filling with these gains; the whole image covered lowers the rate by `fall`."""
    deletion = np.array([0.6, 0.3, 0.6 - fall])
    return {name: explanation.Curve(deletion, deletion + gain) for name, gain in (("blur", blur), ("mean", mean))}


@pytest.mark.parametrize(("own", "controls", "holds", "lost", "words"), [
    (by(0.2, 0.3), {}, True, {"blur": {}, "mean": {}}, "better than all controls, with either filling"),
    (by(0.2, 0.3), {"centre": by(0.2, 0.1), "random": [by(0, 0.4), by(0.3, 0.4), *[by(0, 0)] * 17]}, False,
     {"blur": {"centre": 1, "random": 1}, "mean": {"random": 2}},
     "with the blur no better than the centre of the image and 1 of 19 random maps; "
     "with the mean colour no better than 2 of 19 random maps"),
    (by(0.2, 0.3), {"centre": by(0.2, 0.1), "other": by(0.2, 0.1), "random": [by(0.3, 0.1)] * 19}, False,
     {"blur": {"centre": 1, "other label": 1, "random": 19}, "mean": {}},
     "with the blur no better than the centre of the image, the map of fear and 19 of 19 random maps; "
     "with the mean colour better than all controls"),
    (by(0.2, 0.3), {"other": by(0.25, 0.1)}, False, {"blur": {"other label": 1}, "mean": {}},
     "with the blur no better than the map of fear; with the mean colour better than all controls"),
    (by(0.2, 0.3, fall=0.01), {}, False, {},
     "nothing can be told: covering the whole image does not lower the rate by .02 (the blur lowers it by .010, "
     "the mean colour lowers it by .010)"),
    (by(0.2, 0.3) | {"blur": by(0.2, 0.3, fall=-0.1)["blur"]}, {}, True, {"mean": {}},
     "with the blur nothing can be told (it raises the rate by .100); with the mean colour better than all controls"),
], ids=["beats all", "some as good", "all as good", "fails by one", "nothing falls", "one falls"])  # fmt: skip
def test_a_verdict_says_which_controls_do_as_well(own, controls, holds, lost, words):
    given = {"centre": by(0, 0), "other": by(0, 0), "random": [by(0, 0)] * 19} | controls
    found = explanation.judge(own, **given, label="fear")
    assert (found.holds, found.lost, found.verdict) == (holds, lost, words)


# Runs and the command


@pytest.fixture(scope="module", autouse=True)
def few():
    """Fewer maps and steps than users have."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explanation, "STEPS", 4)
        patch.setattr(explanation, "RANDOM", 5)
        yield


RUNS = GOLDEN / "runs"


@pytest.fixture(scope="module")
def trained():
    return affectml.load_run(RUNS / "sigmoid")


@pytest.fixture(scope="module")
def image(demo_set):
    return demo_set(images=12, seed=5).root / "images" / "000011.png"


@pytest.fixture(scope="module")
def explained(trained, image):
    return trained.explain(image, label="amusement", threads=1)


def with_head(run, head):
    """A run's folder, opened, with another head."""
    opened = RunFolder.open(run.folder)
    vars(opened)["head"] = head
    return opened


def test_an_explanation_holds_what_it_says(trained, image, explained):
    predicted = trained.predict(image).loc[0, list(trained.taxonomy.labels)].astype(float)
    assert explained.rate == pytest.approx(predicted["amusement"], abs=2e-3)
    likeliest = trained.explain(Image.open(image), threads=1)
    assert (likeliest.label, likeliest.other) == (predicted.idxmax(), predicted.idxmin())
    assert set(explained.curves) == {"occlusion", f"occlusion of {explained.other}", "centre"}
    assert explained.map.shape == explained.pixels.shape[:2] == (64, 64)
    assert explained.cells.shape == (4, 4)
    seen = np.asarray(Image.open(image).convert("RGB").resize((64, 64), Image.Resampling.BICUBIC))
    assert np.abs(seen.astype(int) - explained.pixels).max() <= 1
    for each in (*explained.curves.values(), *explained.random):
        for filling, made in each.items():
            whole, covered = made.deletion[0], made.deletion[-1]
            assert whole == pytest.approx(explained.rate, abs=1e-6)
            assert (made.insertion[0], made.insertion[-1]) == (covered, whole)
            assert len(made.deletion) == len(made.insertion) == 5
            assert covered == explained.random[0][filling].deletion[-1]


def test_the_same_seed_gives_the_same_explanation_and_picture(trained, image, explained, tmp_path):
    again = affectml.explain(trained.folder, str(image), label="amusement", threads=1)
    assert again.to_json() == explained.to_json() | {"image": str(image)}
    first, second = (each.save(tmp_path / f"{name}.svg") for name, each in (("a", explained), ("b", again)))
    assert first.read_bytes() == second.read_bytes()
    other = trained.explain(image, label="amusement", seed=1, threads=1).to_json()
    assert (other["random"] != again.to_json()["random"], other["curves"]) == (True, again.to_json()["curves"])


def test_pictures_go_into_a_folder_under_the_images_name(explained, tmp_path):
    picture = explained.save(tmp_path / "new" / "folder")
    assert picture == tmp_path / "new" / "folder" / "000011-amusement.png"
    with Image.open(picture) as drawn:
        assert drawn.size == (1440, 960)
    says = "000011-amusement.png exists; name a file that does not"
    refused(BadInput, says, explained.save, tmp_path / "new" / "folder")
    refused(BadInput, "x.pdf: expected a .png or .svg file, or a folder", explained.save, tmp_path / "x.pdf")


def test_a_map_of_nothing_is_drawn_and_says_so(trained, image, tmp_path):
    """The prior's rate does not depend on the image."""
    y = torch.rand(30, 8, generator=torch.Generator().manual_seed(0))
    run = with_head(trained, PriorHead().fit(torch.ones(30, 128), y))
    found = explanation.explain_image(run, image, threads=1)
    assert not found.holds
    assert found.verdict.startswith("nothing can be told: covering the whole image does not lower the rate by .02")
    assert (found.map == 0).all()
    assert found.save(tmp_path / "flat.png").is_file()


def test_the_command_prints_a_table_and_the_verdict(trained, image, told, tmp_path):
    printed = told("explain", trained.folder, image, "--threads", 1, "--label", "awe", "--out", tmp_path / "x.svg")
    assert "awe ." in printed.splitlines()[0]
    for said in ("5 random maps", "Map of awe: ", f"picture: {tmp_path / 'x.svg'}"):
        assert said in printed
    assert (tmp_path / "x.svg").read_text().startswith("<?xml")
    found = json.loads(told("explain", trained.folder, image, "--threads", 1, "--json"))
    assert set(found) == {"image", "label", "rate", "other", "verdict", "cells", "curves", "random"}
    assert np.shape(found["cells"]) == (4, 4)


@pytest.mark.parametrize(("words", "said"), [
    (("--label", "fare"), "UnknownLabel: no label 'fare' in taxonomy mikels-8; did you mean 'fear'?"),
    (("--out", "x.gif"), "BadInput: x.gif: expected a .png or .svg file, or a folder"),
])  # fmt: skip
def test_the_command_says_in_one_line_what_is_wrong(trained, image, command, words, said):
    code, printed, error = command("explain", trained.folder, image, *words)
    assert (code, printed, error.count("\n")) == (2, "", 1)
    assert error.startswith(said)


def test_what_cannot_be_explained_is_named(trained, image, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    elsewhere = edited_copy(trained.folder, tmp_path / "run", "run.json", encoder={"specs": []})
    trains = "trained on embeddings made elsewhere, .* train on embeddings that `affectml embed`"
    refused(BadRun, trains, affectml.explain, elsewhere, image)
    for picture, options, error, says in (
        (tmp_path / "text.png", {}, BadInput, "text.png: not an image that Pillow can read"),
        (tmp_path / "absent.png", {}, BadInput, "absent.png: no such file"),
        (image.parent, {}, BadInput, "images: 12 images; explain takes one at a time, so name the file"),
        (image, {"label": "joy"}, UnknownLabel, "no label 'joy' in taxonomy mikels-8"),
    ):
        refused(error, says, affectml.explain, trained, picture, **options)


def test_text_heads_and_distributions_are_explained_as_predict_scores_them(image):
    words, shares = (affectml.load_run(RUNS / name) for name in ("contrastive-rates", "zero-shot-template"))
    for run, said in ((words, words.head.predict_rates), (shares, shares.head.scores)):
        encoder = run._encoder
        pixels = encoder.preprocess(Image.open(image).convert("RGB"))[None]
        with torch.inference_mode():
            features = torch.nn.functional.normalize(encoder.image_tower.encode_image(pixels), dim=-1)
        assert torch.equal(explanation.rates_of(RunFolder.open(run.folder), encoder)(pixels), said(features).double())
        assert run.explain(image, threads=1).rate == pytest.approx(float(said(features).max()), abs=1e-6)
    bare = copy.copy(words.head)
    bare.texts = None  # as weights that come without texts: the encoder is asked for those of the run's labels
    without = explanation.rates_of(with_head(words, bare), words._encoder)
    assert torch.allclose(without(pixels), words.head.scores(features).double(), atol=1e-3)


def test_cells_cover_every_pixel_once_whatever_the_size():
    masks = explanation.cells_of((10, 7), (4, 3))
    assert (len(masks), masks.sum(dim=0).unique().tolist()) == (12, [1])
