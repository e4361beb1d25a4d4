"""What the entry scripts hand to `st.App`: the page, the routes, the guard, and the task's opening and closing."""

import getpass
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
from starlette.middleware import Middleware

from affectml.errors import AffectmlError, MissingExtra
from affectml_annotation import AnnotationError
from affectml_apps import serving
from affectml_apps.relabel import web
from affectml_apps.relabel.identity import clean_name
from affectml_apps.relabel.options import parse
from affectml_apps.relabel.pages.who import sign_in_configured
from affectml_apps.relabel.study.entrance import Entrance
from affectml_apps.relabel.task import open_task

PAGE = Path(__file__).parent / "pages" / "main.py"


def app_parts(arguments: Sequence[str]) -> tuple[Path, dict[str, Any]]:
    """The page's path, and st.App's other arguments.

    Opens the task at once, so that a wrong folder or database ends the program with one line before anything is
    served; exits with code 2 then.
    """
    from streamlit import config

    options = parse(arguments)
    pa.set_memory_pool(pa.system_memory_pool())  # pyarrow's own keeps what reading a large table took: 20 MB
    try:
        if sign_in_configured() and find_spec("authlib") is None:
            raise MissingExtra("Authlib", "login", "sign-in ([auth] in .streamlit/secrets.toml)")
        task = open_task(options, say=lambda line: print(line, flush=True))
    except (AffectmlError, AnnotationError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    serving.give_back_memory()
    task.only_here = serving.only_here(options.allow_host)
    if options.images is not None and task.only_here and not sign_in_configured():
        task.begin_as(_own_name())
        print(f"labelling as {task.starter}; under another name: open the page with ?who=NAME", flush=True)
    base = config.get_option("server.baseUrlPath")
    entrance = [Middleware(Entrance, task=task, base=base)] if task.is_study else []
    return PAGE, {
        "routes": web.make_routes(base),
        "middleware": [*serving.make_middleware(options.allow_host), *entrance],
        "lifespan": web.make_lifespan(task),
    }


def _own_name() -> str:
    """What the person at this machine is called there."""
    try:
        return clean_name(getpass.getuser()) or "me"
    except (OSError, KeyError):  # an account without a name
        return "me"
