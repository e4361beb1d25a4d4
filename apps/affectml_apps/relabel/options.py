"""What may stand after `streamlit run apps/relabel.py --`, with the defaults filled in."""

from collections.abc import Sequence
from pathlib import Path

from affectml.cli.pages import Labelling, read_page
from affectml_annotation.store.place import default_database

DATA = Path("data")  # where data sets are made that nobody named a place for
DEMO = DATA / "demo"


class Options(Labelling):
    """Where the images are, where the answers go, who may lead."""

    @property
    def root(self) -> Path:
        """The data set's folder."""
        if self.named is not None:
            return self.named
        if self.images is None:
            return DEMO
        name = self.images.resolve().name or "images"
        return DATA / (f"{name}-images" if name == DEMO.name else name)

    @property
    def store_url(self) -> str:
        """The database: without --db that of `affectml label` too."""
        if self.db is not None:
            return self.db
        return str(default_database(self.root, "checks" if self.check_labels else "labels"))


def parse(arguments: Sequence[str]) -> Options:
    """Read command line arguments; exits with a usage message for what is not one."""
    return read_page("relabel", Options, arguments)
