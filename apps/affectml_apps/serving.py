"""What every app of ours serves alike: who may call, which files a browser gets, which memory goes back.

Host is checked on everything, so that no foreign name can be made to point at a server, and Origin, so that no page of
another site can call it.
"""

import ctypes
import re
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import pyarrow as pa
import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config

from affectml.errors import AffectmlError, BadInput
from affectml_annotation import AnnotationError, DatabaseAway, DatabaseFailed
from affectml_apps.pictures import BadImage, for_browser
from affectml_apps.text import in_public

T = TypeVar("T")
SHARED = Path(__file__).parent / "client"  # modules for the browser that more than one app uses
AWAY_SECONDS = 1  # until a browser asks again whether the database is back
LOOPBACK = ("localhost", "127.0.0.1", "::1")
# A name or address as a browser writes it, and a port.
HOST = re.compile(r"(?:(?P<name>[A-Za-z0-9._-]{1,253})|\[(?P<six>[0-9A-Fa-f:.]{2,45})\])(?::[0-9]{1,5})?")
HEADERS = {
    b"x-frame-options": b"DENY",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
}
# Nothing on a page may come from, or go to, another site: not an icon, not a font, not what somebody typed.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:; worker-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' ws://{host} wss://{host} data: blob:; frame-ancestors 'none'; "
    "object-src 'none'; base-uri 'self'"
)


class Guard:
    """Refuses calls under a foreign name or from a foreign page, and adds headers that keep others from framing us."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str] = ()) -> None:
        self.app = app
        self.hosts = {*LOOPBACK, *(host.lower() for host in hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        send_at_once(receive)
        wrong = self._wrong(scope["headers"])
        if wrong is not None:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            status, why = wrong
            await JSONResponse({"error": why}, status)(scope, receive, send)
            return

        host = next(value for key, value in scope["headers"] if key == b"host").decode("latin-1")
        ours = {**HEADERS, b"content-security-policy": POLICY.format(host=host).encode()}

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                have = {key.lower() for key, _ in message["headers"]}
                message["headers"] = [*message["headers"], *((k, v) for k, v in ours.items() if k not in have)]
            await send(message)

        await self.app(scope, receive, with_headers)

    def _wrong(self, headers: Sequence[tuple[bytes, bytes]]) -> tuple[int, str] | None:
        """Why a call is turned away and with which status, from its Host and Origin; None where it is not."""
        hosts = [value.decode("latin-1") for key, value in headers if key == b"host"]
        origins = [value.decode("latin-1") for key, value in headers if key == b"origin"]
        found = HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if found is None:
            return 400, "expected one Host header with a name and perhaps a port"
        name = (found["name"] or found["six"]).lower()
        if name not in self.hosts:
            return 403, f"this server does not answer to the name {name[:100]!r}; --allow-host adds names"
        if any(origin.partition("://")[2].lower() != hosts[0].lower() for origin in origins):
            return 403, "a page of another site called; only this app's own page may"
        return None


def send_at_once(receive: Receive) -> None:
    """Have the connection of this call send each part of a reply as it comes.

    asyncio sees to it for sockets that know their protocol, and Streamlit's do not. Without it a small picture waits
    until the browser has acknowledged the reply's head, which browsers put off for 40 ms.
    """
    transport = getattr(getattr(receive, "__self__", None), "transport", None)  # uvicorn's
    connection = None if transport is None else transport.get_extra_info("socket")
    if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def make_middleware(hosts: Sequence[str]) -> list[Middleware]:
    """The guard around everything, Streamlit's pages too. hosts: names of this server beyond its own."""
    named = (config.get_option("server.address"), config.get_option("browser.serverAddress"), *hosts)
    return [Middleware(Guard, hosts=[name for name in named if name and name not in ("0.0.0.0", "::")])]


def only_here(hosts: Sequence[str]) -> bool:
    """Whether nobody but this machine reaches the server: it listens on loopback and has no further name."""
    return config.get_option("server.address") in LOOPBACK and not hosts


def prefixed(base: str) -> str:
    """server.baseUrlPath as what stands before a path: "" or "/base"."""
    return f"/{base.strip('/')}" if base.strip("/") else ""


def make_routes(root: str, client: Path, handlers: Mapping[str, Callable[[Request], Response]]) -> list[BaseRoute]:
    """Routes below `root`: those of the handlers, and the client's files.

    A file of the client is the app's own or a shared one; every name is checked against what is there.
    """

    def file(request: Request) -> Response:
        name = request.path_params["name"]
        found = {path.name: path for path in (*SHARED.iterdir(), *client.iterdir())}
        if name not in found:
            return PlainTextResponse("no such file", 404)
        kind = "text/javascript" if name.endswith(".js") else "text/css"
        return FileResponse(found[name], media_type=kind, headers={"cache-control": "no-cache"})

    routes = [Route(f"{root}/{name}", handler, methods=["GET"]) for name, handler in handlers.items()]
    return [Route(f"{root}/client/{{name}}", file, methods=["GET"]), *routes]


class Refused(Exception):
    """What a browser asked for and does not get; `status` is that of HTTP."""

    status = 403


def failed(_request: Request, error: Exception) -> JSONResponse:
    """Why there is no answer and no image."""
    if isinstance(error, DatabaseAway):
        return JSONResponse({"error": in_public(error)}, 503, {"retry-after": str(AWAY_SECONDS)})
    if isinstance(error, BadImage):
        status = 404 if "no such file" in str(error) else 422
    else:
        status = 500 if isinstance(error, DatabaseFailed) else getattr(error, "status", 400)
    return JSONResponse({"error": in_public(error)}, status)


# What routes tell of in words; anything else is an error of ours.
TOLD = dict.fromkeys((AffectmlError, AnnotationError, BadImage, Refused), failed)


def picture(path: Path, headers: Mapping[str, str]) -> Response:
    """An image itself, converted where browsers do not show it. Raises BadImage."""
    content, kind = for_browser(path)
    if isinstance(content, bytes):
        return Response(content, media_type=kind, headers=headers)
    return FileResponse(content, media_type=kind, headers=headers)


def client_version(folder: Path) -> str:
    """Changes whenever a file of the client does, so that no browser runs an old one."""
    return str(max(path.stat().st_mtime_ns for path in (*SHARED.iterdir(), *folder.iterdir())))


def component(app: str, client: Path) -> Callable[..., Any]:
    """The component of an app, whose script loads main.js and mounts it.

    The modules import each other, so they are fetched as files. data has `base` and `version`, see `prefixed` and
    `client_version`.
    """
    script = (SHARED / "loader.js").read_text(encoding="utf-8").replace("APP", app)
    css = (client / f"{app}.css").read_text(encoding="utf-8")
    return st.components.v2.component(f"affectml-{app}", html='<div class="mount"></div>', css=css, js=script)


class Served(Generic[T]):
    """What the page and the routes of this process serve: `use` it, and call this for it.

    Streamlit runs a page as a script, so there is no other place to hand it over.
    """

    def __init__(self, script: str) -> None:
        self.script = script
        self.value: T | None = None

    def use(self, value: T | None) -> None:
        """Serve this from now on; None: nothing."""
        self.value = value

    def __call__(self) -> T:
        """What is served."""
        if self.value is None:
            raise BadInput(f"nothing is open; start the app with `streamlit run {self.script}`")
        return self.value


def opened(make: Callable[[], T]) -> T:
    """What a server shows, opened before anything is served; what a user can mend ends the program with one line."""
    pa.set_memory_pool(pa.system_memory_pool())  # pyarrow's own keeps what reading a large table took: 20 MB
    try:
        return make()
    except (AffectmlError, AnnotationError) as error:
        sys.exit(f"{type(error).__name__}: {error}")


def say(line: str) -> None:
    """Tell whoever started the server."""
    print(line, flush=True)


def hold_little() -> None:
    """Have glibc hand arrays back to the system when they are no more; to be called before threads are started.

    Otherwise it keeps room for them, in every thread's own arena: 200 MB for 100,000 images and three runs.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        for option, value in ((-8, 1), (-3, 2**20), (-1, 2**23)):  # M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD
            set_option(option, value)
