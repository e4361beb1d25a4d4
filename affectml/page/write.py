"""One self-contained page, made of sections."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from affectml._files import write_text
from affectml.judging.answers import SystemAnswers
from affectml.judging.figures import Evaluation
from affectml.page.section import Section, Shown
from affectml.page.sections import FOLDED, ONCE, OPEN
from affectml.page.sections.overview import sentence
from affectml.page.tables import Table, places, which_images
from affectml.page.words import missing, warnings

if TYPE_CHECKING:
    from affectml.runs import RunFolder
    from affectml.training import Judged, Writers

WITHOUT = "pictures of images need the data set: add --on"
PRINTED = ("every_score", "differences", "promise", "by_person", "bias", "levels", "repeats", "data_sets")
TOLD = ("disagreement", "promise", "by_person", "bias", "subgroups")  # whose sentences a terminal prints as well


def write_report(evaluation: Evaluation, shown: Shown, file: Path) -> Path:
    """Write the page of an evaluation, and return its file. Text from the data is escaped; it loads nothing."""
    about = [which_images(evaluation), *shown.about, *([WITHOUT] if shown.dataset is None else [])]
    known = [*caveats(evaluation, shown), *everywhere(evaluation, missing)]
    head = {"title": shown.title, "heading": shown.heading}
    found, said = sections(evaluation, shown), everywhere(evaluation, warnings)
    write_page(file, found, **head, about=about, command=shown.command, caveats=known, warnings=said)
    return file


def write_of_run(run: "RunFolder", judged: "Judged") -> None:
    """Write the page of a training into the run's folder."""
    truth = judged.prepared.test
    answers = {n: SystemAnswers.of(each, truth.labels, truth.image_id, "test") for n, each in judged.answers.items()}
    shown = Shown.of_run(run.info, dataset=judged.prepared.plan.dataset, answers=answers, truth=truth)
    write_report(judged.evaluation, shown, run.folder / "report.html")


WRITERS: "Writers" = {"report.html": write_of_run}
"""What a training writes besides its own files: see `affectml.training.write`."""


def sections(evaluation: Evaluation, shown: Shown) -> list[Section]:
    """The sections that these rows hold, in the page's order; of several data sets one below the other, folded."""
    found, alone = [], places(evaluation)
    for part in (*OPEN, *FOLDED):
        several = len(alone) > 1 and part not in ONCE
        for at, (name, rows) in enumerate(alone.items() if part not in ONCE else [("", evaluation)]):
            made = part(rows, replace(shown, info=None, dataset=None) if several else shown)
            if made is not None:
                title, address = (f"{name}: ", f"-{at}") if several else ("", "")
                made = replace(made, heading=f"{title}{made.heading}", name=f"{made.name}{address}")
                found.append(replace(made, folded=several or part in FOLDED))
    return found


def printed(evaluation: Evaluation) -> list[Table]:
    """The tables that a terminal shows below the first, when it shows all."""
    found = (part(evaluation, Shown("", "")) for part in (*OPEN, *FOLDED) if part.__name__ in PRINTED)
    return [table for each in found if each is not None for table in each.tables]


def in_words(evaluation: Evaluation) -> list[str]:
    """What a terminal says of it: the sentence, what to be careful about, and what some sections found."""

    def told(rows: Evaluation) -> list[str]:
        found = [part(rows, Shown("", "")) for part in (*OPEN, *FOLDED) if part.__name__ in TOLD]
        return [*warnings(rows), *(section.sentence for section in found if section is not None)]

    return [line for line in (sentence(evaluation), *everywhere(evaluation, told)) if line]


def everywhere(evaluation: Evaluation, say: Callable[[Evaluation], list[str]]) -> list[str]:
    """What is to be said of each data set, with its name where there are several."""
    alone = places(evaluation)
    every = [(f"{name}: {line}", line) for name, each in alone.items() for line in say(each)]
    return [line for _, line in every] if len(alone) < 2 else list(dict(every))


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
    environment.filters["base64"] = lambda text: base64.b64encode(text.encode()).decode()
    template = environment.from_string(files("affectml.page").joinpath("page.html.j2").read_text(encoding="utf-8"))
    head = {"title": title, "heading": heading, "about": about, "command": command}
    page = template.render(**head, caveats=caveats, warnings=warnings, sections=found, files=files_of)
    write_text(file, page)


def files_of(section: Section, table: Table) -> list[tuple[str, str, str]]:
    """A table as files: what kind it is, the file's name, its text."""
    name = f"{section.name}-{table.file_name}"
    return [("CSV", f"{name}.csv", table.to_csv()), ("LaTeX", f"{name}.tex", table.to_tex())]


def caveats(evaluation: Evaluation, shown: Shown) -> list[str]:
    """What a reader has to know before any figure."""
    from affectml.data import was_asked
    from affectml.encoders import TINY_SPEC

    info, data = shown.info, shown.dataset
    known = any(each.system == "oracle" for each in evaluation.figures) or (data is not None and data.truth is not None)
    demo = "This is the demo set: paintings drawn by code, judged by simulated people. Nothing here is about people."
    out = [demo, *([] if data is None else data.meta.notes)] if known else []
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
