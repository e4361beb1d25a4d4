"""Downloading what a data set lists: plan, journal, tables."""

import asyncio
import csv
import hashlib
import json
import re
import shutil
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO, TypeAlias

import httpx
import pyarrow.parquet as pq

from affectml._files import with_column, write_parquet, write_text
from affectml._progress import Progress
from affectml.data import Dataset
from affectml.errors import BadDataset, BadInput
from affectml.fetching._check import Got
from affectml.fetching._config import FetchConfig
from affectml.fetching._download import Downloader
from affectml.fetching._guard import NO_PORT, NOT_PUBLIC, Failed, Retry, checked_url
from affectml.fetching._summary import FAILURES, Failure, FetchSummary
from affectml_annotation.exchange.files import csv_rows, csv_text

WORK = ".fetching"  # half-written files and the journal; gone when all is in images.parquet
LOCK = ".fetch.lock"
PLACEHOLDER = 3  # urls with one content: more than a stock library's own doubles

_SECRET = re.compile(r"(?<=//)[^/?#\s]*@")  # also of a url in the path or the query of another


@dataclass
class _Plan:
    """What is known of each url: the rows that want it, the hashes that they expect, what came and what failed."""

    rows: dict[str, list[str]]
    expected: dict[str, set[str]]
    got: dict[str, Got]
    failed: dict[str, Failed]
    had_file: int
    no_url: int


def fetch_images(
    dataset: Dataset | str | Path, config: FetchConfig | None = None, *, progress: bool = True
) -> FetchSummary:
    """Download the images that a data set knows by url alone, and name their files in images.parquet.

    Rows that have a file stay as they are; a url in several rows is asked for once. A file is named after the sha256 of
    its content, in DATASET/images, and stands in the columns `file` and `sha256`; a hash that is in the second before
    must be that of what comes. Stopped or killed at any moment, what came is kept, and the next run goes on. What did
    not come is listed in DATASET/fetch-failures.csv; the next run asks again for what may come then.

    Args:
        dataset: a data set or its folder.
        config: limits and patience.
        progress: whether to show a bar, where somebody watches.

    Returns:
        What was done, and what failed.

    Raises:
        BadDataset: for no data set, one without urls, or one that another process downloads.
    """
    config = config or FetchConfig()
    data = Dataset.open(dataset.root if isinstance(dataset, Dataset) else dataset)
    if "url" not in data.images.columns:
        raise BadDataset(f"{data.root / 'images.parquet'}: no column url, so there is nothing to download")
    data.image_path("images")
    start = time.perf_counter()
    with _alone(data.root):
        plan = _plan(data)
        never = {url for url, failed in plan.failed.items() if failed.retry == "never" and not _ask(failed, config)}
        todo = [url for url in plan.rows if url not in plan.got and url not in never]
        before = set(plan.got)
        try:
            with Progress("downloading", len(todo), "images") if progress else nullcontext() as bar:
                advance = bar.advance if bar is not None else lambda: None
                with (data.root / WORK / "journal.jsonl").open("a", encoding="utf-8") as journal:
                    _run(lambda: _download(data, plan, todo, config, journal, advance))
        finally:
            images = _write_images(data.root, plan)
            failures = _write_failures(data.root, plan)
            shutil.rmtree(data.root / WORK, ignore_errors=True)
    return FetchSummary(
        root=data.root,
        urls=len(plan.got) - len(before),
        size=sum(got.size for url, got in plan.got.items() if url not in before),
        images=images,
        had_file=plan.had_file,
        no_url=plan.no_url,
        failures=failures,
        not_asked=sum(len(plan.rows[url]) for url in never),
        placeholders=_placeholders(data.root),
        seconds=time.perf_counter() - start,
    )


def fetch_pictures(urls: Sequence[str], folder: Path) -> dict[str, Path | Failed]:
    """Download pictures that no data set lists, with the same limits: the file of each, or why it did not come.

    folder: where they come to lie, each under the sha256 of its content.
    """
    found: dict[str, Path | Failed] = {}

    async def one(downloader: Downloader, url: str, advance: Callable[[], None]) -> None:
        part = folder / f"{_key(url)}.part"
        try:
            got, _ = await downloader.get(url, part)
            found[url] = part.replace(folder / got.sha256)
        except Failed as failed:
            part.unlink(missing_ok=True)
            found[url] = failed
        advance()

    async def all_of_them() -> None:
        with Progress("downloading", len(urls), "images") as bar:
            async with Downloader(FetchConfig()) as downloader:
                await asyncio.gather(*(one(downloader, url, bar.advance) for url in dict.fromkeys(urls)))

    _run(all_of_them)
    return found


def _ask(failed: Failed, config: FetchConfig) -> bool:
    """Whether to ask again for what failed for good: all, or what is allowed now and was not then."""
    return config.retry_all or (config.allow_private and failed.reason in (NOT_PUBLIC, NO_PORT))


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """The only download into this data set, in a folder without the half-written files of one that was killed."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(root / LOCK, timeout=0):
            (root / WORK).mkdir(exist_ok=True)
            for left in (*(root / WORK).glob("*.part"), *root.glob(f".{FAILURES}.*.tmp")):
                left.unlink()
            yield
    except Timeout:
        raise BadDataset(f"{root}: another process downloads its images; wait for it to end") from None


def _plan(data: Dataset) -> _Plan:
    """The urls that are wanted, in the table's order, and what earlier runs found."""
    table = data.images.reindex(columns=["image_id", "file", "url", "sha256"])
    plan = _Plan({}, defaultdict(set), {}, {}, 0, 0)
    listed = _listed(data.root / FAILURES)
    for name in ("file", "sha256"):
        if odd := [cell for cell in table[name].dropna() if not isinstance(cell, str)]:
            raise BadDataset(
                f"{data.root / 'images.parquet'}: column {name}: expected texts, got {odd[0]!r}; rename your column"
            )
    for image_id, *cells in table.itertuples(index=False):
        file, url, sha256 = (_text(cell) for cell in cells)
        if file:
            plan.had_file += 1
        elif not url:
            plan.no_url += 1
        else:
            plan.rows.setdefault(url, []).append(image_id)
            if sha256:
                plan.expected[url].add(sha256.lower())
            past = listed.get(image_id)
            if past is not None and past.url == shown(url):
                retry: Retry = "later" if past.again else "never"
                plan.failed[url] = Failed(past.reason, past.why, retry, past.tries, past.when)
    keys = {_key(url): url for url in plan.rows}
    for entry in _entries(data.root / WORK / "journal.jsonl"):
        url = keys.get(entry.pop("url"), "")
        if not url:
            continue
        if "sha256" not in entry:
            plan.failed[url] = Failed(**entry)
        elif (path := data.image_path(entry["file"])).is_file() and path.stat().st_size == entry["size"]:
            plan.got[url] = Got(**entry)
    return plan


async def _download(
    data: Dataset, plan: _Plan, todo: list[str], config: FetchConfig, journal: TextIO, advance: Callable[[], None]
) -> None:
    """Ask for every url, some of each host's at a time; what comes and what fails goes to the journal."""

    def note(url: str, **entry: Any) -> None:
        # a line of its own, after whatever half a line a kill left; it says that a file is there before the file is
        journal.write("\n" + json.dumps({"url": _key(url), **entry}))
        journal.flush()

    async def one(url: str) -> None:
        part = data.root / WORK / f"{_key(url)}.part"
        spent = plan.failed[url].tries if url in plan.failed else 0
        try:
            got, tries = await downloader.get(url, part)
            place = data.image_path(got.file)
            if (expected := plan.expected.get(url)) and expected != {got.sha256}:
                said = f"its sha256 is {got.sha256}, but images.parquet expects {', '.join(sorted(expected))}"
                raise Failed("another picture", said, "never", tries)
            place.parent.mkdir(parents=True, exist_ok=True)
            note(url, **asdict(got))
            part.replace(place)
            plan.got[url] = got
        except Failed as failed:
            failed.tries += spent
            failed.when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            note(url, **vars(failed))
            plan.failed[url] = failed
        finally:
            part.unlink(missing_ok=True)
        advance()

    async def serve(queue: deque[str]) -> None:
        while queue:
            await one(queue.popleft())

    queues: dict[str, deque[str]] = defaultdict(deque)
    for url in todo:
        queues[_host(url)].append(url)
    async with Downloader(config) as downloader:
        try:
            async with asyncio.TaskGroup() as group:
                for queue in queues.values():
                    for _ in range(min(config.per_host, len(queue))):
                        group.create_task(serve(queue))
        except* OSError as errors:  # of this machine's disk; those of the network are Failed
            raise errors.exceptions[0] from None


def _write_images(root: Path, plan: _Plan) -> int:
    """Name what came in images.parquet, as it is now; the number of rows that got a file."""
    from affectml_annotation.exchange.files import writing_in_turn

    path = root / "images.parquet"
    with writing_in_turn(root):
        table = pq.read_table(path)  # not as pandas reads it: integers with gaps would become fractions
        urls, files, hashes = (_cells(table, name) for name in ("url", "file", "sha256"))
        new = [row for row, url in enumerate(urls) if not _text(files[row]) and _text(url) in plan.got]
        for row in new:
            got = plan.got[_text(urls[row])]
            files[row], hashes[row] = got.file, got.sha256
        if new:
            table = with_column(with_column(table, "file", files), "sha256", hashes)
            write_parquet(path, table)
    return len(new)


def _cells(table: Any, name: str) -> list[Any]:
    return table[name].to_pylist() if name in table.column_names else [None] * len(table)


def _write_failures(root: Path, plan: _Plan) -> list[Failure]:
    """Write fetch-failures.csv, or take it away where nothing failed."""
    failures = [
        Failure(image_id, shown(url), failed.reason, failed.why, failed.tries, failed.when, failed.retry != "never")
        for url, image_ids in plan.rows.items()
        if url not in plan.got and (failed := plan.failed.get(url)) is not None
        for image_id in image_ids
    ]
    path = root / FAILURES
    if not failures:
        path.unlink(missing_ok=True)
        return []
    lines = [(*astuple(failure)[:-1], "yes" if failure.again else "no") for failure in failures]
    write_text(path, csv_text([[each.name for each in fields(Failure)], *lines]))
    return failures


def _listed(path: Path) -> dict[str, Failure]:
    """The lines of fetch-failures.csv by image_id; raises BadInput for a file that is none of ours."""
    try:
        return {
            image_id: Failure(image_id, url, reason, why, int(tries), when, again != "no")
            for image_id, url, reason, why, tries, when, again in csv_rows(path.read_text(encoding="utf-8"))[1:]
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, csv.Error) as error:
        raise BadInput(f"{path}: not as affectml wrote it ({error}); remove or rename it") from None


_JOURNALLED = (
    {"url": str, "file": str, "sha256": str, "size": int},
    {"url": str, "reason": str, "why": str, "retry": str, "tries": int, "when": str},
)


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a journal; a line that a kill cut is none, nor is what affectml does not write."""
    with suppress(FileNotFoundError), path.open(encoding="utf-8", errors="replace") as handle:
        for line in handle:
            with suppress(ValueError, RecursionError):
                entry = json.loads(line)
                if isinstance(entry, dict) and {key: type(value) for key, value in entry.items()} in _JOURNALLED:
                    yield entry


def _placeholders(root: Path) -> list[tuple[str, int]]:
    """(file, number of urls) of every content that PLACEHOLDER urls or more gave, the most frequent first."""
    table = Dataset.open(root).images
    if not {"file", "sha256"} <= set(table.columns):
        return []
    counts = table.dropna(subset=["file", "sha256", "url"]).groupby("file")["url"].nunique()
    often = counts[counts >= PLACEHOLDER].sort_values(ascending=False, kind="stable")
    return [(str(file), int(count)) for file, count in often.items()]


def shown(url: str) -> str:
    """A url for tables and messages: without the name and the password that it, or a url within it, may hold."""
    url = _SECRET.sub("", url)
    try:
        parsed = httpx.URL(url)
        if parsed.userinfo:
            return str(parsed.copy_with(userinfo=b""))
        return url if parsed.host else url.rpartition("@")[2]
    except (httpx.InvalidURL, UnicodeError, ValueError):
        return url.rpartition("@")[2]


def _host(url: str) -> str:
    try:
        return checked_url(url).host
    except Failed:
        return ""


def _key(url: str) -> str:
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _text(cell: Any) -> str:
    return cell.strip() if isinstance(cell, str) else ""


Work: TypeAlias = Callable[[], Any]


def _run(work: Work) -> None:
    """Run a coroutine to its end: here, or in a thread where a loop runs already, as in a notebook."""
    import stamina.instrumentation

    hooks = stamina.instrumentation.get_on_retry_hooks()
    stamina.instrumentation.set_on_retry_hooks(())  # a line in the log for each further try helps nobody
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(work())
    else:
        _run_in_a_thread(work)
    finally:
        stamina.instrumentation.set_on_retry_hooks(hooks)


def _run_in_a_thread(work: Work) -> None:
    stop: list[Callable[[], object]] = []

    async def stoppable() -> None:
        task = asyncio.ensure_future(work())
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(task.cancel))
        await task

    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(asyncio.run, stoppable())
        try:
            future.result()
        except KeyboardInterrupt:
            for each in stop:
                each()
            raise
