"""A study's texts: what Markdown has that helps to read, and nothing that runs, loads or leads anywhere unasked."""

from html.parser import HTMLParser

import pytest

from affectml_apps.relabel.study.reading import as_html

TAGS = {"h1", "h2", "p", "ul", "ol", "li", "em", "strong", "br", "img", "a"}
SIGNED = "https://ethics.example/board?id=1&x=2"
WHOLE = {"style": "max-width: 100%", "href": SIGNED, "src": "data:image/webp;base64,AA"}  # no other value of these


def html(text, links=(SIGNED,)):
    return as_html(text, links, {"i 1": "data:image/webp;base64,AA"}.get)


def elements(made):
    """Tags and attributes as a browser finds them, and all that is text."""
    found, words = [], []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: found.append((tag, dict(attributes)))
    parser.handle_decl = parser.handle_pi = parser.handle_comment = lambda data: found.append((data, {}))
    parser.handle_data = words.append
    parser.feed(made)
    parser.close()
    return found, "".join(words)


def test_headings_lists_and_emphasis_are_drawn():
    made = html("# What\n\nChoose **every** *one*.\n\n- a\n- b\n\n1. c\n")
    assert made.split("\n") == [
        "<h1>What</h1>", "<p>Choose <strong>every</strong> <em>one</em>.</p>",
        "<ul>", "<li>a</li>", "<li>b</li>", "</ul>", "<ol>", "<li>c</li>", "</ol>", "",
    ]  # fmt: skip


def test_an_image_of_the_data_set_is_drawn_and_any_other_is_its_description():
    drawn = '<p><img src="data:image/webp;base64,AA" alt="a fox" style="max-width: 100%"></p>\n'
    assert html("![a *fox*](<i 1>)") == drawn
    for other in ("https://evil.example/x.png", "//evil.example/x", "data:image/svg+xml,x", "../secret.png", "i9"):
        assert html(f"![a fox](<{other}>)") == "<p>a fox</p>\n"


def test_a_link_leads_to_a_listed_address_alone():
    assert html(f"[the board]({SIGNED})") == (
        '<p><a href="https://ethics.example/board?id=1&amp;x=2" target="_blank" rel="noopener noreferrer">the board</a>'
        "</p>\n"
    )
    assert html("[the board](https://ethics.example/other)") == "<p>the board (https://ethics.example/other)</p>\n"
    assert html("<https://evil.example/>") == "<p>https://evil.example/</p>\n"
    assert elements(html("[x](javascript:alert(1))", links=["javascript:alert(1)"]))[0] == [("p", {})]


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>\n\n<!-- x -->",
        "<a href='javascript:alert(1)'>x</a>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt&colon;alert(1))",
        "[x](<java\\script:alert(1)>)",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        '[x](https://ethics.example/board"onmouseover="alert(1))',
        '[x](https://ethics.example/board?id=1&x=2 "t" onclick="alert(1)")',
        '![x" onerror="alert(1)](<i 1>)',
        '![x](<i 1> "t\\" onerror=alert(1)")',
        '![x](<i 1" onerror="alert(1)>)',
        "<javascript:alert(1)>",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "&#60;script&#62;alert(1)",
        "[x]: javascript:alert(1)\n\n[x][x]",
        "```\n<script>alert(1)</script>\n```",
        "    <script>alert(1)</script>",
        "| a |\n|---|\n| <script>alert(1)</script> |",
        "# <script>alert(1)</script>\n\n- <iframe src=//evil.example>",
        "**<b onclick=alert(1)>**",
        "<style>@import '//evil.example'</style>",
        "$$\\href{javascript:alert(1)}{x}$$ :material/x: :red[x]",
    ],
)
def test_script_in_a_text_is_text(attack):
    found, words = elements(html(attack))
    for tag, attributes in found:
        assert tag in TAGS
        assert set(attributes) <= {"alt", "target", "rel", *WHOLE}
        assert {name: value for name, value in attributes.items() if WHOLE.get(name, value) != value} == {}
    assert ("<script>" in words) >= ("<script>" in attack)
