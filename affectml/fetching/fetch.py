"""Downloading what a data set lists: plan, tables, and what a run did."""

import csv
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from affectml._files import with_column, write_parquet, write_text
from affectml._progress import Progress
from affectml.data import Dataset
from affectml.errors import BadDataset, BadInput, option
from affectml.fetching import FetchConfig
from affectml.fetching._download import Failed, Job, checked_url, download
from affectml_annotation.exchange.files import csv_rows, table_csv, writing_in_turn

FAILURES = "fetch-failures.csv"
COLUMNS = ["image_id", "url", "reason", "again"]  # of FAILURES
TEXTS = ["url", "file", "sha256"]  # of images.parquet

_SECRET = re.compile(r"(?<=//)[^/?#]*@")  # also of a url in the path or the query of another


@dataclass(frozen=True)
class FetchSummary:
    """What one run of `fetch_images` did.

    urls: downloaded now. images: rows of images.parquet that got a file from them, or from a run
    that was killed. no_url: rows that have neither file nor url. failures: what has no file yet, as
    in fetch-failures.csv: image_id, url, reason ("kind: details"), again (yes where the next run asks for it).
    """

    root: Path
    urls: int
    images: int
    no_url: int
    failures: pd.DataFrame = field(repr=False, compare=False)

    def rows(self) -> list[tuple[str, str]]:
        """(what, value) pairs for a table of two columns."""
        out = [("urls downloaded", f"{self.urls:,}"), ("images with a new file", f"{self.images:,}")]
        out.append(("images with neither file nor url", f"{self.no_url:,}"))
        if len(self.failures):
            again = (self.failures["again"] == "yes").sum()
            out.append(("images without a file", f"{len(self.failures):,}, listed in {self.root / FAILURES}"))
            out.append(("the next run asks for", f"{again:,} of them; for all with {option('retry_all', True)}"))
        return out

    def reasons(self) -> list[tuple[str, int, str]]:
        """(kind of reason, images, an example), the most frequent first."""
        examples = self.failures["url"] + ": " + self.failures["reason"]
        kinds = examples.groupby(self.failures["reason"].str.partition(":")[0]).agg(["size", "first"])
        return list(kinds.sort_values("size", ascending=False, kind="stable").itertuples(name=None))

    def to_json(self) -> dict[str, Any]:
        """Plain values: every field."""
        return vars(self) | {"root": str(self.root), "failures": self.failures.to_dict("records")}


def fetch_images(dataset: Dataset | str | Path, config: FetchConfig | None = None) -> FetchSummary:
    """Download the images that a data set knows by url alone, and name their files in images.parquet.

    Rows that have a file stay as they are; a url in several rows is asked for once. A file is named after the sha256 of
    its content, in DATASET/images, and stands in the columns `file` and `sha256`; a hash that is in the second before
    must be that of what comes. Stopped or killed at any moment, what came is kept, and the next run goes on. What did
    not come is listed in DATASET/fetch-failures.csv in the end; the next run asks again for what may come then.

    Args:
        dataset: a data set or its folder.
        config: limits and patience.

    Returns:
        What was done, and what failed.

    Raises:
        BadDataset: for no data set, one without urls, or one that another process downloads.
    """
    data = Dataset.open(Path(dataset))
    if "url" not in data.images.columns:
        raise BadDataset(f"{data.root / 'images.parquet'}: no column url, so there is nothing to download")
    data.image_path("images")
    try:
        with FileLock(data.root / ".fetch.lock", timeout=0):
            return _fetch(data, config or FetchConfig())
    except Timeout:
        raise BadDataset(f"{data.root}: another process downloads its images; wait for it to end") from None


def _fetch(data: Dataset, config: FetchConfig) -> FetchSummary:
    # until all is in images.parquet: half-written files, and an empty KEY-NAME for what came of a url
    work = data.image_path(".fetching")
    table = data.images.reindex(columns=["image_id", *TEXTS])
    for name in TEXTS:
        if odd := [cell for cell in table[name].dropna() if not isinstance(cell, str)]:
            raise BadDataset(f"{data.root}: expected texts in column {name}, got {odd[0]!r}; rename your column")
        table[name] = table[name].astype(object).fillna("").str.strip()
    marks = (mark.name.partition("-") for mark in work.glob("*-*"))
    came = {key: name for key, _, name in marks if _place(data, name).is_file()}
    has_file, has_url = table["file"] != "", table["url"] != ""
    jobs: dict[str, Job] = {}
    for image_id, url, _, sha256 in table[~has_file & has_url].itertuples(index=False):
        job = jobs.setdefault(url, Job(url, work))
        job.name = came.get(job.key, "")
        job.image_ids.append(image_id)
        job.expected |= {sha256.lower()} - {""}
    _read_failures(data.root / FAILURES, jobs, config.retry_all)
    todo = [job for job in jobs.values() if job.again and not job.name]

    def done(job: Job) -> None:
        """Keep what came; an empty file names its url until images.parquet does."""
        if job.name:
            place = _place(data, job.name)
            place.parent.mkdir(parents=True, exist_ok=True)
            (work / f"{job.key}-{job.name}").touch()
            job.part.replace(place)
        bar.advance()

    work.mkdir(exist_ok=True)
    try:
        with Progress("downloading", len(todo), "images") as bar:
            download(todo, config, done)
    finally:
        images = _write_images(data.root, jobs)
        failures = _write_failures(data.root / FAILURES, jobs)
        shutil.rmtree(work, ignore_errors=True)
    urls, no_url = sum(bool(job.name) for job in todo), int((~has_file & ~has_url).sum())
    return FetchSummary(data.root, urls, images, no_url, failures)


def _place(data: Dataset, name: str) -> Path:
    return data.image_path(f"images/{name[:2]}/{name}")


def _read_failures(path: Path, jobs: dict[str, Job], retry_all: bool) -> None:
    """What fetch-failures.csv says of earlier runs; raises BadInput if another program wrote the file."""
    wanted = {(image_id, shown(job.url)): job for job in jobs.values() for image_id in job.image_ids}
    try:
        lines = csv_rows(path.read_text(encoding="utf-8") if path.exists() else "")
        for line in lines[1:]:
            failure = dict(zip(lines[0], line, strict=True))  # earlier versions have more columns
            if job := wanted.get((failure["image_id"], failure["url"])):
                job.reason, job.again = failure["reason"], failure["again"] != "no" or retry_all
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise BadInput(f"{path}: not as affectml wrote it ({error}); remove or rename it") from None


def _write_failures(path: Path, jobs: dict[str, Job]) -> pd.DataFrame:
    """Write what has no file yet to fetch-failures.csv, or take that away where nothing failed."""
    failed = [
        (image_id, shown(job.url), job.reason, "yes" if job.again else "no")
        for job in jobs.values()
        for image_id in job.image_ids
        if job.reason and not job.name
    ]
    table = pd.DataFrame(failed, columns=COLUMNS)
    if failed:
        write_text(path, table_csv(table))
    else:
        path.unlink(missing_ok=True)
    return table


def _write_images(root: Path, jobs: dict[str, Job]) -> int:
    """Name what came in images.parquet, as it is now; the number of rows that got a file."""
    new = 0
    with writing_in_turn(root):
        table = pq.read_table(root / "images.parquet")  # pandas would make fractions of integers with gaps
        none: list[Any] = [None] * len(table)
        urls, files, hashes = (table[name].to_pylist() if name in table.column_names else [*none] for name in TEXTS)
        for row, (url, file) in enumerate(zip(urls, files, strict=True)):
            job = jobs.get((url or "").strip())
            if job and job.name and not (file or "").strip():
                files[row], hashes[row] = f"images/{job.name[:2]}/{job.name}", Path(job.name).stem
                new += 1
        if new:
            write_parquet(root / "images.parquet", with_column(with_column(table, "file", files), "sha256", hashes))
    return new


def shown(url: str) -> str:
    """A url for tables and messages: without the name and the password that it, or a url within it, may hold."""
    bare = _SECRET.sub("", url)
    try:
        checked_url(url)
    except Failed:
        return bare.rpartition("@")[2]
    return bare
