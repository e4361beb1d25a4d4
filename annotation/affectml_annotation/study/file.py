"""The file of a labelling task: what people are asked, who they are, what they see, and how images are handed out.

A study is a task whose file says where strangers come from (`recruit`). An unknown key is an error that names the
nearest one.
"""

from ast import literal_eval
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from affectml_annotation.errors import BadTask, did_you_mean
from affectml_annotation.languages import PSEUDO, as_code, marked

FILE = "study.yaml"
# What people are asked, by what the labels are about, unless a task says otherwise.
QUESTIONS = {
    "evoked": marked("Which of these feelings does this image evoke in you? Choose all that apply, or none."),
    "expressed": marked("Which of these feelings does the person in this image show? Choose all that apply, or none."),
    "intended": marked("Which of these feelings did the maker of this image intend? Choose all that apply, or none."),
    "query": marked("Which of these words fit this image? Choose all that apply, or none."),
}
WARNING = marked(
    "Some of these images may show violence, injury, nudity or suffering. You may skip any image without giving a "
    "reason, stop at any time, and withdraw later: then none of your answers is used."
)
FORMER = ("blind_first", "control")  # keys of `page` in files of before, for second looks with a model's suggestion
UNSEEN = "debriefing_unseen"  # the text for who saw no image

Strategy = Literal["random", "fill", "stratified", "queue"]
About = Literal["", "evoked", "expressed", "intended", "query"]
Panel = Literal["prolific", "mturk", "sona", "links"]
PANELS = get_args(Panel)
Ending = Literal["completed", "screened_out", "timed_out", "quota_full", "no_consent"]
PHASES = ("before", "instructions", "practice", "start", "images", "after", "debriefing")  # once somebody has agreed
Unfinished = Literal["by_images", "all", "nothing"]
Status = Literal["completed", "screened_out", "timed_out", "quota_full", "left"]
# What a panel calls its ids in the address: a person's, the study's, and that of this one participation.
Id = Literal["person", "study", "session"]
IDS: dict[Panel | None, dict[Id, str]] = {
    None: {},
    "prolific": {"person": "PROLIFIC_PID", "study": "STUDY_ID", "session": "SESSION_ID"},
    "mturk": {"person": "workerId", "study": "hitId", "session": "assignmentId"},
    "sona": {"person": "survey_code"},
    "links": {},
}
# In other languages `study init` writes them as the catalogues have them.
BOXES = (marked("I am at least 18 years old."), marked("I have read this, and I take part of my own free will."))
FEEDBACK = marked("That is not what the instructions ask for here. Please read them again and try once more.")


Money = Annotated[Decimal, Field(ge=0, decimal_places=2, max_digits=8)]
Minutes = Annotated[float, Field(gt=0, le=60 * 24 * 14)]
Lease = Annotated[float, Field(gt=0, le=60 * 24 * 36_525)]
Whole = Annotated[int, Field(strict=True, le=1_000_000)]  # strict, since YAML's yes and no are no numbers
Count = Annotated[Whole, Field(ge=1)]
Words = Annotated[str, Field(min_length=1, max_length=2_000)]


def _language(said: str) -> str:
    code = as_code(said)
    if code is None or code == PSEUDO:
        raise ValueError(f"{said!r} is no language's code; write such as en, de, pt-BR or zh-Hant")
    return code


Language = Annotated[str, AfterValidator(_language)]
Languages = Annotated[tuple[Language, ...], Field(min_length=1)]


def key(default: Any, meaning: str, **limits: Any) -> Any:
    """A key of a file: its default, the comment that stands behind it, and what pydantic's Field takes besides."""
    return Field(default=default, description=meaning, **limits)


class Part(BaseModel):
    """Keys of a file of the study's. An unknown one is an error that names the nearest."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, values: Any) -> Any:
        for key in values if isinstance(values, dict) else ():
            if key not in cls.model_fields:  # which is quick to say of the keys of a file that is read at every turn
                known = [field.alias or name for name, field in cls.model_fields.items()]
                if key not in known:
                    raise ValueError(f"no key {key!r} here{did_you_mean(str(key), known)}")
        return values


def _refuse_twice(where: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{where}: {name!r} stands twice")


class Question(Part):
    """A question about the person. kind: choice (one of options), several (of options), scale, number or text."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")
    text: Words
    kind: Literal["choice", "several", "scale", "number", "text"]
    options: tuple[Words, ...] = ()
    low: float | None = None
    high: float | None = None
    low_label: str = Field(default="", max_length=200)
    high_label: str = Field(default="", max_length=200)
    required: bool = True
    share: bool = False

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.kind in ("choice", "several")) != bool(self.options):
            needs = "needs options" if not self.options else f"of kind {self.kind} takes no options"
            raise ValueError(f"question {self.id} {needs}")
        _refuse_twice(f"question {self.id}: options", self.options)
        if self.kind == "scale" and (self.low is None or self.high is None):
            raise ValueError(f"question {self.id}: a scale needs low and high, such as low: 1, high: 7")
        if self.kind != "scale" and (self.low_label or self.high_label):
            raise ValueError(f"question {self.id}: low_label and high_label stand at the ends of a scale alone")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"question {self.id}: low must be below high")
        return self


class Questions(Part):
    """Questions asked together."""

    order: Literal["fixed", "random"] = key("fixed", "or random: an order of each person's own")
    questions: tuple[Question, ...] = key(
        (),
        "a list of: id, text, kind (choice, several, scale, number, text), options, low, high, low_label, high_label "
        "(words at the ends of a scale), required, share (true: goes to annotators.parquet)",
    )


class Consent(Part):
    """What people agree to before anything is stored of them."""

    text: str = key("consent.md", "what people read and agree to; a file in this folder")
    version: str = key("", "what you or the ethics board call this version of it")
    boxes: tuple[Words, ...] = key(BOXES, "each must be ticked")


class Instructions(Part):
    """What people read before they begin, and beside the image."""

    text: str = key("instructions.md", "Markdown, in this folder; images as ![what it shows](IMAGE_ID)")
    links: tuple[str, ...] = key((), "addresses that a text may link to; any other link is plain text")


class Dictated(Part):
    """An image for which a text dictates the answer: these labels and no other.

    images: by language, the image that stands in its place for who reads that, with the same words in that language.
    """

    image: str
    labels: tuple[str, ...]
    images: dict[str, str] = {}


class Practice(Part):
    """Images that show whether the instructions were understood; never what somebody feels, never an answer."""

    images: tuple[Dictated, ...] = key((), "a list of: image, labels that it or the text dictates, images: {de: IMAGE}")
    feedback: Words = key(FEEDBACK, "shown after a miss")
    tries: int = key(2, "for each image; two at least", ge=2, le=10)
    must_pass: Count | None = key(None, "how many of the images; empty: all of them", alias="pass")

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.must_pass is not None and self.must_pass > len(self.images):
            raise ValueError(f"pass: {self.must_pass} of {len(self.images)} images cannot be")
        return self

    @property
    def needed(self) -> int:
        """How many images must be passed."""
        return len(self.images) if self.must_pass is None else self.must_pass


class Checks(Part):
    """Attention checks among the images. Agreement with others is never a check."""

    rate: float = key(0.0, "share of checks; in a study so many of images_per_person come on top", ge=0, lt=1)
    images: tuple[Dictated, ...] = key((), "a list of: image, labels that its text dictates, images (as above)")
    then: Literal["note", "warn", "end"] = key("note", "after failed ones: note, warn, or end with pay")
    failed: Count = key(2, "how many must be failed before that")


class Places(Part):
    """How many people, and how long a place waits for somebody who does nothing."""

    people: Count = key(50, "people in all, who complete it or are at it")
    minutes: Minutes = key(60, "a place is given back after so many minutes without a sign of the person")
    per_answer: dict[str, Count | dict[str, Count]] = key({}, "most people per answer to a question before: {age: 20}")


class Recruit(Part):
    """Where people come from, and what they are given to hand back there."""

    panel: Panel | None = key(None, "prolific, mturk, sona, or links (by affectml study links); empty: no study")
    study: str = key("", "the panel's id of this study, which the address must name")
    ids: dict[Id, str] = key({}, "what the address calls person, study and session, if not as the panel")
    codes: dict[Ending, str] = key({}, "completed, screened_out, timed_out, quota_full, no_consent; else one's own")
    return_to: str = key("", "address to return to; {code} and {person} are filled in")

    @property
    def names(self) -> dict[Id, str]:
        """What the ids are called in the address."""
        return IDS[self.panel] | self.ids


class Pay(Part):
    """What is due to whom. Nobody's answers decide about it."""

    currency: str = key("EUR", "three letters", pattern="^[A-Z]{3}$")
    per_person: Money = key(Decimal(0), "who completes it")
    per_screen_out: Money = key(Decimal(0), "who is screened out or finds the quota full")
    unfinished: Unfinished = key("by_images", "who left or was timed out: their share, rounded up; or all, or nothing")
    per_minute_over: Money = key(Decimal(0), "for each minute begun beyond those announced")
    most_minutes_over: int = key(60, "at most so many of those", ge=0)
    paid_by_panel: tuple[Status, ...] = key((), "whose fixed part the panel pays; `study pay --bulk` has the rest")


class Backups(Part):
    """Copies of the database that the page's server makes and keeps beside it."""

    hours: float = key(1, "one is made so many hours after the one before; 0: none", ge=0)
    keep: Count = key(24, "so many of the newest are kept")
    days: int = key(7, "of older ones the newest of each of so many days is kept", ge=0)


class LabelWords(Part):
    """What a label is called and what it means, in one language; empty: as the taxonomy has it."""

    model_config = ConfigDict(str_strip_whitespace=True)

    name: str = Field(default="", max_length=200)
    definition: str = Field(default="", max_length=20_000)


class Repeats(Part):
    """Images that a person sees a second time."""

    rate: float = key(0.0, "share of them among the images a person sees", ge=0, lt=1)
    gap: Count = key(20, "so many other images lie at least between an image and its repeat")


class Page(Part):
    """What the labelling page shows and asks for."""

    instructions: str = key("", "before the first image, and with the key ?; a study has a text")
    warning: str = key(WARNING, "what people may see; they agree to it before the first image")
    blur: bool = key(False, "images are blurred until somebody asks to see each one")
    seconds: float = key(0, "an image must be in sight so long first", ge=0, lt=86_400)
    intensity: bool = key(False, "ask how strongly, 1 to 3: the same key again")
    valence_arousal: bool = key(False, "ask how pleasant and how exciting, on a pad")
    valence_colours: bool = key(False, "colour pleasant and unpleasant labels, which primes people")
    show_original: bool = key(False, "show the data set's own single label")
    chips: Literal["random", "taxonomy"] = key("random", "order of the labels: each person's own, or the taxonomy's")


class Texts(Part):
    """The lead's texts in another language, of a task without a study; empty: ours, or as the file has it."""

    question: str = ""
    instructions: str = ""
    warning: str = ""


class Task(Part):
    """What a labelling task is, with or without strangers; a study is one that has a `recruit.panel`.

    `labels`, `question`, `construct`, `taxonomy` and `name` may be left out of a file: then the data set says them. A
    task that is set up has them all.

    >>> Task(labels=("awe", "fear"), question="What do you feel?").overlap
    3
    """

    schema_: Literal[2] = key(2, "of this file", alias="schema")
    name: str = key("", "of the task; empty: the data set's")
    languages: Languages = key(("en",), "the first is this file's; a study has study.de.yaml, consent.de.md ... too")
    dataset: str = key("", "the data set's folder, seen from this file's")
    target: str = key("", "the target whose labels people choose from; or name a taxonomy")
    taxonomy: str | dict[str, Any] = key("", "a built-in taxonomy, a YAML file in this folder, or its content")
    labels: tuple[str, ...] = key((), "that people choose from, in this order; empty: the taxonomy's, or the target's")
    words: dict[str, LabelWords] = key({}, "your own words for labels: {awe: {name: awe, definition: wonder and fear}}")
    about: About = key("", "of the labels: evoked, expressed or intended; empty: the data set's", alias="construct")
    question: str = key("", "what people are asked of each image; empty: the data set's own")
    texts: dict[Language, Texts] = key({}, "question, instructions and warning by language: {de: {question: ...}}")
    overlap: Count = key(3, "how many people answer each image")
    skips: Whole | None = key(None, "so many skips let one more see an image; empty: overlap", ge=0)
    strategy: Strategy = key("random", "order of images: random, fill (those begun first), stratified or queue")
    stratum: str = key("", "the column of images.parquet that stratified goes by")
    lease: Lease = key(15, "minutes that an image is held for somebody; in a study places.minutes")
    seed: int = key(0, "of every random choice", ge=-(2**63), lt=2**63)
    invited_only: bool = key(False, "only people on the list may label; else a name is enough")
    page: Page = Page()
    images_per_person: Count = key(50, "images each person labels; checks come on top")
    minutes_per_image: float = key(0.25, "how long one takes, for the time that is announced", gt=0, le=60)
    consent: Consent = Consent()
    before: Questions = Questions()
    instructions: Instructions = Instructions()
    practice: Practice = Practice()
    checks: Checks = Checks()
    repeats: Repeats = Repeats()
    breaks: float = key(45, "a break is suggested after so many minutes; 0: never", ge=0, lt=86_400)
    after: Questions = Questions()
    debriefing: str = key("debriefing.md", "what people read at the end; a file in this folder")
    debriefing_unseen: str = key("debriefing_unseen.md", "in its place for who saw no image; no such file: our text")
    help: tuple[Words, ...] = key((), "where to turn to: help lines, the lead's address; always in reach")
    recruit: Recruit = Recruit()
    places: Places = Places()
    pay: Pay = Pay()
    backups: Backups = Backups()
    keep_months: Count = key(120, "how long answers are kept; the panel's ids leave by `study pay OUT --forget`")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.question and not self.question.strip():
            raise ValueError("question: it is blank; write what people are asked")
        _refuse_twice("languages", self.languages)
        _refuse_twice("labels", self.labels)
        _refuse_twice("questions", [question.id for question in self.questions])
        _refuse_twice("practice and checks", self.dictated_images)
        choices = {question.id: question for question in self.before.questions if question.kind == "choice"}
        for name, most in self.places.per_answer.items():
            if name not in choices:
                raise ValueError(f"places: per_answer: no choice {name!r} before{did_you_mean(name, list(choices))}")
            for option in most if isinstance(most, dict) else ():
                if option not in choices[name].options:
                    raise ValueError(f"places: per_answer: {name}: no option {option!r} there")
        if self.recruit.study and "study" not in self.recruit.names:
            raise ValueError(f"recruit: study: an address from {self.recruit.panel} names no study; leave it empty")
        if self.checks.rate + self.repeats.rate >= 1:
            raise ValueError("checks: rate and repeats: rate leave no room for other images; make them less than 1")
        return self

    def but(self, **changes: Any) -> Self:
        """The same with other values of some keys; a dictionary changes those keys of a part that it names."""
        values = self.model_dump(by_alias=True)
        for name, value in changes.items():
            field = type(self).model_fields.get(name)
            key = (field and field.alias) or name
            part = isinstance(getattr(self, name, None), Part) and isinstance(value, Mapping)
            values[key] = {**values[key], **value} if part else value
        return parse_as(type(self), values, "the task")

    @property
    def is_study(self) -> bool:
        """Whether strangers take part."""
        return self.recruit.panel is not None

    @property
    def most_skips(self) -> int:
        """So many skips at an image let one more person see it."""
        return self.overlap if self.skips is None else self.skips

    @property
    def lease_seconds(self) -> float:
        """For so long an image is held for a person: in a study, as long as a place."""
        return 60 * (self.places.minutes if self.is_study else self.lease)

    @property
    def questions(self) -> tuple[Question, ...]:
        """All about the person, before and after."""
        return (*self.before.questions, *self.after.questions)

    @property
    def dictated(self) -> tuple[Dictated, ...]:
        """The images of practice and checks."""
        return (*self.practice.images, *self.checks.images)

    @property
    def dictated_images(self) -> list[str]:
        """Those images, in every language."""
        return [image for one in self.dictated for image in {one.image, *one.images.values()}]

    @property
    def check_count(self) -> int:
        """How many attention checks each person is given, on top of their images.

        No picture comes twice, no check first, and of two checks none right after the other.
        """
        images = self.images_per_person
        return min(round(self.checks.rate * images), len(self.checks.images), max(0, images - 1))

    @property
    def text_files(self) -> dict[str, str]:
        """What each text is called, and its file: consent, consent.de beside it, study.de for the short ones."""
        own = {
            "consent": self.consent.text, "instructions": self.instructions.text, "debriefing": self.debriefing,
            UNSEEN: self.debriefing_unseen,
        }  # fmt: skip
        paths = {name: PurePosixPath(file) for name, file in {**own, "study": FILE}.items()}
        return own | {
            f"{name}.{language}": str(path.with_suffix(f".{language}{path.suffix}"))
            for language in self.languages[1:]
            for name, path in paths.items()
        }

    @property
    def phases(self) -> tuple[str, ...]:
        """What a person goes through once they agreed, in order; what the file leaves empty is passed over."""
        untried = not self.practice.images
        empty = {"before": not self.before.questions, "practice": untried, "start": untried,
                 "after": not self.after.questions}  # fmt: skip
        return tuple(phase for phase in PHASES if not empty.get(phase))

    @property
    def steps(self) -> tuple[str, ...]:
        """The consent and the phases, as people count them: that the practice is over belongs to the images."""
        return ("consent", *(phase for phase in self.phases if phase != "start"))


def of_schema_2(content: Any) -> Any:
    """A file of schema 1, which was a study's, as one of now: `labels` had the words, and the panel was `links`."""
    if not isinstance(content, dict) or content.get("schema") != 1:
        return content
    recruit, overlap = content.get("recruit") or {}, content.get("overlap")
    now = {"recruit": {"panel": "links", **recruit} if isinstance(recruit, dict) else recruit, "schema": 2}
    if isinstance(overlap, dict) and "min" in overlap:  # images could stop early
        now["overlap"] = overlap["min"]
    if "labels" in content:
        now["words"] = content["labels"]
    return {key: value for key, value in content.items() if key != "labels"} | now


def changed_keys(before: Part, after: Part, place: str = "") -> list[str]:
    """The keys of a file that differ, as in `checks.rate`."""
    keys = []
    for name, field in type(before).model_fields.items():
        one, other, key = getattr(before, name), getattr(after, name), f"{place}{field.alias or name}"
        if isinstance(one, Part):
            keys += changed_keys(one, other, f"{key}.")
        elif one != other:
            keys.append(key)
    return keys


def parse(content: Any, where: str) -> Task:
    """The content of a task's file, checked. Raises BadTask with the first problem and where it is."""
    content = of_schema_2(content)
    if isinstance(content, dict) and isinstance(page := content.get("page"), dict):
        content = {**content, "page": {name: value for name, value in page.items() if name not in FORMER}}
    if isinstance(content, dict) and content.get("strategy") == "priority":  # of before 0.3.0: it had none to go by
        content = {**content, "strategy": "random"}
    return parse_as(Task, content, where)


# What pydantic says in Python's words.
_WANTED = {
    "tuple_type": "expected a list, such as [one, another]",
    "too_short": "expected a list with one thing in it at least, but it is empty",
    "model_type": "expected keys with values, such as {key: value}",
    "dict_type": "expected keys with values, such as {key: value}",
    "string_type": "expected a text; put it in quotes",
}
P = TypeVar("P", bound=Part)


def parse_as(kind: type[P], content: Any, where: str) -> P:
    """As `parse`, for another of the study's files."""
    if content is not None and not isinstance(content, dict):
        raise BadTask(f"{where}: expected keys with values, as `affectml study init` writes them")
    try:
        return kind.model_validate(content or {})
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"{part}: " for part in [".".join(map(str, first["loc"]))] if part)
        words = first["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
        if first["type"] != "value_error" and not isinstance(first["input"], list | dict):  # which may be endless
            words += f", but this is {first['input']!s:.40}"
        if first["type"] == "literal_error":
            known = [str(one) for one in literal_eval(f"[{first['ctx']['expected'].replace(' or ', ', ')}]")]
            words += did_you_mean(str(first["input"]), known)
        raise BadTask(f"{where}: {place}{_WANTED.get(first['type'], words)}") from None
