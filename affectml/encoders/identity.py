"""What makes two encoders the same: everything that changes the numbers, and nothing that does not."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, PositiveInt, TypeAdapter, ValidationError

from affectml.errors import BadInput

Activation = Literal["quickgelu", "gelu"]


@dataclass(frozen=True)
class EncoderIdentity:
    """The identity of a set of embeddings; two sets may be mixed when their identities are equal.

    architecture: open_clip's name, `affect-tiny`, or `custom-HASH` of a model configuration without a name.
    weights_sha256: of the weights file. activation: what the loaded model runs, not what its name says.
    preprocessing: size, mean, std, interpolation, resize mode. precision: one of `PRECISIONS`; auto is whatever
    agreed with fp32 on the machine at hand, and what that was is provenance (`Ran`): it differs between equal ones.
    normalised: rows have L2 norm 1. dim: columns. has_text: texts can be encoded too.

    Imported embeddings have `source_sha256` (of the file they came from) instead of weights: their
    architecture is `imported-NAME`, activation is None, precision the file's dtype.
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

    @property
    def fingerprint(self) -> str:
        """sha256 over all fields: equal for equal identities, on any machine."""
        canonical = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def slug(self) -> str:
        """Folder name below `embeddings/`: readable, and different for every identity of an encoder."""
        if self.source_sha256 is not None:
            return _plain(self.architecture)
        return f"{_plain(self.architecture)}-{_plain(self.precision)}-{self.fingerprint[:10]}"

    def may_use(self, other: "EncoderIdentity") -> bool:
        """Whether embeddings by `other` serve where this one's are asked for: its own, and fp32's for auto."""
        return self == other or (self.precision == "auto" and replace(self, precision="fp32") == other)

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` reads them back."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

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


def _plain(name: str) -> str:
    """A name that every file system takes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "unnamed"
