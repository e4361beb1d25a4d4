"""What computed embeddings, on which machine: their provenance, which is no part of an encoder's identity."""

import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectml.encoders.identity import spoken

if TYPE_CHECKING:
    from torch import Tensor

COSINE, ORDER = 0.999, 0.99  # what a fast way must reach
TIE = 1e-3  # cosines of two labels that are closer than this have no order
_WITHOUT_BFLOAT16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI")  # oneDNN's names


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


def processor() -> str:
    """The processor's name; Linux has it only in /proc/cpuinfo."""
    return cpuinfo("model name") or platform.processor() or "unknown"


def fast_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 faster than float32, as far as it tells.

    Instructions that ONEDNN_MAX_CPU_ISA keeps from the library that torch multiplies by count as not there.
    """
    left_out = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in _WITHOUT_BFLOAT16
    return not left_out and bool({"avx512_bf16", "amx_bf16"} & set(cpuinfo("flags").split()))


def cpuinfo(key: str) -> str:
    """The first line of /proc/cpuinfo with this key, "" where there is none."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.partition(":")[0].strip() == key:
                return line.partition(":")[2].strip()
    return ""
