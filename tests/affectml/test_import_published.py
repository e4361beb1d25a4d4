"""What each published set reads, worked out by hand on a set as small as can be; and the commands."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from typer.testing import CliRunner

from affectml.cli.import_ import app
from affectml.data import Dataset
from affectml.errors import BadInput
from affectml.importers import About, Importer, get_importer
from affectml.importers.published import reader_of
from affectml.importers.registry import PUBLISHED, published_sets
from affectml.taxonomies import Taxonomy, get_taxonomy, mapping

from .fuzz import sources
from .fuzz.sources import (
    ABSTRACT,
    ARTEMIS,
    EMOTION6,
    LDL,
    MIKELS,
    PARROTT,
    TEST,
    TRAIN,
    URL,
    picture,
    text,
)

NOT_DOWNLOADED = "images: a url and no file; they cannot be embedded until they are downloaded"
SPARE = "images that no row names"


def words(target):
    """The labels of each image."""
    labels = np.array(target.taxonomy.labels)
    return {image: set(labels[row > 0]) for image, row in zip(target.image_id, target.table, strict=True)}


def column(data, name):
    cells = data.images[name].astype(object)
    return cells.where(cells.notna(), "-").tolist()


def test_every_published_set_has_a_command_and_says_its_source_and_licence(tmp_path):
    runner = CliRunner()
    for name in PUBLISHED:
        about = get_importer(name).about
        assert all((about.name == name, about.question, about.source, about.licence)), name
        result = runner.invoke(app, [name, str(tmp_path / "nowhere"), str(tmp_path / "out")])
        assert isinstance(result.exception, BadInput), name
        assert "nowhere: no such f" in str(result.exception)


def test_a_set_of_plain_shape_is_an_entry_of_the_table(tmp_path):
    recipe = {"reader": "answers", "taxonomy": "polarity-2", "files": {"votes.tsv": None}}
    recipe |= {"images": ["photos"], "columns": ["age"]}
    new = Importer(reader_of(recipe), "new", About("new"), ("copy", "hardlink", "none"), folder=True, joins=False)
    picture(tmp_path / "in" / "photos" / "a.jpg")
    text(tmp_path / "in" / "votes.tsv", "picture\tpositive\tage\tnegative", "a.jpg\t3\t20\t2")
    new(tmp_path / "in", tmp_path / "out")
    data = Dataset.open(tmp_path / "out")
    assert data.target("distribution").table.tolist() == [[2, 3]]
    assert data.images["age"].tolist() == [20]


# Labels in the names of folders and files, and in lists


def test_fi(tmp_path, bring, refused):
    root = sources.fi_folder(tmp_path / "in")
    summary, data = bring("fi", root)
    assert words(data.target("single")) == {f"{label}/{label}_1.jpg": {label} for label in MIKELS}
    assert (summary.images, summary.construct, summary.taxonomy) == (8, "evoked", "mikels-8")
    assert [len(names) for names in summary.skipped.values()] == [1]
    assert bring("fi", root / "emotion_dataset")[0].images == 8
    with pytest.raises(BadInput, match=r"lies inside"):
        get_importer("fi")(root, root / "out")
    half, _ = bring("fi", sources.fi_folder(tmp_path / "half", MIKELS[:-1]))
    assert half.images == 7
    assert half.warnings == ("no images for sadness: imported as a part of the set",)


def test_unbiasedemo_keeps_the_folders_inside(tmp_path, bring):
    for label in PARROTT:
        picture(tmp_path / "in" / "images" / label / f"{label} baby" / "1.jpg")
    summary, data = bring("unbiasedemo", tmp_path / "in")
    assert (summary.images, summary.construct, summary.taxonomy) == (6, "query", "parrott-6")
    assert column(data, "subfolder") == [f"{label} baby" for label in PARROTT]


def test_artphoto_takes_the_word_before_the_underscore(tmp_path, bring):
    folder = tmp_path / "in" / "testImages_artphoto"
    for word in ("sad", "content", *(label for label in MIKELS if label not in ("sadness", "contentment"))):
        picture(folder / f"{word}_0001.jpg")
    text(folder / "ReadMe.rtf", "x")
    picture(folder / "more" / "awe_0002.jpg")
    picture(folder / "__MACOSX" / "._awe_0002.jpg")
    summary, data = bring("artphoto", tmp_path / "in")
    found = words(data.target("single"))
    assert (found["sad_0001.jpg"], found["content_0001.jpg"]) == ({"sadness"}, {"contentment"})
    assert (summary.images, summary.construct) == (8, "intended")
    others = summary.skipped["files that are no images by their suffix, or lie where the set has none"]
    assert others == [str(folder / "ReadMe.rtf"), str(folder / "more" / "awe_0002.jpg")]


def test_emoset_keeps_splits_and_attributes(tmp_path, bring):
    summary, data = bring("emoset", sources.emoset_folder(tmp_path / "in"))
    assert summary.splits == {"train": 1, "val": 1, "test": 1}
    assert data.images["image_id"].tolist()[0] == "amusement/amusement_00000.jpg"
    assert column(data, "object") == ["Dog; Ball", "Dog; Ball", "-"]
    assert column(data, "brightness") == [0.4, 0.4, "-"]
    assert "facial_expression" not in data.images.columns
    assert summary.skipped == {"attributes of images: no annotation file": ["contentment/contentment_00002.jpg"]}
    part, _ = bring("emoset", sources.emoset_folder(tmp_path / "part", splits=("train", "val")))
    assert part.images == 2
    assert part.warnings == ("test.json is not there: imported as a part of the set",)


def test_emoset_images_may_lie_behind_a_link_and_have_other_capitals(tmp_path, bring):
    root = sources.emoset_folder(tmp_path / "in")
    (root / "image").rename(tmp_path / "elsewhere")
    (root / "Image").symlink_to(tmp_path / "elsewhere")
    awe = root / "Image" / "awe"
    (awe / "awe_00001.jpg").rename(awe / "AWE_00001.JPG")
    picture(awe / "awe_00009.jpg")
    summary, data = bring("emoset", root)
    assert column(data, "file")[1] == "images/awe/AWE_00001.JPG"
    assert (summary.images, summary.skipped[SPARE]) == (3, [str(awe / "awe_00009.jpg")])


# Counted answers


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_abstract_by_hand(tmp_path, end, bring):
    summary, data = bring("abstract", sources.abstract_folder(tmp_path / "in", end=end))
    target = data.target("distribution")
    assert target.image_id.tolist() == ["abstract_0001.jpg", "abstract_0003.jpg"]
    assert target.table[0].tolist() == [1, 2, 3, 0, 0, 0, 0, 8]
    assert (target.meta.values, target.meta.vote_rule, target.taxonomy.name) == ("votes", "one_choice", "mikels-8")
    assert target.n.tolist() == [14, 10]
    assert (summary.images, summary.construct) == (2, "evoked")
    assert [len(names) for names in summary.skipped.values()] == [1, 1]
    assert any("abstract_0009.jpg" in name for names in summary.skipped.values() for name in names)


def test_images_that_are_none_leave_the_labels(tmp_path, refused):
    root = sources.abstract_folder(tmp_path / "in")
    for image in root.rglob("*.jpg"):
        image.write_text("no image")
    error = refused(r"put them there, or take the labels alone \(images='none'\)", "abstract", root)
    assert "images_root" not in error, "it has no such option"


def test_emotion6_by_hand(tmp_path, bring, refused):
    summary, data = bring("emotion6", sources.emotion6_folder(tmp_path / "in"))
    target = data.target("distribution")
    np.testing.assert_allclose(target.table[0], [2 / 15, 0.7, 0, 1 / 15, 0.1, 0, 0], atol=1e-5)
    assert (target.taxonomy.name, target.meta.vote_rule, target.n) == ("ekman-7", "unknown", None)
    assert column(data, "image_id") == ["disgust/1.jpg", "joy/2.jpg"]
    assert column(data, "keyword") == ["disgust", "joy"]
    assert data.images[["valence", "arousal"]].to_numpy().tolist() == [[2.5, 3.8], [7, 5]]
    assert summary.skipped == {"images: no such file": [str(tmp_path / "in" / "images" / "fear/3.jpg")]}
    refused("1 of 3 images cannot be used", "emotion6", tmp_path / "in", strict=True)
    summary, alone = bring("emotion6", tmp_path / "in", images="none")
    assert summary.images == 3
    assert "file" not in alone.images.columns


def test_a_name_without_suffix_takes_that_of_its_file(tmp_path, bring):
    _, data = bring(
        "abstract", sources.abstract_folder(tmp_path / "a", [line.replace(".jpg", "") for line in ABSTRACT])
    )
    assert column(data, "file") == ["images/abstract_0001.jpg", "images/abstract_0003.jpg"]


def test_an_accent_may_be_composed_otherwise_on_disk(tmp_path, bring):
    lines = [EMOTION6[0], EMOTION6[1].replace("disgust/1", "disgust/caf\u00e9")]
    assert bring("emotion6", sources.emotion6_folder(tmp_path / "in", lines, ["disgust/cafe\u0301.jpg"]))[0].images == 1


def test_ldl_by_hand(tmp_path, bring):
    lines = ["a.jpg 1 2 0 0 0 0 0 8 ", "images\\b.jpg 11 0 0 0 0 0 0 0"]
    root = sources.ldl_folder(tmp_path / "in", lines, ["c 0 0 0 0 0 0 5 6"])
    text(root / "ground_truth.txt", LDL, *lines)  # both splits in one file, which is not read beside them
    summary, data = bring("flickrldl", root)
    target = data.target("distribution")
    assert target.table.tolist() == [[1, 2, 0, 0, 0, 0, 0, 8], [11, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 5, 6]]
    assert (target.meta.vote_rule, target.n.tolist(), data.name) == ("one_choice", [11, 11, 11], "flickrldl")
    assert column(data, "split") == ["train", "train", "test"]
    assert column(data, "file") == ["images/a.jpg", "images/b.jpg", "images/c.jpg"]
    assert summary.splits == {"train": 2, "test": 1}


@pytest.mark.parametrize("row", ["1 2 0 0 0 0 0 8", ".25 .75 0 0 0 0 0 0"])
def test_a_row_of_zeros_is_left_out_among_votes_and_among_shares(tmp_path, row, bring):
    summary, data = bring("flickrldl", sources.ldl_folder(tmp_path / "in", [f"a.jpg {row}", "b.jpg 0 0 0 0 0 0 0 0"]))
    assert summary.images == 1
    assert [name.rpartition(" ")[2] for name in summary.skipped["rows in which nobody voted"]] == ["3"]
    assert "split" not in data.images.columns
    assert any("only the split train is there" in note for note in summary.notes)


def test_the_header_says_the_order_of_the_columns(tmp_path, bring):
    header = "images-name " + " ".join(reversed(LDL.split()[1:]))
    _, data = bring("twitterldl", sources.ldl_folder(tmp_path / "a", ["a.jpg 8 0 0 0 0 0 0 0"], header=header))
    assert data.target("distribution").table.tolist() == [[0, 0, 0, 0, 0, 0, 0, 8]]
    assert any("taken from the header: sadness, fear" in note for note in data.meta.notes)


def test_twitter_votes_follow_from_the_lists(tmp_path, bring):
    summary, data = bring("twitter1", sources.twitter_folder(tmp_path / "in"))
    target = data.target("distribution")
    assert target.table.tolist() == [[0, 5], [4, 1], [2, 3]]  # negative, positive
    assert (target.n.tolist(), target.meta.vote_rule) == ([5, 5, 5], "one_choice")
    assert "votes follow from the three lists: how many of five people agreed at least" in summary.notes
    assert column(data, "agree") == [5, 4, 3]


# Urls


def test_webemo_by_hand(tmp_path, bring):
    text(tmp_path / "in" / "train25.txt", *TRAIN, end="\r")
    text(tmp_path / "in" / "test25.txt", *TEST)
    picture(tmp_path / "in" / "train" / "zest" / "b.jpg")
    picture(tmp_path / "in" / "test" / "7" / "7_c.jpg")
    summary, data = bring("webemo", tmp_path / "in")
    assert words(data.target("sets")) == {
        f"{URL}a.jpg": {"affection", "sadness"},
        f"{URL}b.jpg": {"zest"},
        f"{URL}both.jpg": {"confusion", "disgust"},
        f"{URL}c.jpg": {"envy"},
    }
    assert column(data, "split") == ["train", "train", "test", "test"]
    assert column(data, "file") == ["-", "images/train/zest/b.jpg", "-", "images/test/7/7_c.jpg"]
    assert column(data, "url") == column(data, "image_id") == [f"{URL}{end}.jpg" for end in ("a", "b", "both", "c")]
    assert (summary.construct, summary.targets, summary.images) == ("query", {"sets": "sets"}, 4)
    assert summary.skipped == {NOT_DOWNLOADED: [f"{URL}a.jpg", f"{URL}both.jpg"]}
    assert any("2 of 4 urls have more than one label (6 lines)" in note for note in summary.notes)
    assert any("1 urls stand in both lists" in note for note in summary.notes)


def test_a_file_that_two_urls_claim_is_neithers(tmp_path, bring):
    text(tmp_path / "in" / "train25.txt", f"{URL}x/a.jpg 3", f"{URL}y/a.jpg 3", f"{URL}x/b.jpg 3", f"{URL}x/c.jpg 3")
    text(tmp_path / "in" / "test25.txt", f"{URL}y/b.jpg 3")
    picture(tmp_path / "in" / "train" / "3" / "a.jpg")
    picture(tmp_path / "in" / "train" / "3" / "b.jpg")  # its own split's url has it
    summary, data = bring("webemo", tmp_path / "in")
    assert data.images.loc[data.images["file"].notna(), "image_id"].tolist() == [f"{URL}x/b.jpg"]
    assert summary.skipped == {
        "images: a url and no file, because another url claims the same file": [f"{URL}x/a.jpg", f"{URL}y/a.jpg"],
        NOT_DOWNLOADED: [f"{URL}x/c.jpg", f"{URL}y/b.jpg"],
    }


def test_a_damaged_file_leaves_the_url_and_the_labels(tmp_path, bring, refused):
    text(tmp_path / "in" / "train25.txt", f"{URL}a.jpg 3", f"{URL}b.jpg 3")
    damaged = text(tmp_path / "in" / "train" / "3" / "a.jpg", "no image")
    picture(damaged.with_name("b.jpg"))
    summary, data = bring("webemo", tmp_path / "in")
    assert column(data, "file") == ["-", "images/train/3/b.jpg"]
    assert len(data.target("sets").image_id) == 2
    assert summary.skipped == {"images: not an image, so its url alone is kept": [str(damaged)]}
    refused(r"1 of 2 images cannot be used", "webemo", tmp_path / "in", strict=True)
    text(damaged.with_name("b.jpg"), "no image either")
    assert bring("webemo", tmp_path / "in")[0].images == 2


# Judgements


def test_artemis_rows_stay_judgements(tmp_path, bring):
    summary, data = bring("artemis", sources.artemis_folder(tmp_path / "in"))
    rates, shares = data.target("rates"), data.target("distribution")
    assert rates.taxonomy.labels == get_taxonomy("artemis-9").labels
    assert words(rates)["Baroque/rembrandt_the-night-watch-1642"] == {"awe", "sadness", "something else"}
    assert (rates.n.tolist(), rates.votes.max(), shares.meta.vote_rule) == ([3, 1], 1, "one_choice")
    assert (summary.judgements, summary.people) == (4, None)
    assert data.judgements["utterance"][0] == 'so "grand"\nand dark'
    assert data.judgements["annotator_id"].is_unique
    assert column(data, "art_style") == ["Baroque", "Impressionism"]
    assert column(data, "repetition") == [3, 1]
    assert column(data, "file")[1] == "images/Impressionism/l\u00c3\u00a9on_jardin.jpg"
    assert [len(names) for names in summary.skipped.values()] == [1]


def test_artemis_finds_wikiart_elsewhere_or_takes_labels_alone(tmp_path, bring, refused):
    root = sources.artemis_folder(tmp_path / "in")
    (root / "wikiart").rename(tmp_path / "pictures")
    assert bring("artemis", root, images_root=tmp_path / "pictures")[0].images == 2
    assert bring("artemis", root, images="none")[0].images == 3
    refused(r"nowhere: no such folder; name the folder that holds", "artemis", root, images_root=tmp_path / "nowhere")


def test_artemis_gives_no_painting_the_file_of_another(tmp_path, bring):
    names = ["\u00e9t\u00e9", "t", "x(1)", "andr\u00e9", "lon_jardin", "l\u00e9on_jardin"]
    lines = [ARTEMIS[0], *(f"Baroque,{name},awe,u,1" for name in names)]
    text(tmp_path / "in" / "artemis_dataset_release_v0.csv", *lines)
    folder = tmp_path / "in" / "Baroque"
    for name in ("t", "x-1", "andre\u0301", "lon_jardin"):
        picture(folder / f"{name}.jpg")
    summary, data = bring("artemis", tmp_path / "in")
    assert sorted(data.images["painting"]) == ["andr\u00e9", "lon_jardin", "t"], "an accent may be composed otherwise"
    assert summary.skipped[SPARE] == [str(folder / "x-1.jpg")]
    missing = {Path(name).stem for name in summary.skipped["images: no such file"]}
    assert missing == {"\u00e9t\u00e9", "x(1)", "l\u00e9on_jardin"}


def test_artemis_keeps_the_splits_of_the_preprocessed_file(tmp_path, bring):
    parts = ["train", "train", "train", "rest", "test"]
    lines = [ARTEMIS[0] + ",split", *(f"{line},{part}" for line, part in zip(ARTEMIS[1:], parts, strict=True))]
    assert column(bring("artemis", sources.artemis_folder(tmp_path / "in", lines))[1], "split") == ["train", "-"]


def test_findingemo_keeps_urls_and_annotators(tmp_path, bring):
    summary, data = bring("findingemo", sources.finding_folder(tmp_path / "in"))
    assert column(data, "image_id") == ["Run_1/party/a.jpg", "Run_1/party/b.jpg", "Run_2/sad/c.jpg"]
    assert column(data, "file") == ["images/Run_1/party/a.jpg", "-", "-"]
    assert column(data, "url") == ["-", "http://x/first.jpg", "http://x/c.jpg"]
    judgements = data.judgements
    assert judgements["annotator_id"].tolist() == ["u1", "u2", "u2"]
    assert judgements["kind"].tolist() == ["labels", "labels", "unsure"]
    assert judgements["valence"].tolist() == [2, -3, -1]
    assert judgements["tags"][0] == "['x', 'y']"
    assert words(data.target("rates")) == {"Run_1/party/a.jpg": {"joy"}, "Run_1/party/b.jpg": {"terror"}}
    assert (summary.construct, summary.people) == ("expressed", 2)
    assert {reason: len(names) for reason, names in summary.skipped.items()} == {
        "rows that their annotator rejected": 1,
        "images: neither a file nor a url": 1,
        "images without an answer, left out of the targets": 1,
        NOT_DOWNLOADED: 2,
    }


def test_findingemo_needs_images_or_urls(tmp_path, bring, refused):
    bare = sources.finding_folder(tmp_path / "bare", urls=False)
    nothing = r"none of the 4 images it names .*; put dataset_urls_exploded.json beside annotations_single.ann, name"
    assert "images_root" in refused(nothing, "findingemo", bare, images_root=bare / "data")
    assert bring("findingemo", bare, images="none")[0].images == 4


def test_findingemo_maps_to_plutchiks_eight():
    found = mapping(Taxonomy.from_dict(published_sets()["findingemo"]["recipe"]["taxonomy"]), "plutchik-8")
    assert found.drops == ()
    assert found.merged["fear"] == ("apprehension", "fear", "terror")


def test_emotic_has_a_row_per_person(tmp_path, bring):
    root = sources.emotic_folder(tmp_path / "in")
    assert bring("emotic", root, images="none")[0].images == 3
    summary, data = bring("emotic", root)
    one, two = "mscoco/images/one.jpg", "ade20k/images/two.jpg"
    assert column(data, "image_id") == [f"{one}#1", f"{one}#2", f"{two}#1"]
    assert column(data, "group") == [one, one, two]
    assert column(data, "split") == ["train", "train", "val"]
    assert column(data, "gender") == ["Female", "Female", "Male"]
    assert column(data, "valence") == [8, "-", 8]
    sizes = []
    for file in data.images["file"]:
        with Image.open(data.root / file) as image:
            sizes.append((image.size, image.convert("RGB").getpixel((image.width // 2, 3))[0] > 200))
    # the first box is the left, red half of its photograph; the second is cut at the photograph's edges
    assert sizes == [((10, 20), True), ((30, 19), False), ((6, 6), True)]
    assert list(words(data.target("sets")).values()) == [
        {"happiness", "doubt/confusion"},
        {"disquietment"},
        {"affection", "fear", "peace"},
    ]
    rates = data.target("rates")
    assert (rates.n.tolist(), rates.votes[2, rates.taxonomy.index("peace")]) == ([1, 1, 3], 2)
    assert (summary.construct, summary.judgements, summary.people) == ("expressed", 5, None)


def test_emotic_crops_of_two_photographs_stay_apart(tmp_path, bring):
    root = tmp_path / "in"
    said = sources.struct({"categories": sources.cell("Peace")})
    person = sources.struct({"body_bbox": np.array([[0.0, 0.0, 4.0, 4.0]]), "annotations_categories": said})
    photos = [{"filename": name, "folder": "mscoco/images", "person": person} for name in ("a.jpg", "a.png")]
    (root / "Annotations").mkdir(parents=True)
    savemat(root / "Annotations" / "Annotations.mat", {"train": sources.struct(*photos)})
    there = root / "emotic" / "mscoco" / "images"
    picture(there / "A.JPG", (40, 20))  # red on the left
    Image.new("RGB", (40, 20), (0, 0, 250)).save(there / "a.png")
    picture(there / "unnamed.jpg")
    picture(root / "emotic" / "ade20k" / "images" / "far.jpg")
    summary, data = bring("emotic", root)
    assert column(data, "file") == ["images/mscoco/images/A.JPG-person1.jpg", "images/mscoco/images/a.png-person1.jpg"]
    colours = []
    for file in data.images["file"]:
        with Image.open(data.root / file) as image:
            colours.append(int(np.argmax(image.getpixel((1, 1)))))
    assert colours == [0, 2]
    assert list(summary.skipped.values()) == [[str(there / "unnamed.jpg")]]


def test_findingemo_checks_files_and_urls(tmp_path, bring):
    root = sources.finding_folder(tmp_path / "in")
    party = root / "Run_1" / "party"
    (party / "a.jpg").rename(party / "A.JPG")
    picture(party / "other.jpg")
    text(party / "b.jpg", "no image")
    urls = root / "data" / "dataset_urls_exploded.json"
    rows = [*json.loads(urls.read_text()), {"rel_path": "Run_2/sad/e.jpg", "url": "javascript:alert(1)", "idx_url": 0}]
    urls.write_bytes(b"\xef\xbb\xbf" + json.dumps(rows).encode())
    summary, data = bring("findingemo", root)
    assert column(data, "image_id") == ["Run_1/party/a.jpg", "Run_1/party/b.jpg", "Run_2/sad/c.jpg"]
    assert column(data, "file") == ["images/Run_1/party/a.jpg", "-", "-"]
    assert summary.skipped["urls that are not http or https"] == ["Run_2/sad/e.jpg: javascript:alert(1)"]
    assert summary.skipped[SPARE] == [str(party / "other.jpg")]
    assert summary.skipped["images: not an image, so its url alone is kept"] == [str(party / "b.jpg")]
