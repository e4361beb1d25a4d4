"""affectml taxonomy: the built-in taxonomies, what is known of their labels, and where they map to."""

from collections.abc import Mapping
from typing import Annotated, Any

from affectml._options import Help
from affectml.cli._command import App, Parts, Table, about
from affectml.errors import BadInput
from affectml.taxonomies import Taxonomy, builtin_names, get_taxonomy, mapping

app = App(no_args_is_help=True)
Choices = Annotated[Mapping[str, str] | None, Help(metavar="LABEL=OPTION")]


@app.command("list")
def list_() -> Parts:
    """List the built-in taxonomies."""
    found = [get_taxonomy(name) for name in builtin_names()]
    yield [{"name": t.name, "title": t.title, "source": t.source, "labels": list(t.labels)} for t in found]
    rows = [(t.name, len(t), t.parent or "-", t.title, t.source) for t in found]
    yield Table("built-in taxonomies", ("name", "labels", "parent", "title", "source"), rows)


@app.command()
def show(name: str, *, to: str | None = None, choose: Choices = None, drop_: bool = False) -> Parts:
    """Show a taxonomy; with --to, what each label becomes in another, why, and what else was possible.

    Args:
        name: A built-in taxonomy or a YAML file.
        to: Show how it maps to this taxonomy.
        choose: With --to: what an ambiguous label becomes; may be given several times.
        drop_: With --to: leave out labels that have no counterpart in the other taxonomy.
    """
    if to is None and (choose or drop_):
        raise BadInput(f"{'--choose' if choose else '--drop'} belongs to --to")
    if to is not None:
        yield from _mapping(name, to, drop_, choose or {})
    else:
        yield from _labels(get_taxonomy(name))


def _labels(taxonomy: "Taxonomy") -> Parts:
    content = taxonomy.to_dict()
    yield content
    facts = [("source", taxonomy.source), ("parent", getattr(taxonomy.parent, "name", taxonomy.parent) or "-")]
    facts += [("prompt", template) for template in taxonomy.templates]
    if taxonomy.wheel:
        facts.append(("wheel", f"{', '.join(taxonomy.wheel)} ({taxonomy.wheel_source})"))
    yield about(f"{taxonomy.name}: {taxonomy.title}", facts)
    columns = ("label", "parent", "valence", "arousal", "place from", "synonyms")
    yield Table("labels", columns, [_label(label, entry) for label, entry in content["labels"].items()])


def _label(label: str, entry: dict[str, Any]) -> tuple[str, ...]:
    place, synonyms = entry.get("place"), ", ".join(entry.get("synonyms", ()))
    axes = (f"{place['valence']:+.2f}", f"{place['arousal']:+.2f}", place["source"]) if place else ("-", "-", "-")
    return (label, entry.get("parent", "-"), *axes, synonyms)


def _mapping(name: str, to: str, drop: bool, choices: Mapping[str, str]) -> Parts:
    found = mapping(name, to, drop=drop, **choices)
    content = found.to_dict()
    yield content
    shares = {
        label: [t if s == 1 else f"{t} {s:.3g}" for t, s in row.items()] for label, row in content["matrix"].items()
    }
    rows = [(label, ", ".join(goes) or "-", found.source[label]) for label, goes in shares.items()]
    yield Table(f"{found.origin.name} -> {found.target.name}", ("label", "goes to", "why"), rows)
    yield from found.lines()
