"""The script of the explore page without a browser: filters, selections, the queue, and an image of one's own."""

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from affectml.exploring import View
from affectml.people.labelling import make_task
from affectml_annotation import LabelStore
from affectml_apps.explore.page import remark
from affectml_apps.explore.web import PAGE

from ..reading import named, press, said  # noqa: TID252


@pytest.fixture
def explorer(served, own, paintings):
    """The data set with its run, and a labelling task beside it."""
    with LabelStore(own.with_name("set-labels.db")) as store:
        client = served(own)
        settings, images = make_task(client.explorer.found.dataset)
        store.init_task(settings, images[["image_id", "file"]])
    return served(own, paintings / "run").explorer


def page(**address):
    app = AppTest.from_file(str(PAGE), default_timeout=300)
    for name, value in address.items():
        app.query_params[name] = value
    return app.run()


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


@pytest.mark.parametrize("asked", ["9..", "9..1", "..-9"])
def test_a_range_of_the_address_beyond_all_values_shows_none_and_is_removed(explorer, asked):
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


def queue(store):
    return store.images().dropna(subset="queue_rank").sort_values("queue_rank")["image_id"].tolist()
