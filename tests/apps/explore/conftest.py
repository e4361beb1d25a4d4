"""The explore app on a small data set that is embedded, with a run beside it."""

import shutil
from functools import partial

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from affectml.exploring import Collection
from affectml.people.labelling import make_task
from affectml_annotation import LabelStore
from affectml_apps.explore.state import Explorer, current
from affectml_apps.explore.web import make_routes
from affectml_apps.serving import TOLD, Guard


def set_up_task(found, db):
    """A labelling task of a collection's images, in this database."""
    settings, images = make_task(found.dataset)
    with LabelStore(db) as store:
        store.init_task(settings, images[["image_id", "file"]])


def queue(store):
    """The images of the labelling queue, in order."""
    return store.images().dropna(subset="queue_rank").sort_values("queue_rank")["image_id"].tolist()


@pytest.fixture
def own(paintings, tmp_path):
    """The same, to be changed."""
    shutil.copytree(paintings / "set", tmp_path / "set")
    return tmp_path / "set"


@pytest.fixture
def served():
    """`served(folder, *runs)`: a client of the routes, which serve that data set."""

    def serve(folder, *runs):
        explorer = Explorer(partial(Collection, folder, runs))
        current.use(explorer)
        app = Starlette(routes=make_routes(), middleware=[Middleware(Guard)], exception_handlers=TOLD)
        client = TestClient(app, base_url="http://localhost")
        client.explorer = explorer
        return client

    yield serve
    current.use(None)
