"""The page where images are labelled."""

from streamlit import config

from affectml_apps.relabel import component
from affectml_apps.relabel.task import current


def draw() -> None:
    """Draw it."""
    task = current()
    who = "ann"
    task.store.invite([who])
    task.store.consent(who)
    component.mount(task, who, 1, base=config.get_option("server.baseUrlPath"))
