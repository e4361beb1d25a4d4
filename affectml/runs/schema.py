"""run.json as a pydantic model: what a run says of itself, with each field documented."""

import os
import platform
from collections.abc import Collection
from functools import partial
from importlib.metadata import version
from typing import Annotated, Any, Final, Literal, NotRequired

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from typing_extensions import TypedDict

from affectml._version import __version__
from affectml.encoders.identity import DECLARED, EncoderIdentity
from affectml.encoders.ran import processor
from affectml.errors import BadInput
from affectml.runs.config import TrainConfig

SCHEMA: Final = 2
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True, ge=0)]
Text = Annotated[str, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
PACKAGES = ("numpy", "open_clip_torch", "pandas", "scikit-learn", "torch", "torchmetrics")


class Energy(TypedDict):
    """What a training cost, and how that was had."""

    by: Text
    how: Text
    measured: Flag
    kwh: Number


class Parameters(TypedDict):
    """Numbers of the head and of the encoder."""

    trained: Count
    frozen: Count | None
    share: Number | None


class ShiftFacts(TypedDict):
    """Whether a promise's ground has shifted; None: that cannot be seen."""

    found: Flag | None
    words: Text


class PromiseFacts(TypedDict):
    """What sets promise, in words, and what that rests on."""

    promise: Annotated[Text, Field(pattern=r"^(recall|extra|precision)=[.\d]+$")]
    words: Text
    made_on: Text
    unit: NotRequired[Text]
    spread: NotRequired[Number]
    without_choices: NotRequired[Count]
    probability: NotRequired[Number]
    column: NotRequired[Text | None]
    shift: NotRequired[ShiftFacts]


class Finding(TypedDict):
    """What holds beyond chance: of which system, and the words that follow its name."""

    system: Text
    words: Text


class SubgroupFacts(TypedDict):
    """How parts of the images and people were compared, and what was found."""

    rules: dict[str, Text]
    tests: Count
    columns: dict[str, Text]
    findings: list[Finding]


class LevelFacts(TypedDict):
    """A coarser taxonomy that the answers were judged in."""

    labels: list[Text]
    images: Count
    mass: Number
    lines: list[Text]


class Facts(TypedDict):
    """facts.json of a run, as far as a reader relies on it."""

    split: Text
    n: Count
    space: Text
    kind: Literal["single", "sets", "rates", "distribution"]
    labels: list[Text]
    people: Text | None
    first: Literal["model"]
    rules: dict[str, Text | Number]
    findings: list[Finding]
    warnings: list[Text]
    split_notes: list[Text]
    prior_set: NotRequired[list[Text]]
    levels: NotRequired[dict[str, LevelFacts]]
    subgroups: NotRequired[SubgroupFacts]
    promise: NotRequired[PromiseFacts]
    learning_curve: NotRequired[list[Number]]


def problem(error: ValidationError) -> str:
    """The first problem and where it is, in a line."""
    first = error.errors()[0]
    where = [".".join(map(str, first["loc"]))] if first["loc"] else []
    return ": ".join([*where, first["msg"].removeprefix("Value error, ")])


def of_form(kind: Any, content: Any) -> Any:
    """The content as it is; raises ValueError that says in a line what is not of the form."""
    try:
        TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        raise ValueError(problem(error)) from None
    return content


def _identity(content: dict[str, Any]) -> dict[str, Any]:
    """As it is; raises ValueError where it is no EncoderIdentity."""
    try:
        EncoderIdentity.from_json(content, "the encoder")
    except BadInput as error:
        raise ValueError(str(error)) from None
    return content


@dataclass(frozen=True, kw_only=True)
class DataInfo:
    """The data set that a run learned from."""

    name: str = Field(description="The data set's name, from its dataset.json.")
    construct: Literal["evoked", "expressed", "intended", "query"] = Field(
        description="What the labels are about: evoked, expressed, intended or query."
    )
    question: str = Field(default="", description="What people were asked, word for word.")
    target: str | None = Field(default=None, description="The target learned; null for weights from elsewhere.")
    kind: Literal["single", "sets", "rates", "distribution"] = Field(description="The target's kind.")
    fingerprint: dict[str, str] = Field(
        default_factory=dict,
        description="What `evaluate` knows the run's own data by: sha256 of contents, of the images that "
        "have the target. target: kind, labels, numbers, people asked; split: the split column; images: sizes of the "
        "image files in bytes, absent where one is missing.",
    )


@dataclass(frozen=True, kw_only=True)
class EncoderInfo:
    """The encoder behind the features."""

    specs: list[str] = Field(description="Names to load it by; none for features made elsewhere.")
    identity: Annotated[dict[str, Any], AfterValidator(_identity)] = Field(
        description="Architecture, weights' sha256, preprocessing, precision: see EncoderIdentity."
    )
    ran: list[dict[str, Any]] = Field(
        default_factory=list,
        description="What computed the features, where that is known: precision, backend, device; see Ran.",
    )

    @property
    def name(self) -> str:
        """What pages call it."""
        identity = EncoderIdentity.from_json(self.identity, "the encoder")
        return self.specs[0] if self.specs and identity.precision != DECLARED else identity.name


@dataclass(frozen=True, kw_only=True)
class SplitInfo:
    """How the images were parted."""

    notes: list[str] = Field(default_factory=list, description="How the split was made, in words.")
    images: dict[str, Count] = Field(default_factory=dict, description="How many images each part has.")


@dataclass(frozen=True, kw_only=True)
class HeadInfo:
    """What was trained."""

    name: str = Field(description="The head's name, as in head.json.")
    report: dict[str, Any] = Field(default_factory=dict, description="What its fit chose and measured.")


@dataclass(frozen=True, kw_only=True)
class PromptsInfo:
    """The texts of heads that compare images with texts."""

    kinds: list[str] = Field(
        default_factory=lambda: ["sentiment"], description="sentiment, synonyms, captions: any mix."
    )
    templates: list[str] = Field(default_factory=list, description="What labels are put into; none: the taxonomy's.")


@dataclass(frozen=True, kw_only=True)
class PriorInfo:
    """What the prior says of every image."""

    shares: list[float] = Field(description="Each label's share among the training images.")
    set: list[int] | None = Field(default=None, description="Its label set as 0/1; null where it has none.")


@dataclass(frozen=True, kw_only=True)
class BetaInfo:
    """The Beta prior of each label's rate, fitted on the training images, by which votes become sets."""

    alpha: list[float] = Field(description="Of each label.")
    beta: list[float] = Field(description="Of each label.")


@dataclass(frozen=True, kw_only=True)
class HardwareInfo:
    """The machine."""

    machine: str | None = Field(default=None, description="Its architecture, such as x86_64.")
    processor: str | None = Field(default=None, description="Its processor's name.")
    cores: int | None = Field(default=None, description="How many processors it has.")


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """run.json."""

    schema: Literal[2] = Field(default=SCHEMA, description="The version of this file's form.")
    command: str | None = Field(default=None, description="What repeats the run; null in a shared run.")
    at: str | None = Field(default=None, description="When it was written, UTC; null in a shared run.")
    config: TrainConfig = Field(description="What was asked for, with every choice made: see TrainConfig.")
    threads: int | None = Field(default=None, description="Threads that torch had; null for weights from elsewhere.")
    data: DataInfo = Field(description="The data set that it learned from.")
    taxonomy: dict[str, Any] = Field(description="The labels, as a taxonomy file's content.")
    encoder: EncoderInfo = Field(description="The encoder behind the features.")
    split: SplitInfo = Field(default_factory=SplitInfo, description="How the images were parted.")
    head: HeadInfo = Field(description="What was trained.")
    prompts: PromptsInfo = Field(default_factory=PromptsInfo, description="The texts of heads that use texts.")
    prior: PriorInfo | None = Field(default=None, description="The prior's answer; null for weights from elsewhere.")
    beta_prior: BetaInfo | None = Field(default=None, description="The prior of rates by votes; null without counts.")
    seconds: dict[str, float] = Field(
        default_factory=dict, description="embed, fit, evaluate, learning_curve where asked for, and total."
    )
    energy: Annotated[dict[str, Any], AfterValidator(partial(of_form, Energy))] | None = Field(
        default=None, description="kwh, with how they were had: see affectml.footprint. Null: not metered."
    )
    parameters: Annotated[dict[str, Any], AfterValidator(partial(of_form, Parameters))] | None = Field(
        default=None,
        description="trained: numbers that the head keeps from training; frozen: those of the encoder's image tower, "
        "null where not known; share: the first over both. Null for weights from elsewhere.",
    )
    versions: dict[str, str] = Field(default_factory=dict, description="Of Python, affectml and what it stands on.")
    hardware: HardwareInfo = Field(default_factory=HardwareInfo, description="The machine.")

    @property
    def several(self) -> bool:
        """Whether several labels of an image may hold, each at a rate of its own: a target of rates or of sets."""
        return self.data.kind in ("rates", "sets")

    def to_json(self, without: Collection[str] = ()) -> dict[str, Any]:
        """Plain values in the file's order, less the keys in `without`."""
        content: dict[str, Any] = _ADAPTER.dump_python(self, mode="json", exclude=set(without))
        return content

    @classmethod
    def from_json(cls, content: Any) -> "RunInfo":
        """What `to_json` gave; raises pydantic's ValidationError."""
        return _ADAPTER.validate_python(content)


_ADAPTER = TypeAdapter(RunInfo)


def surroundings() -> dict[str, Any]:
    """Versions and hardware, for run.json."""
    return {
        "versions": {
            "python": platform.python_version(),
            "affectml": __version__,  # of this code; the installed metadata may be of another
            **{name: version(name) for name in PACKAGES},
        },
        "hardware": {"machine": platform.machine(), "processor": processor(), "cores": os.cpu_count()},
    }
