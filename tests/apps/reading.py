"""Pages drawn without a browser, and all that somebody reads on them."""

import re

from google.protobuf.json_format import MessageToDict
from streamlit.testing.v1 import AppTest

from affectml_annotation.languages import LANGUAGES, PSEUDO, own_name

NAMES = {own_name(code) for code in (*LANGUAGES, PSEUDO)}
WORDS = ("body", "label", "help", "options", "placeholder", "caption", "title")


def run(script, **address):
    """A script of Streamlit's as somebody has it at this address."""
    app = AppTest.from_string(script, default_timeout=300)
    for name, value in address.items():
        app.query_params[name] = value
    return app.run()


def page(name=None, **address):
    """What people see first, or one of `relabel/pages`."""
    if name is None:
        return run("from affectml_apps.relabel.pages import navigation\nnavigation.run()\n", **address)
    return run(
        f"from affectml_apps.relabel.pages import {name}\nfrom affectml_apps.relabel.pages.who import who_is_there\n"
        "from affectml_apps.relabel.speaking import speak\nfrom affectml_apps.relabel.task import current\n"
        f"speak(current(), who_is_there())\n{name}.draw()\n",
        **address,
    )


def named(elements, wanted):
    """The element with this label or key."""
    return next(each for each in elements if wanted in (getattr(each, "key", None), getattr(each, "label", None)))


def press(app, wanted):
    """Press the button with this label or key."""
    return named(app.button, wanted).click().run()


def submit(app, button, fields):
    """Fill in the fields with these labels, and press the button."""
    for label, value in fields.items():
        named((each for each in app.main if hasattr(each, "set_value")), label).set_value(value)
    return press(app, button)


def read(app):
    """All that stands on a page to be read, a text a line; study texts, which come as HTML, are left out."""
    return unescaped("\n".join(_texts(app._tree)))


def said(app):
    """The same of a page that is whole."""
    assert not app.exception
    return read(app)


def unescaped(text):
    """What Streamlit's Markdown shows."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)


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
    for line in said(app).splitlines():
        bare = line
        while bare != (bare := re.sub(r"\[[^\[\]]*\]", "", bare)):
            pass
        if re.search("[A-Za-z]{2}", bare) and line not in {*NAMES, *own}:
            left.append(line)
    return "\n".join(left)


def in_file(app, before, after):
    """Change the task's file on the page, and save it."""
    field = app.text_area(key="task-file")
    assert before in field.value
    field.set_value(field.value.replace(before, after))
    return press(app, "Save the file")
