"""What makes two encoders the same: everything that changes the numbers, and nothing that does not.

And what computed embeddings, on which machine: their provenance, which is no part of an encoder's identity.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from pydantic import ConfigDict, PositiveInt, TypeAdapter, ValidationError

from affectml.errors import BadInput, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

COSINE, ORDER = 0.999, 0.99  # what a fast way must reach
TIE = 1e-3  # cosines of two labels that are closer than this have no order
# What `--precision` takes -> what files call it: open_clip's names. Stores of before hold open_clip's own bf16 and
# fp16, which round in other places, under these names, and OpenVINO's rows under openvino.
PRECISIONS: Final[Mapping[str, str]] = {"auto": "auto", "fp32": "fp32", "bf16": "pure_bf16", "fp16": "pure_fp16"}
_SPOKEN: Final = {"pure_bf16": "bf16", "pure_fp16": "fp16", "bf16": "mixed bf16", "fp16": "mixed fp16"}

DECLARED: Final = "declared"  # the precision of embeddings made elsewhere, by an encoder that their owner names
Activation = Literal["quickgelu", "gelu"]


@dataclass(frozen=True)
class EncoderIdentity:
    """The identity of a set of embeddings; two sets may be mixed when their identities are equal.

    architecture: open_clip's name, `affect-tiny`, or `custom-HASH` of a model configuration without a name.
    weights_sha256: of the weights file. activation: what the loaded model runs, not what its name says.
    preprocessing: size, mean, std, interpolation, resize mode. precision: as files call one of `PRECISIONS`, or one
    that is computed no more; auto is whatever agreed with fp32 on the machine at hand, and what that was is provenance
    (`Ran`): it differs between equal ones.
    normalised: rows have L2 norm 1. dim: columns. has_text: texts can be encoded too.

    Imported embeddings have `source_sha256` (of the file they came from) instead of weights: their
    architecture is `imported-NAME`, activation is None, precision the file's dtype. Where their owner says what made
    them, its spec is the architecture, and all that is known; checked: whether photographs agree, which makes no other.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    architecture: str
    weights_sha256: str | None
    activation: Activation | None
    preprocessing: Mapping[str, Any] = field(hash=False)
    precision: str
    normalised: bool
    dim: PositiveInt
    has_text: bool
    source_sha256: str | None = None
    checked: bool | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """What pages and tables call it."""
        said = f" (declared, {'' if self.checked else 'not '}checked)" if self.precision == DECLARED else ""
        return f"{self.architecture}{said}"

    @property
    def fingerprint(self) -> str:
        """sha256 over all fields: equal for equal identities, on any machine."""
        canonical = json.dumps(replace(self, checked=None).to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def slug(self) -> str:
        """Folder name below `embeddings/`: readable, and different for every identity of an encoder."""
        if self.source_sha256 is not None:
            return _plain(self.architecture)
        return f"{_plain(self.architecture)}-{_plain(self.precision)}-{self.fingerprint[:10]}"

    def may_use(self, other: "EncoderIdentity") -> bool:
        """Whether embeddings by `other` serve where this one's are asked for.

        Its own do, and fp32's for auto and for a precision that is computed no more. Where neither weights nor a source
        are known, names are compared, and of a declared one, which its spec loads, the columns alone.
        """
        if self.weights_sha256 is None and self.source_sha256 is None:
            known = ("dim",) if self.precision == DECLARED else ("architecture", "activation", "dim")
            return all(getattr(self, name) == getattr(other, name) for name in known)
        by_fp32 = self.precision == "auto" or not is_computed(self.precision)
        return self == other or (by_fp32 and replace(self, precision="fp32") == other)

    def same_texts(self, other: "EncoderIdentity") -> bool:
        """Whether both make the same of texts, which are in fp32 where images are so in either, see `may_use`."""
        return self.may_use(other) or other.may_use(self)

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` reads them back."""
        content = {key: value for key, value in asdict(self).items() if key != "checked" or value is not None}
        return json.loads(json.dumps(content))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, content: Mapping[str, Any], where: str = "encoder.json") -> "EncoderIdentity":
        """Read an identity back.

        Args:
            content: what `to_json` gave.
            where: the file, for messages.

        Raises:
            BadInput: a key is absent or unknown, or has a value that cannot be; names it.
        """
        try:
            return _ADAPTER.validate_json(json.dumps(content), strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            said = ": ".join([*map(str, first["loc"]), first["msg"]])
            raise BadInput(f"{where}: {said}; is it an encoder.json of affectml's?") from None


_ADAPTER = TypeAdapter(EncoderIdentity)


def kept_as(precision: str) -> str:
    """The name in files of a precision that somebody asks for. Raises BadInput if it does not exist."""
    if precision not in PRECISIONS:
        hint = did_you_mean(precision, PRECISIONS)
        raise BadInput(f"no precision {precision!r}{hint} (one of {', '.join(PRECISIONS)})")
    return PRECISIONS[precision]


def is_computed(kept: str) -> bool:
    """Whether a precision, as files call it, can still be computed: OpenVINO's and open_clip's mixed ones cannot."""
    return kept in PRECISIONS.values()


def to_load(kept: str) -> str:
    """What `load_encoder` takes for a precision as files call it; fp32 for one that is computed no more."""
    return next((name for name, file in PRECISIONS.items() if file == kept), "fp32")


def spoken(kept: str) -> str:
    """How messages call a precision of a file."""
    return _SPOKEN.get(kept, kept)


def _plain(name: str) -> str:
    """A name that every file system takes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "unnamed"


@dataclass(frozen=True)
class Agreement:
    """How embeddings made a fast way compare with fp32's of the same images, decoded in full.

    images: how many. cosine: the least of theirs. order: the share of images whose zero-shot order of labels is the
    same: no two labels whose fp32 cosines differ by more than `TIE` change places. None without a text tower.
    """

    images: int
    cosine: float
    order: float | None

    @classmethod
    def of(cls, rows: "Tensor", exact: "Tensor", texts: "Tensor | None") -> "Agreement":
        """Compare rows of norm 1, [N, D], on texts' rows [T, D]."""
        cosine = float((rows.double() * exact.double()).sum(dim=1).min())
        order = None
        if texts is not None:
            fast, true = rows.double() @ texts.double().T, exact.double() @ texts.double().T
            apart = true[:, :, None] - true[:, None, :]
            swapped = (apart > TIE) & (fast[:, :, None] - fast[:, None, :] < 0)
            order = float((~swapped.flatten(start_dim=1).any(dim=1)).double().mean())
        return cls(len(rows), round(cosine, 6), None if order is None else round(order, 4))

    @property
    def agrees(self) -> bool:
        """Whether the fast way may take the place of fp32."""
        return self.cosine >= COSINE and (self.order is None or self.order >= ORDER)

    def __str__(self) -> str:
        images = "1 image" if self.images == 1 else f"{self.images} images"
        order = "no text tower to compare labels with"
        if self.order is not None:
            order = f"labels in the same order for {self.order * 100:.4g} %"
        return f"{images}: cosine to fp32 at least {self.cosine:.6f}, {order}"


@dataclass(frozen=True)
class Ran:
    """What computed an embedding.

    precision: as files call it, see `EncoderIdentity`. backend: torch, and openvino of what was made before 0.3.
    device: torch's name. processor: its name. reduced_jpeg: whether large JPEG files were decoded at a reduced scale,
    see `read_image`. versions: of the libraries whose arithmetic it is. parameters: numbers in the image tower; None
    where not counted. Threads are not among these: they change no bit.
    """

    precision: str
    backend: str
    device: str
    processor: str
    reduced_jpeg: bool
    versions: Mapping[str, str]
    parameters: int | None = None

    def __str__(self) -> str:
        return f"{spoken(self.precision)} by {self.backend} on {self.device}"

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` reads them back."""
        return {**asdict(self), "versions": dict(self.versions)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Ran":
        """Read one back. Raises TypeError if it is not one.

        Files of before also have how many threads there were and how the way was chosen, which say nothing of the rows.
        """
        return cls(**{name: value for name, value in content.items() if name not in ("threads", "probe")})
