"""Commands made of options that are declared elsewhere: an importer's keywords, the fields of a training's config."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer

from affectml._options import Option, options_of, parse_list, parse_mapping
from affectml.errors import spelled


def taking(config: type, *, argument: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The command of a function whose first parameter is a `config`: each of its fields is an option.

    argument: the field that is given without an option's name, a folder.
    """
    options = options_of(config)

    def command(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def run(**given: Any) -> None:
            values = {each.name: value_of(each, given.pop(each.name)) for each in options}
            function(config(**values), **given)

        own = list(inspect.signature(function).parameters.values())[1:]
        made = [parameter_of(each, argument=each.name == argument) for each in options]
        sign(run, [*made, *(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own)])
        return run

    return command


def sign(function: Any, parameters: Sequence[inspect.Parameter]) -> None:
    """Give a function the parameters that Typer is to see."""
    function.__signature__ = inspect.Signature(parameters)
    function.__annotations__ = {each.name: each.annotation for each in parameters}


def parameter_of(option: Option, *, argument: bool = False) -> inspect.Parameter:
    """What Typer is told of an option, or of an argument, a place."""
    kinds, said = _kinds(option), option.help
    settings: dict[str, Any] = {"help": said.text, "show_default": said.default or True}
    kind: Any = str | None
    if Mapping in kinds:
        kind, settings["metavar"] = list[str] | None, said.metavar or "FROM=TO"
    elif tuple in kinds:
        kind = list[str] | None
    elif Sequence in kinds:
        settings["metavar"] = "A,B,..."
    elif number := kinds & {bool, int, float}:
        kind = number.pop() | None if type(None) in kinds else number.pop()
        settings.update({key: most for key, most in (("min", option.least), ("max", said.most)) if most is not None})
    elif argument or Path in kinds:
        kind = Path | None
    elif option.default is not None:
        kind = str
    if said.metavar:
        settings["metavar"] = said.metavar
    told = typer.Argument(**settings) if argument else typer.Option(spelled(option.name), **settings)
    default = None if kind == list[str] | None else option.default
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(option.name, keyword, default=default, annotation=Annotated[kind, told])


def value_of(option: Option, given: Any) -> Any:
    """The value of what Typer read."""
    kinds = _kinds(option)
    if Mapping in kinds:
        return (option.help.read or parse_mapping)(given or [])
    if tuple in kinds:
        return tuple(given or ())
    if Sequence in kinds:
        return parse_list(given)
    return str(given) if isinstance(given, Path) and Path not in kinds else given


def _kinds(option: Option) -> set[Any]:
    """The types an option may have, such as {Mapping, NoneType}."""
    origin = get_origin(option.type)
    parts = (option.type,) if origin in (None, Mapping, Sequence, tuple) else get_args(option.type)
    return {getattr(part, "__origin__", part) for part in parts}
