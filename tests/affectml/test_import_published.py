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
from affectml.taxonomies import Taxonomy, mapping

from .checks import words
from .fuzz import sources
from .fuzz.reading import written
from .fuzz.sources import ARTEMIS, LDL, MIKELS, PARROTT, TEST, TRAIN, URL, picture, text

NOT_DOWNLOADED = "images: a url and no file; they cannot be embedded until they are downloaded"
SPARE = "images that no row names"


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


# What each set reads, by hand


BY_HAND = {  # name -> what writes it, and what comes of it: of the summary, of targets, of columns of images
    "fi": (sources.fi_folder, {
        "images": 8, "construct": "evoked", "taxonomy": "mikels-8", "skipped": [1],
        "single.words": {f"{label}/{label}_1.jpg": {label} for label in MIKELS},
    }),
    "unbiasedemo": (written(pictures=[f"images/{label}/{label} baby/1.jpg" for label in PARROTT]), {
        "images": 6, "construct": "query", "taxonomy": "parrott-6", "subfolder": [f"{label} baby" for label in PARROTT],
    }),
    "emoset": (sources.emoset_folder, {
        "splits": {"train": 1, "val": 1, "test": 1},
        "object": ["Dog; Ball", "Dog; Ball", "-"], "brightness": [0.4, 0.4, "-"],
        "image_id": ["amusement/amusement_00000.jpg", "awe/awe_00001.jpg", "contentment/contentment_00002.jpg"],
        "why": {"attributes of images: no annotation file": ["contentment/contentment_00002.jpg"]},
    }),
    "abstract": (sources.abstract_folder, {
        "images": 2, "construct": "evoked", "skipped": [1, 1], "image_id": ["abstract_0001.jpg", "abstract_0003.jpg"],
        "distribution.first": [1, 2, 3, 0, 0, 0, 0, 8], "distribution.n": [14, 10],
        "distribution.made": ("votes", "one_choice", "mikels-8"),
    }),
    "emotion6": (sources.emotion6_folder, {
        "image_id": ["disgust/1.jpg", "joy/2.jpg"], "keyword": ["disgust", "joy"],
        "valence": [2.5, 7], "arousal": [3.8, 5],
        "distribution.first": pytest.approx([2 / 15, 0.7, 0, 1 / 15, 0.1, 0, 0], abs=1e-5), "distribution.n": None,
        "distribution.made": ("shares", "unknown", "ekman-7"), "skipped": [1],
    }),
    "flickrldl": (lambda root: sources.ldl_folder(
        root, ["a.jpg 1 2 0 0 0 0 0 8 ", "images\\b.jpg 11 0 0 0 0 0 0 0"], ["c 0 0 0 0 0 0 5 6"]), {
        "distribution.table": [[1, 2, 0, 0, 0, 0, 0, 8], [11, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 5, 6]],
        "distribution.n": [11, 11, 11], "distribution.made": ("votes", "one_choice", "mikels-8"),
        "splits": {"train": 2, "test": 1}, "split": ["train", "train", "test"],
        "file": ["images/a.jpg", "images/b.jpg", "images/c.jpg"], "name": "flickrldl",
    }),
    "twitterldl": (lambda root: sources.ldl_folder(  # whose header says the order of its columns
        root, ["a.jpg 8 0 0 0 0 0 0 0"], header="images-name " + " ".join(reversed(LDL.split()[1:]))), {
        "distribution.table": [[0, 0, 0, 0, 0, 0, 0, 8]], "note": "taken from the header: sadness, fear",
    }),
    "twitter1": (sources.twitter_folder, {
        "distribution.table": [[0, 5], [4, 1], [2, 3]], "distribution.n": [5, 5, 5], "agree": [5, 4, 3],
        "note": "votes follow from the three lists: how many of five people agreed at least",
    }),
    "webemo": (written(
        ("train25.txt", *TRAIN), ("test25.txt", *TEST), pictures=["train/zest/b.jpg", "test/7/7_c.jpg"]), {
        "images": 4, "construct": "query", "targets": {"sets": "sets"}, "split": ["train", "train", "test", "test"],
        "sets.words": {f"{URL}a.jpg": {"affection", "sadness"}, f"{URL}b.jpg": {"zest"},
                       f"{URL}both.jpg": {"confusion", "disgust"}, f"{URL}c.jpg": {"envy"}},
        "file": ["-", "images/train/zest/b.jpg", "-", "images/test/7/7_c.jpg"],
        "url": [f"{URL}{end}.jpg" for end in ("a", "b", "both", "c")], "note": "1 urls stand in both lists",
        "why": {NOT_DOWNLOADED: [f"{URL}a.jpg", f"{URL}both.jpg"]},
    }),
    "artemis": (sources.artemis_folder, {
        "judgements": 4, "people": None, "skipped": [1],
        "art_style": ["Baroque", "Impressionism"], "repetition": [3, 1],
        "rates.words": {"Baroque/rembrandt_the-night-watch-1642": {"awe", "sadness", "something else"},
                        "Impressionism/l\u00c3\u00a9on_jardin": {"contentment"}},
        "rates.n": [3, 1], "rates.made": ("votes", None, "artemis-9"),
        "distribution.made": ("votes", "one_choice", "artemis-9"),
    }),
    "findingemo": (sources.finding_folder, {
        "construct": "expressed", "people": 2, "skipped": [1, 1, 1, 2],
        "image_id": ["Run_1/party/a.jpg", "Run_1/party/b.jpg", "Run_2/sad/c.jpg"],
        "file": ["images/Run_1/party/a.jpg", "-", "-"], "url": ["-", "http://x/first.jpg", "http://x/c.jpg"],
        "rates.words": {"Run_1/party/a.jpg": {"joy"}, "Run_1/party/b.jpg": {"terror"}},
    }),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_HAND)
def test_what_a_set_reads_by_hand(tmp_path, bring, name):
    write, expected = BY_HAND[name]
    write(tmp_path / "in")
    summary, data = bring(name, tmp_path / "in")
    for fact, value in expected.items():
        kind, _, of_target = fact.partition(".")
        if of_target:
            target = data.target(kind)
            made = target.meta.values, target.meta.vote_rule, target.taxonomy.name
            table = {"table": target.table.tolist(), "first": target.table[0].tolist(), "made": made}
            n = None if target.n is None else target.n.tolist()
            assert {**table, "n": n, "words": words(target)}[of_target] == value, fact
        elif fact == "note":
            assert any(value in note for note in summary.notes)
        elif fact == "skipped":
            assert sorted(map(len, summary.skipped.values())) == value
        elif fact == "why":
            assert summary.skipped == value
        else:
            assert (column(data, fact) if fact in data.images else getattr(summary, fact)) == value, fact


# Labels in the names of folders and files, and in lists


def test_a_part_of_a_set_is_said_and_its_folder_may_be_named(tmp_path, bring):
    root = sources.fi_folder(tmp_path / "in")
    assert bring("fi", root / "emotion_dataset")[0].images == 8
    with pytest.raises(BadInput, match=r"lies inside"):
        get_importer("fi")(root, root / "out")
    half, _ = bring("fi", sources.fi_folder(tmp_path / "half", MIKELS[:-1]))
    assert (half.images, half.warnings) == (7, ("no images for sadness: imported as a part of the set",))
    part, _ = bring("emoset", sources.emoset_folder(tmp_path / "part", splits=("train", "val")))
    assert (part.images, part.warnings) == (2, ("test.json is not there: imported as a part of the set",))


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


def test_images_that_are_none_leave_the_labels(tmp_path, refused):
    root = sources.abstract_folder(tmp_path / "in")
    for image in root.rglob("*.jpg"):
        image.write_text("no image")
    error = refused(r"put them there, or take the labels alone \(images='none'\)", "abstract", root)
    assert "images_root" not in error, "it has no such option"


@pytest.mark.parametrize("row", ["1 2 0 0 0 0 0 8", ".25 .75 0 0 0 0 0 0"])
def test_a_row_of_zeros_is_left_out_among_votes_and_among_shares(tmp_path, row, bring):
    summary, data = bring("flickrldl", sources.ldl_folder(tmp_path / "in", [f"a.jpg {row}", "b.jpg 0 0 0 0 0 0 0 0"]))
    assert summary.images == 1
    assert [name.rpartition(" ")[2] for name in summary.skipped["rows in which nobody voted"]] == ["3"]
    assert "split" not in data.images.columns
    assert any("only the split train is there" in note for note in summary.notes)


# Urls


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
    _, data = bring("artemis", sources.artemis_folder(tmp_path / "in"))
    assert data.judgements["utterance"][0] == 'so "grand"\nand dark'
    assert data.judgements["annotator_id"].is_unique
    assert column(data, "file")[1] == "images/Impressionism/l\u00c3\u00a9on_jardin.jpg"


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


def test_findingemo_keeps_what_people_said(tmp_path, bring):
    judgements = bring("findingemo", sources.finding_folder(tmp_path / "in"))[1].judgements
    assert judgements["annotator_id"].tolist() == ["u1", "u2", "u2"]
    assert judgements["kind"].tolist() == ["labels", "labels", "unsure"]
    assert judgements["valence"].tolist() == [2, -3, -1]
    assert judgements["tags"][0] == "['x', 'y']"


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
    said = [{"happiness", "doubt/confusion"}, {"disquietment"}, {"affection", "fear", "peace"}]
    assert list(words(data.target("sets")).values()) == said
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
