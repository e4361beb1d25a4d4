"""What each published set refuses: file, row and way out are named, and nothing is written."""

import json
from functools import partial

import numpy as np
import pytest
from scipy.io import savemat

from affectml.errors import BadInput, UnknownLabel
from affectml.importers.registry import PUBLISHED

from .fuzz import sources
from .fuzz.sources import ABSTRACT, ARTEMIS, EMOTION6, FINDING, LISTS, MIKELS, OASIS, TRAIN, URL, picture, text

TABLE = "testImages_abstract/ABSTRACT_groundTruth.csv"
URLS = "data/dataset_urls_exploded.json"
AMUSED = "annotation/amusement/amusement_00000.json"  # of EmoSet's first image


def of(folder, *lines, **how):
    """Writes a set of these lines, where any are given."""
    return lambda root: folder(root, list(lines), **how) if lines else folder(root, **how)


def empty(root):
    root.mkdir()
    return root


def twice(folder):
    return lambda root: [folder(root / half) for half in "ab"] and root


def beside(folder, file, content):
    """Writes a set with another file in place of one of its own."""

    def write(root):
        folder(root)
        (root / file).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return root

    return write


def one_picture(file):
    return lambda root: picture(root / file) or root


emoset = partial(beside, sources.emoset_folder)
emotion6 = partial(of, sources.emotion6_folder, EMOTION6[0])
abstract = partial(of, sources.abstract_folder)
ldl = partial(of, sources.ldl_folder)
finding = partial(of, sources.finding_folder)
oasis = partial(of, sources.oasis_folder, images=["Dog 1"])


def twitter(lists):
    return lambda root: sources.twitter_folder(root, lists)


def webemo(*lines, name="train25.txt"):
    return lambda root: text(root / name, *lines).parent


def artemis(before, after):
    lines = [ARTEMIS[0].replace(before, after), "Baroque,other,awe,u,1", ARTEMIS[2].replace(before, after)]
    return of(sources.artemis_folder, *lines)


def emotic(**content):
    """EMOTIC whose file has this content; without any, it is no MATLAB file."""

    def write(root):
        file = sources.emotic_folder(root, images=False) / "Annotations" / "Annotations.mat"
        picture(root / "f" / "a.jpg")
        file.write_bytes(b"no matlab at all" * 20)
        if content:
            savemat(file, content)
        return root

    return write


def photo(**fields):
    return sources.struct({"filename": "a.jpg", "folder": "f", **fields})


SAME = sources.struct(*({"worker_id": "u1", "categories": sources.cell(word)} for word in ("Peace", "Fear")))
A_BOX = np.array([[0.0, 0.0, 4.0, 4.0]])
TWICE = {"body_bbox": A_BOX, "annotations_categories": SAME}
REFUSED = {
    "fi": [
        (of(sources.fi_folder, *MIKELS, "saddness"), r"folder .*saddness: 'saddness' is none.* 'sadness'.*rename it"),
        (empty, r"no folder called amusement, awe"),
        (twice(lambda root: picture(root / "awe" / "1.jpg")), r"in: both a and b hold the set's folders; name one of"),
    ],
    "artphoto": [(one_picture("testImages_artphoto/joy_1.jpg"), r"joy_1.jpg: 'joy' is none of .*; rename it or")],
    "emoset": [
        (empty, r"no train.json; expected train.json, val.json, test.json"),
        (emoset("train.json", [["joy", "image/x.jpg", "x.json"]]), r"train.json, row 1: 'joy' is none of"),
        (emoset(AMUSED, []), r"amusement_00000.json: expected the attributes of one image, got list"),
    ],
    "abstract": [
        (abstract(*ABSTRACT[:3], ABSTRACT[1]), r"line 4: image 'abstract_0001.jpg' stands .* line 2"),
        (abstract(ABSTRACT[0].replace("Awe", "Aww"), *ABSTRACT[1:]), r"umn: 'Aww' is none of .*'awe'"),
        (abstract(ABSTRACT[0].replace("Content", "Sadness"), *ABSTRACT[1:]), r"'Sadness' and 'Sad' are both sadness"),
        (beside(sources.abstract_folder, TABLE, "\n".join(ABSTRACT).encode("utf-16")), r"convert the file to UTF-8$"),
        (abstract(ABSTRACT[0], ABSTRACT[1].replace(",8", ",x")), r"line 2: column 'Sad': expected a num"),
        (abstract(ABSTRACT[0], ABSTRACT[1].replace(",8", ",.5")), r"a whole number.* received 0.5"),
        (abstract(images=["7777"]), r"none of the 3 images .*first: 'abstract_0001.jpg'; there: "),
        (one_picture("testImages_abstract/abstract_0001.jpg"), r"no ABSTRACT_groundTruth.csv; expected ABSTRACT_"),
    ],
    "emotion6": [
        (emotion6(EMOTION6[1].replace("0.7", "0.9")), r"line 2: the shares sum to 1.2, expected 1"),
        (emotion6("../x.jpg" + EMOTION6[1][13:]), r"line 2: '../x.jpg' leaves the folder"),
        (
            of(sources.emotion6_folder, EMOTION6[0].replace("joy", "love"), EMOTION6[1]),
            r"'love' is none .*a column f",
        ),
    ],
    "flickrldl": [
        (ldl("a.jpg 1 2 0 0 0 0 8"), r"train_ground_truth.txt, line 2: expected an image and 8 numbers"),
        (ldl("a.jpg 1 2 0 0 0 0 0 .5"), r"line 2: the shares sum to 3.5, expected 1, or whole votes"),
        (ldl("a 1 2 0 0 0 0 0 8", "a.jpg 11 0 0 0 0 0 0 0"), r"line 3: 'a.jpg' is the .*'a' in .*line 2"),
        (ldl("a.jpg 0 0 0 0 0 0 0 0"), r"no row is left: 1 rows in which nobody .*first: .*line 2"),
        (ldl("a.jpg 1 2 0 0 0 0 0 8", header=None), r"line 1: no header names the columns, and publish"),
    ],
    "twitter1": [
        (twitter(LISTS | {"three": ["a.jpg 2"]}), r"three_agree.txt, line 1: expected an image and 0 or 1, but rec"),
        (twitter(LISTS | {"three": ["a.jpg 1", "a.jpg 0"]}), r"line 2: 'a.jpg' is 0, but 1 in .*line 1; mend one"),
        (twitter({**LISTS, "five": ["z.jpg 1"]}), r"five_agree.txt, line 1: 'z.jpg' is not in four_agree.txt"),
        (twitter(LISTS | {"five": ["b.jpg 1"]}), r"five.*1: 'b.jpg' is 1, but 0 in .*line 2"),
        (twitter({}), r"no three_agree.txt; expected three_agree.txt, four_agree.txt, five_agree.txt"),
    ],
    "webemo": [
        (webemo(TRAIN[0], f"{URL}a.jpg 25"), r"train25.txt, line 2: expected a url and an id from 0 to 24, but"),
        (webemo(TRAIN[0], name="train25.csv"), r"no train25.txt; did you mean 'train25.csv'.; expected train25.txt or"),
    ],
    "artemis": [
        (artemis("emotion,", "feeling,"), r"no column 'emotion'; expected art_style, painting, emotion"),
        (artemis("Sadness", "gloom"), r"line 3: no label 'gloom' in taxonomy artemis-9"),
        (artemis("Sadness", ""), r"'emotion' is empty: fill it in or take"),
        (empty, r"no artemis_dataset_release_v0.csv; expected .* or artemis_preprocessed.csv"),
        (webemo(*ARTEMIS, name="artemis_preprocessed.csv"), r"none of the 3 images it names .*images_root.*'none'"),
    ],
    "findingemo": [
        (finding(FINDING[0], FINDING[1].replace("Joy", "bliss")), r"line 2: no label 'bliss' .*plutchik-24"),
        (finding(*FINDING[:2], FINDING[1]), r"line 3: person 'u1' .* already \(line 2\); take one of the two"),
        (finding(FINDING[0], FINDING[4]), r"every row is rejected; nothing to import"),
        (beside(sources.finding_folder, URLS, [{"path": 1}]), rf"{URLS}: expected a list of rel_path, url, idx_url"),
        (empty, r"no annotations_single.ann; expected annotations_single.ann or annotations.csv or"),
    ],
    "emotic": [
        (of(sources.emotic_folder, label="Joy"), r"train\(1\) mscoco/images/one.jpg, person 1: 'Joy' is none of aff"),
        (of(sources.emotic_folder, valence="high"), r"train\(1\) .*person 1: valence: expected numbers, .* 'high'"),
        (of(sources.emotic_folder, box=(0, 0, 10)), r"body_bbox: expected left, top, right, bottom, got \[0.0, 0.0"),
        (of(sources.emotic_folder, images=False), r"Annotations.mat: none of the 2 images it names .*: images='none'"),
        (emotic(), r"Annotations.mat: not a readable MATLAB file"),
        (emotic(train=sources.struct({"folder": "f"})), r"train\(1\): no field 'filename'; expected filename, folder"),
        (emotic(train=photo(person=sources.struct({"body_bbox": A_BOX}))), r"person 1: annotations_categories is emp"),
        (emotic(train=photo(person=sources.struct(TWICE))), r"f/a.jpg, person 1: one annotator answers twice"),
        (empty, r"no Annotations.mat; expected Annotations/Annotations.mat beside"),
    ],
    "oasis": [
        (oasis("Dog 1,Animal,x,4,2,100.5,4,2,101"), r"line 2: column 'Valence_N': expected a whole number of people"),
        (oasis("Dog 1,Animal,x,8,2,100,4,2,101"), r"line 2: Valence: a mean of 8 is not on the scale from 1 to 7"),
        (oasis("Dog 1,Animal,x,6.9,2,100,4,1,100"), r"line 2: Valence: .*mean 6.9 and SD 2 .*between 0.300 and 0.768"),
        (oasis(OASIS[1]), r"OASIS.csv: none of the 1 images it names is in .*Images"),
        (empty, r"OASIS.csv: no such file"),
    ],
}


CASES = [(name, *case) for name, cases in REFUSED.items() for case in cases]


@pytest.mark.parametrize("case", CASES, ids=[f"{name}-{at}" for at, (name, *_) in enumerate(CASES)])
def test_what_is_wrong_is_named_with_its_place(tmp_path, refused, case):
    name, write, message = case
    said = refused(message, name, write(tmp_path / "in"), UnknownLabel if "no label" in message else BadInput)
    assert "--" not in said, "a published set has no options of tables"
    assert str(tmp_path) in said


def test_every_published_set_has_cases_of_its_own():
    assert {*REFUSED, *("unbiasedemo", "twitterldl")} == {*PUBLISHED}, "those two are read as fi and flickrldl are"
