"""Finding a taxonomy: by name among the built-in ones, by file, or by the labels that a data set uses."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path

from affectml.errors import BadInput, UnknownTaxonomy, did_you_mean
from affectml.taxonomies._names import own_yaml
from affectml.taxonomies.taxonomy import Taxonomy


@cache
def builtin_names() -> tuple[str, ...]:
    """Names of the taxonomies that ship with affectml, in alphabetical order."""
    folder = files("affectml.taxonomies")
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")))


@cache
def _builtin(name: str) -> Taxonomy:
    text = files("affectml.taxonomies").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return Taxonomy.from_dict(own_yaml(text), where=f"built-in taxonomy {name}")


def get_taxonomy(name: str | Path) -> Taxonomy:
    """The built-in taxonomy of that name, or the one in the YAML file of that path.

    Args:
        name: a built-in name, or the path of a YAML file; a file's `parent` may be another file, named from the folder
            that holds it.

    Returns:
        The Taxonomy.

    Raises:
        UnknownTaxonomy: neither is there; names the nearest built-in one.
        BadInput: the file holds no taxonomy.
    """
    name = str(name)
    if name in builtin_names():
        return _builtin(name)
    path = Path(name)
    if path.suffix in (".yaml", ".yml") and path.exists():
        return _from_file(path)
    raise UnknownTaxonomy(
        f"no taxonomy {name!r}{did_you_mean(name, builtin_names())} "
        f"(built in: {', '.join(builtin_names())}; or the path of a YAML file)"
    )


def _from_file(path: Path, below: tuple[Path, ...] = ()) -> Taxonomy:
    from affectml._files import need_file  # loads pandas, which the built-in taxonomies do without
    from affectml_annotation.yaml_files import load_yaml

    need_file(path)
    try:
        content = load_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: not a readable YAML file ({error})") from None
    taxonomy = Taxonomy.from_dict(content, where=str(path))
    if taxonomy.name in builtin_names() and taxonomy != _builtin(taxonomy.name):
        raise BadInput(f"{path}: the name {taxonomy.name} is taken by a built-in taxonomy; choose another")
    if isinstance(taxonomy.parent, str) and taxonomy.parent not in builtin_names():
        beside = (path.parent / taxonomy.parent).resolve()
        if beside in below:
            raise BadInput(f"{path}: its parent {taxonomy.parent} is among its own descendants")
        if beside.suffix in (".yaml", ".yml") and beside.is_file():
            # read now and kept whole, so that a data set needs neither file later
            return replace(taxonomy, parent=_from_file(beside, (*below, path.resolve())))
    return taxonomy


def infer_taxonomy(labels: Iterable[str], name: str = "own") -> Taxonomy:
    """The built-in taxonomy whose labels are exactly these, else one of these labels in sorted order.

    Exactly, not "contains": six folder names that all occur in ekman-7 are a taxonomy of six.

    Args:
        labels: in any order, repeats count once.
        name: of the taxonomy that is made where no built-in one fits.

    Raises:
        BadInput: fewer than two labels.
    """
    found = set(labels)
    # parrott-2 has polarity-2's labels; a polarity says less about where they came from.
    for builtin in sorted(builtin_names(), key=lambda name: (not name.startswith("polarity"), name)):
        if set(_builtin(builtin).labels) == found:
            return _builtin(builtin)
    return Taxonomy(name=name, labels=tuple(sorted(found)))
