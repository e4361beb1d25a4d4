"""What a run of downloading did, as tables and plain values."""

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from affectml.errors import option
from affectml.fetching._guard import NO_PORT, NOT_PUBLIC

FAILURES = "fetch-failures.csv"


@dataclass(frozen=True)
class Failure:
    """A line of fetch-failures.csv.

    reason: the kind; why: what happened; tries: in all runs; when: the last of them ended, in UTC; again: whether it is
    worth another.
    """

    image_id: str
    url: str
    reason: str
    why: str
    tries: int
    when: str
    again: bool


@dataclass(frozen=True)
class FetchSummary:
    """What one run of `fetch_images` did.

    urls: downloaded now. size: their bytes. images: rows of images.parquet that got a file from them, or from a run
    that was killed. had_file: rows that had one before. no_url: rows with neither. failures: what has no file yet, as
    in fetch-failures.csv. not_asked: those of them that failed for good in an earlier run. placeholders: (file, number
    of urls) where several urls gave the same bytes: likely pictures that stand for removed ones.
    """

    root: Path
    urls: int
    size: int
    images: int
    had_file: int
    no_url: int
    failures: list[Failure] = field(default_factory=list, repr=False)
    not_asked: int = 0
    placeholders: list[tuple[str, int]] = field(default_factory=list)
    seconds: float = 0.0

    def rows(self) -> list[tuple[str, str]]:
        """(what, value) pairs for a table of two columns."""
        rate = self.urls / self.seconds if self.seconds else 0.0
        size = f"{self.size / 2**20:,.1f} MB in {self.seconds:,.1f} s, {rate:,.1f} urls/s"
        out = [("downloaded", f"{self.urls:,} urls ({size})"), ("images with a new file", f"{self.images:,}")]
        out += [("images that had one", f"{self.had_file:,}")]
        if self.no_url:
            out.append(("neither file nor url", f"{self.no_url:,}"))
        if self.failures:
            again = sum(failure.again for failure in self.failures)
            kept = f"{len(self.failures):,}, listed in {self.root / FAILURES}"
            out.append(("images without a file", f"{kept}; the next run tries {again:,} of them again"))
        if self.not_asked:
            ways = f"had failed for good before; {option('retry_all', True)} asks for them too"
            out.append(("not asked again", f"{self.not_asked:,} {ways}"))
        inward = sum(failure.reason in (NOT_PUBLIC, NO_PORT) for failure in self.failures)
        if inward:
            ways = f"on addresses or ports that are not public; {option('allow_private', True)} asks them, if you trust"
            out.append(("not asked", f"{inward:,} {ways} the list"))
        for file, count in self.placeholders:
            out.append(("the same picture", f"{count:,} urls gave {file}: look whether it stands for removed ones"))
        return out

    def reasons(self) -> list[tuple[str, int, str, str]]:
        """(reason, images, whether the next run tries them again, an example), the most frequent first."""
        found: dict[tuple[str, bool], list[Failure]] = defaultdict(list)
        for failure in self.failures:
            found[failure.reason, failure.again].append(failure)
        lines = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
        return [
            (reason, len(some), "yes" if again else "no", f"{some[0].url}: {some[0].why}")
            for (reason, again), some in lines
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain values: every field."""
        return {**asdict(self), "root": str(self.root), "seconds": round(self.seconds, 3)}
