"""Long work in parts: each a file that is whole or absent, made by whichever process claims it first.

Any number of processes may do the same work at once, on one machine or on several that share the folder. None knows of
the others: each takes parts that nobody has made or claimed, and writes them so that the first whole one stays. A claim
is a file beside the part; it counts as long as its owner gives a sign of life. So a process that was killed costs the
part it had in hand, and nothing is merged afterwards.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from uuid import uuid4

from affectml._progress import Say
from affectml_annotation.exchange.files import take_left

SIZE = 1024  # images of a part
EXPIRES = 60.0  # seconds without a sign of life until a claim counts no more
BEAT = 10.0  # seconds between signs of life
LOOK = 0.5  # seconds between looks at parts that others make
CLAIM = ".claim"


class Claims:
    """This process's share of the parts of a job; a context manager, whose claims end with the block.

    Args:
        paths: the file of each part; a part that has none is still to be made.
        say: told once where there is nothing left to do but to wait for other processes.
    """

    def __init__(self, paths: Sequence[Path], say: Say = lambda line: None) -> None:
        self._paths, self._say = paths, say
        self._mine: set[Path] = set()
        self._seen: dict[Path, tuple[float, float]] = {}  # by claim: its last sign of life, and when it was first seen
        self._ended = threading.Event()

    def __enter__(self) -> "Claims":
        self._beating = threading.Thread(target=self._beat, daemon=True)
        self._beating.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._beating.join()
        self._give_back(list(self._mine))

    def rounds(self) -> Iterator[Iterator[int]]:
        """Until every part is there: the numbers of those that can be had now, each claimed when it is asked for.

        A round ends where all that is left is claimed by others, so that nobody waits with work in hand. There is no
        further one where the folder is gone: then somebody has made of the parts what they are for.
        """
        waited = False
        while left := [number for number, path in enumerate(self._paths) if not path.exists()]:
            if not self._paths[0].parent.exists():
                return
            took = False
            for number in (mine := self._claimed(left)):
                took = True
                yield chain([number], mine)
            if not took:
                if not waited:
                    self._say(f"waiting for {len(left):,} parts that other processes make")
                waited = True
                time.sleep(LOOK)

    def _claimed(self, left: Sequence[int]) -> Iterator[int]:
        for number in left:
            path = self._paths[number]
            self._give_back([claim for claim in self._mine if claim.with_suffix("").exists()])
            if not path.exists() and self._claim(path.with_name(f"{path.name}{CLAIM}")) and not path.exists():
                yield number

    def _give_back(self, claims: Sequence[Path]) -> None:
        for claim in claims:
            claim.unlink(missing_ok=True)
            self._mine.discard(claim)

    def _claim(self, claim: Path) -> bool:
        if claim not in self._mine and self._is_dead(claim):
            claim.unlink(missing_ok=True)
        if claim.exists() or not claim.parent.exists():
            return False
        with suppress(FileExistsError, FileNotFoundError):
            _write_claim(claim, f"{socket.gethostname()} {os.getpid()}\n")
            self._mine.add(claim)
        return claim in self._mine

    def _is_dead(self, claim: Path) -> bool:
        """Whether its owner is gone: a process of this machine that has ended, or one that has long been silent.

        Silence is measured by the clock of this process alone, since those of two machines differ.
        """
        try:
            beat = claim.stat().st_mtime
        except FileNotFoundError:
            return False
        if _has_ended(*_owner(claim)):
            return True
        last, since = self._seen.get(claim, (None, 0.0))
        if last != beat:
            self._seen[claim] = (beat, time.monotonic())
            return False
        return time.monotonic() - since > EXPIRES

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            for claim in list(self._mine):
                with suppress(OSError):  # it was made, or somebody took this process for dead
                    os.utime(claim)


def _write_claim(claim: Path, owner: str) -> None:
    """Make a claim that names its owner from the first; FileExistsError where there is one."""
    temporary = claim.with_name(f".{claim.name}.{uuid4().hex[:8]}.tmp")
    temporary.write_text(owner)
    try:
        os.link(temporary, claim)
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:  # a disk that has no links
        with claim.open("x") as handle:
            handle.write(owner)
    finally:
        temporary.unlink(missing_ok=True)


def tidy(folder: Path) -> None:
    """Take away what processes that were killed left beside whole parts: half-written files, and claims to parts."""
    take_left(folder)
    for claim in folder.glob(f"*{CLAIM}"):
        if claim.with_suffix("").exists():
            with suppress(OSError):  # it can only be read, or another process does the same
                claim.unlink()


def claimed(folder: Path) -> bool:
    """Whether a process may be making parts in a folder: one of this machine that runs, or one of another machine."""
    return any(not _has_ended(*_owner(claim)) for claim in folder.glob(f"*{CLAIM}"))


def _owner(claim: Path) -> tuple[str, int]:
    """The machine and the number of the process that made a claim; ("", 0) of one that is being written or gone."""
    with suppress(OSError, ValueError):
        host, pid = claim.read_text().split()
        return host, int(pid)
    return "", 0


def _has_ended(host: str, pid: int) -> bool:
    return host == socket.gethostname() and not _runs(pid)


def _runs(pid: int) -> bool:
    if os.name == "nt":  # where this would end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        pass
    return True
