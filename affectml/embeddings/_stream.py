"""The one way from images to embeddings: read and resized in threads, encoded in batches, the unreadable set aside."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice, tee
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from affectml._progress import Progress, Say
from affectml.encoders import Encoder
from affectml.encoders.images import first_line
from affectml.errors import BadInput, EncoderUnavailable

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from torch import Tensor

BATCH_SIZE = 16  # on a CPU as fast as any, and small enough to share out
GPU_BATCH_SIZE = 64
LAST_PARTS = 4  # of the last batch on a CPU, so that no thread waits long for another at the end
LEAST = 4  # images at once on a CPU, whose last bits are then those of any more: MKL computes 1 to 3 rows another way
LANES = 64  # batches that are encoded at once, at most; each by one thread on a CPU
COMPARED = 3  # images of the first batch that a fast way and fp32 both embed, at least
JOB_PER_COMPARED = 100  # images of the job for each of these, so that they take a small part of the time
UNKNOWN = 1600  # images to come, where the caller does not know


class Readable(Protocol):
    """An image that can be read: `affectml.pictures.Picture`, or an image of a data set."""

    @property
    def name(self) -> str:
        """What a user knows it by: its path."""

    def read(self, at_least: int = 0) -> "Image.Image":
        """Its pixels as upright RGB; raises BadInput where it cannot be read whole. at_least: see `read_image`."""


Item = TypeVar("Item", bound=Readable)


@dataclass(frozen=True, eq=False)
class Batch(Generic[Item]):
    """Some neighbours of one part of a stream.

    items: those that could be read. rows: their embeddings, float32 [len(items), dim]. bad: each other item with the
    reason, which does not repeat its name.
    """

    items: list[Item]
    rows: NDArray[np.float32]
    bad: list[tuple[Item, str]] = field(default_factory=list)


_Ahead = tuple[list[Item], list[tuple[Item, str]], list[Future[NDArray[np.float32]]]]  # items, unreadable, rows
_Exact: TypeAlias = "tuple[list[int], Tensor, Tensor | None]"  # places in the batch, rows by fp32, those of the labels


def embedded(
    encoder: Encoder,
    parts: Iterable[Sequence[Item]],
    *,
    batch_size: int | None = None,
    decode_threads: int | None = None,
    images: int = UNKNOWN,
    normalised: bool = True,
    padded: bool = False,
    prefer: str | None = None,
    bar: Progress | None = None,
    say: Say = lambda line: None,
) -> Generator[Batch[Item], None, None]:
    """Embeddings of images, in their order; one that cannot be read stops nothing and changes no other's batch.

    A part is taken when its images are to be read, and the pixels of a few batches are in memory at once. An encoder of
    precision auto is settled by the first batch (`Encoder.try_faster`).

    Args:
        encoder: what embeds them.
        parts: anything with `name` and `read()`; no batch has images of two parts, so that what is made of a part does
            not depend on the others.
        batch_size: readable images per batch; a part's last has what is left. None is 16 on a CPU, 64 elsewhere. On a
            CPU the last of all is encoded in quarters of that, whatever the number of threads.
        decode_threads: threads that read and resize; None takes as many as encode, at least two.
        images: how many there are, as far as one knows: of many, more are compared with fp32.
        normalised: divide each row by its norm.
        padded: encode a part's last images with copies of the last one: at least four on a CPU, a whole batch
            elsewhere. Then the last bits of a row do not depend on where a batch ends, as those of what is kept should
            not. A single image takes up to four times as long.
        prefer: the precision (`Ran.precision`) that earlier images of the same job were embedded in.
        bar: moved on as batches are done.
        say: called with what an encoder of precision auto was settled to.

    Yields:
        Batches; the last of a part may hold unreadable items alone.

    Raises:
        EncoderUnavailable: values that are not finite came out.
    """
    size = batch_size or (BATCH_SIZE if encoder.device == "cpu" else GPU_BATCH_SIZE)
    how = (size, decode_threads, normalised, padded, bar, say)
    if encoder.is_settled(prefer) or not encoder.try_faster(prefer, say=say):
        yield from _encoded(encoder, iter(parts), 0, *how)
        return
    compared = max(COMPARED, images // JOB_PER_COMPARED)
    waiting, again = tee(parts)
    stream = _encoded(encoder, waiting, compared, *how)
    try:
        try:
            first = list(islice(stream, 1))
        except _NotKept:
            encoder.withdraw()
            first, stream = [], _encoded(encoder, again, 0, *how)
        del waiting, again  # else all items stay in memory
        with closing(stream):
            yield from first
            yield from stream
    finally:
        encoder.withdraw()


def _encoded(
    encoder: Encoder,
    waiting: Iterator[Sequence[Item]],
    compared: int,
    size: int,
    decode_threads: int | None,
    normalised: bool,
    padded: bool,
    bar: Progress | None,
    say: Say,
) -> Generator[Batch[Item], None, None]:
    """As `embedded`, by what the encoder is set to, which is on trial where images are to be compared with fp32.

    compared: so many of the first batch. Raises _NotKept, before it yields, where they do not agree.
    """
    import torch

    threads, on_cpu = encoder.stream_threads, encoder.device == "cpu"
    least = (LEAST if on_cpu else size) if padded else 1
    lanes = min(threads, LANES) if on_cpu else 1
    decoders = decode_threads or max(2, threads)
    before = torch.get_num_threads()
    ahead: deque[_Ahead[Item]] = deque()
    exact: Future[_Exact] | None = None

    def oldest() -> Batch[Item]:
        nonlocal exact
        if exact is not None:
            _conclude(encoder, ahead[0], exact.result(), say)
            exact = None
        return _done(encoder, ahead.popleft(), bar)

    try:
        with _pool(decoders, "decode", 1) as decode, _pool(lanes, "encode", 1 if on_cpu else before) as encode:
            for batch, pixels, bad, last in _batches(encoder, waiting, size, decode, size + 2 * decoders):
                if compared and batch:
                    exact, compared = encode.submit(_exact_rows, encoder, batch[:compared]), 0
                part = max(1, size // LAST_PARTS) if last and on_cpu else size
                some = [pixels[start : start + part] for start in range(0, len(pixels), part)]
                rows = [encode.submit(_rows, encoder, each, normalised, least) for each in some]
                del pixels, some
                ahead.append((batch, bad, rows))
                while len(ahead) > lanes:
                    yield oldest()
            while ahead:
                yield oldest()
    finally:
        torch.set_num_threads(before)  # the pools' threads have set what new threads start with


class _NotKept(Exception):
    """What was on trial was not kept: the images have to be embedded anew."""


@contextmanager
def _pool(workers: int, name: str, torch_threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that end with the block, without what is still to do; each has that many of torch's own."""
    import torch

    pool = ThreadPoolExecutor(workers, name, torch.set_num_threads, (torch_threads,))
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _batches(
    encoder: Encoder, parts: Iterator[Sequence[Item]], size: int, pool: ThreadPoolExecutor, window: int
) -> "Iterator[tuple[list[Item], list[Tensor], list[tuple[Item, str]], bool]]":
    """`size` readable items at a time, their pixels, the unreadable ones met on the way, and whether that was all."""
    reading: deque[tuple[Item, bool, Future[Tensor | str]]] = deque()
    items = ((item, at == len(part)) for part in parts for at, item in enumerate(part, start=1))

    def read_on() -> bool:
        for item, ends in islice(items, window - len(reading)):
            found = pool.submit(_pixels, encoder, item, encoder.reduces_jpeg, encoder.pixel_type)
            reading.append((item, ends, found))
        return bool(reading)

    while read_on():
        batch: list[Item] = []
        pixels: list[Tensor] = []
        bad: list[tuple[Item, str]] = []
        ends = False
        while len(batch) < size and not ends and read_on():
            item, ends, future = reading.popleft()
            found = future.result()
            if isinstance(found, str):
                bad.append((item, found))
            else:
                batch.append(item)
                pixels.append(found)
        yield batch, pixels, bad, not read_on()


def _exact_rows(encoder: Encoder, items: Sequence[Readable]) -> "_Exact":
    """Which of the items can be read again, their rows by fp32, and those of the labels; no place without a row."""
    import torch

    found = [(place, _pixels(encoder, item, False, torch.float32)) for place, item in enumerate(items)]
    whole = [(place, pixels) for place, pixels in found if not isinstance(pixels, str)]
    if not whole:
        return [], torch.empty(0, encoder.dim), None
    return [place for place, _ in whole], encoder.exact(torch.stack([p for _, p in whole])), encoder.label_rows()


def _conclude(encoder: Encoder, first: "_Ahead[Item]", exact: "_Exact", say: Say) -> None:
    """Raises _NotKept unless what is on trial gave the first batch rows that agree with fp32's."""
    import torch

    places, rows, labels = exact
    try:
        fast = torch.cat([torch.from_numpy(part.result()) for part in first[2]])[places]
    except EncoderUnavailable:  # values that are not finite
        fast = torch.full_like(rows, torch.nan)
    if not places or not encoder.conclude(fast, rows, labels, say=say):
        raise _NotKept


def _pixels(encoder: Encoder, item: Readable, reduced: bool, digits: "torch.dtype") -> "Tensor | str":
    """What the encoder takes, or the reason why there is none."""
    try:
        image = item.read(2 * max(encoder.image_size)) if reduced else item.read()
        return encoder.preprocess(image).to(digits)
    except BadInput as error:
        return str(error).removeprefix(f"{item.name}: ")
    except Exception as error:  # a size that the transform cannot resize
        return f"cannot be prepared ({first_line(error)})"


def _rows(encoder: Encoder, pixels: "list[Tensor]", normalised: bool, least: int) -> NDArray[np.float32]:
    import torch

    batch = torch.stack(pixels + pixels[-1:] * (least - len(pixels)))
    rows: NDArray[np.float32] = encoder.rows(batch, normalised=normalised)[: len(pixels)].numpy()
    return rows


def _done(encoder: Encoder, oldest: "_Ahead[Item]", bar: Progress | None) -> Batch[Item]:
    items, bad, rows = oldest
    none = np.empty((0, encoder.dim), dtype=np.float32)
    done = Batch(items, np.concatenate([none, *(part.result() for part in rows)]), bad)
    if bar is not None:
        bar.advance(len(items) + len(bad))
    return done
