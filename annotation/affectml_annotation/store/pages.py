"""The pages of a torn SQLite file, read by the documented format (sqlite.org/fileformat2.html) and without SQLite.

A page is whole where every cell on it is: none overlap, and each row is as long as it says. Damage by whole pages, as
disks and interrupted copies leave it, is seen by that. A changed letter in a row is not: SQLite keeps checksums of its
write-ahead log alone.
"""

import mmap
import struct
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

MAGIC = b"SQLite format 3\0"
LOG_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")  # checksums of little-endian, of big-endian numbers
LEAF, INTERIOR = 0x0D, 0x05  # of tables
INDEXES = (INDEX_LEAF, INDEX_INTERIOR) = (0x0A, 0x02)
PAGE_SIZES = [1 << power for power in range(9, 17)]
USUAL_SIZE = 4096
LENGTHS = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)  # of values, by serial type
Value = int | float | str | bytes | None
Row = tuple[int, list[Value]]  # rowid, values


class Torn(Exception):
    """A page is not whole."""


class Pages:
    """The newest committed state of every page: that of the write-ahead log where it has one, else the file's.

    size: bytes of a page. count: pages of the database, as far as it says so; last: the last page that is there.
    older: earlier states of pages that the log has newer, or torn. read: pages that were understood so far.
    """

    def __init__(self, file: Path) -> None:
        there, beside = file.stat().st_size, Path(f"{file}-wal")
        with file.open("rb") as handle:
            self._file = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) if there else b""
        log = beside.read_bytes() if beside.is_file() else b""
        said = _number(self._file, 16, 2) if self._file[:16] == MAGIC else 0
        sizes = [size for size in (65536 if said == 1 else said, _number(log, 8)) if size in PAGE_SIZES]
        self.size = sizes[0] if sizes else USUAL_SIZE
        self.count = -(-there // self.size)
        self.older: list[bytes] = []
        self.read: set[int] = set()
        self._log: dict[int, bytes | None] = {}
        if len(log) > 32:
            self._lay(log)
        first = self.get(1) or b""
        headed = first.startswith(MAGIC)
        self._usable = self.size - (first[20] if headed else 0)
        self._first_free = _number(first, 32) if headed else 0
        if headed and not self._log and first[24:28] == first[92:96]:
            self.count = max(self.count, _number(first, 28))
        self.last = min(self.count, max([there // self.size, *self._log]))

    def _lay(self, log: bytes) -> None:
        """Lay the committed frames of a write-ahead log over the file, as far as their checksums say they are whole.

        A frame's checksum goes on from the one before, by which frames after a torn one can still be told.
        """
        order = ">" if log[:4] == LOG_MAGIC[1] else "<"
        seed = _checksum(order, (0, 0), log[:24])
        sound = log[:4] in LOG_MAGIC and struct.pack(">II", *seed) == log[24:32]
        salt = log[16:24] if sound else b""
        pending: list[tuple[int, bytes | None]] = []
        for at in range(32, len(log) - self.size - 23, 24 + self.size):
            page = log[at + 24 : at + 24 + self.size]
            sums = (_number(log, at + 16), _number(log, at + 20))
            whole = _checksum(order, _checksum(order, seed, log[at : at + 8]), page) == sums
            seed = sums
            if not salt and whole:  # the log's own header is torn
                salt = log[at + 8 : at + 16]
            if log[at + 8 : at + 16] != salt:
                continue
            pending.append((_number(log, at), page if whole else None))
            if whole and (count := _number(log, at + 4)):
                for number, state in pending:
                    self.older += [before for before in (self.get(number),) if before]
                    self._log[number] = state
                pending, self.count = [], count

    def get(self, number: int) -> bytes | None:
        """The newest state of a page; None where it is cut off, or torn in the log."""
        if number in self._log:
            return self._log[number]
        page = self._file[(number - 1) * self.size : number * self.size]
        return page if len(page) == self.size else None

    def kind(self, number: int) -> int:
        """What a page says it is: LEAF, INTERIOR, one of INDEXES or nothing of these; -1 for one that is not there."""
        page = self.get(number)
        return -1 if page is None else page[_start(number)]

    def rows(self, number: int) -> list[Row]:
        """The rows of a leaf of a table; raises Torn for a page that is none, or not whole.

        A row that goes on on other pages is left out where those are torn.
        """
        page = self.get(number)
        if page is None or self.kind(number) != LEAF:
            raise Torn
        found = self._rows(page, _start(number))
        self.read.add(number)
        return found

    def older_rows(self) -> Iterator[list[Row]]:
        """The rows of every earlier state of a leaf, without those that go on on other pages, which have changed."""
        for page in self.older:
            with suppress(Torn):
                yield self._rows(page, 0, alone=True) if page[0] == LEAF else []

    def leaves(self, root: int) -> tuple[list[int], bool]:
        """The leaves of the table that has this root, in order, and whether none can be missing."""
        found, whole, seen, todo = [], True, {root}, [root]
        while todo:
            number = todo.pop()
            try:
                children = self._children(number) if self.kind(number) == INTERIOR else []
            except Torn:
                children = []
            if children:
                self.read.add(number)
            elif self.kind(number) == LEAF:
                found.append(number)
            else:
                whole = False
            todo += [child for child in reversed(children) if child not in seen]
            seen.update(children)
        return found, whole

    def free(self) -> set[int]:
        """The pages whose rows were deleted: those on the list of free pages, which is known by its form."""
        found: set[int] = set()
        for number in range(2, self.last + 1):
            page = self.get(number) or b"\xff" * 8
            many = _number(page, 4)
            if _number(page, 0) <= self.count and many < self._usable // 4 and (many or number == self._first_free):
                listed = {*struct.unpack(f">{many}I", page[8 : 8 + 4 * many])} if many <= self._usable // 4 - 2 else {0}
                if len(listed) == many and all(1 < each <= self.count for each in listed):
                    found |= {number, *listed}
        return found

    def look_at_indexes(self) -> None:
        """Look at what holds no rows of a table as well, so that `read` has all that is whole."""
        for number in range(2, self.last + 1):
            if self.kind(number) in INDEXES:
                with suppress(Torn):
                    self._cells(self.get(number) or b"", 0)
                    self.read.add(number)

    def _cells(self, page: bytes, start: int) -> list[int]:
        """Where the cells of a page begin."""
        first = start + (12 if page[start] in (INTERIOR, INDEX_INTERIOR) else 8)
        count, content = _number(page, start + 3, 2), _number(page, start + 5, 2) or 65536
        found = [_number(page, at, 2) for at in range(first, min(first + 2 * count, self._usable), 2)]
        if not first + 2 * count <= content <= self._usable or any(
            not content <= at <= self._usable - 4 for at in found
        ):
            raise Torn
        return found

    def _children(self, number: int) -> list[int]:
        """The pages below a page of a table."""
        page, start = self.get(number) or b"", _start(number)
        children = [_number(page, at) for at in (*self._cells(page, start), start + 8)]
        if any(not 1 < child <= self.count for child in children):
            raise Torn
        return children

    def _rows(self, page: bytes, start: int, *, alone: bool = False) -> list[Row]:
        found, spans, ids = list[Row](), [], []
        for at in self._cells(page, start):
            many, after = _varint(page, at)
            rowid, after = _varint(page, after)
            payload, end = self._payload(page, after, many, alone=alone)
            ids.append(rowid)
            spans.append((at, end))
            if payload is not None:
                found.append((rowid, _record(payload)))
        if ids != sorted({*ids}) or any(end > at for (_, end), (at, _) in pairwise(sorted(spans))):
            raise Torn
        return found

    def _payload(self, page: bytes, at: int, many: int, *, alone: bool) -> tuple[bytes | None, int]:
        """A row's bytes, None where the pages on which they go on are torn, and where it ends on its page."""
        here, room, most = many, self._usable - 4, self._usable - 35
        if many > most:
            least = (self._usable - 12) * 32 // 255 - 23
            here = least + (many - least) % room
            here = here if here <= most else least
        left, end = many - here, at + here + (4 if here < many else 0)
        if end > self._usable or many < 0:
            raise Torn
        parts, used = [page[at : at + here]], []
        following = _number(page, end - 4) if left else 0
        while left and not alone and any(over := self.get(following) or b""):  # a row's text has no page of zeros
            used.append(following)
            parts.append(over[4 : 4 + min(left, room)])
            following, left = _number(over, 0), left - len(parts[-1])
        if left or following:
            return None, end
        self.read.update(used)
        return b"".join(parts), end


def _number(data: bytes | mmap.mmap, at: int, long: int = 4) -> int:
    return int.from_bytes(data[at : at + long])


def _start(number: int) -> int:
    return 100 if number == 1 else 0  # after the file's header


def _checksum(order: str, seed: tuple[int, int], data: bytes) -> tuple[int, int]:
    one, two = seed
    words = iter(struct.unpack(f"{order}{len(data) // 4}I", data[: len(data) // 4 * 4]))
    for word in words:
        one = one + word + two & 0xFFFFFFFF
        two = two + next(words) + one & 0xFFFFFFFF
    return one, two


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A whole number of one to nine bytes, and where it ends."""
    value = 0
    for place, byte in enumerate(data[at : at + 9], at + 1):
        if place == at + 9:
            return (value << 8 | byte) - (value >> 55 << 64), place
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place
    raise Torn


def _record(data: bytes) -> list[Value]:
    """The values of a row; raises Torn where they are not as long as its header says, or a text is none."""
    end, at = _varint(data, 0)
    kinds, values = [], list[Value]()
    while at < end:
        kind, at = _varint(data, at)
        kinds.append(kind)
    if at != end or any(kind < 0 or kind in (10, 11) for kind in kinds):
        raise Torn
    for kind in kinds:
        part = data[at : at + (LENGTHS[kind] if kind < 12 else (kind - 12) // 2)]
        at += LENGTHS[kind] if kind < 12 else (kind - 12) // 2
        if at > len(data):
            raise Torn
        if kind in (0, 8, 9):
            values.append({0: None, 8: 0, 9: 1}[kind])
        elif kind == 7:
            values.append(struct.unpack(">d", part)[0])
        elif kind < 12:
            values.append(int.from_bytes(part, signed=True))
        elif kind % 2 == 0:
            values.append(part)
        else:
            try:
                values.append(part.decode())
            except UnicodeDecodeError:
                raise Torn from None
    if at != len(data):
        raise Torn
    return values
