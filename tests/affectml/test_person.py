"""One person of a by-person run: what is known of them, what they would choose, and that nothing of them goes along."""

import errno
import json
import pickle
import shlex
import shutil
import stat
import sys
import zipfile
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import save

import affectml
from affectml.data import Dataset
from affectml.demo_set import write_demo
from affectml.embeddings import EmbeddingStore
from affectml.errors import BadInput, BadRun, UnknownLabel
from affectml.heads import Normals
from affectml.people.erasing import erase_people
from affectml.people.known import open_people, people_file, read_people, write_people
from affectml.predicting.files import predict_to_file
from affectml.runs import RunFolder
from affectml.training import TrainConfig, plan_run

from .checks import GOLDEN, answered, edit, refused


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with the data set mydata and the run runs/mydata-001."""
    root = tmp_path_factory.mktemp("person")
    demo = write_demo(root / "mydata", images=160, seed=5, size=96)
    for name in ("annotations.parquet", "annotators.parquet"):  # names that are found in no digest by chance
        table = pd.read_parquet(demo.root / name)
        table.assign(annotator_id="person-" + table["annotator_id"]).to_parquet(demo.root / name)
    with pytest.MonkeyPatch.context() as patch, (root / "said.txt").open("w") as said:
        patch.chdir(root)
        # a rough fit, since what is asked here is where its numbers go
        patch.setattr("affectml.heads.mixed_logit._ENOUGH", 0.05)
        affectml.train(
            "mydata", multilabel=True, by_person=True, encoder="affect-tiny", threads=1, l2=0.1,
            say=lambda line: print(line, file=said),
        )  # fmt: skip
    return root


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """A copy of it as the working folder."""
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "here"))
    return tmp_path / "here"


@pytest.fixture
def run(made, monkeypatch):
    monkeypatch.chdir(made)
    return loaded()


def loaded():
    return affectml.load_run("runs/mydata-001")


def known():
    """The run's people."""
    return read_people(RunFolder.open("runs/mydata-001"))


def rates_of(predicted, images):
    """The scores of the labels, by image."""
    return predicted.set_index("image").loc[images].select_dtypes("float")


def judged(run):
    """The images that the run is judged by."""
    table = answered(run)
    return table["image_id"][table["split"] == "test"].tolist()


def answers_of(who, count):
    """Image ids and labels of somebody's first answers."""
    table = Dataset.open("mydata").judgements
    mine = table[(table["annotator_id"] == who) & table["kind"].isin(["labels", "none"])].head(count)
    return {image: list(labels) for image, labels in zip(mine["image_id"], mine["labels"], strict=True)}


def as_csv(answers, file):
    joined = ["|".join(labels) or "none" for labels in answers.values()]
    pd.DataFrame({"image": list(answers), "labels": joined}).to_csv(file, index=False)


class TestKnown:
    """Somebody that the run learned from."""

    def test_a_person_is_who_the_people_file_says(self, run):
        people, labels = known(), list(run.taxonomy.labels)
        one = run.for_person(people.ids[3])
        assert (one.answers, list(one.thresholds.index)) == (people.answers[3], labels)
        np.testing.assert_array_equal(one.thresholds["offset"], people.mean[3][: len(labels)])
        variance = np.diagonal(people.covariance[3])[: len(labels)]
        np.testing.assert_allclose(one.thresholds["sd"] ** 2, variance, atol=1e-12)

    def test_what_they_would_choose_is_what_the_head_says_of_them(self, run):
        people, data, test, labels = known(), Dataset.open("mydata"), judged(run), list(run.taxonomy.labels)
        X = torch.from_numpy(EmbeddingStore.for_dataset(data).rows(test))
        believed = Normals(torch.from_numpy(people.mean[:1]), torch.from_numpy(people.covariance[:1]))
        rates = run.head.person_rates(X, believed)
        table = run.for_person(people.ids[0]).predict(data)
        np.testing.assert_allclose(rates_of(table, test), rates, atol=1e-12)
        sets = [[label for label, on in zip(labels, row, strict=True) if on] for row in run.head.person_sets(rates)]
        assert table.set_index("image").loc[test, "set"].tolist() == sets
        assert np.abs(rates_of(run.predict(data), test) - rates.numpy()).to_numpy().max() > 0.01

    def test_a_name_that_nobody_has_is_said_without_saying_who_is_there(self, run):
        people = known()
        says = rf"nobody called '{people.ids[0]}x'; did you mean.*{len(people)} people"
        refused(BadInput, says, run.for_person, people.ids[0] + "x")
        with pytest.raises(BadInput) as error:
            run.for_person("zzzzzzzz")
        assert not any(who in str(error.value).replace(str(people.file), "") for who in people.ids)

    def test_nothing_that_is_printed_says_who_or_how(self, run):
        people = known()
        one = run.for_person(people.ids[0])
        for shown in (repr(people), repr(one), str(one), repr(run)):
            assert not [part for part in (people.ids[0], "tensor(", "array(") if part in shown]


NO_ANSWERS = [
    ({"000003": "joyy"}, UnknownLabel, r"answers: 000003: no label 'joyy' in taxonomy mikels-8"),
    ({"nowhere.png": "awe"}, BadInput, r"neither a file nor an image_id of mydata: 'nowhere.png'"),
    ({"x" * 400: []}, BadInput, "neither a file nor an image_id"),
    ({"000003": "awe", "mydata/images": []}, BadInput, "neither a file nor an image_id"),
    ({"000003": 5}, BadInput, "expected a label or several, got int"),
    (7, BadInput, r"expected \{image: labels\}, a table, a Path to one or an id, got int"),
    (pd.DataFrame({"image": ["000003"] * 2, "labels": ["awe"] * 2}), BadInput, r"row 2: the image is answered"),
    (pd.DataFrame({"image": ["000003"], "labels": [None]}), BadInput, "row 1: column 'labels' is empty"),
    (pd.DataFrame({"image": ["000003"], "labels": ["awe|none"]}), BadInput, "a label and 'none' at once"),
    (pd.DataFrame({"image": [None], "labels": ["awe"]}), BadInput, "column 'image' is empty"),
    (pd.DataFrame({"thing": ["000003"], "labels": ["awe"]}), BadInput, r"no column image \(or image_id\)"),
    (pd.DataFrame({"image": ["000003"], "said": ["awe"]}), BadInput, "no column labels"),
    (pd.DataFrame({"image": ["000003", "000004"], "labels": ["awe"] * 2, "annotator_id": ["a", "b"]}), BadInput,
     "answers of 2 people; keep those of one"),
    (Path("nowhere.csv"), BadInput, "nowhere.csv: no such file"),
]  # fmt: skip


class TestNew:
    """Somebody new, after some answers."""

    def test_without_answers_it_is_the_population(self, run):
        data, test = Dataset.open("mydata"), judged(run)
        population = rates_of(run.predict(data), test)
        for nothing in (None, {}, pd.DataFrame({"image": [], "labels": []})):
            anybody = run.for_person(nothing)
            assert anybody.answers == 0
            np.testing.assert_allclose(rates_of(anybody.predict(data), test), population, atol=1e-9)
        assert (anybody.thresholds["offset"] == 0).all()
        people_differ = run.head.population.covariance.diagonal()[: len(run.taxonomy.labels)].sqrt()
        np.testing.assert_allclose(anybody.thresholds["sd"], people_differ)

    def test_answers_in_every_form_say_the_same(self, run, made, tmp_path):
        mine = answers_of(known().ids[1], 12)
        expected, images, labels = run.for_person(mine), list(mine), list(mine.values())
        as_csv(mine, tmp_path / "a.csv")
        pd.DataFrame({"image_id": images, "labels": labels}).to_parquet(tmp_path / "a.parquet")
        kinds = ["labels" if each else "none" for each in labels]
        judged = pd.DataFrame({"image_id": images, "kind": kinds, "labels": map("|".join, labels)})
        more = pd.DataFrame({"image_id": ["?", "?"], "kind": ["skip", "unsure"], "labels": ["", ""]})
        for form in (
            {str(made / "mydata" / "images" / f"{image}.png"): each for image, each in mine.items()},
            {image: np.array(each, dtype=object) for image, each in mine.items()},
            pd.DataFrame({"image": images, "labels": labels}),
            tmp_path / "a.csv",
            tmp_path / "a.parquet",
            pd.concat([judged, more]),
        ):
            got = run.for_person(form, threads=1)
            assert (got.answers, expected.answers) == (12, 12)
            np.testing.assert_allclose(got.believed.mean, expected.believed.mean, atol=1e-3)
        np.testing.assert_array_equal(run.for_person(tmp_path / "a.csv").believed.mean, expected.believed.mean)

    def test_the_more_somebody_answers_the_better_they_are_known(self, run):
        who = known().ids[2]
        few, many = (run.for_person(answers_of(who, count)) for count in (3, 60))
        assert (many.thresholds["sd"] < few.thresholds["sd"]).all()
        learned = run.for_person(who).believed.mean
        *less, apart = [(one.believed.mean - learned).abs().sum() for one in (run.for_person(), few, many)]
        assert apart < min(less)

    @pytest.mark.parametrize(("answers", "kind", "says"), NO_ANSWERS)
    def test_what_is_no_answer_is_said_in_a_line(self, run, answers, kind, says):
        refused(kind, says, run.for_person, answers)

    def test_where_the_data_set_is_gone_ids_need_another(self, here):
        Path("mydata").rename("elsewhere")
        run, says = loaded(), "no file '000003', and the run's own data set is not at mydata; name the"
        refused(BadInput, says, run.for_person, {"000003": []})
        assert run.for_person({"000003": []}, dataset="elsewhere").answers == 1


class TestImages:
    """What others said of the run's own images counts, under whatever name they come."""

    def test_an_image_of_the_run_is_known_again_by_its_features_alone(self, here):
        run, data = loaded(), Dataset.open("mydata")
        images = answered(run)["image_id"]
        anybody, population = (rates_of(one.predict(data), images) for one in (run.for_person(), run))
        moved = np.abs(anybody - population).max(axis=1).groupby(answered(run)["split"].to_numpy())
        assert moved.max()["test"] < 1e-9
        assert moved.min()["train"] > 1e-6
        names = {image: f"other-{image}" for image in data.images["image_id"]}
        shutil.copytree("mydata", "renamed")
        for file in Path("renamed").rglob("*.parquet"):
            table = pd.read_parquet(file)
            if "image_id" in table:
                table.assign(image_id=table["image_id"].map(names)).to_parquet(file)
        np.testing.assert_array_equal(rates_of(run.for_person().predict("renamed"), images.map(names)), anybody)

    def test_damaged_effects_are_said(self, here):
        file = Path("runs/mydata-001/image_effects.parquet")
        table, run = pd.read_parquet(file), loaded()
        table.drop(columns="effect:awe").to_parquet(file)
        with pytest.raises(BadRun, match=r"image_effects.parquet: cannot be read .*effect:awe.*train again"):
            run.for_person().predict("mydata")
        table.assign(**{"effect:awe": np.nan}).to_parquet(file)
        refused(BadRun, "an impossible mean or variance", run.for_person, {"000003": []})
        file.write_bytes(b"PAR1")
        refused(BadRun, r"image_effects.parquet: cannot be read", run.for_person, {"000003": []})
        file.unlink()  # as in a shared run: nothing is known
        anybody, population = (one.predict("mydata").select_dtypes("float") for one in (run.for_person(), run))
        np.testing.assert_allclose(anybody, population, atol=1e-9)


NOT_TOGETHER = [
    ("--person x --out a.csv --workers ray", "goes with neither --person nor --device"),
    ("--person zzzz", "nobody called 'zzzz'"),
    ("--person zzzz --labels joy,awe", "nobody called 'zzzz'"),
]


class TestCommand:
    def test_a_person_on_the_screen_as_json_and_in_a_file(self, run, told, tmp_path):
        who = known().ids[4]
        expected = run.for_person(who).predict("mydata")
        found = json.loads(told("predict", run.folder, "mydata", "--person", who, "--json", "--threads", 1))
        assert [[row["image"], row["labels"]] for row in found] == expected[["image", "set"]].to_numpy().tolist()
        assert found[0]["scores"]["awe"] == expected["awe"][0]
        told("predict", run.folder, "mydata", "--person", who, "--out", tmp_path / "a.parquet")
        table = pd.read_parquet(tmp_path / "a.parquet")
        assert list(table.columns) == list(expected.columns)
        np.testing.assert_array_equal(table["awe"], expected["awe"].astype(np.float32))
        assert "000003.png" in told("predict", run.folder, "mydata/images/000003.png", "--person", who)

    def test_somebody_new_by_a_file(self, run, told, tmp_path):
        mine = answers_of(known().ids[1], 12)
        as_csv(mine, tmp_path / "a.csv")
        found = json.loads(told("predict", run.folder, "mydata", "--person", tmp_path / "a.csv", "--json"))
        assert [row["scores"]["awe"] for row in found] == list(run.for_person(mine).predict("mydata")["awe"])

    @pytest.mark.parametrize(("words", "says"), NOT_TOGETHER)
    def test_what_does_not_go_together_is_refused(self, run, told, words, says):
        assert says in told("predict", run.folder, "mydata", *words.split(), code=2)

    def test_a_file_that_was_begun_for_another_person_is_begun_afresh(self, here):
        run, said = loaded(), []
        ann, ben = (run.for_person(who) for who in known().ids[:2])
        predict_to_file(run.folder, "mydata", "a.parquet", person=ann, join=False, say=print)
        assert known().ids[0] not in Path("a.parquet.parts/manifest.json").read_text()
        predict_to_file(run.folder, "mydata", "a.parquet", person=ben, say=said.append)
        assert any("was begun with another person: starting afresh" in line for line in said)
        expected = ben.predict("mydata")["awe"].astype(np.float32)
        np.testing.assert_array_equal(pd.read_parquet("a.parquet")["awe"], expected)

    def test_a_run_without_people_says_how_to_have_them(self, run, told):
        says = "a sigmoid head, which tells no people apart: train again with --by-person"
        assert says in told("predict", GOLDEN / "runs" / "sigmoid", "mydata", "--person", "ann", code=2)


FAULTS = [
    ({"mean": None}, "not a readable safetensors file"),
    ({"mean": np.zeros((3, 4))}, "are not those of 2 people"),
    ({"mean": np.full((2, 2), np.nan)}, "are not those of 2 people"),
    ({"covariance": np.tile(-np.eye(2), (2, 1, 1))}, "are not those of 2 people"),
    ({"people": '"ab"'}, "metadata people: Input should be a valid list"),
    ({"people": "[" * 99_999}, "metadata people: Invalid JSON"),
    ({"people": '["\\ud800", "b"]'}, "metadata people: Invalid JSON"),
    ({"dataset": "{}"}, "metadata dataset.name: Field required"),
    ({"schema": "2"}, "metadata schema: Input should be '1'"),
    ({"head": None}, "metadata head: Field required"),
]


class TestFile:
    """The file of a run's people."""

    def test_it_is_beside_the_run_and_its_owner_alone_reads_it(self, run):
        file = people_file(run.folder)
        assert (file, mode(file)) == (Path("runs/mydata-001-people.safetensors"), 0o600)
        assert people_file(run.folder.absolute()) == file.absolute()
        assert not any("people" in path.name for path in run.folder.rglob("*"))

    def test_a_missing_one_is_named_with_the_way_out(self, here):
        people_file(Path("runs/mydata-001")).unlink()
        run, says = loaded(), r"mydata-001-people.safetensors: no such file.*copy it here.*\(answers\)"
        refused(BadRun, says, run.for_person, "ann")
        assert run.for_person({"000003": "awe"}).answers == 1

    @pytest.mark.slow
    def test_where_people_cannot_be_written_the_run_is_kept_and_a_line_says_so(self, here, monkeypatch):
        full = Mock(side_effect=OSError(errno.ENOSPC, "No space left on device"))
        monkeypatch.setattr("affectml.training.by_person.write_people", full)
        judged = Mock(side_effect=lambda judged: judged.evaluation)  # of which the whole takes longest
        monkeypatch.setattr(sys.modules["affectml.training.fit"], "judge_by_person", judged)
        says = r"runs/again-people.safetensors could not be written \(No space.* kept in"
        refused(OSError, says, affectml.train, "mydata", multilabel=True, by_person=True, out="runs/again", say=print)
        assert affectml.load_run("runs/again").for_person({"000003": "awe"}).answers == 1

    def test_people_of_another_head_are_never_read(self, here):
        shutil.copy(people_file(Path("runs/mydata-001")), people_file(Path("runs/b")))
        shutil.copytree("runs/mydata-001", "runs/b")
        assert len(read_people(RunFolder.open("runs/b")))
        Path("runs/b/head.safetensors").write_bytes(b"another head")
        refused(BadRun, "belong to another training's head", read_people, RunFolder.open("runs/b"))

    def test_what_was_there_is_kept_and_erased_with_the_rest(self, here):
        run = RunFolder.open("runs/mydata-001")
        people = read_people(run)
        normals = Normals(torch.from_numpy(people.mean[1:]), torch.from_numpy(people.covariance[1:]))
        write_people(run, people.ids[1:], normals, people.answers[1:])
        assert read_people(run).ids == people.ids[1:]
        [kept] = Path("runs").glob("mydata-001-people.replaced-*.safetensors")
        assert mode(kept) == 0o600
        assert [one.file for one in erase_people("mydata", [people.ids[0]]).learned] == [kept]
        assert people.ids[0].encode() not in kept.read_bytes()

    @pytest.mark.parametrize(("change", "says"), FAULTS)
    def test_each_fault_is_one_line_that_names_the_file(self, tmp_path, change, says):
        refused(BadRun, f"^{tmp_path}/x-people.safetensors: .*{says}", open_people, written(tmp_path, change))


def mode(file):
    return stat.S_IMODE(file.stat().st_mode)


TENSORS = {"mean": np.zeros((2, 2)), "covariance": np.tile(np.eye(2), (2, 1, 1)), "answers": np.array([1, 2])}
SAID = {
    "schema": "1", "head": "0", "people": '["a", "b"]',
    "dataset": json.dumps({"name": "d", "fingerprint": {"target": "0"}}),
}  # fmt: skip


def written(folder, change):
    """A people file of two people with something else in it; None leaves a part of it out."""
    whole = {key: value for key, value in (TENSORS | SAID | change).items() if value is not None}
    tensors, said = ({key: whole[key] for key in part if key in whole} for part in (TENSORS, SAID))
    file = folder / "x-people.safetensors"
    file.write_bytes(save(tensors, said))
    return file


def test_the_file_that_the_faults_are_made_in_has_none(tmp_path):
    assert open_people(written(tmp_path, {})).ids == ("a", "b")


class TestErase:
    def test_who_is_erased_leaves_data_set_and_people_files_and_others_stay(self, here, told):
        people = known()
        gone, stays = people.ids[:2], people.ids[2:]
        litter = Path("runs/.mydata-001-people.safetensors.0123abcd.tmp")
        shutil.copy(people.file, litter)
        out = told("label", "remove", "erase", "mydata", *gone)
        assert "runs/mydata-001-people.safetensors: 2 of its people" in out
        again = "affectml train mydata --multilabel --set l2=0.1 --by-person --encoder affect-tiny --seed 0 --threads 1"
        assert again in out
        left = known()
        assert left.ids == stays
        np.testing.assert_array_equal(left.mean, people.mean[2:])
        np.testing.assert_array_equal(left.answers, people.answers[2:])
        assert (mode(people.file), litter.exists()) == (0o600, False)
        assert not set(Dataset.open("mydata").judgements["annotator_id"]) & set(gone)
        assert not traces(here, gone, people)

    def test_who_is_in_a_people_file_alone_can_be_erased_and_nobody_else(self, here, told):
        who = known().ids[0]
        Path("far/deep").mkdir(parents=True)
        shutil.move("runs/mydata-001-people.safetensors", "far/deep/old-people.safetensors")
        says = f"no run by person was found that knows them; `affectml label remove erase mydata {who} --runs FOLDER`"
        assert says in told("label", "remove", "erase", "mydata", who)
        assert "nobody called" in told("label", "remove", "erase", "mydata", who, code=2)
        done = json.loads(told("label", "remove", "erase", "mydata", who, "--runs", "far", "--json"))
        learned = {"file": "far/deep/old-people.safetensors", "people": 1, "run": None, "command": None}
        assert (done["judgements"], done["learned"]) == (0, [learned])
        assert "no such folder" in told("label", "remove", "erase", "mydata", who, "--runs", "nowhere", code=2)

    def test_a_data_set_that_was_renamed_is_known_by_its_target_and_another_s_runs_keep_their_people(self, here):
        who = known().ids[0]
        shutil.copytree("mydata", "other")
        for folder in ("mydata", "other"):
            edit(Path(folder, "dataset.json"), name="renamed")
        table = pd.read_parquet("other/targets-emotions.parquet")
        table.iloc[::-1].assign(n=table["n"] + 1).to_parquet("other/targets-emotions.parquet")
        assert erase_people("other", [who]).learned == []
        assert who in known().ids
        [one] = erase_people("mydata", [who]).learned
        assert one.people == 1

    def test_nobody_leaves_where_a_people_file_cannot_be_read_or_a_name_is_wrong(self, here):
        people = known()
        refused(Exception, "nobody called 'zzzz'", erase_people, "mydata", [people.ids[0], "zzzz"])
        Path("runs/b-people.safetensors").write_bytes(b"x")
        says = "b-people.safetensors: not a readable safetensors file"
        refused(BadRun, says, erase_people, "mydata", [people.ids[0]])
        assert known().ids == people.ids
        assert people.ids[0] in set(Dataset.open("mydata").judgements["annotator_id"])

    def test_a_people_file_that_is_a_link_is_changed_where_it_leads(self, here):
        people = known()
        Path("elsewhere").mkdir()
        real = people.file.rename("elsewhere/kept.safetensors")
        people.file.symlink_to(real.absolute())
        erase_people("mydata", [people.ids[0]])
        assert people.file.is_symlink()
        assert open_people(real).ids == people.ids[1:]

    def test_it_goes_on_after_it_was_killed_in_between(self, here, monkeypatch):
        who = known().ids[0]
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("affectml.people.erasing.save_people", Mock(side_effect=KeyboardInterrupt))
            erase_people("mydata", [who])
        assert who in known().ids
        erase_people("mydata", [who])
        assert who not in known().ids

    def test_training_warns_and_exports_wait_until_the_target_is_made_again(self, here, told):
        said, config = [], TrainConfig(dataset="mydata", multilabel=True, encoder="affect-tiny")
        plan_run(config, say=said.append)
        assert said == []
        targets = erase_people("mydata", [known().ids[0]]).targets
        plan_run(config, say=said.append)
        assert "mydata: target emotions counts somebody who was erased; make it again: `affectml" in said[0]
        for way in (["--hub", "hub"], *([["--onnx"]] if find_spec("onnx") else [])):
            assert "counts somebody who was erased" in told("export", "runs/mydata-001", *way, code=2)
        assert not any(Path(place).exists() for place in ("hub", "runs/mydata-001/head.onnx"))
        told(*shlex.split(targets["emotions"])[1:])
        told("export", "runs/mydata-001", "--hub", "hub")

    def test_withdrawing_names_it(self, here, told):
        told("label", "init", "mydata", "--invite", "ann")
        out = told("label", "remove", "withdraw", "ann")
        assert "so do runs by person on it" in out
        assert "label remove erase DATASET NAME" in out


def traces(place, whose, people):
    """Who of these has their id, or the bytes of what is believed of them, in a file, or in one of a folder."""
    files = [place] if place.is_file() else [file for file in place.rglob("*") if file.is_file()]
    contents = [file.read_bytes() for file in files if file.suffix != ".png"]

    def parts(who):
        mean, covariance = people.mean[people.ids.index(who), :2], people.covariance[people.ids.index(who), 0, :2]
        numbers = (mean, covariance, mean.astype(np.float32))
        return [who.encode(), repr(float(mean[0])).encode(), *(each.tobytes() for each in numbers)]

    return [who for who in whose if any(part in content for part in parts(who) for content in contents)]


def test_a_trace_is_found_where_one_is(run):
    people = known()
    assert traces(people.file, people.ids, people) == [*people.ids]


class TestNothingGoesAlong:
    """Every way in which a run leaves the machine."""

    def test_no_export_of_a_run_holds_people(self, here, told):
        people, out = known(), here / "out"
        out.mkdir()
        told("export", "runs/mydata-001", "--hub", out / "hub")
        shutil.make_archive(str(out / "run"), "zip", "runs/mydata-001")
        shutil.copytree("runs/mydata-001", out / "copy")
        with zipfile.ZipFile(out / "run.zip") as zipped:
            zipped.extractall(out / "unzipped")
        assert len([file for file in out.rglob("*") if file.is_file()]) > 15
        assert not [*out.rglob("*people*")]
        assert not traces(out, people.ids, people)
        shared = affectml.load_run(out / "hub")
        assert shared.for_person({"mydata/images/000003.png": "awe"}).answers == 1
        refused(BadRun, "never goes along with the run", shared.for_person, people.ids[0])

    @pytest.mark.slow
    def test_a_graph_of_a_run_says_what_people_in_general_choose_and_holds_nobody(self, run, told, tmp_path):
        told("export", run.folder, "--onnx", "--out", tmp_path / "head.onnx")
        assert not traces(tmp_path, known().ids, known())

    def test_a_pickled_run_or_head_holds_nobody(self, run):
        people = known()
        one = run.for_person(people.ids[0])  # the run has read its people by now
        one.predict("mydata/images/000003.png")
        fitted = run.head
        fitted.fit_ = object  # what a training leaves there
        for thing in (run, fitted):
            content = pickle.dumps(thing)
            assert people.mean[0, :2].tobytes() not in content
            assert people.ids[0].encode() not in content
        assert not hasattr(pickle.loads(pickle.dumps(fitted)), "fit_")

    def test_what_a_training_and_its_run_say_names_nobody(self, run):
        people = known()
        said = Path("said.txt").read_text() + json.dumps(asdict(run.info), default=str)
        assert "by person: " in said
        assert not any(who in said for who in people.ids)
