"""The stream of images: every row its image's, nothing stops it, and little of it is in memory at once."""

import threading
from dataclasses import dataclass

import numpy as np
import torch

from affectml.embeddings import embedded
from affectml.encoders import load_encoder
from affectml.errors import BadInput

from .checks import noise


@dataclass(frozen=True)
class Noise:
    """An image of its own for every number; multiples of 7 cannot be read."""

    number: int

    @property
    def name(self):
        return f"{self.number}.png"

    def read(self, at_least=0):
        if self.number % 7 == 0:
            raise BadInput(f"{self.name}: not an image")
        return noise(self.number)


def several(numbers):
    return [Noise(number) for number in numbers]


def test_a_stream_that_is_left_leaves_torch_as_it_was(encoder):
    at_start: list[int] = []
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        stream = embedded(encoder, [several(range(1, 200))], batch_size=5)
        next(stream)
        stream.close()
        thread = threading.Thread(target=lambda: at_start.append(torch.get_num_threads()))
        thread.start()
        thread.join()
    finally:
        torch.set_num_threads(before)
    assert at_start == [3]


def test_rows_belong_to_their_items_and_the_unreadable_are_named(encoder):
    batches = list(embedded(encoder, [several(range(1, 24))], batch_size=5))
    assert [len(batch.items) for batch in batches] == [5, 5, 5, 5]
    unreadable = [(item.number, why) for batch in batches for item, why in batch.bad]
    assert unreadable == [(number, "not an image") for number in (7, 14, 21)]
    items = [item for batch in batches for item in batch.items]
    assert [item.number for item in items] == [n for n in range(1, 24) if n % 7]
    wanted = encoder.encode_images([item.read() for item in items]).numpy()
    np.testing.assert_allclose(np.concatenate([batch.rows for batch in batches]), wanted, atol=1e-6)


def test_a_batch_of_unreadable_items_has_no_rows(encoder):
    (batch,) = embedded(encoder, [several((0, 7))])
    assert (batch.items, batch.rows.shape, len(batch.bad)) == ([], (0, encoder.dim), 2)
    assert list(embedded(encoder, [])) == list(embedded(encoder, [[]])) == []


def test_no_batch_has_images_of_two_parts(encoder):
    numbers = [list(range(1, 8)), [9, 14, 21], [14, 21], [22, 23, 24]]  # the last of some cannot be read
    found = list(embedded(encoder, map(several, numbers), batch_size=3))
    each = [[item.number for item in batch.items] + [item.number for item, _ in batch.bad] for batch in found]
    assert each == [[1, 2, 3], [4, 5, 6], [7], [9, 14, 21], [14, 21], [22, 23, 24]]


def test_padded_rows_do_not_depend_on_where_a_batch_ends():
    tiny = load_encoder("affect-tiny", threads=1)
    items = [Noise(7 * i + 1) for i in range(32)]
    whole = np.concatenate([batch.rows for batch in embedded(tiny, [items], batch_size=16, padded=True)])
    for count in (1, 2, 3, 5, 18):
        parts = [items[:count], items[count:]]
        some = np.concatenate([batch.rows for batch in embedded(tiny, parts, batch_size=16, padded=True)])
        np.testing.assert_array_equal(some, whole)


def test_threads_end_with_the_stream(encoder):
    def decoding():
        return [thread for thread in threading.enumerate() if thread.name.startswith("decode")]

    stream = embedded(encoder, [several(range(1, 1000))], batch_size=4)
    next(stream)
    threads = decoding()
    assert threads
    stream.close()
    for thread in threads:
        thread.join(timeout=300)
    assert not any(thread.is_alive() for thread in threads)
