"""Asking for one image: turns, redirects, tries, limits."""

import asyncio
import base64
import hashlib
import os
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpcore
import httpx
import stamina

from affectml._version import __version__
from affectml.errors import BadInput
from affectml.fetching._check import Got, check
from affectml.fetching._config import FetchConfig
from affectml.fetching._guard import NO_HOST, Failed, GuardedBackend, Retry, checked_url

DECODERS = 2  # an image of the most pixels takes half a gigabyte while it is decoded
GIVE_UP = 10  # requests without an answer, one after the other, until a host is left alone for this run
PASSING = (408, 425, 429)  # and 5xx: statuses that may be another one next time
REDIRECTS = (301, 302, 303, 307, 308)


class _Host:
    """One host: its slots, when it may be asked next, how often it did not answer, and why it is put off."""

    def __init__(self, slots: int) -> None:
        self.slots = asyncio.Semaphore(slots)
        self.free_at = 0.0
        self.silent = 0
        self.put_off = ""

    def missed(self) -> None:
        """It did not answer. A host that never does would hold up its other images for hours."""
        self.silent += 1
        if self.silent >= GIVE_UP:
            self.put_off = f"no answer {GIVE_UP} times in a row"


@dataclass
class _Effort:
    """What was spent on one image. left: seconds of its deadline."""

    left: float
    tries: int = 0


class Downloader:
    """Asks for images, many at a time. Keeps no cookie; of the environment it takes certificates alone, see `_trusted`.

    An async context manager.
    """

    def __init__(self, config: FetchConfig) -> None:
        self._config = config
        contact = f" ({config.contact})" if config.contact else ""
        self._headers: dict[bytes | str, bytes | str] = {
            "User-Agent": f"affectml/{__version__}{contact}",
            "Accept": "image/*",
            "Accept-Encoding": "identity",
        }
        seconds = {"connect": config.connect_timeout, "read": config.read_timeout, "write": config.read_timeout}
        self._timeouts = {"timeout": seconds}
        self._jobs = asyncio.Semaphore(config.jobs)
        self._hosts: defaultdict[str, _Host] = defaultdict(lambda: _Host(config.per_host))

    async def __aenter__(self) -> "Downloader":
        self._checkers = ThreadPoolExecutor(DECODERS)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=_trusted(),
            max_connections=None,
            max_keepalive_connections=self._config.jobs,
            keepalive_expiry=5.0,
            network_backend=GuardedBackend(self._config.allow_private),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._checkers.shutdown(cancel_futures=True)
        await self._pool.aclose()

    async def get(self, url: str, into: Path) -> tuple[Got, int]:
        """Download a picture into a file and check it; gives what came, and the number of tries.

        Raises:
            Failed: with the number of tries in it.
        """
        effort = _Effort(self._config.deadline)

        def pause(error: Exception) -> bool | float:
            if isinstance(error, Failed) and error.retry == "now" and effort.left > 0:
                doubled = 2.0 ** (effort.tries - 1)
                return min(self._config.max_wait, self._config.wait * (doubled + _jitter(url, effort)))
            return False

        try:
            async for attempt in stamina.retry_context(on=pause, attempts=self._config.tries, timeout=None):
                with attempt:
                    whole = await self._follow(checked_url(url), into, effort)
                    loop = asyncio.get_running_loop()
                    return await loop.run_in_executor(self._checkers, check, into, self._config, whole), effort.tries
        except Failed as failed:
            failed.tries = effort.tries
            raise
        raise AssertionError("unreachable: the last try returns or raises")

    async def _follow(self, url: httpx.URL, into: Path, effort: _Effort) -> bool:
        """One try, through redirects; whether the server said how much there is."""
        origin = _origin(url)
        secret = base64.b64encode(f"{url.username}:{url.password}".encode()).decode() if url.userinfo else ""
        for hop in range(self._config.redirects + 1):
            host = self._hosts[url.host]
            headers = dict(self._headers)
            if secret and _origin(url) == origin:
                headers["Authorization"] = f"Basic {secret}"
            async with self._turn(host):
                effort.tries += hop == 0
                answer = await self._ask(url, headers, host, into, effort)
            if isinstance(answer, bool):
                return answer
            url = checked_url(answer, url)
        raise Failed("too many redirects", f"more than {self._config.redirects}", "never")

    @asynccontextmanager
    async def _turn(self, host: _Host) -> AsyncIterator[None]:
        """Wait until this host may be asked; its slot and one of all are held meanwhile."""
        loop = asyncio.get_running_loop()
        async with host.slots:
            while not host.put_off:
                if (wait := host.free_at - loop.time()) > 0:
                    await asyncio.sleep(wait)
                    continue
                async with self._jobs:
                    if host.free_at <= loop.time() and not host.put_off:
                        host.free_at = loop.time() + self._config.delay
                        yield
                        return
        raise Failed("host put off", host.put_off, "later")

    async def _ask(
        self, url: httpx.URL, headers: dict[bytes | str, bytes | str], host: _Host, into: Path, effort: _Effort
    ) -> bool | str:
        """One request: where it redirects to, or whether the server said how much there is, once all is in `into`."""
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            async with (
                asyncio.timeout(effort.left),
                self._pool.stream("GET", target, headers=headers, extensions=self._timeouts) as response,
            ):
                host.silent = 0
                told = httpx.Headers(response.headers)
                if response.status in REDIRECTS and "location" in told:
                    return told["location"]
                if response.status not in (200, 203):
                    raise self._refusal(response.status, told.get("retry-after", ""), host)
                await self._save(response, into)
                return "content-length" in told or "transfer-encoding" in told
        except TimeoutError:
            host.missed()
            raise Failed("too slow", f"not there in {self._config.deadline:g} s", "later") from None
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            host.missed()
            raise _broken(error) from None
        except (ValueError, OverflowError) as error:  # one odd answer must not end the download of all others
            raise Failed("answer not understood", f"{type(error).__name__}: {error}", "later") from None
        except Failed as failed:
            if failed.reason == NO_HOST:
                host.missed()
            raise
        finally:
            effort.left -= loop.time() - start

    async def _save(self, response: httpcore.Response, into: Path) -> None:
        limit, size = self._config.max_bytes, 0
        with into.open("wb") as handle:
            async for chunk in response.aiter_stream():
                size += len(chunk)
                if size > limit:
                    raise Failed("too large", f"more than {limit:,} bytes", "never")
                handle.write(chunk)

    def _refusal(self, status: int, pause: str, host: _Host) -> Failed:
        """What a status says; a host that asks for a pause gets it from all."""
        retry: Retry = "now" if status in PASSING or status >= 500 else "never"
        wait = _seconds(pause) if status in (429, 503) else None
        if wait is not None and wait > self._config.max_wait:
            host.put_off = f"it asks for a pause of {wait:,.0f} s (status {status})"
            return Failed("host put off", host.put_off, "later")
        if wait is not None:
            host.free_at = max(host.free_at, asyncio.get_running_loop().time() + wait)
        return Failed(f"status {status}", f"the server answered {status}", retry)


def _trusted() -> ssl.SSLContext:
    """Certificates of the file SSL_CERT_FILE or the folder SSL_CERT_DIR, as a company's own; else certifi's."""
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        raise BadInput(
            f"SSL_CERT_FILE={os.environ.get('SSL_CERT_FILE', '')}: no certificates can be read there "
            f"({error.strerror or error}); name a PEM file, or unset it"
        ) from None


def _jitter(url: str, effort: _Effort) -> float:
    """From 0 to 1, the same for the same url and try: urls that failed together are not asked again together."""
    return hashlib.sha256(f"{url}\0{effort.tries}".encode("utf-8", "surrogatepass")).digest()[0] / 256


def _origin(url: httpx.URL) -> tuple[Any, ...]:
    return url.scheme, url.host, url.port


def _broken(error: Exception) -> Failed:
    what = f"{type(error).__name__}{f': {error}' if str(error) else ''}"
    if isinstance(error, httpcore.ConnectError):
        return Failed("no connection", what, "now")
    return Failed("timeout" if isinstance(error, httpcore.TimeoutException) else "connection broke", what, "now")


def _seconds(pause: str) -> float | None:
    """Of a Retry-After, which is a number of seconds or a date; None for neither."""
    if pause.strip().isdecimal():
        return float(pause)
    try:
        when = parsedate_to_datetime(pause).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):  # at either end of the calendar
        return None
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
