"""Pages drawn without a browser, and all that somebody reads on them."""

import re

from google.protobuf.json_format import MessageToDict
from streamlit.testing.v1 import AppTest

from affectml_annotation.languages import LANGUAGES, PSEUDO, own_name

NAMES = {own_name(code) for code in (*LANGUAGES, PSEUDO)}
WORDS = ("body", "label", "help", "options", "placeholder", "caption", "title")


def page(module=None, **address):
    """What people see first, or the page of a module, at this address."""
    script = "from affectml_apps.relabel.pages import navigation\nnavigation.run()\n"
    if module is not None:
        script = (
            f"from {module} import draw\nfrom affectml_apps.relabel.pages.who import who_is_there\n"
            "from affectml_apps.relabel.speaking import speak\nfrom affectml_apps.relabel.task import current\n"
            "speak(current(), who_is_there())\ndraw()\n"
        )
    app = AppTest.from_string(script, default_timeout=300)
    for name, value in address.items():
        app.query_params[name] = value
    return app.run()


def press(app, wanted):
    """Press the button with this label or key."""
    return next(each for each in app.button if wanted in (each.key, each.label)).click().run()


def said(app):
    """All that stands on a page to be read, a text a line; study texts, which come as HTML, are left out."""
    assert not app.exception
    return "\n".join(_texts(app._tree))


def _texts(block):
    for child in block.children.values():
        if getattr(child, "proto", None) is not None and child.type != "html":
            yield from _words(MessageToDict(child.proto))
        if hasattr(child, "children"):
            yield from _texts(child)


def _words(value, name=""):
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _words(one, key)
    elif isinstance(value, list):
        for one in value:
            yield from _words(one, name)
    elif name in WORDS:
        yield str(value)


def untranslated(app, own=()):
    """Lines of a page in the pseudo-language that hold a word outside of its brackets. own: the study's own."""
    left = []
    for line in said(app).replace("\\", "").splitlines():
        bare = line
        while bare != (bare := re.sub(r"\[[^\[\]]*\]", "", bare)):
            pass
        if re.search("[A-Za-z]{2}", bare) and line not in {*NAMES, *own}:
            left.append(line)
    return "\n".join(left)
