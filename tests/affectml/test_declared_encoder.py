"""Features made elsewhere, whose owner names the encoder: they cross, have texts and photographs, and may be untrue."""

import shutil

import numpy as np
import pytest

import affectml
from affectml.data import Dataset
from affectml.embeddings import EmbeddingStore, ensure_embeddings
from affectml.errors import AffectmlError, BadDataset, BadInput, EncoderUnavailable
from affectml.importers import import_embeddings
from affectml.runs import RunFolder
from affectml.sharing._cards import card_text

from .checks import GOLDEN, evaluated, refused

SPEC = "affect-tiny"
NOT_CHECKED, CHECKED = "declared, not checked", "declared, checked"


@pytest.fixture(scope="module")
def demos(demo_set):
    """Two sets of paintings with their features."""
    found = [demo_set(images=48, seed=seed) for seed in (81, 82)]
    return [(demo, ensure_embeddings(demo, SPEC, threads=1, say=[].append)) for demo in found]


def features(folder, demo, store, *, scale=1.0, moved=0, columns=None):
    """What somebody else would hand over: names, rows and a label of each; moved: rows of other images."""
    targets = demo.target(next(iter(demo.meta.targets)))
    labels = np.array(targets.taxonomy.labels)[np.asarray(targets.shares()).argmax(axis=1)]
    rows = np.roll(store.rows(targets.image_id), moved, axis=0)[:, :columns] * scale
    np.savez(folder / "f.npz", image=targets.image_id.astype(str), embedding=rows, label=labels)
    return folder / "f.npz"


@pytest.fixture(scope="module")
def declared(demos, tmp_path_factory):
    """The features of both, imported to folders of their own, without a photograph."""
    root = tmp_path_factory.mktemp("declared")
    sets = zip("ab", demos, strict=True)
    return [import_embeddings(features(root, *demo), root / name, name=name, encoder=SPEC) for name, demo in sets]


@pytest.fixture(scope="module")
def run(declared, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    return affectml.train(declared[0].root, out=out, threads=1, l2=0.1, say=[].append)


def test_two_sets_that_were_imported_so_are_crossed_and_have_zero_shot(run, declared, demos, tmp_path):
    assert {"model", "zero_shot"} <= set(evaluated(run, declared[1].root).systems())
    for name, options in (("unknown", {}), ("another", {"encoder": "ViT-L-14:openai"})):
        other = import_embeddings(features(tmp_path, *demos[1]), tmp_path / name, **options)
        with pytest.raises(AffectmlError, match=r"names no image file to embed|by another encoder|features per image"):
            evaluated(run, other.root)


def test_features_of_another_width_name_the_run_that_cannot_use_them(demos, declared, tmp_path):
    narrow = import_embeddings(features(tmp_path, *demos[0], columns=16), tmp_path / "narrow")
    run = affectml.train(narrow.root, out=tmp_path / "run", threads=1, l2=0.1, say=[].append)
    says = f"but run {run.folder} was trained on 16 of another encoder: import such"
    refused(BadDataset, says, evaluated, run, declared[1].root)


def test_a_run_trained_on_it_predicts_photographs_as_its_features(run, demos, declared):
    demo, store = demos[0]
    ids = store.ids[:6]
    files = demo.images.set_index("image_id")["file"]
    made = run.predict([demo.image_path(files[image]) for image in ids])
    np.testing.assert_allclose(made[list(run.taxonomy.labels)], run.head.scores(store.rows(ids)), atol=1e-4)
    known = run.predict(declared[1].root)  # without a photograph
    scores = run.head.scores(demos[1][1].rows(known["image"]))
    np.testing.assert_allclose(known[list(run.taxonomy.labels)], scores, atol=1e-5)


def test_a_text_head_learns_from_it(declared, tmp_path):
    options = {"head": "contrastive", "out": tmp_path / "run", "threads": 1, "say": [].append}
    assert affectml.train(declared[0].root, **options).scores.notna().any(axis=None)


def test_pages_and_tables_say_that_it_was_not_checked(run, declared):
    said = f"{SPEC} ({NOT_CHECKED})"
    assert f"encoder: {said}" in (run.folder / "report.html").read_text(encoding="utf-8")
    assert said in card_text(RunFolder.open(run.folder).info, None)
    assert f"encoder: {said}" in declared[0].meta.notes


@pytest.mark.parametrize("scale", [1.0, 7.5])
def test_where_photographs_are_they_are_compared(demos, tmp_path, scale):
    demo = Dataset.open(shutil.copytree(demos[0][0].root, tmp_path / "demo"))
    import_embeddings(features(tmp_path, demo, demos[0][1], scale=scale), demo.root, encoder=SPEC, target="words")
    stores = [EmbeddingStore.open(file.parent) for file in demo.root.glob("embeddings/*/encoder.json")]
    (made,) = (one.identity for one in stores if one.specs == (SPEC,) and one.identity.precision == "declared")
    assert (made.checked, made.normalised) == (True, scale == 1)
    assert f"encoder: {SPEC} ({CHECKED})" in "".join(Dataset.open(demo.root).meta.notes)


UNTRUE = [
    ({"moved": 1}, r"photograph .*\.png and that by affect-tiny have a cosine of -?0\.\d+, expected at least 0.99"),
    ({"columns": 3}, "3 features an image, and affect-tiny makes [0-9]+; name the encoder that made them"),
]


@pytest.mark.parametrize(("untrue", "says"), UNTRUE)
def test_a_false_declaration_is_refused_and_nothing_is_written(demos, tmp_path, untrue, says):
    demo, store = demos[0]
    before, file = sorted(demo.root.rglob("*")), features(tmp_path, demo, store, **untrue)
    refused(BadInput, says, import_embeddings, file, demo.root, encoder=SPEC, target="words")
    assert sorted(demo.root.rglob("*")) == before


def test_a_data_set_without_photographs_says_which_encoder_was_wanted_and_whose_embeddings_it_has(demos, tmp_path):
    bare = import_embeddings(features(tmp_path, *demos[0]), tmp_path / "bare")
    for ask in (affectml.train, affectml.embed):
        says = r"bare: .*names no image file to embed by affect-tiny \(0 rows.*\); its embeddings \(imported-bare\) are"
        refused(BadDataset, says, ask, bare.root, encoder=SPEC)
    run = GOLDEN / "runs" / "sigmoid"
    refused(BadDataset, f"are by another encoder; run {run} needs them", evaluated, run, bare.root)


def test_a_declared_encoder_that_could_be_none_is_refused(demos, tmp_path):
    file = features(tmp_path, *demos[0])
    for spec, says in (("ViT-B-32", "name its weights too .ViT-B-32:openai"), ("clip", "a spec is affect-tiny, ARCH:")):
        refused(EncoderUnavailable, says, import_embeddings, file, tmp_path / "out", encoder=spec)
    assert [*tmp_path.iterdir()] == [file]


def test_an_encoder_that_cannot_be_loaded_is_not_checked(demos, tmp_path):
    demo = Dataset.open(shutil.copytree(demos[0][0].root, tmp_path / "demo"))
    spec = "local-dir:/nowhere"
    import_embeddings(features(tmp_path, demo, demos[0][1]), demo.root, encoder=spec, target="words")
    assert f"encoder: {spec} ({NOT_CHECKED})" in "".join(Dataset.open(demo.root).meta.notes)
