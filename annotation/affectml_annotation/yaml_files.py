"""YAML that somebody wrote: read without running code, within limits, each key once."""

from typing import Any

import yaml

MOST_CHARACTERS = 1_000_000
MOST_VALUES = 100_000  # an alias (*name) counts as all that it stands for: ten of ten of ten ... fill any memory
MOST_LEVELS = 50
_TOO_DEEP = f"more than {MOST_LEVELS} levels in one another, or an alias of what it is in"


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which looks at the nodes before it makes values of them. libyaml reads otherwise."""

    def construct_document(self, node: yaml.Node) -> Any:
        values, waiting = 0, [(node, 1)]
        while waiting:
            part, level = waiting.pop()
            values += 1
            if level > MOST_LEVELS:
                raise yaml.YAMLError(_TOO_DEEP)
            if values > MOST_VALUES:
                raise yaml.YAMLError(f"more than {MOST_VALUES:,} values, with each alias (*name) written out")
            if isinstance(part, yaml.MappingNode):
                _check_keys(part)
                waiting += [(inner, level + 1) for pair in part.value for inner in pair]
            elif isinstance(part, yaml.SequenceNode):
                waiting += [(inner, level + 1) for inner in part.value]
        return super().construct_document(node)


def _check_keys(node: yaml.MappingNode) -> None:
    """Raise YAMLError for a key that stands twice, since one of its values would count for nothing."""
    seen: set[str] = set()
    for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
        if key.value in seen:
            raise yaml.YAMLError(f"key {key.value!r} stands twice, the second time in line {key.start_mark.line + 1}")
        seen.add(key.value)


def load_yaml(text: str) -> Any:
    """What a YAML text holds: plain values alone.

    Raises:
        ValueError: saying where and why, for a text that is not YAML, has a key twice, or is beyond a limit: a million
            characters, 100,000 values where each alias counts as all that it stands for, 50 levels in one another.
    """
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"more than {MOST_CHARACTERS:,} characters")
    try:
        return yaml.load(text, _Loader)  # noqa: TID251 - the one place
    except (yaml.scanner.ScannerError, yaml.parser.ParserError) as error:
        mark = error.problem_mark
        at = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"{at}{error.problem}; a text with ? : # or , in it goes in quotes") from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except (yaml.YAMLError, ValueError, TypeError) as error:  # a date that cannot be, say
        raise ValueError(" ".join(str(error).split())) from None
