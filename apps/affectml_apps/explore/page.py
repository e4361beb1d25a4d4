"""The script that Streamlit runs: filters and selections beside the component that shows map and images.

The view lies in the session, and in the address once it has changed; every change goes through `change`.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit import config

from affectml.errors import AffectmlError, BadInput
from affectml.exploring import Column, Filter, View
from affectml.people.labelling import queued_words
from affectml_annotation import AnnotationError
from affectml_apps import serving
from affectml_apps.explore.state import Explorer, current
from affectml_apps.text import attempt, controlled, plain, problem, show_done

CLIENT = Path(__file__).parent / "client"
MOST_CHOICES = 1000  # levels to choose from; of more, a part of their text is asked for
OWN = ("colour", "order", "descending", "lasso", "image", "text", "like", "rates", "of")  # what a browser changes


def run() -> None:
    """Draw the page."""
    st.set_page_config(page_title="Explore", page_icon=str(CLIENT / "icon.svg"), layout="wide")
    st.html(CLIENT / "page.css")
    show_done()
    explorer, view = current(), read_view()
    with st.sidebar:
        try:
            explorer.refresh()
        except (AffectmlError, AnnotationError) as error:
            problem(error)
        draw_filters(explorer, view)
        below = st.container()
        draw_notes(explorer)
    mount(explorer, view)
    with below:  # last: it waits for what the browser asks for by now
        draw_selections(explorer, view)


# The view


def read_view() -> View:
    """The view of this run: the session's, or the address's where somebody came by it or went back."""
    state = st.session_state
    changed = state.pop("changed", False)
    if "view" not in state or (not changed and dict(st.query_params) != state.view.to_query()):
        try:
            state.view = View.from_query(dict(st.query_params))
        except BadInput as error:
            state.setdefault("view", View())
            st.sidebar.error(f"This address cannot be read: {plain(error)}")
    view: View = state.view
    return view


def change(**parts: object) -> None:
    """Change the view, and the address with it."""
    if view := told(lambda: st.session_state["view"].but(**parts)):
        st.session_state["view"] = view
        st.query_params.from_dict(view.to_query())


def stay() -> None:
    """Keep the session's view: what somebody did came with an address, which may be older."""
    st.session_state["changed"] = True


def told(make: Callable[[], View]) -> View | None:
    """A view that somebody asks for; None where there is none such, and the problem is shown."""
    stay()
    try:
        return make()
    except BadInput as error:
        st.session_state["problem"] = str(error)
        return None


def on_wish() -> None:
    """What the browser changed: colour, order, lasso, the large image, or what is searched for."""
    wish = st.session_state["explorer"].get("wish")
    if not isinstance(wish, dict):
        return
    st.session_state["seen"] = wish.get("id")
    ticked = wish.get("ticked")
    st.session_state["ticked"] = list(map(str, ticked)) if isinstance(ticked, list) else []
    given = {name: value for name, value in wish.items() if isinstance(value, str)}
    if asked := told(lambda: View.from_query(given)):
        change(**{name: getattr(asked, name) for name in OWN})


# Filters


def title_of(column: Column) -> str:
    """A column's title with its group, as plain text."""
    return column.title if column.group == "images" else f"{column.group}: {column.title}"


def draw_filters(explorer: Explorer, view: View) -> None:
    """One widget for each filter, and a way to add one."""
    if told_before := st.session_state.pop("problem", None):
        st.error(plain(told_before))
    st.subheader("Filters")
    named = controlled("name of images", view.name, lambda text: change(name=text.strip()))
    st.text_input("Id or file", placeholder="A part of it", max_chars=200, **named)
    columns = explorer.found.columns
    used = {each.column for each in view.filters}
    titles = {name: title_of(column) for name, column in columns.items()}

    def add() -> None:
        name = st.session_state["add"]
        # here and not in every run: a browser that is sent a value drops what somebody chooses at that moment
        st.session_state["add"] = None
        if name in columns and name not in used:
            change(filters=(*st.session_state["view"].filters, Filter(name)))

    st.selectbox(
        "Add a filter", [name for name in columns if name not in used], None, titles.__getitem__, key="add",
        on_change=add, placeholder="Choose what to filter by",
    )  # fmt: skip
    for place, each in enumerate(view.filters):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small"):
            st.text(titles.get(each.column, each.column))
            st.button(
                "Remove", f"remove {place}", on_click=put_filter, args=(each, None), type="tertiary", width="content"
            )
        column = columns.get(each.column)
        if column is None:
            st.error(f"no column {plain(each.column)}")
        else:
            (draw_levels if column.levels else draw_range)(each, column)


def put_filter(old: Filter, new: Filter | None) -> None:
    """Put a filter in the place of another; None takes it away."""
    # those of the session: another widget may have changed them since this one was drawn
    kept = [new if each.column == old.column else each for each in st.session_state["view"].filters]
    change(filters=tuple(each for each in kept if each is not None))


def draw_range(each: Filter, column: Column) -> None:
    """A slider over what is known; both ends at the ends mean: where it is known."""
    known = column.values[np.isfinite(column.values)]
    if not len(known) or known.min() == known.max():
        st.text("the same for all")
        return
    low, high = float(known.min()), float(known.max())
    whole = bool(np.equal(np.mod(known, 1), 0).all())
    step = 1.0 if whole else 10.0 ** np.floor(np.log10((high - low) / 50))
    low, high = (round(float(end), 9) for end in (np.floor(low / step) * step, np.ceil(high / step) * step))
    asked = (low if each.low is None else each.low, high if each.high is None else each.high)
    ends = sorted(min(max(end, low), high) for end in asked)  # an address may hold ends that no value has

    def act(chosen: tuple[float, float]) -> None:
        first, last = (round(float(end), 6) for end in chosen)
        put_filter(each, Filter(each.column, None if first <= low else first, None if last >= high else last))

    title, written = plain(title_of(column)), "%d" if whole else None
    chosen = controlled(f"filter {each.column}", (ends[0], ends[1]), act)
    st.slider(title, low, high, step=float(step), format=written, label_visibility="collapsed", **chosen)


def draw_levels(each: Filter, column: Column) -> None:
    """A choice of levels, or of many a part of their text; none means: where it is known."""
    title, key = plain(title_of(column)), f"filter {each.column}"
    if each.has or len(column.levels) > MOST_CHOICES:

        def keep(text: str) -> None:
            put_filter(each, Filter(each.column, has=text.strip()))

        part = controlled(key, each.has, keep)
        st.text_input(title, placeholder="A part of the text", label_visibility="collapsed", **part)
        return
    there = [level for level in each.levels if level in column.levels]

    def act(levels: list[str]) -> None:
        put_filter(each, Filter(each.column, levels=tuple(levels)))

    taxonomy, chosen = current().found.taxonomy, controlled(key, there, act)
    show = str if taxonomy is None else taxonomy.display
    st.multiselect(
        title, column.levels, format_func=show, placeholder="Any that is known", label_visibility="collapsed", **chosen
    )


# Selections


def draw_selections(explorer: Explorer, view: View) -> None:
    """Saved selections to go to; and what can be done with what is shown."""
    st.subheader("Selections")
    saved = explorer.found.selections.counts()
    names = list(dict.fromkeys([*saved, *filter(None, [view.selection])]))
    st.selectbox(
        "Show a saved selection",
        names,
        format_func=lambda name: f"{name} ({saved.get(name, 0):,})",
        placeholder="All images" if saved else "None saved yet",
        disabled=not saved and not view.selection,  # not left out: what moves in the page would be drawn afresh
        label_visibility="collapsed",  # the heading says it, and a disabled one's label is too pale to read
        **controlled("selection", view.selection or None, lambda name: change(selection=name or ""), [None, *names]),
    )
    try:
        shown = explorer.shown(view).rows
    except (AffectmlError, AnnotationError) as error:
        problem(error)
        return
    st.text(f"{len(shown):,} shown")
    ticked = ticks(explorer)
    if ticked:
        st.text(f"{len(ticked):,} ticked: these are kept, downloaded or sent, in the order of ticking.")
        shown, view = np.array(ticked, dtype=np.uint32), View()
    with st.expander("Keep, download or ask people"), st.container():
        name = st.text_input("Name", key="name", placeholder="storms", max_chars=100, on_change=stay).strip()
        if name in saved:
            st.text("There is a selection of this name; choose another.")
        if st.button("Save these images", on_click=stay, disabled=not name or name in saved):
            attempt(lambda: save(explorer, shown, view, name), "{}")
        st.download_button(
            "Download as CSV",
            lambda: explorer.found.csv(shown).encode("utf-8-sig"),  # Excel's mark of UTF-8
            file_name="selection.csv",
            mime="text/csv",
            on_click="ignore",
        )
        if explorer.found.judgements.has_task:
            more = st.number_input("More people for each", 1, 100, 1, key="more", on_change=stay)
            if st.button("Send to the labelling queue", on_click=stay, disabled=len(shown) == 0):
                attempt(lambda: queue(explorer, shown, int(more)), "{}")
        else:
            st.text("No labelling task to send them to; `affectml label init` makes one.")


def ticks(explorer: Explorer) -> list[int]:
    """The images that are ticked, by their places; those that the data set does not have are passed over."""
    found = []
    for name in st.session_state.get("ticked", []):
        with suppress(BadInput):
            found.append(explorer.found.place(name))
    return found


def save(explorer: Explorer, shown: NDArray[np.uint32], view: View, name: str) -> str:
    """Save what is shown; returns what was done."""
    explorer.found.selections.save(name, explorer.found.image_id[shown], view)
    stay()
    return f"saved {len(shown):,} images as {name}"


def queue(explorer: Explorer, shown: NDArray[np.uint32], more: int) -> str:
    """Send what is shown to the labelling task; returns what was done."""
    count, raised = explorer.found.queue(shown, more=more)
    stay()
    left = "" if count == len(shown) else f"; the other {len(shown) - count:,} are not in the task"
    return f"at the end of the queue: {queued_words(count, raised, more)}{left}"


# What one should know


def draw_notes(explorer: Explorer) -> None:
    """What was said at the start, in the terminal: which run says nothing of which images, and the like."""
    if notes := list(dict.fromkeys(explorer.found.notes)):
        with st.expander(f"Notes ({len(notes)})"):
            for note in notes:
                st.text(note)


# The component


def remark(explorer: Explorer, view: View) -> str:
    """What one should know of what is searched for, or of the selection that is shown; "" for nothing."""
    found = []
    with suppress(AffectmlError):  # told where it is searched for
        unheard = explorer.found.searching().unheard(view.text) if view.text else ()
        if words := [word for word in unheard if len(word) > 2]:
            found.append(f"The encoder takes these for made-up words, so they order nothing: {', '.join(words)}.")
        if view.selection:
            kept = explorer.found.selections.counts().get(view.selection, 0)
            if gone := kept - len(explorer.shown(View(selection=view.selection)).rows):
                found.append(f"{gone:,} of the {kept:,} images of this selection are not in the data set.")
    return " ".join(found)


def mount(explorer: Explorer, view: View) -> None:
    """Show map, grid and the large image."""
    found, searcher = explorer.found, explorer.found.searcher
    data = {
        "base": serving.prefixed(config.get_option("server.baseUrlPath")),
        "version": serving.client_version(CLIENT),
        "opened": explorer.version,
        "title": found.dataset.root.resolve().name,
        "n": len(found),
        "map": "" if searcher is None else searcher.map_words,
        "columns": [[name, title_of(column)] for name, column in found.columns.items()],
        # what can be searched for: words; rates, with an example ("" where there are none), and whose they are
        "search": {
            "words": searcher is not None and searcher.has_texts,
            "rates": " without ".join(found.labels[:2]) if found.said else "",
            "of": list(found.said),
        },
        "displays": {} if found.taxonomy is None else dict(found.taxonomy.displays),
        "colour": explorer.colour,
        "view": view.to_query(),
        "remark": remark(explorer, view),
        "seen": st.session_state.get("seen"),
        "ticked": st.session_state.get("ticked", []),
    }
    serving.component("explore", CLIENT)(key="explorer", data=data, on_wish_change=on_wish)


if __name__ == "__main__":
    run()
