"""The routes beside Streamlit's own, and who may call anything here.

    GET  relabel/client/FILE    the page's own part in the browser
    GET  relabel/image?id=...   an image, to whom it was given
    POST relabel/sync           answers in, receipts and the next images out (JSON)

The browser names itself by a signed token in a header: no other site can set one without asking first, and we
never agree. Host is checked on everything, so that no foreign name can be made to point at this server.
"""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.exc import OperationalError
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from affectml.errors import AffectmlError
from affectml_annotation import AnnotationError
from affectml_annotation.store.submits import storable
from affectml_apps.relabel import queries
from affectml_apps.relabel.allowance import Allowance
from affectml_apps.relabel.messages import MAX_BODY, BadMessage, TooMuch, parse
from affectml_apps.relabel.options import Options
from affectml_apps.relabel.people import BadToken, read_token
from affectml_apps.relabel.pictures import BadImage, for_browser
from affectml_apps.relabel.sync import NotAllowed, exchange
from affectml_apps.relabel.task import LabelTask, current, use

TOKEN_HEADER = "x-relabel-token"
CLIENT = Path(__file__).parent / "client"
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


def make_routes(base: str = "", allowance: Allowance | None = None) -> list[BaseRoute]:
    """The app's routes under server.baseUrlPath. allowance: how much each person may send."""
    prefix = f"/{base.strip('/')}" if base.strip("/") else ""
    return [
        Route(f"{prefix}/relabel/client/{{name}}", client_file, methods=["GET"]),
        Route(f"{prefix}/relabel/image", image, methods=["GET"]),
        Route(f"{prefix}/relabel/sync", partial(sync, allowance=allowance or Allowance()), methods=["POST"]),
    ]


def make_middleware(options: Options) -> list[Middleware]:
    """The guard around everything, Streamlit's pages too."""
    from streamlit import config

    named = (config.get_option("server.address"), config.get_option("browser.serverAddress"), *options.hosts)
    return [Middleware(Guard, hosts=[name for name in named if name and name not in ("0.0.0.0", "::")])]


def only_here(options: Options) -> bool:
    """Whether nobody but this machine reaches the server: it listens on loopback and has no further name."""
    from streamlit import config

    return config.get_option("server.address") in LOOPBACK and not options.hosts


def make_lifespan(task: LabelTask) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """Serve this task while the server runs, and close its store after."""

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        use(task)
        try:
            yield
        finally:
            use(None)
            task.store.close()

    return lifespan


def client_file(request: Request) -> Response:
    """A file of the client; every name is checked against what is there."""
    name = request.path_params["name"]
    if name not in {path.name for path in CLIENT.iterdir()}:
        return PlainTextResponse("no such file", 404)
    kind = "text/javascript" if name.endswith(".js") else "text/css"
    return FileResponse(CLIENT / name, media_type=kind, headers={"cache-control": "no-cache"})


def _who(request: Request, task: LabelTask) -> str:
    return read_token(task.secret, request.headers.get(TOKEN_HEADER, ""))


def image(request: Request) -> Response:
    """An image, if it was given to the caller."""
    task = current()
    try:
        who = _who(request, task)
    except BadToken as error:
        return JSONResponse({"error": str(error)}, 401)
    person = queries.person(task.store, who)
    name = request.query_params.get("id", "")
    file = queries.assigned_file(task.store, who, name) if storable(name) else None
    if person is None or person.withdrawn or not person.consented or file is None:
        return JSONResponse({"error": "this image was not given to you"}, 403)
    try:
        path = task.dataset.image_path(file)
    except AffectmlError as error:
        return JSONResponse({"error": str(error)}, 404)
    try:
        content, kind = for_browser(path)
    except BadImage as error:
        why = str(error)
        return JSONResponse({"error": why}, 404 if not path.is_file() else 422, {"x-relabel-problem": _ascii(why)})
    headers = {"cache-control": "private, max-age=3600", "vary": TOKEN_HEADER}
    if isinstance(content, bytes):
        return Response(content, media_type=kind, headers=headers)
    return FileResponse(content, media_type=kind, headers=headers)


def _ascii(text: str) -> str:
    return text.replace("×", "x").encode("ascii", "replace").decode()[:300]


async def sync(request: Request, *, allowance: Allowance) -> Response:
    """One exchange; see `affectml_apps.relabel.sync`.

    A body that can be read gets 200 with a receipt for each answer, whatever the answers are. 400 and 413 are for a
    body that cannot be taken as it is; 429 says in Retry-After when to send it again, 503 that the database is busy.
    """
    task = current()
    try:
        who = _who(request, task)
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return JSONResponse({"error": "expected content-type application/json"}, 415)
        if wait := allowance.take(who):
            return _slower(wait)
        body = await _body(request)
        if body is None:
            return JSONResponse({"error": f"more than {MAX_BODY} bytes"}, 413)
        message = await run_in_threadpool(parse, body)
        if wait := allowance.take(who, len(message.get("answers", [])) - 1):
            return _slower(wait)
        reply = await run_in_threadpool(exchange, task, who, message)
    except BadToken as error:
        return JSONResponse({"error": str(error)}, 401)
    except NotAllowed as error:
        return JSONResponse({"error": str(error)}, 403)
    except (BadMessage, AnnotationError) as error:
        return JSONResponse({"error": str(error)}, 413 if isinstance(error, TooMuch) else 400)
    except OperationalError:
        return JSONResponse({"error": "the database cannot be written to at the moment"}, 503)
    return JSONResponse(reply)


def _slower(wait: int) -> Response:
    return JSONResponse({"error": f"too many answers at once; go on in {wait} s"}, 429, {"retry-after": str(wait)})


async def _body(request: Request) -> bytes | None:
    """The body, or None where it is too long: nothing beyond the limit is kept."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            return None
        parts.append(part)
    return b"".join(parts)
