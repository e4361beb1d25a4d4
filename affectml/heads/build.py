"""From what a training run asks for to a head that has not been fitted."""

from collections.abc import Callable
from typing import Any

from affectml.errors import BadInput, option
from affectml.heads._texts import TextHead
from affectml.heads.base import HEADS, Head
from affectml.heads.config import MULTILABEL, TrainOption, Wanted
from affectml.heads.ensemble import EnsembleConfig, EnsembleHead
from affectml.heads.inputs import ArrayLike
from affectml.heads.load import head_class
from affectml.heads.option_words import typed_options

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
    if wanted.hidden and "hidden" not in cls.takes:
        raise BadInput(
            f"{who} has no hidden layer of your choice: leave out {option('hidden')}, "
            f"or take {option('head')} {_with('hidden')}"
        )
    if wanted.k is not None and "k" not in cls.takes:
        heads = _with("k")
        raise BadInput(
            f"{option('k')} is how many labels a {heads} head answers with: add {option('head', heads)}, "
            f"or leave it out of a {cls.name} run"
        )
    if wanted.ensemble and "ensemble" not in cls.takes:
        raise BadInput(f"no ensembles of {cls.name} heads: take {option('head')} {_with('ensemble')}")
    if wanted.ensemble == 1 or wanted.ensemble < 0:
        raise BadInput(f"{option('ensemble', wanted.ensemble)}: expected at least 2 heads, or 0 for one head alone")
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
    if wanted.ensemble:
        kind = wanted.kind
        return EnsembleHead(EnsembleConfig(kind=kind, head=cls.name, count=wanted.ensemble, options=options))
    return cls(texts, **options) if issubclass(cls, TextHead) else cls(**options)


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


def _with(option: TrainOption) -> str:
    return heads_that(lambda head: option in head.takes)
