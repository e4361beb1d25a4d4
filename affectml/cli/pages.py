"""label and explore: the pages in a browser, from an installed package, and the map that is made beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from affectml._options import Argument, Help, documented, options_of
from affectml.cli._command import App, say
from affectml.errors import spelled

Asked = TypeVar("Asked")
DEMO = "the demo set, drawn in data/demo"
AllowHost = Annotated[
    tuple[str, ...], Help("Host name or IP under which others reach this server; may be given several times.")
]
Lead = Annotated[
    tuple[str, ...],
    Help("Who may see the lead's pages; may be given several times.", default="everybody on this machine"),
]
Address = Annotated[str, Help("Address to listen on.")]
Port = Annotated[int, Help("Port to listen on.")]
Folder = Annotated[Path | None, Help(metavar="DATASET", default=DEMO)]


@dataclass(frozen=True)
class Labelling:
    """What the labelling page is asked, by `affectml label` and after `streamlit run apps/relabel.py --`.

    Args:
        on: Data set folder.
        dataset: The same as --on.
        images: Folder of photographs that nobody has labelled, to label with --taxonomy at once. They become the data
            set DATASET, or data/NAME.
        db: SQLite file or postgresql:// URL. Default: DATASET-labels.db beside the folder.
        target: Target whose labels people choose from.
        taxonomy: Labels to choose from instead: a built-in taxonomy or a YAML file.
        study: Folder of a study, with study.yaml, that people take part in.
    """

    on: Folder = None
    dataset: Annotated[Path | None, Help(metavar="DATASET")] = None
    images: Annotated[Path | None, Help(metavar="PHOTOS")] = None
    db: str | None = None
    target: str | None = None
    taxonomy: str | None = None
    study: Annotated[Path | None, Help(metavar="OUT")] = None
    lead: Lead = ()
    allow_host: AllowHost = ()

    def __post_init__(self) -> None:
        others = (self.named, self.images, self.target, self.taxonomy)
        if self.study is not None and any(others):
            raise typer.BadParameter(
                "--study: its file says what is labelled; only --db, --lead and --allow-host go with it"
            )
        if self.on is not None and self.dataset not in (None, self.on):
            raise typer.BadParameter(f"two data sets, {self.on} and {self.dataset}: name one")

    @property
    def named(self) -> Path | None:
        """The data set's folder; None where none was named."""
        return self.on or self.dataset


@dataclass(frozen=True)
class Exploring:
    """What the map's page is asked, by `affectml explore` and after `streamlit run apps/explore.py --`.

    Args:
        run: Run folder to show beside people; may be given several times. Default: none.
        target: Target with people's answers. Default: the first run's, or the only one.
        encoder: Encoder whose embeddings are mapped and searched. Default: the first run's, or the only one.
        db: The labelling task's database, for flags, notes and the queue. Default: DATASET-labels.db beside the data
            set.
    """

    dataset: Annotated[Path | None, Argument("Data set folder.", default=DEMO, metavar="DATASET")] = None
    run: tuple[Path, ...] = ()
    target: str | None = None
    encoder: str | None = None
    db: Annotated[str | None, Help(env="AFFECTML_LABELS")] = None
    allow_host: AllowHost = ()


def explore(asked: Exploring, *, address: Address = "127.0.0.1", port: Port = 8501) -> None:
    """Show a data set's images on a map with people's and runs' answers; filter, search, keep."""
    from affectml.data import Dataset
    from affectml.runs import RunFolder

    for run in asked.run:
        RunFolder.open(run)
    if asked.dataset is not None:
        Dataset.open(asked.dataset)
    start_page("explore", asked, address=address, port=port)


def start_page(entry: str, asked: Labelling | Exploring, *, address: str, port: int) -> None:
    """Run a page with Streamlit, until it is stopped; `entry` is its script in affectml_apps/entry."""
    from streamlit.web.cli import main as streamlit

    words = []
    for option in options_of(type(asked)):
        value = getattr(asked, option.name)
        several = value if isinstance(value, tuple) else () if value is None else (value,)
        mark = "" if isinstance(option.help, Argument) else f"{spelled(option.name)}="
        words += [f"{mark}{each}" for each in several]
    if address in ("0.0.0.0", "::") and not asked.allow_host:
        say("other machines, phones too, are turned away until you say how they call this one: --allow-host NAME-or-IP")
    if entry == "relabel" and asked.allow_host:
        say(
            "other machines reach this page; the lead's pages need sign-in there (st.login), or the same command on "
            "another --port of this machine, without --address and --allow-host"
        )
    options = ["--server.address", address, "--server.port", str(port)]
    spec: Any = find_spec("affectml_apps")  # found without importing the pages
    script = Path(spec.submodule_search_locations[0]) / "entry" / f"{entry}.py"
    streamlit(["run", str(script), *options, "--", *words])


def read_page(entry: str, holder: type[Asked], words: Sequence[str]) -> Asked:
    """What a page is asked after `streamlit run apps/ENTRY.py --`; --help, or what cannot be, ends the program."""
    read: list[Asked] = []

    def page(asked: Any) -> None:
        read.append(asked)

    page.__annotations__["asked"] = holder
    app = App(add_completion=False)
    app.command(help=documented(holder)[0])(page)
    try:
        typer.main.get_command(app)(list(words), prog_name=f"streamlit run apps/{entry}.py --")
    except SystemExit:
        if not read:
            raise
    return read[0]
