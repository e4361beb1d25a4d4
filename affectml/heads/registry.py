"""Heads by name: the class of one, a head as a training wants it (options as words included), and one from a folder."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from affectml._own import plugin, plugin_names
from affectml.errors import AffectmlError, BadInput, BadRun, did_you_mean, option
from affectml.heads.base import GROUND, HEADS, Head, read_head
from affectml.heads.config import MULTILABEL, Wanted, read_value, typed_fields
from affectml.heads.inputs import ArrayLike

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
    plugin(GROUP, name, lambda head: HEADS.get(name) is head, f"a head named {name!r}", ours=ours)


def head_class(name: str) -> type[Head]:
    """The class of a head.

    Args:
        name: of one that `train` offers, installed packages' too.

    Raises:
        BadInput: if no imported head has the name, or it learns nothing.
    """
    name = name if name in offered() else name.replace("-", "_")
    _import_plugin(name)
    cls = HEADS.get(name)
    if cls is None:
        near, own = did_you_mean(name, offered()), "or one of your own whose module you import first"
        raise BadInput(f"no head {name!r}{near} (heads: {', '.join(offered())}; {own})")
    if not cls.learns:
        raise BadInput(f"{option('head', name)}: {cls.described()} {cls.says}; take one of {', '.join(offered())}")
    return cls


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


# Options that follow from others of `train`, and which.
_FOLLOWS = {"kind": "multilabel", "seed": "seed"}


def typed_options(cls: type[Head], given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `train --set OPTION=VALUE` as values: "0.1" becomes .1 for a number, "none" None.

    Values that are of the right type already stay as they are; a tuple is given as its parts with commas between.
    Raises BadInput for an option that the head does not have, that `train` has an option of its own for, or whose
    value is of another type; the config itself says which values are possible.
    """
    hints = {key: hint for key, (hint, _) in typed_fields(cls.config_class).items()}
    free = free_options(cls)
    values = {}
    for name, value in given.items():
        here = option(name, value, of_head=True)
        if name in set(hints) - set(free):
            raise BadInput(f"{here}: this is what {option(_FOLLOWS[name])} says; leave it out")
        if name not in free:
            choices = f"options: {', '.join(free)}" if free else "it has none"
            raise BadInput(f"{here}: {cls.described()} has no option {name!r}{did_you_mean(name, free)} ({choices})")
        values[name] = typed(name, value, hints[name])
    return values


def free_options(cls: type[Head]) -> list[str]:
    """The options that `train` has no option of its own for, in alphabetical order."""
    return sorted(set(typed_fields(cls.config_class)) - set(_FOLLOWS))


def options_of_heads() -> set[str]:
    """What any head that has been imported has for options."""
    return {name for head in HEADS.values() for name in free_options(head)}


def option_words(value: Any) -> str:
    """A value as `typed_options` reads it."""
    if isinstance(value, tuple | list):
        return ",".join(map(option_words, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def typed(name: str, value: Any, hint: Any) -> Any:
    """The value of an option that a command line gives as text; BadInput where it is of another type."""
    if isinstance(value, str) and value.lower() == "none" and type(None) in get_args(hint):
        return None
    if isinstance(value, str) and get_origin(hint) is tuple:
        value = tuple(part.strip() for part in value.split(","))
    return read_value(value, hint, option(name, option_words(value), of_head=True))


PLAIN = {True: "sigmoid", False: "softmax"}  # by multilabel: what `train` takes where no head is named


def check_plain(head: str | type[Head], wanted: Wanted) -> None:
    """Refuse a head that cannot learn what is wanted.

    Args:
        head: the name or the class.
        wanted: what a training run asks of it.

    Raises:
        BadInput: for another kind of target than the head learns and for an option that it does not have, with the way
            out.
    """
    cls = head_class(head) if isinstance(head, str) else head
    who = cls.described()
    if wanted.task not in cls.learns:
        raise BadInput(f"{who} {_refusal(cls, wanted)}: {_way_out(cls, wanted)}")
    cls.config_class.from_dict(_options(cls, wanted)).check()


def build_plain(head: str | type[Head], wanted: Wanted, texts: ArrayLike | None = None) -> Head:
    """A head as a training run wants it, not fitted.

    Args:
        head: the name or the class.
        wanted: what the run asks of it.
        texts: [C, T], one row per label, for heads that need texts.

    Raises:
        BadInput: for a name that no head has and for options that the head does not take.
    """
    cls = head_class(head) if isinstance(head, str) else head
    options = _options(cls, wanted)
    return cls(texts=texts, **options) if cls.scores_of == "texts" else cls(**options)


def _options(cls: type[Head], wanted: Wanted) -> dict[str, Any]:
    return {**cls.decided(wanted), **typed_options(cls, wanted.options)}


def _refusal(cls: type[Head], wanted: Wanted) -> str:
    """Why it cannot learn what is wanted, in the head's own words where it has some."""
    words = [why for task, why in cls.refusals.items() if task == wanted.task]
    return words[0] if words else cls.says or f"learns {', '.join(cls.learns)}, not {wanted.task}"


def _way_out(cls: type[Head], wanted: Wanted) -> str:
    """Another head, or the option that makes it the right one."""
    other = f"take {option('head', PLAIN[wanted.multilabel])}"
    if wanted.multilabel and (wanted.target != "single" or "single" in cls.learns) and "distribution" in cls.kinds():
        return f"leave out {option('multilabel')}, or {other}"
    learns_several = any(task in MULTILABEL for task in cls.learns)
    if learns_several and not wanted.multilabel and (wanted.target != "single" or "single-positive" in cls.learns):
        return f"add {option('multilabel', True)}, or {other}"
    return other


def heads_that(fit: Callable[[type[Head]], bool]) -> str:
    """The heads that `train` offers and that fit, the plain ones first: "sigmoid, kernel or softmax"."""
    fitting = [name for name, head in HEADS.items() if head.learns and fit(head)]
    names = sorted(fitting, key=lambda name: (name not in PLAIN.values(), name))
    return " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
