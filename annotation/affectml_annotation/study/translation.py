"""study.LANG.yaml: a study's short texts in another language than its own. What it leaves empty is said in that.

Answers stay the study's own words: an option is stored as study.yaml has it, whatever language it was read in.
"""

from collections.abc import Iterator

from pydantic import Field

from affectml_annotation.errors import BadTask, did_you_mean
from affectml_annotation.study.file import FILE, LabelWords, Part, Question, Task, Words


class Asked(Question):
    """A question in the language in which somebody reads it.

    options: in the study's own words, which are what is stored; shown: by option, the words that stand there for it.
    """

    shown: dict[str, str]


class QuestionWords(Part):
    """A question's words. options: by option of study.yaml, what stands there for it."""

    text: str = Field(default="", max_length=2_000)
    options: dict[str, Words] = Field(default={})
    low_label: str = Field(default="", max_length=200)
    high_label: str = Field(default="", max_length=200)


class ReadBy(Part):
    """Who has read the texts of this language, whose language it is, and when; empty for nobody."""

    consent: str = Field(default="", description="who read the consent and its boxes, and when; no study runs without")
    instructions: str = Field(default="", description="the same of the instructions")
    debriefing: str = Field(default="", description="of both debriefings")
    study: str = Field(default="", description="and of this file")

    def says(self, name: str) -> bool:
        """Whether somebody is said to have read this text."""
        return getattr(self, name).strip().lower() not in ("", "nobody")


class Translation(Part):
    """study.LANG.yaml."""

    read_by: ReadBy = Field(default=ReadBy(), description="such as: Anna Muster, 2026-05-04; and who wrote it")
    question: str = Field(default="", max_length=2_000, description="what people are asked of each image")
    boxes: tuple[Words, ...] = Field(default=(), description="of the consent, each, in the order of study.yaml")
    before: dict[str, QuestionWords] = Field(
        default={},
        description="questions by id: {age: {text: ..., options: {18-29: its words}}}, low_label, high_label",
    )
    after: dict[str, QuestionWords] = Field(default={}, description="in the same way")
    feedback: str = Field(default="", max_length=2_000, description="shown after a miss at practice")
    help: tuple[Words, ...] = Field(default=(), description="where to turn to, for who reads this language")
    labels: dict[str, LabelWords] = Field(
        default={}, description="words of your own for labels: {awe: {name: ..., definition: ...}}"
    )

    def check(self, file: Task, where: str) -> None:
        """Raises BadTask for words of what the study does not have."""
        for problem in self._problems(file):
            raise BadTask(f"{where}: {problem}")

    def _problems(self, file: Task) -> Iterator[str]:
        if self.boxes and len(self.boxes) != len(file.consent.boxes):
            count = len(file.consent.boxes)
            yield f"boxes: {FILE} has {count}, and here are {len(self.boxes)}; write each, in that order"
        for phase, asked, said in (("before", file.before, self.before), ("after", file.after, self.after)):
            questions = {question.id: question for question in asked.questions}
            for name, words in said.items():
                if name not in questions:
                    yield f"{phase}: no question {name!r} in {FILE}{did_you_mean(name, [*questions])}"
                    continue
                for option in words.options:
                    if option not in questions[name].options:
                        near = did_you_mean(option, questions[name].options)
                        yield f"{phase}: {name}: no option {option!r} in {FILE}{near}"
                if questions[name].kind != "scale" and (words.low_label or words.high_label):
                    yield f"{phase}: {name}: low_label and high_label stand at the ends of a scale alone"
                    continue
                shown = self.asked(questions[name]).shown
                if len(set(shown.values())) < len(shown):
                    yield f"{phase}: {name}: two options have the same words"

    def boxes_of(self, file: Task) -> dict[str, str]:
        """The consent's boxes in the study's own words, and what stands there for each."""
        return dict(zip(file.consent.boxes, self.boxes or file.consent.boxes, strict=True))

    def asked(self, question: Question) -> Asked:
        """A question as somebody reads it."""
        words = {**self.before, **self.after}.get(question.id, QuestionWords())
        shown = {option: words.options.get(option, option) for option in question.options}
        said = {name: getattr(words, name) or getattr(question, name) for name in ("text", "low_label", "high_label")}
        return Asked(**question.model_dump() | said, shown=shown)
