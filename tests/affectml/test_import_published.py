"""What each published set reads, worked out by hand on a set as small as can be, and what it refuses; the commands."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from typer.testing import CliRunner

from affectml.cli.import_ import app
from affectml.data import Dataset
from affectml.errors import BadInput, UnknownLabel
from affectml.importers import About, Importer, get_importer
from affectml.importers.published import reader_of
from affectml.importers.registry import PUBLISHED, published_sets
from affectml.taxonomies import Taxonomy, mapping

from .checks import words
from .fuzz import sources
from .fuzz.reading import written
from .fuzz.sources import ABSTRACT, ARTEMIS, EMOTION6, FINDING, LDL, LISTS, MIKELS, PARROTT, TRAIN, URL, picture, text

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
    assert (data.target("distribution").table.tolist(), data.images["age"].tolist()) == ([[2, 3]], [20])


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
        ("train25.txt", *TRAIN), ("test25.txt", *sources.TEST), pictures=["train/zest/b.jpg", "test/7/7_c.jpg"]), {
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
    assert bring("fi", sources.fi_folder(tmp_path / "in") / "emotion_dataset")[0].images == 8
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
    said = judgements[["annotator_id", "kind", "valence"]].to_numpy().tolist()
    assert said == [["u1", "labels", 2], ["u2", "labels", -3], ["u2", "unsure", -1]]
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
    columns = [column(data, name) for name in ("image_id", "group", "split", "gender", "valence")]
    assert [*zip(*columns, strict=True)] == [
        (f"{one}#1", one, "train", "Female", 8),
        (f"{one}#2", one, "train", "Female", "-"),
        (f"{two}#1", two, "val", "Male", 8),
    ]
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
    for file, colour in zip(data.images["file"], (0, 2), strict=True):
        with Image.open(data.root / file) as image:
            assert np.argmax(image.getpixel((1, 1))) == colour
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


# What each refuses: file, row and way out are named, and nothing is written


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
        (oasis(sources.OASIS[1]), r"OASIS.csv: none of the 1 images it names is in .*Images"),
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
