"""What may stand after `streamlit run apps/relabel.py --`."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from affectml_annotation.store.place import default_database

DATA = Path("data")  # where data sets are made that nobody named a place for
DEMO = DATA / "demo"


@dataclass(frozen=True)
class Options:
    """Where the images are, where the answers go, who may lead.

    dataset: a data set folder; None is the demo set, drawn when first needed. images: a folder of photographs that
    nobody has labelled; their data set is `dataset`, or data/NAME under the current folder. db: a SQLite file or a
    PostgreSQL URL; None is `NAME-labels.db` beside the folder. model: a run folder whose predictions may be shown as
    suggestions. target: whose labels people choose from; taxonomy: other labels than the data set's own.
    check_labels: ask of single labels whether they are reasonable; a target's name or "model". leads: who sees the
    lead's pages (empty: everybody, on this machine only). hosts: names of this server beyond loopback.
    """

    dataset: Path | None = None
    images: Path | None = None
    db: str | None = None
    model: Path | None = None
    target: str | None = None
    taxonomy: str | None = None
    check_labels: str | None = None
    leads: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """The data set's folder, with the default filled in."""
        if self.dataset is not None:
            return self.dataset
        if self.images is None:
            return DEMO
        name = self.images.resolve().name or "images"
        return DATA / (f"{name}-images" if name == DEMO.name else name)

    @property
    def store_url(self) -> str:
        """The database, with the default filled in: that of `affectml labels` too."""
        if self.db is not None:
            return self.db
        return str(default_database(self.folder, "checks" if self.check_labels else "labels"))


def parse(arguments: Sequence[str]) -> Options:
    """Read command line arguments; exits with a usage message for what is not one (argparse's way)."""
    parser = argparse.ArgumentParser(
        prog="streamlit run apps/relabel.py --",
        description="Label images with several labels each. Without arguments: the demo set and a SQLite file.",
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="DATASET", help="data set folder (default: the demo set)"
    )
    parser.add_argument("--dataset", type=Path, metavar="DATASET", help="the same, by name")
    parser.add_argument(
        "--images", type=Path, metavar="PHOTOS", help="folder of photographs to label (data set: DATASET or data/NAME)"
    )
    parser.add_argument("--db", metavar="URL", help="SQLite file or postgresql:// URL (default: beside the data set)")
    parser.add_argument("--model", type=Path, metavar="RUN", help="run folder whose predictions may be suggested")
    parser.add_argument("--target", metavar="NAME", help="target whose labels people choose from")
    parser.add_argument("--taxonomy", metavar="NAME", help="other labels: a built-in taxonomy or a YAML file")
    parser.add_argument(
        "--check-labels", metavar="SOURCE", help="ask whether single labels are reasonable: a target's name, or model"
    )
    parser.add_argument("--lead", action="append", default=[], metavar="NAME", help="who may see the lead's pages")
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="HOST", help="a name this server may be called by"
    )
    given = parser.parse_args(list(arguments))
    if given.folder is not None and given.dataset not in (None, given.folder):
        parser.error(f"two data sets, {given.folder} and {given.dataset}: name one")
    return Options(
        dataset=given.folder or given.dataset,
        images=given.images,
        db=given.db,
        model=given.model,
        target=given.target,
        taxonomy=given.taxonomy,
        check_labels=given.check_labels,
        leads=tuple(given.lead),
        hosts=tuple(given.allow_host),
    )
