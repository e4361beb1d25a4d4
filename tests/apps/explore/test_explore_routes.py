"""The explore app without a browser: its routes, who may call them, and the script of its page."""

import io
import json
import shutil
import tomllib
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import affectml_apps
from affectml.cli.pages import Exploring, read_page
from affectml.exploring import Column, View
from affectml_annotation import LabelStore
from affectml_apps.explore.page import remark
from affectml_apps.explore.state import COLOURS, coded
from affectml_apps.explore.web import app_parts

from ..reading import named, press, run, said  # noqa: TID252
from .conftest import queue, set_up_task


@pytest.fixture
def client(served, paintings):
    return served(paintings / "set", paintings / "run")


def test_each_image_has_a_place_in_the_unit_square_a_name_and_a_colour_of_the_legend(client):
    places = np.frombuffer(client.get("/explore/map").content, "<f4").reshape(-1, 2)
    assert places.shape == (60, 2)
    assert places.min() >= 0
    assert places.max() <= 1
    assert client.get("/explore/ids").json() == client.explorer.found.image_id.tolist()
    content = client.get("/explore/colours", params={"colour": "people.mode"}).content
    size = int.from_bytes(content[:4], "little")
    legend = json.loads(content[4 : 4 + size])
    assert len(content) == 4 + size + 60
    assert sum(count for _, count in legend["levels"]) + legend["unknown"] == 60


def test_a_view_in_the_address_gives_its_images_in_order(client):
    found = client.explorer.found
    query = {"f.people.rate.awe": "0.4..", "order": "-people.rate.awe", "v": "x"}
    reply = client.get("/explore/shown", params=query)
    count, *rows = np.frombuffer(reply.content, "<u4").tolist()
    rates = found.columns["people.rate.awe"].values
    assert (count, sorted(rows)) == (len(rows), np.flatnonzero(rates >= np.float32(0.4)).tolist())
    assert (np.diff(rates[rows]) <= 0).all()
    assert reply.headers["cache-control"] == "no-store"
    _, *rows = np.frombuffer(client.get("/explore/shown", params={"lasso": "0,0 0.5,0 0.5,1 0,1"}).content, "<u4")
    assert 0 < len(rows) < 60
    assert rows == np.flatnonzero(client.explorer.places[:, 0] <= 0.5).tolist()


def test_a_search_tells_how_well_each_image_fits(client):
    found, view = client.explorer.found, View(rates="awe without fear")
    content = client.get("/explore/shown", params=view.to_query()).content
    count = int.from_bytes(content[:4], "little")
    rows, fits = np.frombuffer(content, "<u4", count, 4), np.frombuffer(content, "<f4", count, 4 + 4 * count)
    assert (len(content), rows.tolist()) == (4 + 8 * count, found.shown(view).tolist())
    assert fits.tolist() == found.fits(view)[rows].tolist()


def test_files_that_have_changed_are_read_again_and_no_others(served, own):
    explorer = served(own).explorer
    found, version = explorer.found, explorer.version
    explorer.refresh()
    assert (explorer.found, explorer.version) == (found, version)
    table = pd.read_parquet(own / "images.parquet")
    table.assign(wing=["east", "west"] * 30).to_parquet(own / "images.parquet")
    explorer.refresh()
    assert "image.wing" in explorer.found.columns
    assert explorer.version != version
    assert explorer.found.encoders is found.encoders


def test_what_cannot_be_answered_says_why(client):
    for path, asked, why in (
        ("shown", {"f.people.rate.aw": "0.4.."}, "did you mean 'people.rate.awe'"),
        ("shown", {"f.people.rate.awe": "much"}, "expected a range"),
        ("shown", {"lasso": "0,0 1,1"}, "3 to 1,000 corners"),
        ("shown", {"selection": "../../etc/passwd"}, "letter"),
        ("colours", {"colour": "no.such"}, "no column 'no.such'"),
        *(("detail", {"i": number}, "whole number from 0 to 59") for number in ("60", "-1", "²", "1" * 5000)),
        ("explain", {"i": "1", "run": "none", "label": "awe"}, "no run 'none'"),
    ):
        reply = client.get(f"/explore/{path}", params=asked)
        assert (reply.status_code, why in reply.json()["error"]) == (400, True), asked
        assert str(client.explorer.found.dataset.root.parent) not in reply.json()["error"]  # no place of this machine


def test_foreign_names_and_foreign_pages_are_refused(client):
    for path in ("shown", "map", "thumb?i=0", "detail?i=0", "client/main.js"):
        assert client.get(f"/explore/{path}", headers={"host": "evil.example"}).status_code == 403
        assert client.get(f"/explore/{path}", headers={"origin": "http://evil.example"}).status_code == 403
    reply = client.get("/explore/shown")
    assert "default-src 'self'" in reply.headers["content-security-policy"]
    assert client.post("/explore/shown").status_code == 405


def test_a_number_is_coded_from_its_least_to_its_most_and_a_few_far_off_leave_the_colours_to_the_others():
    def coding(values):
        return coded(Column("x", "x", "images", lambda: np.array(values)))

    codes, legend = coding([2.0, np.nan, 4.0, 3.0])
    assert (codes.tolist(), legend) == ([0, 255, 254, 127], {"low": "≤ 2.02", "high": "≥ 3.98", "unknown": 1})
    codes, legend = coding([np.nan])
    assert (codes.tolist(), legend["low"]) == ([255], None)
    codes, legend = coding([*np.linspace(0, 1, 999), 1e6])
    assert len(set(codes[:990].tolist())) > 200
    assert (codes[-1], legend["high"][:6]) == (254, "≥ 0.99")
    codes, legend = coding([5.0] * 500 + [4.0])
    assert (codes[0], codes[-1], legend["low"], legend["high"]) == (254, 0, "4", "5")


def test_the_most_frequent_levels_have_a_colour_each_and_the_others_share_one():
    levels = tuple("abcdefghijkl")
    values = np.array([0, 0, *range(1, 12), 11, -1])
    codes, legend = coded(Column("x", "x", "images", lambda: values, levels))
    first, *_, others = legend["levels"]
    assert (first, others, len(legend["levels"])) == (["a", 2], ["3 other levels", 3], COLOURS + 1)
    assert (codes[:2].tolist(), codes[-1], legend["unknown"]) == ([0, 0], 255, 1)
    assert (codes[values == 11] == COLOURS - 1).all()
    assert [legend["names"][code] for code in codes[:-1]] == [levels[at] for at in values[:-1]]
    assert sum(count for _, count in legend["levels"]) + legend["unknown"] == len(values)


def test_what_fails_unforeseen_shows_no_path_and_no_link_abroad():
    """Streamlit shows a traceback otherwise, with links that hand it to Google and ChatGPT."""
    apps = Path(affectml_apps.__file__).parent
    ours, from_source = (folder / ".streamlit" / "config.toml" for folder in (apps / "entry", apps.parent))
    assert ours.read_text() == from_source.read_text()
    assert tomllib.loads(ours.read_text())["client"] == {
        "toolbarMode": "minimal", "showErrorDetails": "type", "showErrorLinks": False
    }  # fmt: skip


def test_one_image_has_people_runs_and_neighbours_and_nobody_s_name(client):
    told = client.get("/explore/detail", params={"i": 3, "names": 1}).json()
    (run_,) = told["runs"]
    assert (told["id"], told["best"], run_["name"]) == (client.explorer.found.image_id[3], "awe", "run")
    assert run_["set"] == [label == "awe" for label in told["labels"]]
    assert len(told["people"]["rates"]) == len(told["labels"])
    assert all(who.startswith("person ") for who, _ in told["people"]["answers"])
    assert 3 not in [each["index"] for each in told["nearest"]]


def test_pictures_are_small_or_whole_and_a_broken_file_says_why(served, own):
    (own / "images" / "000001.png").write_bytes(b"no image")
    (own / "images" / "000002.png").unlink()
    Image.new("RGB", (900, 300), "red").save(own / "images" / "000003.png", "TIFF")
    client = served(own)
    small = client.get("/explore/thumb", params={"i": 3})
    assert small.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(small.content)).size == (256, 85)
    assert client.get("/explore/image", params={"i": 3}).headers["content-type"] == "image/webp"
    assert client.get("/explore/image", params={"i": 0}).content == (own / "images" / "000000.png").read_bytes()
    for path in ("thumb", "image"):
        broken, gone = (client.get(f"/explore/{path}", params={"i": at}) for at in (1, 2))
        assert (broken.status_code, gone.status_code) == (422, 404)
        assert "no image that can be shown" in broken.json()["error"]


def test_no_path_leaves_the_data_set(served, own):
    Image.new("RGB", (4, 4)).save(own.parent / "outside.png")
    table = pd.read_parquet(own / "images.parquet")
    table.loc[:2, "file"] = ["../outside.png", "/etc/passwd", None]
    table.to_parquet(own / "images.parquet")
    client = served(own)
    for path, at in product(("thumb", "image"), range(3)):
        assert client.get(f"/explore/{path}", params={"i": at}).status_code == 404


def test_without_embeddings_there_is_no_map_but_all_else(served, tmp_path, demo):
    shutil.copytree(demo, tmp_path / "set")
    client = served(tmp_path / "set")
    assert np.isnan(np.frombuffer(client.get("/explore/map").content, "<f4")).all()
    assert len(client.get("/explore/shown").content) == 4 * 241
    assert "no embeddings" in client.get("/explore/shown", params={"lasso": "0,0 1,0 1,1"}).json()["error"]


def test_the_last_views_are_kept_whatever_image_is_open(client, monkeypatch):
    explorer = client.explorer
    first = explorer.shown(View(order="people.entropy"))
    monkeypatch.setattr(explorer.found, "shown", lambda view: pytest.fail("asked again"))
    assert explorer.shown(View(order="people.entropy", image="000003", colour="people.mode")) is first


def test_options_are_read_and_a_wrong_folder_ends_with_a_line(tmp_path, monkeypatch):
    assert read_page("explore", Exploring, []) == Exploring()
    made = read_page("explore", Exploring, ["set", "--run", "a", "--run", "b", "--target", "t", "--allow-host", "h"])
    assert [str(run) for run in made.run] == ["a", "b"]
    assert (str(made.dataset), made.target, made.allow_host) == ("set", "t", ("h",))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="BadDataset: nowhere"):
        app_parts(["nowhere"])


def test_a_page_that_others_can_reach_says_so(paintings, monkeypatch, capsys):
    monkeypatch.setattr("affectml_apps.serving.only_here", lambda hosts: not hosts)
    for more in ([], ["--allow-host", "lab.example"]):
        app_parts([str(paintings / "set"), *more])
        assert ("asks nobody to sign in" in capsys.readouterr().out) == bool(more)


# The page's script: filters, selections, the queue, and an image of one's own


@pytest.fixture
def explorer(served, own, paintings):
    """The data set with its run, and a labelling task beside it."""
    explorer = served(own, paintings / "run").explorer
    set_up_task(explorer.found, own.with_name("set-labels.db"))
    return explorer


def page(**address):
    return run("from affectml_apps.explore import page\npage.run()\n", **address)


def where(app):
    """The address, as it is now."""
    return {name: value[0] if isinstance(value, list) else value for name, value in app.query_params.items()}


def add_filter(app, column):
    return named(app.selectbox, "add").set_value(column).run()


def shown(app):
    return next(each.value for each in app.sidebar.text if each.value.endswith(" shown"))


def test_a_filter_is_added_narrowed_and_removed(explorer):
    app = add_filter(page(), "people.mode")
    assert where(app) == {"f.people.mode": ".."}
    app.multiselect(key="filter people.mode").set_value(["awe"]).run()
    assert where(app) == {"in.people.mode": "awe"}
    modes = explorer.found.columns["people.mode"]
    assert shown(app) == f"{(modes.values == modes.levels.index('awe')).sum()} shown"
    press(app, "remove 0")
    assert (where(app), shown(app)) == ({}, "60 shown")
    app = add_filter(app, "people.entropy")
    low, high = app.slider(key="filter people.entropy").value
    app.slider(key="filter people.entropy").set_value((low, high / 2)).run()
    assert where(app) == {"f.people.entropy": f"..{high / 2:g}"}


def test_a_choice_stays_though_more_is_done_before_the_browser_hears_of_its_address(explorer):
    app = add_filter(page(), "people.entropy")
    app.query_params.clear()
    app.text_input(key="name").set_value("whatever").run()
    assert len(app.slider) == 1
    app.query_params.clear()  # and somebody who goes back has what was there
    assert len(app.run().slider) == 0


def test_a_range_of_the_address_beyond_all_values_shows_none_and_is_removed(explorer):
    for asked in ("9..", "9..1", "..-9"):
        app = page(**{"f.people.entropy": asked})
        assert (shown(app), len(app.slider)) == ("0 shown", 1)
        assert where(press(app, "remove 0")) == {}


def test_an_image_is_found_by_its_id_and_by_its_file_and_of_many_levels_by_a_part_of_their_text(explorer):
    app = page()
    named(app.text_input, "Id or file").set_value("00001").run()
    assert (where(app), shown(app)) == ({"name": "00001"}, "11 shown")
    named(app.text_input, "Id or file").set_value("IMAGES/000012.P").run()
    assert shown(app) == "1 shown"
    captions = explorer.found.columns["image.caption"]
    app = page(**{"has.image.caption": "ROUND"})
    assert shown(app) == f"{sum('round' in captions.levels[at] for at in captions.values)} shown"
    named(app.text_input, "caption").set_value("").run()
    assert where(app) == {"f.image.caption": ".."}


def test_an_address_that_cannot_be_read_says_so(explorer):
    app = page(order="people.entrop", lasso="1")
    assert "This address cannot be read" in said(app)
    assert shown(app) == "60 shown"


def test_words_that_order_nothing_and_images_of_a_selection_that_are_gone_are_told(explorer):
    assert remark(explorer, View(text="awe tractors")).endswith("so they order nothing: tractors.")
    file = explorer.found.selections.save("partly gone", explorer.found.image_id[:3])
    file.write_text(file.read_text().replace(f'"{explorer.found.image_id[1]}"', '"gone"'))
    app = page(selection="partly gone")
    assert shown(app) == "2 shown"
    assert remark(explorer, View(selection="partly gone")).startswith("1 of the 3 images of this selection")
    assert "run: trained on" in said(app)  # the notes


def test_what_is_shown_is_saved_and_sent_to_people_and_what_is_ticked_in_its_order(explorer):
    app = page(**{"order": "-people.rate.awe", "f.people.rate.awe": "0.4.."})
    expected = explorer.found.image_id[explorer.shown(View.from_query(where(app))).rows].tolist()
    app.text_input(key="name").set_value("much awe").run()
    press(app, "Save these images")
    assert f"saved {len(expected)} images as much awe" in said(app)
    assert named(app.button, "Save these images").disabled  # which is there now
    press(app, "Send to the labelling queue")
    assert f"at the end of the queue: {len(expected)} images" in said(app)
    with LabelStore(explorer.found.dataset.root.with_name("set-labels.db")) as store:
        assert queue(store) == expected
        app.session_state["ticked"] = ["000005", "000003", "gone"]
        assert "2 ticked: these are kept" in said(app.run())
        press(app, "Send to the labelling queue")
        assert queue(store)[-2:] == ["000005", "000003"]
    assert pd.Series(explorer.found.selections.counts())["much awe"] == len(expected)
