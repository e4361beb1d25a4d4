"""A study's texts as HTML of our own: headings, paragraphs, lists, emphasis, images of the data set, listed links.

Whatever else Markdown has, HTML above all, is text like any other. An image travels within the page: an address of its
own would be served to whoever has it.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from affectml.errors import AffectmlError
from affectml_apps.pictures import BadImage, preview
from affectml_apps.relabel import queries
from affectml_apps.relabel.task import LabelTask

RULES = ("heading", "lheading", "list", "emphasis", "link", "autolink", "image", "escape", "entity", "newline")
SCHEMES = ("https://", "http://", "mailto:")


class _Renderer(RendererHTML):
    """markdown-it's own, which escapes all text, but for links and images."""

    def link_open(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        """A link where its address is listed; else its words, and its address after them."""
        address = str(tokens[at].attrs["href"])
        end = next(token for token in tokens[at:] if token.type == "link_close")
        if address in env["links"] and address.lower().startswith(SCHEMES):
            tokens[at].attrs = {"href": address, "target": "_blank", "rel": "noopener noreferrer"}
            return self.renderToken(tokens, at, options, env)
        inside = tokens[at + 1 : tokens.index(end)]
        end.meta["instead"] = "" if [one.content for one in inside] == [address] else escapeHtml(f" ({address})")
        return ""

    def link_close(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        """Its end."""
        return str(tokens[at].meta.get("instead", "</a>"))

    def image(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        """An image of the data set; for any other its description alone."""
        source = env["picture"](str(tokens[at].attrs["src"]))
        said = self.renderInlineAsText(tokens[at].children, options, env)
        if source is None:
            return escapeHtml(said)
        tokens[at].attrs = {"src": source, "alt": said, "style": "max-width: 100%"}
        return self.renderToken(tokens, at, options, env)


class _Markdown(MarkdownIt):
    """Addresses stay as they are written: an image's is its id, and a link's has to be one of those listed."""

    def normalizeLink(self, url: str) -> str:
        """As it is."""
        return url

    def validateLink(self, url: str) -> bool:
        """Any, since the renderer takes those listed alone."""
        return True


_markdown = _Markdown("zero", renderer_cls=_Renderer).enable(RULES)


def as_html(text: str, links: Collection[str], picture: Callable[[str], str | None]) -> str:
    """Markdown as HTML in which nothing of the text is more than text. picture: an image's address by its id, or None.

    links: addresses that the text may link to, as they are written in it.
    """
    return str(_markdown.render(text, {"links": links, "picture": picture}))


def element(kind: str, text: str, name: str = "") -> str:
    """Text alone as an HTML element of this kind, in the direction in which it is read. name: its class."""
    return f'<{kind} class="{name}" dir="auto">{escapeHtml(text)}</{kind}>'


def as_list(texts: Iterable[str]) -> str:
    """Texts alone as a list."""
    return f'<ul dir="auto">{"".join(f"<li>{escapeHtml(text)}</li>" for text in texts)}</ul>'


def text_of(task: LabelTask, text: str, links: Collection[str]) -> str:
    """As `as_html`, with the images of the task's data set, in the direction in which the text is read."""

    def picture(image_id: str) -> str | None:
        file = queries.file_of(task.store, image_id)
        try:
            return None if file is None else preview(task.dataset.image_path(file))
        except (AffectmlError, BadImage):
            return None

    return f'<div dir="auto">{as_html(text, links, picture)}</div>'
