"""Predicting many images: what may be named, what cannot be read, the file that is written, and going on with it."""

import io
import json
import os
import shutil
import socket
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import affectml
from affectml.data import DatasetMeta, write_dataset
from affectml.embeddings import embed_dataset
from affectml.encoders import load_encoder
from affectml.errors import BadInput, BadRun, EncoderUnavailable
from affectml.importers import import_embeddings, import_table
from affectml.pictures import pictures
from affectml.predicting import predict_images
from affectml.predicting.files import _Answers, predict_to_file
from affectml.predicting.predictor import Predictor

from .checks import answered, edit, refused
from .fuzz.reading import quiet


@pytest.fixture(scope="module")
def demo(demo_set):
    return demo_set("mydata", images=60, seed=3)


@pytest.fixture(scope="module")
def run(demo, spec, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    embed_dataset(demo, load_encoder(spec, precision="fp32", threads=1))  # not what is fastest here
    return affectml.train(demo, multilabel=True, out=out, encoder=spec, threads=1, say=quiet)


@pytest.fixture
def photos(demo, tmp_path, monkeypatch):
    """The working folder's photos: a.png, b.JPG, deep/c.png, deep/er/d.png, and files that are no images."""
    monkeypatch.chdir(tmp_path)
    files = sorted((demo.root / "images").glob("*.png"))
    for file, name in zip(files[:4], ("a.png", "b.JPG", "deep/c.png", "deep/er/d.png"), strict=True):
        place = tmp_path / "photos" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    (tmp_path / "photos/deep/.thumbs").mkdir()
    for name in ("notes.txt", ".hidden.png", "deep/.thumbs/e.png"):
        (tmp_path / "photos" / name).write_text("no image")
    return tmp_path / "photos"


@pytest.fixture
def predict(run, command):
    """`predict(words)`: exit code, standard output and standard error of `affectml predict RUN`."""
    return lambda *words: command("predict", run.folder, *words, "--threads", 1)


def names(*several, **options):
    return [picture.name for picture in pictures(list(several), **options)]


EVERY = ["photos/a.png", "photos/b.JPG", "photos/deep/c.png", "photos/deep/er/d.png"]
NO_IMAGE = "not an image that Pillow can read"


NAMED = {
    "photos": EVERY, "photos/": EVERY, "photos/*": EVERY, "photos/**": EVERY, "photos/*.png": EVERY[:1],
    "photos/**/*.png": [EVERY[0], *EVERY[2:]], "photos/[ab].*": EVERY[:2], "ph*/deep": EVERY[2:],
    "photos/**/er": EVERY[3:], "photos/*.txt": ["photos/notes.txt"],
}  # fmt: skip


def test_a_folder_and_a_pattern_name_the_images_in_them_in_order_and_a_file_called_like_one_itself(photos):
    assert {named: names(named) for named in NAMED} == NAMED
    shutil.copy(photos / "a.png", photos / "b[1].png")
    assert names("photos/b[1].png") == ["photos/b[1].png"]


def test_several_things_keep_their_order_and_what_is_named_twice_comes_once(photos, demo):
    said, several = [], ("photos/deep/er/d.png", "photos", photos / "a.png", demo, demo.root)
    ids = [f"{demo.root}/{image}" for image in demo.images["image_id"]]
    assert names(*several) == [EVERY[3], *EVERY, str(photos / "a.png"), *ids, *ids]
    assert names(*several, once=True, say=said.append) == [EVERY[3], *EVERY[:3], *ids]
    assert said == [f"named more than once and predicted once: {len(ids) + 2} of {2 * len(ids) + 6} images"]


def test_a_data_set_names_its_images_by_their_ids_and_its_embeddings_are_used(run, demo, tmp_path):
    ids = ["000002", "000007"]
    table = run.predict(demo)
    assert list(table["image"]) == list(demo.images["image_id"])
    labels = list(run.taxonomy.labels)
    before = answered(run).set_index("image_id")
    np.testing.assert_allclose(table.set_index("image")[labels], before.loc[table["image"], labels], atol=1e-6)
    copy = shutil.copytree(demo.root, tmp_path / "copy")
    shutil.rmtree(copy / "images")  # the embeddings alone are left
    np.testing.assert_array_equal(run.predict(copy)[labels], table[labels])
    from_files = run.predict([demo.root / "images" / f"{i}.png" for i in ids])
    np.testing.assert_allclose(from_files[labels], before.loc[ids, labels], atol=2e-3)
    assert from_files["set"].tolist() == [list(chosen) for chosen in before.loc[ids, "set"]]


def test_a_data_set_without_targets_is_predicted_and_what_it_cannot_show_is_listed(run, demo, tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("a.png", "b.png"):
        shutil.copy(demo.root / "images" / "000003.png", tmp_path / "images" / name)
    (tmp_path / "images" / "c.png").write_text("no image")
    rows = {"image_id": ["a", "b", "c", "d"], "file": ["images/a.png", "images/b.png", "images/c.png", None]}
    data = write_dataset(tmp_path, DatasetMeta("mine"), pd.DataFrame(rows), {})
    found = run.predict(data, errors="skip", threads=1)
    assert list(found["image"]) == ["a", "b"]
    assert found.bad == [("c", NO_IMAGE), ("d", "neither an image file nor an embedding")]
    refused(BadInput, r"^c: not an image", run.predict, data)


def test_a_run_on_embeddings_made_elsewhere_predicts_data_sets_and_says_why_not_files(demo, tmp_path):
    X = 1e5 * np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32)  # more than half precision holds
    names, labels = [f"i{i}" for i in range(80)], ["joy", "awe"] * 40
    np.savez(tmp_path / "some.npz", embedding=X, image=names, label=labels)
    data = import_embeddings(tmp_path / "some.npz", tmp_path / "features", construct="evoked")
    run = affectml.train(data, out=tmp_path / "run", threads=1, say=quiet)
    found = run.predict(data)
    before = answered(run).set_index("image_id")
    np.testing.assert_allclose(found[["joy"]], before.loc[found["image"], ["joy"]], atol=1e-6)
    refused(BadRun, "trained on embeddings made elsewhere", run.predict, demo.root / "images" / "000000.png")


def test_names_come_from_standard_input_a_line_each(predict, photos, monkeypatch):
    for text, wanted in ((b"photos/a.png\n\nphotos/deep\r\n", ["photos/a.png", "photos/deep/c.png"]), (b"", [])):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
        code, out, err = predict("-", "--json", "--device", "cpu")
        assert [each["image"] for each in json.loads(out or "[]")][:2] == wanted
    assert (code, err) == (2, "BadInput: no image to predict for\n")


def test_bad_files_are_listed_and_the_rest_is_predicted(predict, photos):
    (photos / "broken.png").write_bytes((photos / "a.png").read_bytes()[:200])
    code, out, err = predict("photos", "nowhere.png", "--json")
    assert (code, [row["image"] for row in json.loads(out)]) == (0, EVERY)
    assert err.splitlines()[0] == "cannot be read: nowhere.png: no such file"
    assert err.splitlines()[1].startswith("cannot be read: photos/broken.png: cannot be read whole")
    assert [predict(named, "--strict")[0] for named in ("photos", "photos/a.png")] == [1, 0]
    code, out, err = predict("photos/broken.png", "nowhere.png")
    assert (code, out) == (2, "")
    assert err.startswith("BadInput: none of 2 images could be predicted: nowhere.png: no such file; photos/broken.png")
    assert predict("nowhere.png")[2] == "BadInput: nowhere.png: no such file\n"


def test_python_raises_for_the_first_bad_image_or_skips_and_lists_it(run, photos):
    (photos / "broken.png").write_text("x")
    os.mkfifo("photos/pipe.jpg")
    refused(BadInput, r"^photos/broken\.png: not an image", run.predict, "photos")
    refused(BadInput, r"^photos/pipe\.jpg: a pipe \(FIFO\), not a file", run.predict, "photos/pipe.jpg")
    table = run.predict(["photos", np.zeros((4, 4, 4))], errors="skip")
    assert list(table["image"]) == EVERY
    assert [name for name, _ in table.bad] == ["image 2", "photos/broken.png", "photos/pipe.jpg"]
    assert run.predict("photos/a.png").bad == []
    refused(BadInput, "none of 2 images", run.predict, ["photos/broken.png", "nowhere.png"], errors="skip")
    refused(BadInput, 'expected "raise" or "skip"', run.predict, "photos", errors="ignore")


def test_of_many_images_a_table_shows_the_first_and_names_out(predict, demo):
    code, out, _ = predict(demo.root / "images")
    assert (code, sum(".png" in line for line in out.splitlines())) == (0, 50)
    assert f"50 of {len(demo.images)} images; --out answers.csv predicts and writes them all" in out
    assert len(json.loads(predict(demo.root / "images", "--json")[1])) == len(demo.images)


def test_the_three_formats_hold_the_same_and_what_predict_says(run, predict, photos):
    (photos / "bad, very.png").write_text("x")
    labels = list(run.taxonomy.labels)
    expected = predict_images(run.folder, EVERY, threads=1)
    for ending in ("csv", "parquet", "jsonl"):
        code, out, err = predict("photos", "--out", f"answers.{ending}")
        assert (code, out) == (0, f"4 images: answers.{ending}\n")
        assert err.endswith(f"could not be read: 1, listed in answers.{ending}.unreadable.csv\n")
        unreadable = pd.read_csv(f"answers.{ending}.unreadable.csv")
        assert unreadable.to_dict("list") == {"image": ["photos/bad, very.png"], "reason": [NO_IMAGE]}
    table = pd.read_csv("answers.csv", keep_default_na=False)
    table["set"] = [cell.split("|") if cell else [] for cell in table["set"]]
    for frame in (table, pd.read_parquet("answers.parquet"), pd.read_json("answers.jsonl", lines=True)):
        assert (list(frame.columns), list(frame["image"])) == (["image", *labels, "set"], EVERY)
        assert [list(found) for found in frame["set"]] == [one.labels for one in expected]
        scores = np.float32([[dict(one.best)[label] for label in labels] for one in expected])
        np.testing.assert_array_equal(frame[labels].to_numpy(np.float32), scores)


def test_a_file_that_is_there_is_replaced_only_when_asked_and_kept(predict, photos):
    assert predict("photos/a.png", "--out", "answers.csv")[0] == 0
    first = (photos.parent / "answers.csv").read_bytes()
    code, _, err = predict("photos", "--out", "answers.csv")
    assert (code, (photos.parent / "answers.csv").read_bytes()) == (2, first)
    assert "answers.csv exists; name another file, or write over it with --replace" in err
    assert predict("photos", "--out", "answers.csv", "--replace")[0] == 0
    [kept] = photos.parent.glob("answers.replaced-*.csv")
    assert kept.read_bytes() == first
    assert len(pd.read_csv("answers.csv")) == 4


NO_ANSWERS = [
    ("photos", "answers.xlsx", "expected a file ending in .csv, .parquet or .jsonl"),
    ("photos", "photos/a.png/x.csv", "cannot write"),
    ("photos/notes.txt", "new/folder/answers.csv", "photos/notes.txt: not an image"),
]


@pytest.mark.parametrize(("named", "out", "says"), NO_ANSWERS)
def test_where_nothing_can_be_written_or_read_nothing_is_left(predict, photos, named, out, says):
    before = sorted(photos.parent.rglob("*"))
    code, _, err = predict(named, "--out", out)
    assert (code, says in err, sorted(photos.parent.rglob("*"))) == (2, True, before)


def test_labels_that_csv_cannot_join_are_refused_before_any_work(tmp_path, photos, spec):
    rows = {"file": [f"i{i}.png" for i in range(40)], "labels": [["set"], ["a|b", "set"]] * 20}
    for i, name in enumerate(rows["file"]):
        Image.new("RGB", (8, 8), (6 * i, 0, 255 * (i % 2))).save(tmp_path / name)
    pd.DataFrame(rows).to_parquet("t.parquet")
    import_table(tmp_path / "t.parquet", tmp_path / "odd", label_column="labels", construct="evoked")
    run = affectml.train(tmp_path / "odd", encoder=spec, out=tmp_path / "run", threads=1, say=quiet)
    refused(BadInput, r"CSV cannot hold label 'a\|b' in sets", run.predict_to_file, "photos", "answers.csv", say=quiet)
    said = []
    made = run.predict_to_file("photos", "answers.parquet", say=said.append)
    assert said[:1] == ["the scores of label 'set' are in column 'score of set': there is another column of its name"]
    table = pd.read_parquet(made.file)
    shown = run.predict("photos", threads=1)
    assert set(table.columns) == set(shown.columns) == {"image", "a|b", "score of set", "set"}
    np.testing.assert_allclose(table["score of set"], shown["score of set"], atol=1e-6)
    assert "score" in shown._repr_html_()


@pytest.mark.parametrize(("key", "then"), [("weights_sha256", "0" * 64), ("activation", "gelu")])
def test_another_encoder_than_the_runs_is_refused_by_what_differs(run, photos, tmp_path, key, then):
    folder = shutil.copytree(run.folder, tmp_path / "other")
    edit(folder / "run.json", encoder={"identity": {key: then}})
    says = rf"is not the encoder this run was trained with \({key} \w+, not {then}\)$"
    refused(EncoderUnavailable, says, predict_images, folder, photos, threads=1)


class TestGoingOn:
    """A file that was not finished is finished by the same call, and the bytes are those of an undisturbed one."""

    @pytest.fixture(autouse=True)
    def small_parts(self, monkeypatch):
        monkeypatch.setattr("affectml.parts.SIZE", 4)

    @pytest.fixture
    def encoded(self, run, monkeypatch):
        """calls: how many images were predicted, part by part. until: the part at which the user presses Ctrl-C."""
        seen, before = SimpleNamespace(calls=[], until=None), Predictor.predict

        def predict(self, found, *args):
            if len(seen.calls) == seen.until:
                raise KeyboardInterrupt
            seen.calls.append(len(found))
            return before(self, found, *args)

        monkeypatch.setattr(Predictor, "predict", predict)
        return seen

    @pytest.fixture
    def shots(self, demo, tmp_path):
        """Ten files of which one is broken."""
        folder = tmp_path / "photos"
        folder.mkdir()
        for file in sorted((demo.root / "images").glob("*.png"))[:10]:
            shutil.copy(file, folder)
        (folder / "000006.png").write_text("broken")
        return folder

    @pytest.fixture
    def stopped(self, run, shots, encoded):
        """`stopped(out)`: begins the file and presses Ctrl-C after two parts."""

        def begin(out):
            encoded.until = 2
            with pytest.raises(KeyboardInterrupt):
                predict_to_file(run.folder, shots, out, threads=1, say=quiet)
            encoded.until = None

        return begin

    @pytest.mark.parametrize("ending", ["csv", "parquet"])
    def test_what_was_done_is_not_done_again(self, run, shots, tmp_path, encoded, stopped, ending):
        whole, out = tmp_path / f"whole.{ending}", tmp_path / f"out.{ending}"
        predict_to_file(run.folder, shots, whole, threads=1, say=quiet)
        assert encoded.calls == [4, 4, 2]
        encoded.calls.clear()
        stopped(out)
        assert not out.exists()
        said = []
        made = predict_to_file(run.folder, shots, out, say=said.append)  # threads: as before
        assert said == [f"going on after 8 of 10 images, as {out}.parts has them"]
        assert encoded.calls == [4, 4, 2]
        assert out.read_bytes() == whole.read_bytes()
        assert (made.images, [name for name, _ in made.bad]) == (9, [str(shots / "000006.png")])
        assert {path.name for path in tmp_path.iterdir()} == {
            "photos", whole.name, out.name, f"{whole.name}.unreadable.csv", f"{out.name}.unreadable.csv"
        }  # fmt: skip

    def test_a_part_that_is_damaged_is_made_again(self, run, shots, tmp_path, encoded, stopped):
        out = tmp_path / "new" / "out.csv"
        stopped(out)
        (second,) = out.parent.glob("out.csv.parts/part-*-00001.parquet")
        second.write_bytes(b"")
        made = predict_to_file(run.folder, shots, out, threads=1, say=quiet)
        assert (made.images, encoded.calls) == (9, [4, 4, 4, 2])

    def test_other_images_start_afresh_and_it_is_said(self, run, shots, tmp_path, encoded, stopped):
        stopped(tmp_path / "out.csv")
        shutil.copy(shots / "000000.png", shots / "000006.png")
        said = []
        made = predict_to_file(run.folder, shots, tmp_path / "out.csv", threads=1, say=said.append)
        other = "other images, or images that have changed since"
        assert said == [f"{tmp_path / 'out.csv'}.parts was begun with {other}: starting afresh"]
        assert (encoded.calls, made.images, made.bad) == ([4, 4, 4, 4, 2], 10, [])

    @pytest.mark.parametrize("last", ["take_left", "PredictionFile", "shutil.rmtree"])
    @pytest.mark.parametrize("replace", [False, True])
    def test_a_file_that_was_whole_at_the_kill_stays(self, run, shots, tmp_path, encoded, monkeypatch, replace, last):
        out = tmp_path / "out.csv"
        if replace:
            out.write_text("old")
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            for name in (last, "shutil.rmtree"):
                patched.setattr(f"affectml.predicting.files.{name}", Mock(side_effect=KeyboardInterrupt))
            predict_to_file(run.folder, shots, out, threads=1, replace=replace, say=quiet)
        content, calls = out.read_bytes(), list(encoded.calls)
        (tmp_path / ".out.csv.01234567.tmp").write_bytes(content[:99])
        made = predict_to_file(run.folder, shots, out, threads=1, replace=replace, say=quiet)
        assert not list(tmp_path.glob(".*.tmp"))
        assert (made.images, len(made.bad), encoded.calls) == (9, 1, calls)
        assert out.read_bytes() == content
        assert not out.with_name("out.csv.parts").exists()
        assert len(list(tmp_path.glob("out.replaced-*"))) == replace

    def test_another_question_waits_for_who_makes_the_file(self, run, shots, tmp_path, stopped):
        out = tmp_path / "out.csv"
        stopped(out)
        shutil.copy(shots / "000000.png", shots / "000006.png")
        claim = out.with_name("out.csv.parts") / "part-00000000-00002.parquet.claim"
        for owner in ("another-machine 7", f"{socket.gethostname()} {os.getpid()}"):
            claim.write_text(owner)
            with pytest.raises(BadInput, match="another process is making it with other images"):
                predict_to_file(run.folder, shots, out, threads=1, say=quiet)

    def test_a_file_that_others_have_written_meanwhile_stays(self, run, shots, tmp_path, monkeypatch):
        """By a process that began before the file was there, and comes to its parts after the others have ended."""
        out, before = tmp_path / "out.csv", Predictor.prepare

        def late(self, found):
            monkeypatch.setattr(Predictor, "prepare", before)
            predict_to_file(run.folder, shots, out, threads=1, say=quiet)
            before(self, found)

        monkeypatch.setattr(Predictor, "prepare", late)
        with pytest.raises(BadInput, match=r"out\.csv exists; name another file"):
            predict_to_file(run.folder, shots, out, threads=1, say=quiet)
        assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.csv", "out.csv.unreadable.csv"]

    def test_several_processes_make_one_file(self, run, shots, tmp_path, encoded):
        """Of which one finds parts that the other has claimed, and one that the other has finished meanwhile."""
        whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
        predict_to_file(run.folder, shots, whole, threads=1, say=quiet)
        parts_alone = predict_to_file(run.folder, shots, out, threads=1, join=False, say=quiet)
        assert (parts_alone.images, len(parts_alone.bad), out.exists()) == (9, 1, False)
        before, others = _Answers.join, []

        def join(self, *args):
            if not others:
                others.append(None)
                others.append(predict_to_file(run.folder, shots, out, threads=1, say=quiet))
            return before(self, *args)

        said = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_Answers, "join", join)
            made = predict_to_file(run.folder, shots, out, threads=1, say=said.append)
        assert said[-1] == f"{out} was written by another process from the parts that both made"
        assert (made.images, made.bad) == (9, others[1].bad)
        assert out.read_bytes() == whole.read_bytes()
        assert encoded.calls == [4, 4, 2] * 2


def test_pixels_and_data_sets_go_to_a_file_too(run, demo, tmp_path):
    with Image.open(demo.root / "images" / "000004.png") as picture:
        picture.load()
    made = run.predict_to_file([picture.convert("RGB"), demo], tmp_path / "out.jsonl", threads=1, say=quiet)
    rows = [json.loads(line) for line in made.file.read_text().splitlines()]
    assert [row["image"] for row in rows] == ["image 1", *demo.images["image_id"]]
    assert made.to_json()["images"] == len(rows) == len(demo.images) + 1
    labels = list(run.taxonomy.labels)
    np.testing.assert_allclose(*[[rows[at][label] for label in labels] for at in (0, 5)], atol=2e-3)
