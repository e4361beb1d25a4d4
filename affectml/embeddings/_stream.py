"""The one way from images to embeddings: read and resized in threads, encoded in batches, the unreadable set aside."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from operator import length_hint
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from affectml._progress import Counted, Say
from affectml.encoders import Encoder
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
PROBED = (3, 64)  # images that a probe compares, at least and at most
JOB_PER_PROBED = 100  # images of the job for each that a probe compares, so that it takes a small part of the time
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
    """A part of a stream.

    items: those that could be read. rows: their embeddings, float32 [len(items), dim]. bad: each other item with the
    reason, which does not repeat its name.
    """

    items: list[Item]
    rows: NDArray[np.float32]
    bad: list[tuple[Item, str]] = field(default_factory=list)


_Ahead = tuple[list[Item], list[tuple[Item, str]], list[Future[NDArray[np.float32]]]]  # items, unreadable, rows


def embedded(
    encoder: Encoder,
    items: Iterable[Item],
    *,
    batch_size: int | None = None,
    decode_threads: int | None = None,
    normalised: bool = True,
    padded: bool = False,
    prefer: str | None = None,
    bar: Counted | None = None,
    say: Say = lambda line: None,
) -> Generator[Batch[Item], None, None]:
    """Embeddings of images, in their order; one that cannot be read stops nothing and changes no other's batch.

    `items` is taken from as the work proceeds, and the pixels of a few batches are in memory at once. An encoder of
    precision auto is settled by the first images (`Encoder.try_faster`).

    Args:
        encoder: what embeds them.
        items: anything with `name` and `read()`.
        batch_size: readable images per batch; the last has what is left. None is 16 on a CPU, 64 elsewhere. On a CPU
            the last is encoded in parts of a quarter of that, whatever the number of threads.
        decode_threads: threads that read and resize; None takes as many as encode, at least two.
        normalised: divide each row by its norm.
        padded: encode the last images with copies of the last one: at least four on a CPU, a whole batch elsewhere.
            Then the last bits of a row do not depend on where a batch ends, as those of what is kept should not. A
            single image takes up to four times as long.
        prefer: the way (`Ran.way`) that earlier images of the same job were embedded in.
        bar: moved on as batches are done.
        say: called with what an encoder of precision auto was settled to.

    Yields:
        Batches, of which the last may hold unreadable items alone.

    Raises:
        EncoderUnavailable: values that are not finite came out.
    """
    size = batch_size or (BATCH_SIZE if encoder.device == "cpu" else GPU_BATCH_SIZE)
    waiting, trial = iter(items), None
    if not encoder.is_settled(prefer):
        probed = min(max(PROBED[0], length_hint(items, UNKNOWN) // JOB_PER_PROBED), PROBED[1])
        if encoder.try_faster(prefer, say=say):
            waiting = trial = _Trial(encoder, waiting, probed, say)
    how = (size, decode_threads, normalised, padded, bar)
    try:
        yield from _encoded(encoder, waiting, trial, *how)
    except _NotKept:
        yield from _encoded(encoder, waiting, None, *how)
    finally:
        if trial is not None and trial.open:
            encoder.withdraw()


def _encoded(
    encoder: Encoder,
    waiting: Iterator[Item],
    trial: "_Trial[Item] | None",
    size: int,
    decode_threads: int | None,
    normalised: bool,
    padded: bool,
    bar: Counted | None,
) -> Generator[Batch[Item], None, None]:
    """As `embedded`, by what the encoder is set to. Raises _NotKept, before it yields, where a trial ends so."""
    import torch

    threads = encoder.stream_threads
    least = (LEAST if encoder.device == "cpu" else size) if padded else 1
    lanes = min(threads, LANES) if encoder.device == "cpu" else 1
    decoders = decode_threads or max(2, threads)
    before = torch.get_num_threads()
    ahead: deque[_Ahead[Item]] = deque()
    try:
        with (
            _pool(decoders, "decode", 1) as decode,
            _pool(lanes, "encode", 1 if encoder.device == "cpu" else before) as encode,
        ):
            for batch, pixels, bad, last in _batches(encoder, waiting, size, decode, size + 2 * decoders):
                if trial is not None:
                    trial.compare(batch, encode)
                part = max(1, size // LAST_PARTS) if last and encoder.device == "cpu" else size
                starts = range(0, len(pixels), part)
                rows = [
                    encode.submit(_rows, encoder, pixels[start : start + part], normalised, least) for start in starts
                ]
                del pixels
                ahead.append((batch, bad, rows))
                if len(ahead) > lanes and trial is not None and trial.full:
                    trial.concluded(ahead)
                    trial = None
                while len(ahead) > lanes and trial is None:
                    yield _done(encoder, ahead.popleft(), bar)
            if trial is not None:
                trial.concluded(ahead)
            while ahead:
                yield _done(encoder, ahead.popleft(), bar)
    finally:
        torch.set_num_threads(before)  # the pools' threads have set what new threads start with


class _NotKept(Exception):
    """What was on trial was not kept: the images have to be embedded anew."""


class _Trial(Generic[Item]):
    """The items of a job, the first of which are embedded in fp32 as well: does the way on trial agree with it?

    An iterator. Once the answer is no, it gives all the items again. The rows of a way that is kept are those of any
    other job: it is compared on batches as they come.
    """

    def __init__(self, encoder: Encoder, items: Iterator[Item], wanted: int, say: Say) -> None:
        self.open = True
        self._encoder, self._items, self._wanted, self._say = encoder, items, wanted, say
        self._taken: list[Item] = []
        self._compared = 0
        self._exact: list[Future[tuple[list[int], Tensor | None]]] = []
        self._labels: Future[Tensor | None] | None = None

    def __iter__(self) -> "Iterator[Item]":
        return self

    def __next__(self) -> Item:
        item = next(self._items)
        if self.open:
            self._taken.append(item)
        return item

    @property
    def full(self) -> bool:
        """Whether as many images as are wanted are compared."""
        return self._compared == self._wanted

    def compare(self, batch: list[Item], pool: ThreadPoolExecutor) -> None:
        """Embed the first of a batch in fp32, as far as they are wanted."""
        some = batch[: self._wanted - self._compared]
        self._compared += len(some)
        if some:
            self._exact.append(pool.submit(_exact_rows, self._encoder, some))
            self._labels = self._labels or pool.submit(self._encoder.label_rows)

    def concluded(self, batches: "Iterable[_Ahead[Item]]") -> None:
        """Compare; raises _NotKept where the way on trial is not kept. batches: those compared come first."""
        import torch

        fast, exact = [], []
        for (batch, _, parts), future in zip((each for each in batches if each[0]), self._exact, strict=False):
            places, true = future.result()
            if true is None:
                continue
            try:
                rows = torch.cat([torch.from_numpy(part.result()) for part in parts])
            except EncoderUnavailable:  # values that are not finite
                rows = torch.full((len(batch), self._encoder.dim), torch.nan)
            fast.append(rows[places])
            exact.append(true)
        self.open = False
        if exact and self._labels is not None:
            labels = self._labels.result()
            kept = self._encoder.conclude(torch.cat(fast), torch.cat(exact), labels, say=self._say)
        else:
            self._encoder.withdraw()
            kept = not self._compared  # where nothing can be read, there is nothing to embed anew
        if not kept:
            self._items = chain(self._taken, self._items)
            raise _NotKept
        self._taken.clear()


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
    encoder: Encoder, items: Iterator[Item], size: int, pool: ThreadPoolExecutor, window: int
) -> "Iterator[tuple[list[Item], list[Tensor], list[tuple[Item, str]], bool]]":
    """`size` readable items at a time, their pixels, the unreadable ones met on the way, and whether that was all."""
    reading: deque[tuple[Item, Future[Tensor | str]]] = deque()

    def read_on() -> bool:
        for item in islice(items, window - len(reading)):
            reading.append((item, pool.submit(_pixels, encoder, item, encoder.reduces_jpeg, encoder.pixel_type)))
        return bool(reading)

    while read_on():
        batch: list[Item] = []
        pixels: list[Tensor] = []
        bad: list[tuple[Item, str]] = []
        while len(batch) < size and read_on():
            item, future = reading.popleft()
            found = future.result()
            if isinstance(found, str):
                bad.append((item, found))
            else:
                batch.append(item)
                pixels.append(found)
        yield batch, pixels, bad, not read_on()


def _exact_rows(encoder: Encoder, items: Sequence[Readable]) -> "tuple[list[int], Tensor | None]":
    """Which of the items can be read whole, and their rows by fp32; None for no item."""
    import torch

    found = [(place, _pixels(encoder, item, False, torch.float32)) for place, item in enumerate(items)]
    whole = [(place, pixels) for place, pixels in found if not isinstance(pixels, str)]
    rows = encoder.exact(torch.stack([pixels for _, pixels in whole])) if whole else None
    return [place for place, _ in whole], rows


def _pixels(encoder: Encoder, item: Readable, reduced: bool, digits: "torch.dtype") -> "Tensor | str":
    """What the encoder takes, or the reason why there is none."""
    try:
        image = item.read(2 * max(encoder.image_size)) if reduced else item.read()
        return encoder.preprocess(image).to(digits)
    except BadInput as error:
        return str(error).removeprefix(f"{item.name}: ")
    except Exception as error:  # a size that the transform cannot resize
        return f"cannot be prepared ({(str(error) or type(error).__name__).splitlines()[0]})"


def _rows(encoder: Encoder, pixels: "list[Tensor]", normalised: bool, least: int) -> NDArray[np.float32]:
    import torch

    batch = torch.stack(pixels + pixels[-1:] * (least - len(pixels)))
    rows: NDArray[np.float32] = encoder.rows(batch, normalised=normalised)[: len(pixels)].numpy()
    return rows


def _done(encoder: Encoder, oldest: "_Ahead[Item]", bar: Counted | None) -> Batch[Item]:
    items, bad, rows = oldest
    none = np.empty((0, encoder.dim), dtype=np.float32)
    done = Batch(items, np.concatenate([none, *(part.result() for part in rows)]), bad)
    if bar is not None:
        bar.advance(len(items) + len(bad))
    return done
