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
from affectml.encoders.threads import processor
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

    promise: Annotated[Text, Field(pattern=r"^(recall|extra)=[.\d]+$")]
    words: Text
    made_on: Text
    unit: NotRequired[Text]
    spread: NotRequired[Number]
    without_choices: NotRequired[Count]
    column: NotRequired[Text | None]
    shift: NotRequired[ShiftFacts]


class Finding(TypedDict):
    """A finding beyond chance: the system, and the words that follow its name."""

    system: Text
    words: Text


class SubgroupFacts(TypedDict):
    """How parts of the images were compared, and what was found."""

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
    """The data set that a run learned from.

    name: from its dataset.json. construct: what the labels are about. question: what people were asked, word for word.
    target, kind: the target learned, null for weights from elsewhere, and its kind. fingerprint: what `evaluate` knows
    the run's own data by, sha256 of contents, of the images that have the target. target: kind, labels, numbers, people
    asked; split: the split column; images: sizes of the image files in bytes, absent where one is missing.
    """

    name: str
    construct: Literal["evoked", "expressed", "intended", "query"]
    question: str = ""
    target: str | None = None
    kind: Literal["single", "sets", "rates", "distribution"]
    fingerprint: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EncoderInfo:
    """The encoder behind the features.

    specs: names to load it by; none for features made elsewhere. identity: architecture, weights' sha256,
    preprocessing, precision, see EncoderIdentity. ran: what computed the features, where that is known: precision,
    backend, device; see Ran.
    """

    specs: list[str]
    identity: Annotated[dict[str, Any], AfterValidator(_identity)]
    ran: list[dict[str, Any]] = Field(default_factory=list)

    @property
    def name(self) -> str:
        """What pages call it."""
        identity = EncoderIdentity.from_json(self.identity, "the encoder")
        return self.specs[0] if self.specs and identity.precision != DECLARED else identity.name


@dataclass(frozen=True, kw_only=True)
class SplitInfo:
    """How the images were parted: in words, and how many images each part has."""

    notes: list[str] = Field(default_factory=list)
    images: dict[str, Count] = Field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class HeadInfo:
    """What was trained: the head's name, as in head.json, and what its fit chose and measured."""

    name: str
    report: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PromptsInfo:
    """The texts of heads that compare images with texts.

    kinds: sentiment, synonyms or both. templates: what labels are put into; none: the taxonomy's.
    """

    kinds: list[str] = Field(default_factory=lambda: ["sentiment"])
    templates: list[str] = Field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class PriorInfo:
    """What the prior says of every image.

    shares: each label's share among the training images. set: its label set as 0/1; null where it has none.
    """

    shares: list[float]
    set: list[int] | None = None


@dataclass(frozen=True, kw_only=True)
class BetaInfo:
    """The Beta prior of each label's rate, fitted on the training images, by which votes become sets."""

    alpha: list[float]
    beta: list[float]


@dataclass(frozen=True, kw_only=True)
class HardwareInfo:
    """The machine: its architecture, such as x86_64, its processor's name, and how many processors it has."""

    machine: str | None = None
    processor: str | None = None
    cores: int | None = None


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """run.json.

    schema: the version of this file's form. command: what repeats the run. at: when it was written, UTC; both are null
    in a shared run. config: what was asked for, with every choice made. threads: those that torch had. taxonomy: the
    labels, as a taxonomy file's content. data, encoder, split, head, hardware: see these. prompts: the texts of heads
    that use texts. prior: what it says of every image. beta_prior: of rates by votes; null without counts. seconds:
    embed, fit, evaluate, and total. energy: what it cost, see `affectml.footprint`;
    null: not metered. parameters: trained, numbers that the head keeps from training; frozen, those of the encoder's
    image tower, null where not known; share, the first over both. versions: of Python, affectml and what it stands on.
    Of weights from elsewhere threads, prior and parameters are null.
    """

    schema: Literal[2] = SCHEMA
    command: str | None = None
    at: str | None = None
    config: TrainConfig
    threads: int | None = None
    data: DataInfo
    taxonomy: dict[str, Any]
    encoder: EncoderInfo
    split: SplitInfo = Field(default_factory=SplitInfo)
    head: HeadInfo
    prompts: PromptsInfo = Field(default_factory=PromptsInfo)
    prior: PriorInfo | None = None
    beta_prior: BetaInfo | None = None
    seconds: dict[str, float] = Field(default_factory=dict)
    energy: Annotated[dict[str, Any], AfterValidator(partial(of_form, Energy))] | None = None
    parameters: Annotated[dict[str, Any], AfterValidator(partial(of_form, Parameters))] | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    hardware: HardwareInfo = Field(default_factory=HardwareInfo)

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
