"""Published sets with counted answers: Abstract, Emotion6, FlickrLDL and TwitterLDL, Twitter I."""

import numpy as np
import pytest

from affectml.data import Dataset
from affectml.importers import About, Importer, import_abstract, import_emotion6, import_flickrldl, import_twitter1
from affectml.importers.published import READERS

from .fuzz.sources import (
    ABSTRACT,
    COUNTS,
    EMOTION6,
    LDL,
    LISTS,
    MIKELS,
    abstract_folder,
    emotion6_folder,
    ldl_folder,
    picture,
    twitter_folder,
)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_abstract_by_hand(tmp_path, end, bring):
    summary, data = bring("abstract", abstract_folder(tmp_path / "in", end=end))
    target = data.target("distribution")
    assert target.image_id.tolist() == ["abstract_0001.jpg", "abstract_0003.jpg"]
    assert target.table[0].tolist() == [1, 2, 3, 0, 0, 0, 0, 8]
    assert (target.meta.values, target.meta.vote_rule, target.taxonomy.name) == ("votes", "one_choice", "mikels-8")
    assert target.n.tolist() == [14, 10]
    assert (summary.images, summary.construct) == (2, "evoked")
    assert [len(names) for names in summary.skipped.values()] == [1, 1]
    assert any("abstract_0009.jpg" in name for names in summary.skipped.values() for name in names)


def test_abstract_with_a_header_cell_of_its_own_and_the_images_root_itself(tmp_path):
    root = abstract_folder(tmp_path / "in", lines=["'image'" + ABSTRACT[0][2:], *ABSTRACT[1:]])
    assert import_abstract(root / "testImages_abstract", tmp_path / "out").images == 2


@pytest.mark.parametrize(
    ("change", "images", "message"),
    [
        (lambda lines: [*lines[:3], lines[1]], ("0001",), r"line 4: image 'abstract_0001.jpg' stands in .* line 2"),
        (lambda lines: [lines[0].replace("Awe", "Aww"), *lines[1:]], ("0001",), r"column: 'Aww' is none of .*'awe'"),
        (lambda lines: [lines[0], lines[1].replace(",8", ",x")], ("0001",), r"line 2: column 'Sad': expected a number"),
        (
            lambda lines: [lines[0], lines[1].replace(",8", ",-8")],
            ("0001",),
            r"line 2: column 'Sad': expected a share or a whole number of votes, 0 or more, but received -8",
        ),
        (lambda lines: lines, ("7777",), r"none of the 3 images it names is in .*first: 'abstract_0001.jpg'; there: "),
        (
            lambda lines: [line.rpartition(",")[0] for line in lines],
            ("0001",),
            r"no column 'sadness'; expected ABSTRACT_groundTruth.csv beside or in",
        ),
    ],
)
def test_abstract_names_what_is_wrong(tmp_path, change, images, message, refused):
    root = abstract_folder(tmp_path / "in", lines=change(ABSTRACT), images=images)
    refused(message, "abstract", root)


def test_abstract_without_its_table(tmp_path, refused):
    picture(tmp_path / "in" / "testImages_abstract" / "abstract_0001.jpg")
    refused(r"no ABSTRACT_groundTruth.csv; expected ABSTRACT_groundTruth.csv beside or in", "abstract", tmp_path / "in")


def test_errors_of_published_sets_name_no_option_that_they_lack(tmp_path, refused):
    root = abstract_folder(tmp_path / "in")
    table = root / "testImages_abstract" / "ABSTRACT_groundTruth.csv"
    lines = table.read_text()
    for damaged in (lines.replace("0001", "000\u00e9").encode("cp1252"), lines.encode("utf-16")):
        table.write_bytes(damaged)
        error = refused(r"convert (it|the file) to UTF-8$", "abstract", root)
        assert "--" not in error
    table.write_text(lines)
    for image in table.parent.glob("*.jpg"):
        image.write_text("no image")
    error = refused(r"put them there, or take the labels alone \(images='none'\)", "abstract", root)
    assert "images_root" not in error


def test_emotion6_by_hand(tmp_path, bring, refused):
    summary, dataset = bring("emotion6", emotion6_folder(tmp_path / "in"))
    target = dataset.target("distribution")
    np.testing.assert_allclose(target.table[0], [2 / 15, 0.7, 0, 1 / 15, 0.1, 0, 0], atol=1e-5)
    assert (target.taxonomy.name, target.meta.vote_rule, target.n) == ("ekman-7", "unknown", None)
    images = dataset.images
    assert images["image_id"].tolist() == ["disgust/1.jpg", "joy/2.jpg"]
    assert images["keyword"].tolist() == ["disgust", "joy"]
    assert images[["valence", "arousal"]].to_numpy().tolist() == [[2.5, 3.8], [7, 5]]
    assert summary.skipped == {"images: no such file": [str(tmp_path / "in" / "images" / "fear/3.jpg")]}
    refused("1 of 3 images cannot be used", "emotion6", tmp_path / "in", strict=True)


def test_a_name_without_suffix_takes_that_of_its_file(tmp_path):
    import_abstract(
        abstract_folder(tmp_path / "a", [line.replace(".jpg", "") for line in ABSTRACT]), tmp_path / "out-a"
    )
    import_emotion6(
        emotion6_folder(tmp_path / "b", [line.replace(".jpg", "") for line in EMOTION6]), tmp_path / "out-b"
    )
    files = [Dataset.open(tmp_path / out).images["file"].tolist() for out in ("out-a", "out-b")]
    assert files == [
        ["images/abstract_0001.jpg", "images/abstract_0003.jpg"],
        ["images/disgust/1.jpg", "images/joy/2.jpg"],
    ]


def test_an_accent_may_be_composed_otherwise_on_disk(tmp_path):
    lines = [EMOTION6[0], EMOTION6[1].replace("disgust/1", "disgust/caf\u00e9")]
    root = emotion6_folder(tmp_path / "in", lines, images=["disgust/cafe\u0301.jpg"])
    assert import_emotion6(root, tmp_path / "out").images == 1


def test_emotion6_labels_alone(tmp_path):
    summary = import_emotion6(emotion6_folder(tmp_path / "in", images=()), tmp_path / "out", images="none")
    assert summary.images == 3
    assert "file" not in Dataset.open(tmp_path / "out").images.columns


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([EMOTION6[0], EMOTION6[1].replace("0.7", "0.9")], r"line 2: the shares sum to 1.2, expected 1"),
        ([EMOTION6[0], EMOTION6[1].replace("3.8", "?")], r"line 2: column 'arousal': expected a number"),
        (
            [EMOTION6[0].replace("joy", "love"), EMOTION6[1]],
            r"column: 'love' is none of .*; expected ground_truth.txt as published",
        ),
        ([EMOTION6[0], EMOTION6[1], EMOTION6[1]], r"line 3: image 'disgust/1.jpg' stands in .* line 2 already"),
        ([EMOTION6[0], "/etc/x.jpg" + EMOTION6[1][13:]], r"line 2: '/etc/x.jpg' lies outside .*; give a path below it"),
        ([EMOTION6[0], "../x.jpg" + EMOTION6[1][13:]], r"line 2: '../x.jpg' leaves the folder"),
    ],
)
def test_emotion6_names_what_is_wrong(tmp_path, lines, message, refused):
    refused(message, "emotion6", emotion6_folder(tmp_path / "in", lines=lines))


def test_ldl_by_hand(tmp_path, bring):
    root = ldl_folder(
        tmp_path / "in", ["a.jpg 1 2 0 0 0 0 0 8 ", "images\\b.jpg 11 0 0 0 0 0 0 0"], ["c 0 0 0 0 0 0 5 6"]
    )
    summary, dataset = bring("flickrldl", root)
    target = dataset.target("distribution")
    assert target.table.tolist() == [[1, 2, 0, 0, 0, 0, 0, 8], [11, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 5, 6]]
    assert (target.meta.vote_rule, target.n.tolist(), dataset.name) == ("one_choice", [11, 11, 11], "flickrldl")
    assert dataset.images["split"].tolist() == ["train", "train", "test"]
    assert dataset.images["file"].tolist() == ["images/a.jpg", "images/b.jpg", "images/c.jpg"]
    assert summary.splits == {"train": 2, "test": 1}


@pytest.mark.parametrize("row", ["1 2 0 0 0 0 0 8", ".25 .75 0 0 0 0 0 0"])
def test_a_row_of_zeros_is_left_out_among_votes_and_among_shares(tmp_path, row):
    root = ldl_folder(tmp_path / "in", [f"a.jpg {row}", "b.jpg 0 0 0 0 0 0 0 0"])
    summary = import_flickrldl(root, tmp_path / "out")
    assert summary.images == 1
    assert [name.rpartition(" ")[2] for name in summary.skipped["rows in which nobody voted"]] == ["3"]


def test_one_file_alone_is_no_split(tmp_path):
    summary = import_flickrldl(ldl_folder(tmp_path / "in", ["a.jpg 1 2 0 0 0 0 0 8"]), tmp_path / "out")
    assert summary.splits == {}
    assert "split" not in Dataset.open(tmp_path / "out").images.columns
    assert any("only the split train is there" in note for note in summary.notes)


def test_the_header_says_the_order_of_the_columns(tmp_path, bring):
    header = "images-name " + " ".join(reversed(LDL.split()[1:]))
    _, dataset = bring("twitterldl", ldl_folder(tmp_path / "in", ["a.jpg 8 0 0 0 0 0 0 0"], header=header))
    assert dataset.target("distribution").table.tolist() == [[0, 0, 0, 0, 0, 0, 0, 8]]
    assert any("taken from the header: sadness, fear" in note for note in dataset.meta.notes)


def test_without_a_header_the_user_says_the_order(tmp_path, bring, refused):
    root = ldl_folder(tmp_path / "in", ["a.jpg 8 0 0 0 0 0 0 0"], header=None)
    refused(r"line 1: no header names the columns, and published readers disagree", "flickrldl", root)
    order = ["Awe", "amusement", *MIKELS[2:]]
    _, data = bring("flickrldl", root, columns=order)
    assert data.target("distribution").table.tolist() == [[0, 8, 0, 0, 0, 0, 0, 0]]
    refused(r"columns: 'love' is none of", "flickrldl", root, columns=["love", *MIKELS[1:]])
    refused(r"columns: expected each of amusement, .* once, got awe", "flickrldl", root, columns=["awe", *MIKELS[1:]])


def test_unequal_votes_and_shares_are_said_to_be_of_unknown_rule(tmp_path, bring):
    _, data = bring("flickrldl", ldl_folder(tmp_path / "a", ["a.jpg 1 2 0 0 0 0 0 8", "b.jpg 1 0 0 0 0 0 0 0"]))
    assert data.target("distribution").meta.vote_rule == "unknown"
    _, data = bring("flickrldl", ldl_folder(tmp_path / "b", ["a.jpg .25 .75 0 0 0 0 0 0"]))
    target = data.target("distribution")
    assert (target.meta.values, target.meta.vote_rule) == ("shares", "unknown")


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (["a.jpg 1 2 0 0 0 0 8"], r"train_ground_truth.txt, line 2: expected an image and 8 numbers"),
        (["a.jpg 1 2 0 0 0 0 0 .5"], r"line 2: the shares sum to 3.5, expected 1, or whole votes"),
        (
            ["a.jpg 1 2 0 0 0 0 0 -1"],
            r"line 2: column 'sadness': expected a share or a whole number of votes, 0 or more, but received -1",
        ),
        (["a.jpg 1 2 0 0 0 0 0 8", "a.jpg 1 2 0 0 0 0 0 8"], r"line 3: image 'a.jpg' stands in .*line 2 already"),
        (["a 1 2 0 0 0 0 0 8", "a.jpg 11 0 0 0 0 0 0 0"], r"line 3: 'a.jpg' is the file .*, as is 'a' in .*line 2"),
        (["a.jpg 0 0 0 0 0 0 0 0"], r"target distribution: no row is left: 1 rows in which nobody voted \(first: .*"),
        (["z.jpg 1 2 0 0 0 0 0 8"], r"none of the 1 images it names is in"),
    ],
)
def test_ldl_names_what_is_wrong(tmp_path, train, message, refused):
    refused(message, "flickrldl", ldl_folder(tmp_path / "in", train))


def test_twitter_votes_by_hand_whichever_way_they_come(tmp_path):
    expected = [[0, 5], [4, 1], [2, 3]]  # negative, positive
    named = twitter_folder(tmp_path / "a", ["image,n,num_neg,num_pos", *COUNTS], lists={})
    by_lists = twitter_folder(tmp_path / "b", ["image,n,x,y", *COUNTS])
    said = twitter_folder(tmp_path / "c", ["image,n,x,y", *COUNTS], lists={})
    lists_only = twitter_folder(tmp_path / "d")
    import_twitter1(named, tmp_path / "out-a")
    summary = import_twitter1(by_lists, tmp_path / "out-b")
    import_twitter1(said, tmp_path / "out-c", positive_column="y")
    import_twitter1(lists_only, tmp_path / "out-d")
    for part in "abcd":
        target = Dataset.open(tmp_path / f"out-{part}").target("distribution")
        assert target.table.tolist() == expected, part
        assert (target.n.tolist(), target.meta.vote_rule) == ([5, 5, 5], "one_choice")
    assert Dataset.open(tmp_path / "out-b").images["agree"].tolist() == [5, 4, 3]
    assert any("by the lists of agreement" in note for note in summary.notes)


def test_twitter_counts_without_a_header(tmp_path, bring, refused):
    root = twitter_folder(tmp_path / "in", COUNTS)
    _, data = bring("twitter1", root)
    assert data.target("distribution").table.tolist() == [[0, 5], [4, 1], [2, 3]]
    bare = twitter_folder(tmp_path / "bare", COUNTS, lists={})
    refused(r"which of 'count 1' and 'count 2' counts the positive votes", "twitter1", bare)
    assert import_twitter1(bare, tmp_path / "out2", positive_column="count 2").images == 3


def test_one_list_alone_gives_single_labels(tmp_path):
    root = twitter_folder(tmp_path / "in", lists={"four": LISTS["four"]})
    summary = import_twitter1(root, tmp_path / "out")
    assert summary.targets == {"single": "single"}
    assert Dataset.open(tmp_path / "out").target("single").table.tolist() == [[0, 1], [1, 0]]
    assert any("c.jpg" in name for name in summary.skipped["images that no row names"])


@pytest.mark.parametrize(
    ("csv", "lists", "options", "message"),
    [
        (["image,n,x,y", *COUNTS], {}, {}, r"which of 'x' and 'y' counts the positive votes\? Say positive_column"),
        (["image,n,x,y", *COUNTS], {}, {"positive_column": "z"}, r": positive_column: no count 'z'"),
        (
            ["image,n,x,y", *COUNTS],
            LISTS,
            {"positive_column": "x"},
            r"line 2: 0 of 5 positive votes in 'x', but the lists",
        ),
        (
            ["image,n,x,y", "a.jpg,5,1,5"],
            {},
            {"positive_column": "y"},
            r"line 2: 1 and 5 votes of n = 5; expected them",
        ),
        (["image,n,x", "a.jpg,5,1"], {}, {}, r"expected four columns \(image, n, and two counts\)"),
        (None, {"three": ["a.jpg 2"]}, {}, r"three_agree.txt, line 1: expected an image and 0 or 1"),
        (None, {"three": ["a.jpg 1", "a.jpg 0"]}, {}, r"line 2: 'a.jpg' is both 0 and 1"),
        (None, {**LISTS, "five": ["z.jpg 1"]}, {}, r"five_agree.txt: 'z.jpg' is not in four_agree.txt"),
        (None, {**LISTS, "four": ["b.jpg 0"]}, {}, r"five_agree.txt: 'a.jpg' is not in four_agree.txt"),
        (
            None,
            {"three": ["b.jpg 0", "a.jpg 1"], "five": ["a.jpg 0"]},
            {},
            r"five_agree.txt: 'a.jpg' is 0, but 1 in .*three_agree.txt, line 2; mend one",
        ),
        (
            None,
            {"three": ["a.jpg 1", "A.JPG 0"]},
            {},
            r"three_agree.txt, line 2: 'A.JPG' is the file .*a.jpg, as is 'a.jpg' in .*three_agree.txt, line 1",
        ),
        (None, {}, {}, r"neither amt_result.csv nor three_agree.txt"),
    ],
)
def test_twitter_names_what_is_wrong(tmp_path, csv, lists, options, message, refused):
    refused(message, "twitter1", twitter_folder(tmp_path / "in", csv, lists), **options)


def test_a_set_of_plain_shape_is_an_entry_of_the_table(tmp_path):
    recipe = {"reader": "answers", "taxonomy": "polarity-2", "files": {"votes.tsv": None}, "separator": "\t",
              "image": "picture", "images": ["photos"], "columns": ["age"], "layout": "votes.tsv, photos"}  # fmt: skip
    new = Importer(READERS["answers"](recipe), "new", About("new"), ("copy", "hardlink", "none"), True)
    picture(tmp_path / "in" / "photos" / "a.jpg")
    (tmp_path / "in" / "votes.tsv").write_text("picture\tpositive\tage\tnegative\na.jpg\t3\t20\t2\n")
    new(tmp_path / "in", tmp_path / "out")
    data = Dataset.open(tmp_path / "out")
    assert data.target("distribution").table.tolist() == [[2, 3]]
    assert data.images["age"].tolist() == [20]
