"""Which urls and addresses may be asked: those of the public internet, unless the user allows more."""

import asyncio
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpcore
import httpx

PORTS = (80, 443, 8080, 8443)  # where pictures are; the others are other services
GUARDED = ("not a public address", "not a public port")  # the reasons that `allow_private` lifts
_KINDS = ("unspecified", "loopback", "link_local", "multicast", "site_local", "private", "reserved")
_NAT64 = IPv6Network("64:ff9b::/96")
_SPECIAL = IPv4Network("192.0.0.0/24")  # protocols' own; Pythons differ in how much of it they call private


class Failed(Exception):
    """An image that did not come, and will not. reason: the kind, a few words that many images share; why: the rest."""

    again = False

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason, self.why = reason, " ".join(why.split())


class Later(Failed):
    """One that may come in the next run."""

    again = True


class Passing(Later):
    """One that may come with the next try."""


def checked_url(text: str, base: httpx.URL | None = None) -> httpx.URL:
    """A url, or one that `base` redirects to, without fragment; raises Failed unless it is http or https."""
    try:
        url = httpx.URL(text.strip()) if base is None else base.copy_with(userinfo=b"").join(text.strip())
        url = url.copy_with(fragment=None)
        host, port = url.host, url.port
    except (httpx.InvalidURL, UnicodeError, ValueError):  # whose words may hold a part of a password
        raise Failed("not a url", "no address can be read in it") from None
    if url.scheme not in ("http", "https"):
        raise Failed("not a web address", f"scheme {url.scheme!r}; only http and https are asked")
    if not host or not (port is None or 0 < port < 65536):
        raise Failed("not a url", f"port {port}" if host else "no host in it")
    return url


def not_public(address: IPv4Address | IPv6Address) -> str:
    """In a word what keeps an address from being a public one; empty for public ones.

    An IPv4 address within an IPv6 one (mapped, NAT64, 6to4) counts as itself: a gateway would take us there. Teredo's
    are private to Python.
    """
    if isinstance(address, IPv6Address):
        nat64 = IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
        if (inner := address.ipv4_mapped or nat64) is not None:
            return not_public(inner)
        if address.sixtofour is not None and (word := not_public(address.sixtofour)):
            return word
    kinds = (word.replace("_", "-") for word in _KINDS if getattr(address, f"is_{word}", False))
    return next(kinds, "reserved" if address in _SPECIAL else "" if address.is_global else "not global")


class GuardedBackend(httpcore.AnyIOBackend):
    """Looks a host up, checks every address that it has, and connects to one of just these.

    The name is not looked up again between check and connection, so a name whose answer changes gains nothing.
    """

    def __init__(self, allow_private: bool) -> None:
        self._allow_private = allow_private

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *rest: Any, **more: Any
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers; raises Failed for a port or an address that is not public."""
        if not (self._allow_private or port in PORTS):
            raise Failed(GUARDED[1], f"port {port}; {', '.join(map(str, PORTS))} are asked")
        refused = httpcore.ConnectError(f"{host} has no address")
        try:
            async with asyncio.timeout(timeout):
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
                addresses = list(dict.fromkeys(str(place[4][0]) for place in found))
                for address in () if self._allow_private else addresses:
                    if what := not_public(ip_address(address)):
                        raise Failed(GUARDED[0], f"{host} is {address}, {what}")
                for address in addresses:
                    try:
                        return await super().connect_tcp(address, port, timeout, *rest, **more)
                    except httpcore.ConnectError as error:
                        refused = error
        except (socket.gaierror, UnicodeError) as error:
            raise Passing("no such host", f"{host}: {getattr(error, 'strerror', None) or error}") from None
        except TimeoutError:
            raise httpcore.ConnectTimeout from None
        raise refused
