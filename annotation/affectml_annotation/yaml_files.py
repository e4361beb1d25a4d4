"""YAML that somebody wrote: read without running code, within limits, each key once."""

from typing import Any

import yaml

MOST_CHARACTERS = 1_000_000
MOST_VALUES = 100_000  # an alias (*name) counts as all that it stands for: ten of ten of ten ... fill any memory
MOST_LEVELS, MOST_DIGITS = 50, 100


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which looks at the nodes before it makes values of them. libyaml reads otherwise."""

    def construct_document(self, node: yaml.Node) -> Any:
        values, waiting = 0, [(node, 1)]
        while waiting:
            part, level = waiting.pop()
            values += 1
            if level > MOST_LEVELS:
                raise RecursionError
            if values > MOST_VALUES:
                raise yaml.YAMLError(f"more than {MOST_VALUES:,} values, with each alias (*name) written out")
            if part.tag == "tag:yaml.org,2002:int" and len(part.value) > MOST_DIGITS:  # 1:1:1 is to base 60, and slow
                raise yaml.YAMLError(f"a number of {len(part.value):,} characters")
            inside, keys = part.value if isinstance(part, yaml.CollectionNode) else (), set[str]()
            for each in inside:
                key, *_ = both = each if isinstance(each, tuple) else (each,)
                waiting += [(one, level + 1) for one in both]
                if len(both) > 1 and isinstance(key, yaml.ScalarNode):
                    if key.value in keys:
                        at = f"the second time in line {key.start_mark.line + 1}"
                        raise yaml.YAMLError(f"key {key.value!r} stands twice, {at}")
                    keys.add(key.value)
        return super().construct_document(node)


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
        raise ValueError(f"more than {MOST_LEVELS} levels in one another, or an alias of what it is in") from None
    except (yaml.YAMLError, ValueError, TypeError) as error:  # a date that cannot be, say
        raise ValueError(" ".join(str(error).split())) from None
