"""The words of a request: what is asked, in which wordings, and in which form to answer."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affectml.answers._config import Answer
from affectml.errors import BadInput, option

QUESTIONS = {
    "evoked": "What does this image make you feel?",
    "expressed": "What do the people in this image seem to feel?",
    "intended": "What did the maker of this image want people to feel?",
    "query": "Which of these words describes the feeling of this image?",
}
PEOPLE = 20  # of whom shares are asked: as many as MultiEmo-Bench asked about each image (arXiv 2605.14635)


@dataclass(frozen=True)
class Form:
    """The form of an answer. one: whether each person chooses one label."""

    answer: Answer
    one: bool

    def wording(self, question: str) -> str:
        """The question that people were asked, and what to do with the labels."""
        if self.answer == "ranking":
            return f"{question}\nRank all labels."
        if self.answer == "shares":
            rule = "chooses one" if self.one else "may choose several, or none"
            people = f"Of {PEOPLE} people who look at this image, how many would choose each label?"
            return f"People are asked: {question}\n{people} Each {rule}."
        fits = "the one label that fits best" if self.one else "every label that applies; several may, or none"
        return f"{question}\nChoose {fits}."

    def prompt(self, wording: str, labels: Sequence[str]) -> str:
        """The words of a request: the wording with the labels in or below it, and what the answer's JSON holds."""
        listed = ", ".join(labels)
        asked = wording.replace("{labels}", listed) if "{labels}" in wording else f"{wording}\nLabels: {listed}"
        of = f"of {PEOPLE} people would choose it{f', {PEOPLE} in all' if self.one else ''}"
        form = {
            "sets": f'{{"labels": [...]}}, with the {"one label" if self.one else "labels, or [] if none applies"}',
            "shares": f'{{"LABEL": NUMBER, ...}}, with every label and how many {of}',
            "ranking": '{"ranking": [...]}, with all labels, from the most to the least fitting',
        }
        return f"{asked}\nAnswer with JSON only: {form[self.answer]}."

    def schema(self, labels: Sequence[str]) -> dict[str, Any]:
        """The JSON schema of an answer: closed, all of it required, and without limits of numbers and lengths, for
        which Azure, Anthropic and Groq refuse a request.
        """
        items = {"type": "array", "items": {"type": "string", "enum": list(labels)}}
        fields: dict[str, dict[str, Any]] = {
            "sets": {"labels": items},
            "shares": {label: {"type": "integer"} for label in labels},
            "ranking": {"ranking": items},
        }
        held = fields[self.answer]
        return {"type": "object", "properties": held, "required": list(held), "additionalProperties": False}


def read_wordings(path: Path) -> list[str]:
    """The wordings of a file: texts apart by lines of three dashes.

    Raises:
        BadInput: for a file that cannot be read, and for an empty or a repeated wording.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{option('wording', str(path))}: cannot be read as UTF-8 text ({error})") from None
    found = [each.strip() for each in re.split(r"^---[ \t]*$", text, flags=re.MULTILINE)]
    if not all(found):
        raise BadInput(f"{path}: expected wordings apart by lines of ---, none of them empty")
    if twice := next((each for each in found if found.count(each) > 1), None):
        raise BadInput(f"{path}: a wording is there twice: {twice[:60]!r}")
    return found
