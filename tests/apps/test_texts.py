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
DRAW = re.compile(
    r"st\.(title|header|subheader|text|write|markdown|caption|info|warning|error|success|toast|.*button|checkbox|radio|"
    r"text_input|text_area|number_input|selectbox|multiselect|segmented_control|popover|expander)|_told|_outside|problem"
)
NAMED = {"title", "page_title", "label", "help", "placeholder", "text"}
WORD, WORDS = re.compile(r"[^\W\d_]"), re.compile(r"[^\W\d_]\S* |  *\S*[^\W\d_]")
CODE = re.compile(r"<(style|script|div)\b")


def python_texts(tree: ast.AST, left: set[str]) -> Iterator[str]:
    """What a module says by itself: any words, and any one word where something is drawn. left: names passed over."""
    for part in ast.iter_child_nodes(tree):
        names = {getattr(part, "name", "")} | {ast.unparse(one) for one in getattr(part, "targets", ())}
        names |= {ast.unparse(part.target)} if isinstance(part, ast.AnnAssign) else set()
        if names & left or (isinstance(part, ast.Call) and ast.unparse(part.func) in SAY):
            continue
        if isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant):
            continue  # a docstring
        if isinstance(part, ast.Call):
            called = ast.unparse(part.func)
            if called.startswith("logging."):
                continue
            drawn = part.args[: 2 if called == "_told" else 1] if DRAW.fullmatch(called) else []
            drawn += [one.value for one in part.keywords if one.arg in NAMED]
            yield from (text for one in drawn for text in _strings(one) if WORD.search(text))
        if isinstance(part, ast.Constant | ast.JoinedStr):
            yield from (text for text in _strings(part) if WORDS.search(text) and not CODE.match(text))
        else:
            yield from python_texts(part, left)


def _strings(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "0" for part in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


@pytest.mark.parametrize("name", PAGES)
def test_no_page_says_a_text_that_is_in_no_catalogue(name):
    tree = ast.parse((APPS / name).read_text(encoding="utf-8"))
    assert list(python_texts(tree, LEADS.get(name, set()))) == []


@pytest.mark.parametrize(
    "code",
    [
        'st.button("Withdraw")', 'st.info(f"{who}, stop")', 'st.text("You are " + word)', 'WHY = "no way in"',
        'raise NotAllowed("not for you")', 'st.Page(draw, title="Label")', 'problem(f"Nobody invited {who}")',
    ],
)  # fmt: skip
def test_a_text_in_a_page_is_found(code):
    said = re.sub(r'f?(".*?")', r"_(\1)", code)
    assert [any(python_texts(ast.parse(each), set())) for each in (code, said)] == [True, False]


TOKEN = re.compile(
    r"""(?P<skip>//[^\n]*|/\*.*?\*/|(?<=[(,=:?&|!\[;])\s*/(?![/*])(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/\w*)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)
    |(?P<open>[\w$.?]*\s*[(\[{])|(?P<close>[)\]}])""",
    re.VERBOSE | re.DOTALL,
)
NO_TEXT = re.compile(
    r"(Alt|AltGraph|Arrow\w+|Backspace|Control|Delete|End|Enter|Escape|Home|Meta|Page\w+|Shift|Tab|Space|Period|Comma|"
    r"Slash|Numpad\w*|Digit\w*|Key\w*)|Connection error"  # keys; the title of Streamlit's own dialog, that is kept away
)
SHOWN = re.compile(r"""(aria-label|aria-description|placeholder|title|alt)["']?\s*:\s*$|textContent\s*=\s*$""")


def client_texts(code: str) -> Iterator[str]:
    """What a module says by itself: strings that begin as a sentence does, and words that an element is given."""
    calls: list[str] = []
    for token in TOKEN.finditer(code):
        if token["open"]:
            calls.append(token["open"][:-1].strip())
        elif token["close"]:
            calls.pop()
        elif token["string"] and not (calls and calls[-1] in SAY):
            text = re.sub(r"\$\{.*\}", "", token["string"][1:-1])
            within = next((call for call in reversed(calls) if call), "")
            given = within in ("make", "button", "append", "replaceChildren") and calls[-1] == within
            begins = re.match(r"[A-Z][a-z]", text) and not NO_TEXT.fullmatch(text)
            if begins or ((given or SHOWN.search(code[: token.start()])) and WORDS.search(text)):
                yield text


@pytest.mark.parametrize("path", CLIENTS, ids=lambda path: path.name)
def test_no_module_of_the_browser_says_a_text_that_is_in_no_catalogue(path):
    assert list(client_texts(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "code",
    [
        'make("p", {}, "nothing is left")', 'button(`${n} images left`, { class: "a b" })', 'say("Saved.")',
        'make("div", { class: "a b", "aria-label": "other answers" })', 'this.says.textContent = "not found here";',
        'const NOTICES = { first: "This is the first image." };',
    ],
)  # fmt: skip
def test_a_text_in_a_module_is_found(code):
    assert len(list(client_texts(code))) == 1


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
