"""Texts stand apart from the code: whatever somebody who answers can read is in the catalogue of each language."""

import ast
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from affectml_annotation import languages

ROOT = Path(__file__).resolve().parents[2]
APPS = ROOT / "apps" / "affectml_apps"
PAGES = (
    "text.py", "relabel/component.py", "relabel/identity.py", "relabel/speaking.py", "relabel/sync.py",
    "relabel/pages/drawing.py", "relabel/pages/label.py", "relabel/pages/navigation.py", "relabel/pages/who.py",
    "relabel/study/exchange.py", "relabel/study/page.py",
)  # fmt: skip
CLIENTS = sorted((*APPS.glob("client/*.js"), *APPS.glob("relabel/client/*.js")))
# What the lead alone reads: by file, the functions and constants that it stands in.
LEADS = {
    "relabel/pages/drawing.py": {"NAMES", "bars", "image", "table"},
    "relabel/pages/label.py": {"TO_LEADS"},
    "relabel/pages/navigation.py": {"LEAD", "_run"},
    "relabel/pages/who.py": {"lead_name"},
    "relabel/study/page.py": {"lead", "TO_LEADS"},
}
SAY = {"_", "ngettext", "marked"}
WORDS = re.compile(r"[^\W\d_]\S* |  *\S*[^\W\d_]")
CODE = re.compile(r"<(style|script|div)\b")


def python_texts(tree: ast.AST, left: set[str]) -> Iterator[str]:
    """What a module says by itself, of two words or more: one alone is found where it is drawn, by the tests that read
    every page in the pseudo-language. left: names passed over."""
    for part in ast.iter_child_nodes(tree):
        names = {getattr(part, "name", "")} | {ast.unparse(one) for one in getattr(part, "targets", ())}
        names |= {ast.unparse(part.target)} if isinstance(part, ast.AnnAssign) else set()
        if names & left or (isinstance(part, ast.Call) and ast.unparse(part.func) in SAY):
            continue
        if isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant):
            continue  # a docstring
        if isinstance(part, ast.Call) and ast.unparse(part.func).startswith("logging."):
            continue
        if isinstance(part, ast.Constant | ast.JoinedStr):
            values = part.values if isinstance(part, ast.JoinedStr) else [part]
            text = "".join(str(one.value) if isinstance(one, ast.Constant) else "0" for one in values)
            if WORDS.search(text) and not CODE.match(text):
                yield text
        else:
            yield from python_texts(part, left)


@pytest.mark.parametrize("name", PAGES)
def test_no_page_says_a_text_that_is_in_no_catalogue(name):
    tree = ast.parse((APPS / name).read_text(encoding="utf-8"))
    assert list(python_texts(tree, LEADS.get(name, set()))) == []


@pytest.mark.parametrize(
    "code",
    [
        'st.info(f"{who}, stop")', 'st.text("You are " + word)', 'WHY = "no way in"', 'raise NotAllowed("not for you")',
        'problem(f"Nobody invited {who}")',
    ],
)  # fmt: skip
def test_a_text_in_a_page_is_found(code):
    said = re.sub(r'f?(".*?")', r"_(\1)", code)
    assert [any(python_texts(ast.parse(each), set())) for each in (code, said)] == [True, False]


# what may hold a quotation mark, names of classes, and the strings
TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|(?<=[(,=:?&|!\[;])\s*/(?![/*])(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/\w*
    |class:\ "[^"]*"|(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)""",
    re.VERBOSE | re.DOTALL,
)
NO_TEXT = re.compile(
    r"(Alt|AltGraph|Arrow\w+|Backspace|Control|Delete|End|Enter|Escape|Home|Meta|Page\w+|Shift|Tab|Space|Period|Comma|"
    r"Slash|Numpad\w*|Digit\w*|Key\w*)|Connection error|no reply of this server|not now|chip quiet|quiet find"
)  # keys; the title of Streamlit's own dialog, that is kept away; errors that nobody is shown; classes


def client_texts(code: str) -> list[str]:
    """Strings of a module that begin as a sentence does or hold two words, and are in no catalogue."""
    written = (each.id for each in languages.catalogue(languages.ENGLISH))
    known = {text for each in written for text in ([each] if isinstance(each, str) else each)}
    texts = (re.sub(r"\$\{.*\}", "", token["string"][1:-1]) for token in TOKEN.finditer(code) if token["string"])
    return [
        text for text in texts
        if re.match("[A-Z][a-z]|.*[a-z]+ [a-z]+", text) and text not in known and not NO_TEXT.fullmatch(text)
    ]  # fmt: skip


@pytest.mark.parametrize("path", CLIENTS, ids=lambda path: path.name)
def test_no_module_of_the_browser_says_a_text_that_is_in_no_catalogue(path):
    assert client_texts(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "code",
    [
        'make("p", {}, "nothing is left")', 'button(`${n} images left`, { class: "a b" })', 'say("Saved.")',
        'make("div", { class: "a b", "aria-label": "other answers" })', 'this.says.textContent = "not found here";',
        'const NOTICES = { first: "This is no text of ours." };',
    ],
)  # fmt: skip
def test_a_text_in_a_module_is_found(code):
    assert len(client_texts(code)) == 1


SAID = re.compile(r'(?<![\w.])(?:_|marked|ngettext)\(\s*("(?:[^"\\]|\\.)*")')


@pytest.fixture(scope="module")
def script():
    """What scripts/texts.py has, by name."""
    return runpy.run_path(str(ROOT / "scripts" / "texts.py"))


@pytest.fixture(scope="module")
def template(script):
    """All texts found in the code."""
    return script["extracted"]()


def test_the_template_has_the_texts_of_the_code(template):
    written = languages.catalogue(languages.ENGLISH)
    assert {each.id for each in template} == {each.id for each in written}, "run scripts/texts.py"


@pytest.mark.parametrize("language", languages.LANGUAGES[1:])
def test_each_text_is_said_in(language, script, template):
    assert list(script["problems"](language, template)) == []


def test_a_text_without_translation_a_lost_placeholder_and_a_leftover_are_told(script, monkeypatch):
    template, there = Catalog(), Catalog(locale="de", header_comment="# Read by: nobody")
    for catalog in (template, there):
        catalog.add("Go on", "")
        catalog.add("You are paid {due}.", "" if catalog is template else "Sie werden bezahlt.")
        catalog.add(("{n} image", "{n} images"), ("", "") if catalog is template else ("ein Bild", "{n} Bilder"))
    there.add("Gone", "Weg")
    monkeypatch.setattr(languages, "catalogue", lambda language: there)
    assert list(script["problems"]("de", template)) == [
        "de: not translated: 'Go on'",
        "de: other placeholders (due): 'Sie werden bezahlt.'",
        "de: not in the code any more: 'Gone'",
    ]


def test_each_text_of_a_module_is_found(template):
    """Babel passes over what stands within `${}` of a template string."""
    found = {each.id if isinstance(each.id, str) else each.id[0] for each in template}
    said = [text[1:-1] for path in APPS.rglob("client/*.js") for text in SAID.findall(path.read_text(encoding="utf-8"))]
    assert len(said) > 100
    assert set(said) <= found
