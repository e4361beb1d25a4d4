"""The one way from images to embeddings: read and resized in threads, encoded in batches, the unreadable set aside."""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from affectml._progress import Progress
from affectml.encoders import Encoder
from affectml.errors import BadInput

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

BATCH_SIZE = 64
DECODE_THREADS = 2
BATCHES_AHEAD = 2  # read while one is encoded: what is in memory at once, however many images there are


class Readable(Protocol):
    """An image that can be read: `affectml.pictures.Picture`, or an image of a data set."""

    @property
    def name(self) -> str:
        """What a user knows it by: its path."""

    def read(self) -> "Image.Image":
        """Its pixels as upright RGB; raises BadInput where it cannot be read whole."""


Item = TypeVar("Item", bound=Readable)


@dataclass(frozen=True, eq=False)
class Batch(Generic[Item]):
    """Neighbouring items of a stream.

    items: those that could be read. rows: their embeddings, float32 [len(items), dim]. bad: each other item with the
    reason, which does not repeat its name.
    """

    items: list[Item]
    rows: NDArray[np.float32]
    bad: list[tuple[Item, str]] = field(default_factory=list)


def embedded(
    encoder: Encoder,
    items: Iterable[Item],
    *,
    batch_size: int = BATCH_SIZE,
    decode_threads: int | None = None,
    normalised: bool = True,
    bar: Progress | None = None,
) -> Generator[Batch[Item], None, None]:
    """Embeddings of images, in their order; one that cannot be read stops nothing.

    `items` is taken from as the work proceeds, and the pixels of a few batches are in memory at once.

    Args:
        encoder: what embeds them.
        items: anything with `name` and `read()`.
        batch_size: items per batch; the last has what is left. The last bits of an embedding depend on it.
        decode_threads: threads that read and resize; None takes `DECODE_THREADS`.
        normalised: divide each row by its norm.
        bar: moved on as batches are done.

    Yields:
        Batches, of which one may hold unreadable items alone.

    Raises:
        EncoderUnavailable: values that are not finite came out.
    """
    waiting = iter(items)
    ahead: deque[tuple[list[Item], list[Future[Tensor | str]]]] = deque()
    pool = ThreadPoolExecutor(decode_threads or DECODE_THREADS, thread_name_prefix="decode")
    try:
        while True:
            while len(ahead) <= BATCHES_AHEAD and (batch := list(islice(waiting, batch_size))):
                ahead.append((batch, [pool.submit(_pixels, encoder, item) for item in batch]))
            if not ahead:
                return
            batch, futures = ahead.popleft()
            done = _encoded(encoder, batch, [future.result() for future in futures], normalised)
            del futures  # their pixels
            if bar is not None:
                bar.advance(len(batch))
            yield done
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _pixels(encoder: Encoder, item: Readable) -> "Tensor | str":
    """What the encoder takes, or the reason why there is none."""
    try:
        return encoder.preprocess(item.read())
    except BadInput as error:
        return str(error).removeprefix(f"{item.name}: ")
    except Exception as error:  # a size that the transform cannot resize
        return f"cannot be prepared ({(str(error) or type(error).__name__).splitlines()[0]})"


def _encoded(encoder: Encoder, batch: list[Item], pixels: "list[Tensor | str]", normalised: bool) -> Batch[Item]:
    import torch

    items: list[Item] = []
    good: list[Tensor] = []
    bad: list[tuple[Item, str]] = []
    for item, each in zip(batch, pixels, strict=True):
        if isinstance(each, str):
            bad.append((item, each))
        else:
            items.append(item)
            good.append(each)
    if not good:
        return Batch(items, np.empty((0, encoder.dim), dtype=np.float32), bad)
    rows: NDArray[Any] = encoder.encode_pixels(torch.stack(good), normalised=normalised).numpy()
    return Batch(items, rows, bad)
