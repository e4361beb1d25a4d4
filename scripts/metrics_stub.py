"""What type checkers and editors see of the streaming classes, which are made from the rows of the table of metrics.

`python scripts/metrics_stub.py` writes metrics/affectml_metrics/streaming.pyi anew; a test compares the two.
"""

import inspect
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal, get_origin

from affectml_metrics import functional, streaming
from affectml_metrics._inputs import ArrayLike

FILE = Path(streaming.__file__).with_suffix(".pyi")


def aliases() -> dict[Any, tuple[str, str]]:
    """The module and the name of each kind of option."""
    modules = [module for _, module in inspect.getmembers(functional, inspect.ismodule)]
    named = [(value, (module.__name__, name)) for module in modules for name, value in vars(module).items()]
    found = {value: place for value, place in named if get_origin(value) is Literal and written_in(*place)}
    return {**found, functional.transport.Ground: (functional.transport.__name__, "Ground"),
            ArrayLike: ("affectml_metrics._inputs", "ArrayLike")}  # fmt: skip


def written_in(module: str, name: str) -> bool:
    """Whether the module is where the kind of option gets its name."""
    return f"\n{name} = Literal[" in inspect.getsource(sys.modules[module])


def stub() -> str:
    """The text of the file, before it is formatted."""
    known = aliases()
    classes = {name: getattr(streaming, name) for name in streaming.__all__}
    calls = {name: (f"_streaming.{cls.__bases__[0].__name__}", call_of(cls, known)) for name, cls in classes.items()}
    times = Counter(calls.values())
    imports = {
        known[option.annotation] for cls in classes.values() for option in options_of(cls) if option.annotation in known
    }
    imports |= {("affectml_metrics", "_streaming"), ("affectml_metrics._streaming", "Options")}
    by_module = groupby(sorted(imports), key=itemgetter(0))
    lines = ['"""The streaming classes as type checkers see them; `python scripts/metrics_stub.py` wrote it."""', ""]
    lines += ["from math import nan", "from typing import Literal, Unpack", ""]
    lines += [f"from {module} import {', '.join(name for _, name in names)}" for module, names in by_module]
    shared: dict[tuple[str, str], str] = {}
    for name, (base, call) in calls.items():
        if times[base, call] == 1 or (base, call) not in shared:
            owner = name if times[base, call] == 1 else f"_Like{name}"
            shared[base, call] = owner
            doc = described(classes[name]) if owner == name else '    """The options that several classes take."""'
            lines += ["", f"class {owner}({base}):", doc, call]
        if shared[base, call] != name:
            lines += ["", f"class {name}({shared[base, call]}):", described(classes[name])]
    return "\n".join(lines) + "\n"


def described(cls: type) -> str:
    """The docstring of a class as it stands in the file."""
    return textwrap.indent(f'"""{inspect.getdoc(cls)}\n"""', "    ", lambda line: bool(line.strip()))


def options_of(cls: type) -> Iterator[inspect.Parameter]:
    """What the class takes, but for the options of every torchmetrics class."""
    return (option for name, option in inspect.signature(cls).parameters.items() if name != "more")


def call_of(cls: type, known: dict[Any, tuple[str, str]]) -> str:
    """Its `__init__`."""
    taken, by_name = ["self"], False
    for option in options_of(cls):
        if option.kind is option.KEYWORD_ONLY and not by_name:
            taken, by_name = [*taken, "*"], True
        written = (
            known[option.annotation][1] if option.annotation in known else inspect.formatannotation(option.annotation)
        )
        default = "" if option.default is option.empty else f" = {option.default!r}"
        taken.append(f"{option.name}: {written.replace('typing.', '')}{default}")
    return f"    def __init__({', '.join([*taken, '**more: Unpack[Options]'])}) -> None: ..."


if __name__ == "__main__":
    FILE.write_text(stub(), encoding="utf-8")
