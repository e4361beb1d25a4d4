"""One self-contained page, made of sections."""

import base64
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from affectml._files import write_text
from affectml.judging.figures import Evaluation
from affectml.page.section import Section, Shown
from affectml.page.sections import SECTIONS
from affectml.page.sections.images import WITHOUT
from affectml.page.sections.overview import sentence
from affectml.page.tables import Table, which_images
from affectml.page.words import missing, warnings


def write_report(evaluation: Evaluation, shown: Shown, file: Path) -> Path:
    """Write the page of an evaluation, and return its file. Text from the data is escaped; it loads nothing."""
    about = [which_images(evaluation), *shown.about, *([] if shown.pictures else [WITHOUT])]
    write_page(
        file, sections(evaluation, shown), title=shown.title, heading=shown.heading, about=about, command=shown.command,
        caveats=[*caveats(evaluation, shown), *missing(evaluation)], warnings=warnings(evaluation),
    )  # fmt: skip
    return file


def sections(evaluation: Evaluation, shown: Shown) -> list[Section]:
    """The sections that these rows hold, in the page's order: of several data sets one after the other, folded."""
    names = list(dict.fromkeys(each.dataset for each in evaluation.figures))
    if len(names) < 2:
        return [section for part in SECTIONS if (section := part(evaluation, shown)) is not None]
    found = [section for part in SECTIONS[:1] if (section := part(evaluation, shown)) is not None]
    for number, name in enumerate(names, 1):
        alone, here = of_dataset(evaluation, name), replace(shown, info=None, dataset=None)
        for section in filter(None, (part(alone, here) for part in SECTIONS[1:])):
            heading = f"{name}: {section.heading}"
            found.append(replace(section, name=f"{section.name}-{number}", heading=heading, folded=True))
    return found


def of_dataset(evaluation: Evaluation, name: str) -> Evaluation:
    """The rows of one data set alone, with its own facts where they are given (facts["datasets"])."""
    scores = evaluation.scores[evaluation.scores["dataset"] == name]
    facts = {**evaluation.facts, **evaluation.facts.get("datasets", {}).get(name, {})}
    return Evaluation(tuple(each for each in evaluation.figures if each.dataset == name), scores, facts)


def in_words(evaluation: Evaluation) -> list[str]:
    """What a page and a terminal say of it: the sentence, what to be careful about, and what each section found."""
    made = [part(evaluation, Shown("", "")) for part in SECTIONS[1:]]
    told = [section.sentence for section in made if section is not None and section.name in TOLD]
    return [line for line in (sentence(evaluation), *warnings(evaluation), *told) if line]


TOLD = ("promise", "by-person", "subgroups", "disagreement", "bias")
"""Sections whose sentence a terminal prints as well."""


def write_page(
    file: Path,
    found: Sequence[Section],
    *,
    title: str,
    heading: str,
    about: Sequence[str] = (),
    command: str | None = None,
    caveats: Sequence[str] = (),
    warnings: Sequence[str] = (),
) -> None:
    """Write a page of sections, the first of them under the heading.

    caveats: what to know before any figure, of which the first stands open; warnings: what stands open in any case.
    """
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(files("affectml.page").joinpath("page.html.j2").read_text(encoding="utf-8"))
    page = template.render(
        title=title, heading=heading, about=about, command=command, caveats=caveats, warnings=warnings, sections=found,
        links=_links,
    )  # fmt: skip
    write_text(file, page)


def _files(section: Section, table: Table) -> list[tuple[str, str, str, str]]:
    """A table as files: what kind it is called, its name, its media type, its text."""
    name = f"{section.name}-{table.file_name}"
    csv, tex = (f"{name}.csv", "text/csv", table.to_csv()), (f"{name}.tex", "application/x-tex", table.to_tex())
    return [("CSV", *csv), ("LaTeX", *tex)]


def _links(section: Section, table: Table) -> list[tuple[str, str, str]]:
    """A table's files inside the page: what the link says, the file's name, a data URL."""
    made = _files(section, table)
    return [
        (word, name, f"data:{kind};base64,{base64.b64encode(text.encode()).decode()}")
        for word, name, kind, text in made
    ]


def write_tables(found: Sequence[Section], folder: Path) -> list[Path]:
    """Write every table of some sections as CSV and LaTeX; returns the files, each named SECTION-TABLE."""
    made = []
    for section in found:
        for table in section.tables:
            for _, name, _, text in _files(section, table):
                made.append(folder / name)
                write_text(made[-1], text)
    return made


def caveats(evaluation: Evaluation, shown: Shown) -> list[str]:
    """What a reader has to know before any figure."""
    from affectml.data import was_asked
    from affectml.encoders import TINY_SPEC

    out, info = [], shown.info
    if evaluation.systems() and any(each.system == "oracle" for each in evaluation.figures):  # the truth is known
        out.append(
            "This is the demo set: paintings drawn by code, judged by simulated people. Nothing here is about people."
        )
    out += [] if shown.dataset is None else shown.dataset.meta.notes
    if info is None:
        return out
    if info.encoder.identity["architecture"] == TINY_SPEC:
        out.append("The encoder is affect-tiny, which knows demo paintings and nothing else.")
    about = {
        "evoked": "The labels say what viewers report feeling, on average; they do not read any one person's feelings.",
        "expressed": "The labels say what depicted persons seem to show, not what anyone feels.",
        "intended": "The labels say what the maker wanted to evoke.",
        "query": "The labels are the words or folders the images were found by, not anyone's judgement of them.",
    }
    words_fit = info.data.construct == "query" and was_asked(info.data.question)  # a task about words, not feelings
    asked = "The labels are words that people said fit the images; nobody was asked what they feel."
    return [*out, asked if words_fit else about[info.data.construct]]
