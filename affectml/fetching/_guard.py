"""Which urls and addresses may be asked: those of the public internet, unless the user allows more."""

import asyncio
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Literal, TypeAlias

import httpcore
import httpx

_NAT64 = IPv6Network("64:ff9b::/96")
_SPECIAL = IPv4Network("192.0.0.0/24")  # protocols' own; Pythons differ in how much of it they call private
PORTS = (80, 443, 8080, 8443)  # where pictures are; the others are other services

NO_HOST = "no such host"
NOT_PUBLIC, NO_PORT = "not a public address", "not a public port"  # what `allow_private` lifts
Retry: TypeAlias = Literal["now", "later", "never"]


class Failed(Exception):
    """An image that did not come.

    reason: the kind, a few words that many images share. why: what happened to this one. retry: `now` in this run,
    `later` in the next one, or `never`, where asking again would give the same. tries: in all runs. when: the last of
    them ended, in UTC.
    """

    def __init__(self, reason: str, why: str, retry: Retry, tries: int = 0, when: str = "") -> None:
        super().__init__(why)
        self.reason, self.why, self.retry = reason, " ".join(why.split()), retry
        self.tries, self.when = tries, when


def checked_url(text: str, base: httpx.URL | None = None) -> httpx.URL:
    """A url, or one that `base` redirects to, without fragment; raises Failed unless it is http or https."""
    try:
        url = httpx.URL(text.strip()) if base is None else base.copy_with(userinfo=b"").join(text.strip())
        url = url.copy_with(fragment=None)
        host, port = url.host, url.port
    except (httpx.InvalidURL, UnicodeError, ValueError):  # whose words may hold a part of a password
        raise Failed("not a url", "no address can be read in it", "never") from None
    if url.scheme not in ("http", "https"):
        raise Failed("not a web address", f"scheme {url.scheme!r}; only http and https are asked", "never")
    if not host:
        raise Failed("not a url", "no host in it", "never")
    if port is not None and not 0 < port < 65536:
        raise Failed("not a url", f"port {port}", "never")
    return url


def not_public(address: IPv4Address | IPv6Address) -> str:
    """In a word what keeps an address from being a public one; empty for public ones.

    An IPv4 address within an IPv6 one (mapped, 6to4, Teredo, NAT64) counts as itself: a gateway would take us there.
    """
    if isinstance(address, IPv6Address):
        nat64 = IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
        if (inner := address.ipv4_mapped or nat64) is not None:
            return not_public(inner)
        for inner in (address.sixtofour, *(address.teredo or ())):
            if inner is not None and (word := not_public(inner)):
                return word
        if address.is_site_local:
            return "private"
    for word in ("unspecified", "loopback", "link_local", "multicast", "private", "reserved"):
        if getattr(address, f"is_{word}"):
            return word.replace("_", "-")
    if address in _SPECIAL:
        return "reserved"
    return "" if address.is_global else "not global"


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Looks a host up, checks every address that it has, and connects to one of just these.

    The name is not looked up again between check and connection, so a name whose answer changes gains nothing.
    """

    def __init__(self, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._wire = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers; raises Failed for a port or an address that is not public."""
        if not self._allow_private and port not in PORTS:
            raise Failed(NO_PORT, f"port {port}; {', '.join(map(str, PORTS))} are asked", "never")
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._addresses(host, port)
                for last, address in enumerate(addresses, start=1 - len(addresses)):
                    try:
                        return await self._wire.connect_tcp(address, port, timeout, local_address, socket_options)
                    except httpcore.ConnectError:
                        if last == 0:
                            raise
        except TimeoutError:
            raise httpcore.ConnectTimeout from None
        raise Failed(NO_HOST, f"{host} has no address", "now")

    async def _addresses(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            raise Failed(NO_HOST, f"{host}: {getattr(error, 'strerror', None) or error}", "now") from None
        addresses = list(dict.fromkeys(str(place[4][0]) for place in found))
        for address in () if self._allow_private else addresses:
            if what := not_public(ip_address(address)):
                raise Failed(NOT_PUBLIC, f"{host} is {address}, {what}", "never")
        return addresses
