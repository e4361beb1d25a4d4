"""What may stand after `streamlit run apps/explore.py --`."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """What is explored.

    dataset: a data set folder; None is the demo set, drawn when first needed. runs: run folders to show beside people.
    target: whose answers are people's, where the data set has several. encoder: whose embeddings make the map and the
    search. db: the labelling task that selections are queued in; None is `NAME-labels.db` beside the folder. hosts:
    names of this server beyond loopback.
    """

    dataset: Path | None = None
    runs: tuple[Path, ...] = ()
    target: str | None = None
    encoder: str | None = None
    db: str | None = None
    hosts: tuple[str, ...] = ()


def parse(arguments: Sequence[str]) -> Options:
    """Read command line arguments; exits with a usage message for what is not one (argparse's way)."""
    parser = argparse.ArgumentParser(
        prog="streamlit run apps/explore.py --",
        description="See a data set's images on a map, filter and search them. Without arguments: the demo set.",
    )
    parser.add_argument(
        "dataset", nargs="?", type=Path, metavar="DATASET", help="data set folder (default: the demo set)"
    )
    parser.add_argument("--run", action="append", default=[], type=Path, metavar="RUN", help="run folder (repeatable)")
    parser.add_argument("--target", metavar="NAME", help="target whose answers are people's")
    parser.add_argument("--encoder", metavar="SPEC", help="encoder whose embeddings make the map and the search")
    parser.add_argument("--db", metavar="URL", help="labelling task that selections go to (default: beside the set)")
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="HOST", help="a name this server may be called by"
    )
    given = parser.parse_args(list(arguments))
    return Options(
        dataset=given.dataset,
        runs=tuple(given.run),
        target=given.target,
        encoder=given.encoder,
        db=given.db,
        hosts=tuple(given.allow_host),
    )
