"""A study's texts as HTML of our own: headings, paragraphs, lists, emphasis, images of the data set, listed links.

Whatever else Markdown has, HTML above all, is text like any other. An image travels within the page: an address of its
own would be served to whoever has it.
"""

from collections.abc import Callable, Collection, Iterable
from itertools import chain

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML

from affectml.errors import AffectmlError
from affectml_apps.pictures import BadImage, preview
from affectml_apps.relabel import queries
from affectml_apps.relabel.task import LabelTask

RULES = ("heading", "lheading", "list", "emphasis", "link", "autolink", "image", "escape", "entity", "newline")
SCHEMES = ("https://", "http://", "mailto:")
MARKDOWN, RENDERER = MarkdownIt("zero").enable(RULES), RendererHTML()
# Addresses stay as they are written, since an image's is its id, and a link's has to be one of those listed.
MARKDOWN.normalizeLink, MARKDOWN.validateLink = str, bool  # type: ignore[assignment,method-assign]


def as_html(text: str, links: Collection[str], picture: Callable[[str], str | None]) -> str:
    """Markdown as HTML in which nothing of the text is more than text. picture: an image's address by its id, or None.

    links: addresses that the text may link to, as they are written in it; of any other link the words stand there, and
    its address after them. Of an image that is none of the data set's its description does.
    """
    tokens = MARKDOWN.parse(text)
    for token in chain.from_iterable(inline.children or () for inline in tokens):
        match token.type:
            case "link_open":
                address = str(token.attrs["href"])
                listed = address in links and address.lower().startswith(SCHEMES)
                after = "" if token.markup == "autolink" else f" ({address})"
                token.attrs = {"href": address, "target": "_blank", "rel": "noopener noreferrer"}
                if not listed:
                    token.type, token.content = "text", ""
            case "link_close" if not listed:
                token.type, token.content = "text", after
            case "image":
                said = RENDERER.renderInlineAsText(token.children, MARKDOWN.options, {})
                source = picture(str(token.attrs["src"]))
                if source is None:
                    token.type, token.content = "text", said
                else:
                    token.attrs = {"src": source, "alt": said, "style": "max-width: 100%"}
    return str(RENDERER.render(tokens, MARKDOWN.options, {}))


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
