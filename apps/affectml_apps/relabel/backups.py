"""Backups on the task's schedule, each made by a process of its own beside the server, so that no answer waits."""

import asyncio
import logging
import os
import sys

from starlette.concurrency import run_in_threadpool

from affectml_annotation import AnnotationError, LabelStore
from affectml_annotation.store import keeping
from affectml_annotation.store.schema import now_ms

SECONDS = 60.0  # from one look whether a backup is due to the next
URL = "AFFECTML_LABELS"
SAID = 2  # the exit code of a process that has said why it made none


async def keep_backups(store: LabelStore) -> None:
    """Make the backups that are due, for as long as this is not cancelled. The lead reads why one could not be made."""
    while True:
        try:
            if await run_in_threadpool(keeping.due, store, now_ms()):
                code = await _make(store.database.engine.url.render_as_string(hide_password=False))
                if code not in (0, SAID):
                    why = f"the process that makes it ended with exit code {code}"
                    await run_in_threadpool(keeping.note_failure, store, why)
        except (AnnotationError, OSError) as error:  # in a minute it may be over
            logging.getLogger(__name__).warning("no backup: %s", error)
        await asyncio.sleep(SECONDS)


async def _make(url: str) -> int:
    """The exit code of a process that makes the backup. It ends with us, and Ctrl-C is for us alone."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, env={**os.environ, URL: url}, start_new_session=True
    )
    try:
        return await child.wait()
    finally:
        if child.returncode is None:
            child.terminate()
            await child.wait()


def _main() -> None:
    if hasattr(os, "nice"):
        os.nice(10)
    with LabelStore(os.environ[URL], must_exist=True) as store:
        try:
            keeping.keep_backup(store, if_due=True)
        except (AnnotationError, OSError) as error:
            print(f"no backup: {error}", file=sys.stderr)
            sys.exit(SAID)


if __name__ == "__main__":
    _main()
