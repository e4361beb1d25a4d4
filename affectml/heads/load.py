"""From a name to a head's class, and from a folder to a head."""

from pathlib import Path

from affectml._own import import_module, plugin, plugin_names
from affectml.errors import AffectmlError, BadInput, BadRun, did_you_mean, option
from affectml.heads.base import GROUND, HEADS, Head, read_head

OWN = "package.module:Class"
GROUP = "affectml.heads"  # of entry points


def offered() -> tuple[str, ...]:
    """The heads that `train` offers, by name: those that learn anything, and those that installed packages bring."""
    return tuple(sorted({*(name for name, head in HEADS.items() if head.learns), *plugin_names(GROUP)}))


def find_head(name: str) -> type[Head] | None:
    """The head of a name, from an installed package where nobody has imported one; raises BadInput as `plugin` does."""
    if name not in HEADS:
        _import_plugin(name)
    return HEADS.get(name)


def _import_plugin(name: str) -> None:
    ours = name in HEADS and HEADS[name].__module__.startswith("affectml.")
    plugin(GROUP, name, lambda found: HEADS.get(name) is found, f"a head named {name!r}", ours=ours)


def head_class(name: str) -> type[Head]:
    """The class of a head.

    Args:
        name: of one that `train` offers, installed packages' too, or `package.module:Class`, which is imported; modules
            in the working folder are found too.

    Raises:
        BadInput: if no imported head has the name, a module cannot be imported, or a class is not a head or
            has no name.
    """
    if ":" in name:
        return _imported(name)
    name = name if name in offered() else name.replace("-", "_")
    _import_plugin(name)
    cls = HEADS.get(name)
    if cls is None:
        near = did_you_mean(name, offered())
        raise BadInput(f"no head {name!r}{near} (heads: {', '.join(offered())}; or {OWN} for your own)")
    if not cls.learns:
        raise BadInput(f"{option('head', name)}: {cls.described()} {cls.says}; take one of {', '.join(offered())}")
    return cls


def _imported(place: str) -> type[Head]:
    module, _, name = place.partition(":")
    try:
        found = getattr(import_module(module), name, None)
    except BadInput as error:
        raise BadInput(f"{option('head', place)}: {error}; expected {OWN}") from None
    if not (isinstance(found, type) and issubclass(found, Head)):
        raise BadInput(
            f"{option('head', place)}: {module} has no head class {name!r}: a head extends affectml.heads.Head"
        )
    if HEADS.get(getattr(found, "name", "")) is not found or not found.learns:
        raise BadInput(
            f"{option('head', place)}: it has no name or learns nothing: "
            f'class {name}(Head, name="...", learns=("rates", ...))'
        )
    return found


def load_head(folder: Path | str) -> Head:
    """The head that `save` wrote into `folder` (a run folder, say), ready to predict.

    Needs neither the data nor the encoder it was trained with, and imports no code but an installed package's that
    brings a head of this name: a head of your own is known once its module is imported.

    Raises:
        BadRun: for files that are missing, of another schema, of an unknown head or option, or that do not belong
            together.
    """
    folder = Path(folder)
    content, tensors = read_head(folder)
    name = content["head"]
    try:
        cls = find_head(name)
    except BadInput as error:
        raise BadRun(f"{folder / 'head.json'}: {error}") from error
    if cls is None:
        raise BadRun(
            f"{folder / 'head.json'}: no head {name!r}{did_you_mean(name, HEADS)} (if it is a head of your own, "
            "import the module that defines it first: on the command line, affectml --import MODULE ...)"
        )
    shares = content["report"].get("prevalence", [])
    if not isinstance(shares, list) or not all(isinstance(share, int | float) and 0 <= share <= 1 for share in shares):
        raise BadRun(f"{folder / 'head.json'}: report.prevalence: expected a list of shares, got {str(shares)[:80]}")
    try:
        ground = tensors.pop(GROUND) if "promise" in content["report"] else None
        head = cls.from_saved(content["config"], content["report"], tensors)
        head.ground_ = ground
        return head
    except KeyError as error:
        raise BadRun(f"{folder / 'head.safetensors'}: no tensor {error}, which a {name} head needs") from None
    except (AffectmlError, TypeError, ValueError, RuntimeError) as error:  # torch's, of tensors that do not fit
        raise BadRun(f"{folder / 'head.json'}: {error}") from None
