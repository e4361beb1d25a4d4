"""One self-contained page, made of sections."""

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from affectml._files import write_text
from affectml.judging.answers import SystemAnswers
from affectml.judging.figures import Evaluation
from affectml.page.section import Page, Section, Shown, called, sentence_of
from affectml.page.sections import FOLDED, ONCE, OPEN
from affectml.page.sections.overview import sentence
from affectml.page.tables import Table, empty_words, places, which_images

if TYPE_CHECKING:
    from affectml.runs import RunFolder
    from affectml.training import Judged, Writers

WITHOUT = "pictures of images need the data set: add --on"
OF_SEVERAL = "pictures of images need one data set alone: give --on once"
PRINTED = ("every_score", "differences", "promise", "by_person", "bias", "levels", "places", "data_sets")
TOLD = ("disagreement", "promise", "by_person", "bias", "subgroups")  # whose sentences a terminal prints as well
MISSING = {"person": "How far people agree is not known", "label_set": "There are no label sets"}


def write_report(evaluation: Evaluation, shown: Shown, file: Path) -> Path:
    """Write the page of an evaluation, and return its file. Text from the data is escaped; it loads nothing."""
    page, several = Page.of(evaluation, shown), len(places(evaluation)) > 1
    about = [*([] if several else [which_images(page)]), *shown.about]
    about += [] if shown.dataset is not None else [OF_SEVERAL if "datasets" in page.facts else WITHOUT]
    known = [*caveats(page), *everywhere(page, missing)]
    write_page(
        file, sections(page), replace(shown, about=tuple(about)), caveats=known, warnings=everywhere(page, warnings)
    )
    return file


def write_of_run(run: "RunFolder", judged: "Judged") -> None:
    """Write the page of a training into the run's folder."""
    truth = judged.prepared.test
    place = (truth.labels, truth.image_id, "test")
    answers = {name: SystemAnswers.of(answer, *place) for name, answer in judged.answers.items()}
    shown = Shown.of_run(run.info, dataset=judged.prepared.plan.dataset, answers=answers, truth=truth)
    write_report(judged.evaluation, shown, run.folder / "report.html")


WRITERS: "Writers" = {"report.html": write_of_run}
"""What a training writes besides its own files: see `affectml.training.write`."""


def sections(page: Page) -> list[Section]:
    """The sections that these rows hold, in the page's order; of several data sets one below the other, folded."""
    parts, alone = [], places(page)
    bare = replace(page.shown, info=None, dataset=None)
    for part in (*OPEN, *FOLDED):
        several = len(alone) > 1 and part not in ONCE
        every = {f"{name}: ": Page.of(one_page, bare) for name, one_page in alone.items()} if several else {"": page}
        for at, (start, one_page) in enumerate(every.items()):
            if (made := part(one_page)) is not None:
                made = replace(made, heading=f"{start}{made.heading}", name=f"{made.name}{f'-{at}' * several}")
                parts.append(replace(made, folded=several or part in FOLDED))
    return parts


def printed(evaluation: Evaluation) -> list[Table]:
    """The tables that a terminal shows below the first, when it shows all."""
    return [table for section in _made(evaluation, PRINTED) for table in section.tables]


def terminal_lines(evaluation: Evaluation) -> list[str]:
    """What a terminal says of it: the sentence, why people have no row, what to be careful about, what was found."""
    page = Page.of(evaluation)
    lines = everywhere(page, lambda part: [*warnings(part), *(section.sentence for section in _made(part, TOLD))])
    no_people = [line for line in everywhere(page, missing) if MISSING["person"] in line]
    return [line for line in (sentence(page), *no_people) if line] + lines


def _made(evaluation: Evaluation, names: Sequence[str]) -> Iterator[Section]:
    """Some sections without what stands beside figures."""
    made = (part(Page.of(evaluation)) for part in (*OPEN, *FOLDED) if part.__name__ in names)
    return (section for section in made if section is not None)


def everywhere(page: Page, say: Callable[[Page], list[str]]) -> list[str]:
    """What is to be said of each data set, with its name where there are several."""
    alone = places(page)
    every = {f"{name}: {line}": line for name, part in alone.items() for line in say(Page.of(part)) if line}
    return list(every if len(alone) > 1 else every.values())


def write_page(
    file: Path, found: Sequence[Section], head: Shown, *, caveats: Sequence[str] = (), warnings: Sequence[str] = ()
) -> None:
    """Write a page of sections, the first of them under the heading.

    caveats: what to know before any figure; the first is open, the others folded. warnings: always open.
    """
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["base64"] = lambda text: base64.b64encode(text.encode()).decode()
    template = environment.from_string(files("affectml.page").joinpath("page.html.j2").read_text(encoding="utf-8"))
    write_text(file, template.render(head=head, caveats=caveats, warnings=warnings, sections=found))


def warnings(page: Page) -> list[str]:
    """What to be careful about in these figures, a sentence each."""
    rules, labels, whose = page.facts.get("rules", {}), page.facts.get("labels", ()), called(page.first)
    told = [rules[name] for name in ("stopping", "languages") if name in rules]
    paths = (line if ":" in line else f"labels: {line}" for line in page.facts.get("lines", ()))
    told = [*page.facts.get("warnings", ()), *told, *paths]
    size, words = page.get("labels_per_set", page.first), empty_words(page)
    if size is not None and labels and size.value > len(labels) / 2:
        told.append(f"{whose}'s sets hold {size.value:.1f} of {len(labels)} labels on average: they rule little out")
    told += [words] if words else []
    if made := page.facts.get("promise"):
        told.append(f"{whose}'s sets are cut to keep a promise ({made['promise']}), not for the best score")
    named = {*page.facts.get("systems", ()), *(figure.dataset for figure in page.figures)}
    names = tuple(f"{name}{end}" for name in named for end in (" ", ":"))
    lines = [str(line).rstrip(".") for line in told]
    return [f"{line}." if line.startswith(names) else sentence_of([line]) for line in lines]  # names stay as they are


def missing(page: Page) -> list[str]:
    """Which figures are not there, and why."""
    reasons, votes = [], page.here(metric="label_f1_judgements", system="person", against="rest", label=None)
    for name, words in page.facts.get("rules", {}).items():
        start, _, why = str(words).partition(": ")
        why += "; how far they do label by label is" * bool(votes and name == "person")
        if start in ("not available", "none"):
            reasons.append(f"{MISSING.get(name, f'There is no {name}')}: {why}.")
        elif start == "not finite":
            reasons.append(f"{name} is infinite for {why}.")
    return reasons


def caveats(page: Page) -> list[str]:
    """What a reader has to know before any figure."""
    from affectml.data import was_asked
    from affectml.encoders import TINY_SPEC

    info, data = page.shown.info, page.shown.dataset
    known = any(figure.system == "oracle" for figure in page.figures) or (data is not None and data.truth is not None)
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
