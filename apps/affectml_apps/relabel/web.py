"""The routes beside Streamlit's own.

    GET  relabel/client/FILE    the page's own part in the browser
    GET  relabel/image?id=...   an image, to whom it was given; in a study with the language of the words within it
    POST relabel/sync           answers in, receipts and the next images out (JSON)
    GET  relabel/return         a study's participant goes back to their panel

The browser names itself by a signed token in a header: no other site can set one without asking first, and we
never agree. `affectml_apps.serving` says who may call anything here.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from streamlit import config

from affectml.errors import AffectmlError, MissingExtra
from affectml_annotation import languages
from affectml_annotation.judgements import storable
from affectml_apps import serving
from affectml_apps.pictures import BadImage
from affectml_apps.relabel import queries
from affectml_apps.relabel.backups import keep_backups
from affectml_apps.relabel.identity import Allowance, BadToken, clean_name, read_token
from affectml_apps.relabel.messages import MAX_BODY, parse
from affectml_apps.relabel.pages.who import sign_in_configured
from affectml_apps.relabel.speaking import LANGUAGE, language_of
from affectml_apps.relabel.study import exchange as study_exchange
from affectml_apps.relabel.study.entrance import Entrance, go_back
from affectml_apps.relabel.sync import NotAllowed, check_person, exchange
from affectml_apps.relabel.task import LabelTask, current, open_task, parse_arguments

TOKEN_HEADER = "x-relabel-token"
CLIENT = Path(__file__).parent / "client"
PAGE = Path(__file__).parent / "pages" / "navigation.py"


def app_parts(arguments: Sequence[str]) -> dict[str, Any]:
    """What the entry script hands to `st.App` beside `PAGE`.

    Opens the task at once, so that a wrong folder or database ends the program before anything is served.
    """
    options = parse_arguments(arguments)

    def open_checked() -> LabelTask:
        if sign_in_configured() and find_spec("authlib") is None:
            raise MissingExtra("Authlib", "login", "sign-in ([auth] in .streamlit/secrets.toml)")
        return open_task(options, say=serving.say)

    task = serving.opened(open_checked)
    task.only_here = serving.only_here(options.allow_host)
    if options.images is not None and task.only_here and not sign_in_configured():
        task.begin_as(clean_name(os.environ.get("USER", os.environ.get("USERNAME", ""))) or "me")
        serving.say(f"labelling as {task.starter}; under another name: open the page with ?who=NAME")
    base = config.get_option("server.baseUrlPath")
    entrance = [Middleware(Entrance, task=task, base=base)] if task.is_study else []
    return {
        "routes": make_routes(base),
        "middleware": [*serving.make_middleware(options.allow_host), *entrance],
        "lifespan": partial(lifespan, task),
        "exception_handlers": serving.TOLD,
    }


def make_routes(base: str = "", allowance: Allowance | None = None) -> list[BaseRoute]:
    """The app's routes under server.baseUrlPath. allowance: how much each person may send."""
    root = f"{serving.prefixed(base)}/relabel"
    take = Route(f"{root}/sync", partial(sync, allowance=allowance or Allowance()), methods=["POST"])
    return [take, *serving.make_routes(root, CLIENT, {"image": image, "return": go_back})]


@asynccontextmanager
async def lifespan(task: LabelTask, _app: Any) -> AsyncIterator[None]:
    """Serve this task while the server runs, keep backups of it, and close its store after."""
    current.use(task)
    keeping = asyncio.create_task(keep_backups(task.store))
    try:
        yield
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
        current.use(None)
        task.store.close()


def _who(request: Request, task: LabelTask) -> str:
    try:
        return read_token(task.secret, request.headers.get(TOKEN_HEADER, ""))
    except BadToken as error:
        languages.use(_language(request, task))
        raise BadToken(languages._(str(error))) from None


def image(request: Request) -> Response:
    """An image, if it was given to the caller."""
    task = current()
    name = request.query_params.get("id", "")
    who = _who(request, task)
    check_person(task, who)
    language = _language(request, task, who, request.query_params.get(LANGUAGE))
    file = None
    if storable(name) and task.is_study:
        file = study_exchange.file_for(task, who, name, language)
    elif storable(name) and queries.is_assigned(task.store, who, name):
        file = queries.file_of(task.store, name)
    if file is None:
        raise NotAllowed("this image was not given to you")
    try:
        path = task.dataset.image_path(file)
    except AffectmlError:
        raise BadImage("no such file in the data set's folder") from None
    return serving.picture(path, {"cache-control": "private, max-age=3600", "vary": TOKEN_HEADER})


async def sync(request: Request, *, allowance: Allowance) -> Response:
    """One exchange; see `affectml_apps.relabel.sync`.

    A body that can be read gets 200 with a receipt for each answer, whatever the answers are. 400 and 413 are for a
    body that cannot be taken as it is; 429 and 503, which says that the database is away, say in Retry-After when to
    send it again.
    """
    task = current()
    who = await run_in_threadpool(_who, request, task)
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return JSONResponse({"error": "expected content-type application/json"}, 415)
    if wait := allowance.take(who):
        return _slower(wait)
    body = await _body(request)
    if body is None:
        return JSONResponse({"error": f"more than {MAX_BODY} bytes"}, 413)
    message = await run_in_threadpool(parse, body)
    if wait := allowance.take(who, len(message["answers"]) - 1):
        return _slower(wait)
    languages.use(await run_in_threadpool(_language, request, task, who, message.get(LANGUAGE)))
    take = study_exchange.exchange if task.is_study else exchange
    return JSONResponse(await run_in_threadpool(take, task, who, message))


def _language(request: Request, task: LabelTask, who: str | None = None, told: object = None) -> str:
    """The language in which a browser is answered: that of its page, else as somebody who opens the page."""
    person = None if who is None else queries.person(task.store, who)
    own = (told if isinstance(told, str) else None, None if person is None else person.language)
    return language_of(task.offered(who), own, request.headers.get("accept-language"))


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
