"""Asking for pictures: turns, redirects, tries, limits, and whether the bytes that come are a picture."""

import asyncio
import hashlib
import os
import socket
import ssl
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import wait
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Any

import httpcore
import httpx
from anyio import CapacityLimiter, from_thread, to_thread
from httpcore import NetworkError, ProtocolError, TimeoutException
from PIL import Image, UnidentifiedImageError
from stamina import AsyncRetryingCaller, instrumentation

from affectml._version import __version__
from affectml.encoders import read_image
from affectml.encoders.images import quiet_about_size
from affectml.errors import BadInput, option
from affectml.fetching import FetchConfig

DECODERS = 2  # an image of the most pixels takes half a gigabyte while it is decoded
REDIRECTS = 5  # followed at most
GIVE_UP = 10  # requests without an answer, one after the other, until a host is left alone for this run
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")  # others start programs
SUFFIXES = {"JPEG": ".jpg", "JPEG2000": ".jp2", "MPO": ".jpg", "TIFF": ".tif"}  # those of others are their names

PORTS = (80, 443, 8080, 8443)  # where pictures are; the others are other services
_NAT64 = IPv6Network("64:ff9b::/96")
_SPECIAL = IPv4Network("192.0.0.0/24")  # protocols' own; Pythons differ in how much of it they call private


class Failed(Exception):
    """An image that did not come, and will not; its text is "kind: details", or a kind that says all."""


class Later(Failed):
    """One that may come in the next run."""


class Passing(Later):
    """One that may come with the next try."""


@dataclass
class Job:
    """A picture to download.

    folder: where it comes to lie, in the file `part`. key: of the url, for names of files. name: that of its content,
    once it came: its sha256 and a suffix. image_ids: who wants it. expected: the sha256 that it must have, where there
    are any. reason: of `Failed`, where it did not come. again: whether another run may ask.
    """

    url: str
    folder: Path
    name: str = ""
    image_ids: list[str] = field(default_factory=list)
    expected: set[str] = field(default_factory=set)
    reason: str = ""
    again: bool = True

    def __post_init__(self) -> None:
        self.key = hashlib.sha256(self.url.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        self.part = self.folder / f"{self.key}.part"


def download(jobs: Collection[Job], config: FetchConfig, done: Callable[[Job], None]) -> None:
    """Ask for every picture, some of each host's at a time, and call `done`, in another thread, for each."""
    with ExitStack() as stack:
        stack.callback(instrumentation.set_on_retry_hooks, instrumentation.get_on_retry_hooks())
        instrumentation.set_on_retry_hooks(())  # a line in the log for each further try helps nobody
        portal = stack.enter_context(from_thread.start_blocking_portal())  # in a notebook a loop runs here already
        running = portal.start_task_soon(Downloader(config).run, jobs, done)
        while not running.done():  # a wait without an end would not notice Ctrl-C everywhere
            wait([running], timeout=0.2)
        running.result()


class _Host:
    """One host: its slots, when it may be asked next, how often it did not answer, and why it is put off."""

    def __init__(self, slots: int) -> None:
        self.slots = asyncio.Semaphore(slots)
        self.free_at, self.silent, self.put_off = 0.0, 0, ""


class Downloader:
    """Asks for images, many at a time. Keeps no cookie; of the environment it takes certificates alone, see `_trusted`.

    Requests go to the pool that httpx has within, since httpx passes no network backend, and so no guard, on to it.
    """

    def __init__(self, config: FetchConfig) -> None:
        self._config = config
        agent = f"affectml/{__version__}" + (f" ({config.contact})" if config.contact else "")
        self._headers: Any = {"User-Agent": agent, "Accept": "image/*", "Accept-Encoding": "identity"}
        self._timeouts = {"timeout": httpx.Timeout(config.timeout).as_dict()}
        self._jobs, self._decoders = asyncio.Semaphore(config.jobs), CapacityLimiter(DECODERS)
        self._hosts: defaultdict[str, _Host] = defaultdict(lambda: _Host(config.per_host))
        guard = GuardedBackend(config.allow_private)
        self._pool = httpcore.AsyncConnectionPool(
            _trusted(), max_connections=None, max_keepalive_connections=config.jobs, network_backend=guard
        )

    async def run(self, jobs: Collection[Job], done: Callable[[Job], None]) -> None:
        """Do all jobs; of each host so many are begun at a time as it may be asked for."""
        queues: dict[str, deque[Job]] = defaultdict(deque)
        for job in jobs:
            queues["".join(job.url.split("/")[2:3])].append(job)
        workers = [self._serve(queue, done) for queue in queues.values() for _ in range(self._config.per_host)]
        async with self._pool:
            await asyncio.gather(*workers)

    async def _serve(self, queue: deque[Job], done: Callable[[Job], None]) -> None:
        while queue:
            job = queue.popleft()
            retrying = AsyncRetryingCaller(self._config.tries, None, 1.0, self._config.max_wait, wait_jitter=1.0)
            try:
                job.name = await retrying(Passing, self.get, job)
            except Failed as failed:
                job.reason, job.again = " ".join(str(failed).split()), isinstance(failed, Later)
                job.part.unlink(missing_ok=True)
            done(job)

    async def get(self, job: Job) -> str:
        """One try, through redirects: the name of what came and is a picture. Raises Failed."""
        url = checked_url(job.url)
        for _ in range(REDIRECTS + 1):
            host = self._hosts[url.host]
            async with self._turn(host):
                answer = await self._ask(url, host, job)
            if not isinstance(answer, httpx.URL):
                return await to_thread.run_sync(check, job, answer, limiter=self._decoders)
            url = answer
        raise Failed(f"too many redirects: more than {REDIRECTS}")

    @asynccontextmanager
    async def _turn(self, host: _Host) -> AsyncIterator[None]:
        """Wait until this host may be asked; its slot and one of all are held meanwhile."""
        async with host.slots:
            while not host.put_off:
                await asyncio.sleep(host.free_at - time.monotonic())
                async with self._jobs:
                    if host.free_at <= time.monotonic() and not host.put_off:
                        host.free_at = time.monotonic() + self._config.delay
                        yield
                        return
        raise Later(f"host put off: {host.put_off}")

    async def _ask(self, url: httpx.URL, host: _Host, job: Job) -> httpx.URL | type[Failed]:
        """One request: where it redirects to or, after the last byte, what to raise if it is not a picture."""
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        request = self._pool.stream("GET", target, headers=self._headers, extensions=self._timeouts)
        try:
            async with asyncio.timeout(self._config.deadline), request as response:
                host.silent = 0
                told = httpx.Headers(response.headers)
                if response.status // 100 == 3 and "location" in told:
                    return checked_url(told["location"], url)
                if response.status not in (200, 203):
                    raise self._refusal(response.status, told.get("retry-after", ""), host)
                await self._save(response, job.part)
                return Failed if "content-length" in told or "transfer-encoding" in told else Passing
        except Failed as error:
            failed = error
        except TimeoutError:
            failed = Later(f"too slow: not there in {self._config.deadline:g} s")
        except (TimeoutException, NetworkError, ProtocolError, ValueError, OverflowError) as error:
            failed = Passing(f"connection failed: {type(error).__name__} {error}")
        host.silent += isinstance(failed, Later)
        if host.silent >= GIVE_UP:  # it would hold up its other images for hours
            host.put_off = f"no answer {GIVE_UP} times in a row"
        raise failed

    async def _save(self, response: httpcore.Response, part: Path) -> None:
        """Write what comes to a file."""
        limit, size = int(self._config.max_mb * 2**20), 0
        with part.open("wb") as handle:
            async for chunk in response.aiter_stream():
                size += handle.write(chunk)
                if size > limit:
                    raise Failed(f"too large: more than {limit:,} bytes")

    def _refusal(self, status: int, pause: str, host: _Host) -> Failed:
        """What a status says; a host that asks for a pause, in seconds or until a date, gets it from all."""
        wait, now = 0.0, datetime.now(UTC)
        with suppress(TypeError, ValueError, OverflowError):  # neither of them, or a date at an end of the calendar
            wait = float(pause) if pause.isdecimal() else (parsedate_to_datetime(pause) - now).total_seconds()
        if wait > self._config.max_wait:
            host.put_off = f"it asks for a pause of {wait:,.0f} s (status {status})"
            return Later(f"host put off: {host.put_off}")
        host.free_at = max(host.free_at, time.monotonic() + wait)
        kind = Passing if status in (408, 425, 429) or status >= 500 else Failed  # those may be another one next time
        return kind(f"status {status}")


def _trusted() -> ssl.SSLContext:
    """Certificates of the file SSL_CERT_FILE or the folder SSL_CERT_DIR, as a company's own; else certifi's."""
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        where = f"SSL_CERT_FILE={os.environ.get('SSL_CERT_FILE', '')}: no certificates can be read there"
        raise BadInput(f"{where} ({error.strerror or error}); name a PEM file, or unset it") from None


def check(job: Job, bad: type[Failed]) -> str:
    """The name of a job's picture, decoded whole: the sha256 of its bytes, and a suffix of what they are.

    Raises:
        Failed: it is another one than expected; `bad` for no picture, and for one that cannot be read.
    """
    quiet_about_size()
    Image.init()
    try:
        with Image.open(job.part, formats=[name for name in FORMATS if name in Image.OPEN]) as image:
            kind = str(image.format)
        read_image(job.part)
    except UnidentifiedImageError:
        head = job.part.read_bytes().lstrip(b"\xef\xbb\xbf \t\r\n")[:16]
        raise bad(f"not an image: starts with {head!r}" if head else "not an image: empty") from None
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error ...
        raise bad(f"unreadable image: {str(error).removeprefix(f'{job.part}: ')}") from None
    with job.part.open("rb") as handle:
        os.fsync(handle.fileno())
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    if job.expected - {digest}:
        raise Failed(f"another picture: sha256 {digest}, in images.parquet {', '.join(sorted(job.expected))}")
    return digest + SUFFIXES.get(kind, f".{kind.lower()}")


def checked_url(text: str, base: httpx.URL | None = None) -> httpx.URL:
    """A url, or one that `base` redirects to, without fragment, name and password; Failed unless http or https."""
    try:
        url = httpx.URL(text.strip()) if base is None else base.join(text.strip())
        url = url.copy_with(fragment=None, userinfo=b"")
        host, port = url.host, url.port
    except (httpx.InvalidURL, UnicodeError, ValueError):  # whose words may hold a part of a password
        raise Failed("not a url: no address can be read in it") from None
    if url.scheme not in ("http", "https"):
        raise Failed(f"not a web address: scheme {url.scheme!r}; only http and https are asked")
    if not host or not (port is None or 0 < port < 65536):
        raise Failed(f"not a url: port {port}" if host else "not a url: no host in it")
    return url


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the public internet.

    An IPv4 address within an IPv6 one (mapped, NAT64, 6to4) has to be so itself: a gateway would take us there.
    Teredo's are private to Python.
    """
    if isinstance(address, IPv6Address):
        nat64 = IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
        if (inner := address.ipv4_mapped or nat64) is not None:
            return is_public(inner)
        if address.is_site_local or (address.sixtofour is not None and not is_public(address.sixtofour)):
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address in _SPECIAL)


class GuardedBackend(httpcore.AnyIOBackend):
    """Looks a host up, checks every address that it has, and connects to one of just these.

    The name is not looked up again between check and connection, so a name whose answer changes gains nothing.
    """

    def __init__(self, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._way_in = f"{option('allow_private', True)} with {option('retry_all', True)} asks it"

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *rest: Any, **more: Any
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers; raises Failed for a port or an address that is not public."""
        if not (self._allow_private or port in PORTS):
            raise Failed(f"not a public port: {port}; {self._way_in}")
        try:
            places = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            raise Passing(f"no such host: {host}, {getattr(error, 'strerror', None) or error}") from None
        addresses = list(dict.fromkeys(str(place[4][0]) for place in places))
        for address in () if self._allow_private else addresses:
            if not is_public(ip_address(address)):
                raise Failed(f"not a public address: {host} is {address}; {self._way_in}")
        refused = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return await super().connect_tcp(address, port, timeout, *rest, **more)
            except httpcore.ConnectError as error:
                refused = error
        raise refused
