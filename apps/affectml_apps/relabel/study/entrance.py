"""Who comes to a study: a panel's ids or a link leave the address at the first call, for a cookie that is signed.

So they stand in no page, no log and no message of the page to its server. The cookie is sealed by the task's secret:
it outlives a restart, and no script of the page can read it.
"""

import hashlib
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from itsdangerous import BadData
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from affectml_annotation import AnnotationError
from affectml_annotation.languages import is_language
from affectml_annotation.study import door, visits
from affectml_annotation.study.door import Entry, Ids
from affectml_annotation.study.screen import return_address, way_back
from affectml_apps.relabel.identity import sealed
from affectml_apps.relabel.speaking import LANGUAGE
from affectml_apps.relabel.task import LabelTask, current
from affectml_apps.serving import prefixed

LINK = "link"
DAYS = 30


@dataclass(frozen=True)
class Visitor:
    """What a browser brings. given: the ids, or the link, as they stood in the address. own: a number of its own.

    The browser keeps that number whoever comes, so that an address which a foreign page made up takes no visit away;
    it opens the visit of who agreed or gave the code there last, and no other.
    """

    given: Mapping[str, str] = field(repr=False)
    own: str = field(repr=False)


def ids_of(task: LabelTask, visitor: Visitor) -> Ids:
    """Who this is. Raises a StoreError whose message is for them to read."""
    if LINK in visitor.given:
        return door.ids_of_link(task.store, visitor.given[LINK])
    return door.ids_from(task.file, visitor.given)


def enter(task: LabelTask, visitor: Visitor, *, again: bool = True) -> Entry:
    """What they find; errors as of `ids_of` and `door.enter`."""
    return door.enter(task.store, ids_of(task, visitor), visitor.own, again=again)


def cookie_name(task: LabelTask) -> str:
    """One of the task's own: the ports of a machine share their cookies."""
    return f"affectml-study-{hashlib.sha256(task.secret.encode()).hexdigest()[:8]}"


def visitor_of(task: LabelTask, cookies: Mapping[str, str]) -> Visitor | None:
    """Who a browser's cookies say is there; None for a cookie that is not ours."""
    with suppress(BadData):
        return Visitor(*sealed(task.secret, "visitor").loads(cookies.get(cookie_name(task), "")))
    return None


class Entrance:
    """Takes the ids out of the address of a page, and sends the browser to the page without them."""

    def __init__(self, app: ASGIApp, task: LabelTask, base: str = "") -> None:
        self.app, self.task, self.prefix = app, task, prefixed(base)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        given = self._given(scope) if scope["type"] == "http" else {}
        if given:
            response = await run_in_threadpool(self._take_in, scope, given)
            await response(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _given(self, scope: Scope) -> dict[str, str]:
        """What the address of a page says of who comes; nothing for any other address."""
        below = scope["path"].removeprefix(self.prefix).removeprefix("/")
        if scope["method"] not in ("GET", "HEAD") or "/" in below:
            return {}
        asked = Request(scope).query_params
        if asked.get(LINK):
            return {LINK: asked[LINK][: door.MOST_ID + 1]}
        names = self.task.file.recruit.names.values()
        return {name: asked[name][: door.MOST_ID + 1] for name in names if asked.get(name)}

    def _take_in(self, scope: Scope, given: dict[str, str]) -> Response:
        request = Request(scope)
        known = visitor_of(self.task, request.cookies)
        visitor = Visitor(given, secrets.token_hex(16) if known is None else known.own)
        if known is None or not self._same(known, visitor):
            with suppress(AnnotationError):  # the page tells who may not come
                enter(self.task, visitor, again=False)
        language = request.query_params.get(LANGUAGE, "")
        kept = f"?{LANGUAGE}={language}" if is_language(language) else ""
        response = RedirectResponse(f"{self.prefix}/{kept}", 303, {"cache-control": "no-store"})
        if known is None or not self._stays(known, visitor):
            content = str(sealed(self.task.secret, "visitor").dumps([visitor.given, visitor.own]))
            response.set_cookie(
                cookie_name(self.task), content, max_age=DAYS * 86_400, path=f"{self.prefix}/",
                secure=scope["scheme"] == "https", httponly=True, samesite="lax",
            )  # fmt: skip
        return response

    def _stays(self, known: Visitor, visitor: Visitor) -> bool:
        """Whether a visit that goes on here stays: who comes began elsewhere, and any page may have sent them."""
        with suppress(AnnotationError):
            here = enter(self.task, known).participant
            goes_on = here is not None and visits.where(self.task.store, here).status is None
            return goes_on and enter(self.task, visitor).kind == "known"
        return False

    def _same(self, one: Visitor, other: Visitor) -> bool:
        """Whether two visitors are the same person, in what they say of themselves."""
        name = self.task.file.recruit.names.get("person", LINK)
        return all(one.given.get(key) == other.given.get(key) for key in (name, LINK))


def go_back(request: Request) -> Response:
    """To where somebody came from, with their code. Redirected here, the address stands in no page."""
    task, to = current(), None
    with suppress(AnnotationError):  # the page tells them
        if (visitor := visitor_of(task, request.cookies)) is not None:
            entry = enter(task, visitor)
            if entry.participant is not None:
                to = return_address(task.store, entry.participant)
            else:
                to = way_back(task.store, ids_of(task, visitor), entry)
    return RedirectResponse(to or "../", 303, {"cache-control": "no-store"})
