"""affectml taxonomy: the built-in taxonomies, what is known of their labels, and where they map to."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from affectml._options import Argument, Help
from affectml.cli._command import App, Json
from affectml.cli._print import print_json, print_table

if TYPE_CHECKING:
    from affectml.taxonomies import Taxonomy

app = App(
    no_args_is_help=True, help="List taxonomies, or show one: its labels, their parents and places, its mappings."
)


@app.command("list")
def list_(json: Json = False) -> None:
    """List the built-in taxonomies."""
    from affectml.taxonomies import builtin_names, get_taxonomy

    found = [get_taxonomy(name) for name in builtin_names()]
    if json:
        print_json([{"name": t.name, "title": t.title, "source": t.source, "labels": list(t.labels)} for t in found])
    else:
        rows = [(t.name, len(t), str(t.parent or "-"), t.title, t.source) for t in found]
        print_table("built-in taxonomies", ("name", "labels", "parent", "title", "source"), rows, numbers=False)


@app.command()
def show(
    name: Annotated[str, Argument("A built-in taxonomy or a YAML file.")],
    to: Annotated[str | None, Help("Show how it maps to this taxonomy.")] = None,
    choose: Annotated[
        Mapping[str, str] | None,
        Help("With --to: what an ambiguous label becomes; may be given several times.", metavar="LABEL=OPTION"),
    ] = None,
    drop_: Annotated[bool, Help("With --to: leave out labels that have no counterpart in the other taxonomy.")] = False,
    language: Annotated[
        str | None, Help("Show what the labels are called in this language (de, ja), and who says so.")
    ] = None,
    json: Json = False,
) -> None:
    """Show a taxonomy; with --to, what each label becomes in another, why, and what else was possible.

    With --language, what its labels are called there.
    """
    from affectml.errors import BadInput
    from affectml.taxonomies import describe, get_taxonomy, mapping

    if to is None and (choose or drop_):
        raise BadInput(f"{'--choose' if choose else '--drop'} belongs to --to")
    if language is not None:
        if to is not None:
            raise BadInput("--language and --to show different things: give one of them")
        _show_names(get_taxonomy(name), language, json)
        return
    if to is None:
        taxonomy = get_taxonomy(name)
        content = describe(taxonomy)
        if json:
            print_json(content)
            return
        print_table(f"{taxonomy.name}: {taxonomy.title}", ("what", "value"), _about(content), numbers=False)
        columns = ("label", "parent", "polarity", "valence", "arousal", "place from", "synonyms")
        print_table(
            "labels", columns, [_label(label, entry) for label, entry in content["labels"].items()], numbers=False
        )
        return
    found = mapping(name, to, drop=drop_, **(choose or {}))
    if json:
        print_json(found.to_dict())
        return
    goes = found.to_dict()["matrix"]
    rows = [
        (label, ", ".join(f"{t} {s:.3g}" if s < 1 else t for t, s in goes[label].items()) or "-", found.source[label])
        for label in found.origin.labels
    ]
    print_table(f"{found.origin.name} -> {found.target.name}", ("label", "goes to", "why"), rows, numbers=False)
    for line in found.lines():
        typer.echo(line)


def _show_names(taxonomy: "Taxonomy", language: str, json: bool) -> None:
    from affectml.errors import BadInput
    from affectml_annotation.languages import as_code

    code = as_code(language)
    if code is None:
        raise BadInput(f"--language: {language!r} is no language's code (such as de or pt-BR)")
    language = code
    names = {label: taxonomy.translation(label, language) for label in taxonomy.labels}
    if json:
        print_json({label: None if found is None else found.to_dict() for label, found in names.items()})
        return
    columns = ("label", "name", "other words", "meaning", "source")
    rows = [
        (label, *(("-",) * 4 if name is None else (name.name, ", ".join(name.synonyms), name.definition, name.source)))
        for label, name in names.items()
    ]
    print_table(f"{taxonomy.name} in {language}", columns, rows, numbers=False)
    if without := [label for label, name in names.items() if name is None]:
        typer.echo(f"without a name in {language}, so people read the label: {', '.join(without)}")
    if unread := taxonomy.unread(language):
        typer.echo(
            f"{len(unread)} of {len(names)} names were chosen by a machine, and nobody is said to have read them"
        )


def _about(content: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [("source", content["source"]), ("parent", content["parent"] or "-")]
    rows += [("prompt", template) for template in content["templates"]]
    if content["wheel"]:
        rows.append(("wheel", f"{', '.join(content['wheel'])} ({content['wheel_source']})"))
    rows += [
        (f"other wheel {name}", f"{', '.join(wheel['order'])} ({wheel['source']})")
        for name, wheel in content["other_wheels"].items()
    ]
    for target, state in content["mappings"].items():
        rows.append(("maps to " + target, state))
    return rows


def _label(label: str, entry: dict[str, Any]) -> tuple[object, ...]:
    place = entry["place"]
    axes = (f"{place['valence']:+.2f}", f"{place['arousal']:+.2f}", place["source"]) if place else ("-", "-", "-")
    return (label, entry["parent"] or "-", entry["polarity"] or "-", *axes, ", ".join(entry["synonyms"]))
