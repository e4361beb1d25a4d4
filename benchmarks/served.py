"""The labelling app as benchmarks start it: each call is timed.

AFFECTML_CALLS names a file that gets a line for each: method, path, status, and the milliseconds in the server from the
call's head to the reply's last byte.
"""

import os
import sys
import time
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from affectml_apps.relabel.web import PAGE, app_parts


class Timed:
    """Writes a line for each call."""

    def __init__(self, app: ASGIApp, file: str) -> None:
        self.app, self.out = app, Path(file).open("a", buffering=1)  # noqa: SIM115 - as long as the server runs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            took = (time.perf_counter() - began) * 1000
            self.out.write(f"{scope['method']} {scope['path']} {status} {took:.2f}\n")


PARTS = app_parts(sys.argv[1:])
PARTS["middleware"].insert(0, Middleware(Timed, file=os.environ["AFFECTML_CALLS"]))
app = st.App(PAGE, **PARTS)
