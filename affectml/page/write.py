"""report.html: one self-contained page, made of sections."""

import base64
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectml._files import write_text
from affectml.data import was_asked
from affectml.encoders import TINY_SPEC
from affectml.page.data import ReportData
from affectml.page.section import Section
from affectml.page.sections import SECTIONS
from affectml.page.tables import Table

if TYPE_CHECKING:
    from affectml.data import Dataset
    from affectml.runs import RunInfo


def write_report(data: ReportData, out: Path | None = None, found: Sequence[Section] | None = None) -> Path:
    """Write the page of a run. Text from the data is escaped; the page loads nothing from elsewhere.

    Args:
        data: the run and its judged systems.
        out: the file; None is report.html in the run's folder.
        found: its sections, where they are made already.

    Returns:
        The file.
    """
    info = data.info
    asked = f"people were asked: “{info.data.question}”" if was_asked(info.data.question) else ""
    about = [f"{data.metrics['n']} {data.metrics['split']} images", f"construct: {info.data.construct}", asked]
    file = out if out is not None else data.run.folder / "report.html"
    write_page(
        file,
        sections(data) if found is None else found,
        title=f"{info.data.name} – affectml report",
        heading=f"{info.data.name}: {info.data.kind} of {data.run.taxonomy.name}, head {info.head.name}",
        about=[*filter(None, about), f"encoder: {info.encoder.name}"],
        command=info.command,
        caveats=_caveats(info, data.dataset),
    )
    return file


def sections(data: ReportData) -> list[Section]:
    """The sections that these data hold, in the page's order."""
    return [section for part in SECTIONS if (section := part(data)) is not None]


def write_page(
    file: Path,
    found: Sequence[Section],
    *,
    title: str,
    heading: str,
    about: Sequence[str] = (),
    command: str | None = None,
    caveats: Sequence[str] = (),
) -> None:
    """Write a page of sections, the first of them under the heading."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(files("affectml.page").joinpath("page.html.j2").read_text(encoding="utf-8"))
    page = template.render(
        title=title, heading=heading, about=about, command=command, caveats=caveats, sections=found, links=_links
    )
    write_text(file, page)


def _links(section: Section, table: Table) -> list[tuple[str, str, str]]:
    """A table's files inside the page: what the link says, the file's name, a data URL."""
    texts = (("CSV", "csv", "text/csv", table.to_csv()), ("LaTeX", "tex", "application/x-tex", table.to_tex()))
    links = []
    for word, ending, kind, text in texts:
        content = base64.b64encode(text.encode()).decode()
        links.append((word, f"{section.name}-{table.file_name}.{ending}", f"data:{kind};base64,{content}"))
    return links


def write_tables(found: Sequence[Section], folder: Path) -> list[Path]:
    """Write every table of some sections as CSV and LaTeX; returns the files, each named SECTION-TABLE."""
    made = []
    for section in found:
        for table in section.tables:
            for ending, text in (("csv", table.to_csv()), ("tex", table.to_tex())):
                made.append(folder / f"{section.name}-{table.file_name}.{ending}")
                write_text(made[-1], text)
    return made


def _caveats(info: "RunInfo", dataset: "Dataset") -> list[str]:
    """What a reader has to know before any figure."""
    out = []
    if dataset.truth is not None:
        out.append(
            "This is the demo set: paintings drawn by code, judged by simulated people. Nothing here is about people."
        )
        out += dataset.meta.notes
    if info.encoder.identity["architecture"] == TINY_SPEC:
        out.append(
            "The encoder is affect-tiny, which was trained on demo paintings and knows nothing else; "
            "on photographs it stands for no real encoder."
        )
    about: dict[str, Any] = {
        "evoked": "The labels say what viewers report feeling, on average; they do not read any one person's feelings.",
        "expressed": "The labels say what depicted persons seem to show, not what anyone feels.",
        "intended": "The labels say what the maker wanted to evoke.",
        "query": "The labels are the words or folders the images were found by, not anyone's judgement of them.",
    }
    data = info.data
    if data.construct == "query" and was_asked(data.question):  # a labelling task about words, not feelings
        return [*out, "The labels are words that people said fit the images; nobody was asked what they feel."]
    return [*out, about[data.construct]]
