"""A shard of a job: `3/16` is the third of sixteen processes, each of which does its own part of the images."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from affectml._progress import Say
from affectml.errors import BadInput, option

_SPELLING = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")
_FOLDER = re.compile(r"([0-9]{1,9})-of-([0-9]{1,9})")


@dataclass(frozen=True)
class Shard:
    """Number `number` of `of`, counted from 1."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @classmethod
    def parse(cls, text: "Shard | str") -> "Shard":
        """What `3/16` says; raises BadInput for anything but two whole numbers of which the first is in range.

        >>> Shard.parse("3/16")
        Shard(number=3, of=16)
        """
        if isinstance(text, Shard):
            return text
        found = _SPELLING.fullmatch(text.strip())
        if found is None:
            raise BadInput(f"{option('shard', text)}: expected NUMBER/OF, two whole numbers such as 3/16")
        number, of = map(int, found.groups())
        if not 1 <= number <= of:
            says = f"shards are 1/{of} to {of}/{of}" if of else "there is at least one shard, 1/1"
            raise BadInput(f"{option('shard', text)}: {says}")
        return cls(number, of)

    @property
    def folder(self) -> str:
        """The name of the folder that keeps what this shard made."""
        return f"{self.number}-of-{self.of}"

    @classmethod
    def of_folder(cls, name: str) -> "Shard | None":
        """The shard that a folder of this name is of; None where it is another folder."""
        found = _FOLDER.fullmatch(name)
        return None if found is None else cls(*map(int, found.groups()))

    def rows(self, count: int, block: int) -> range:
        """Which of `count` rows it does: neighbours, in whole blocks; a few rows more or less than the others.

        Every row is in one shard of `of`. Where there are fewer blocks than shards, some do nothing.

        >>> [list(Shard(number, 3).rows(8, 2)) for number in (1, 2, 3)]
        [[0, 1], [2, 3], [4, 5, 6, 7]]
        """
        blocks = -(-count // block)
        start, stop = ((blocks * number) // self.of * block for number in (self.number - 1, self.number))
        return range(start, min(stop, count))


def one_of(
    shard: str | None, merge: bool, engine: str | None = None, address: str | None = None, device: str | None = None
) -> Shard | None:
    """The shard that a command is asked for; raises BadInput where it is asked for something else, too."""
    named = {"shard": shard, "merge": merge or None, "engine": engine}
    asked = [option(name, value) for name, value in named.items() if value is not None]
    if len(asked) > 1:
        raise BadInput(f"{' and '.join(asked)}: give one of them")
    if engine not in (None, "ray"):
        raise BadInput(f"{option('engine', engine)}: expected ray")
    if address is not None and engine is None:
        raise BadInput(f"{option('address', address)} belongs to {option('engine', 'ray')}")
    if device is not None and engine is not None:
        raise BadInput(f"{option('device', device)}: workers of a cluster take their own; leave it out")
    return None if shard is None else Shard.parse(shard)


def say_of_mixtures(found: Mapping[str, Mapping[str, Iterable[Shard]]], say: Say) -> None:
    """Of each thing in which shards may differ, who did it how, where they did."""
    for what, mixed in found.items():
        if len(mixed) > 1:
            say(f"{what}: " + "; ".join(f"{how}: {numbers(shards)}" for how, shards in mixed.items()))


def numbers(shards: Iterable[Shard]) -> str:
    """Shards by number for a message, neighbours as a range.

    >>> numbers([Shard(2, 16), Shard(7, 16), Shard(3, 16), Shard(4, 16)])
    'shards 2-4, 7 of 16'
    >>> numbers([Shard(2, 16)])
    'shard 2 of 16'
    """
    named = set(shards)
    runs: list[list[int]] = []
    for number in sorted({shard.number for shard in named}):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    words = ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
    of = ", ".join(map(str, sorted({shard.of for shard in named})))
    return f"{'shard' if len(named) == 1 else 'shards'} {words} of {of}"
