"""The labels that a system's words stand for: labels and synonyms of a taxonomy, however they are written."""

import re
import unicodedata
from collections.abc import Mapping

from affectml.errors import BadInput, did_you_mean, option
from affectml.taxonomies import Taxonomy

_NONE = frozenset({"none", "none of these", "none of them", "none of the above", "no emotion", "nothing", "no label"})
_MARKS = " .,:;!?\"'`*()[]{}<>“”‘’"
_APART, _LOOSER = re.compile(r"[,;|>\n]"), re.compile(r"/|\band\b|&")
_QUOTES = " '\"`“”"
SHOWN = 60  # signs of a name that no label is called by


class Words:
    """Looks words up in a taxonomy: its labels, then its synonyms; capitals, hyphens and marks around do not matter.

    A synonym of two labels stands for neither.

    Args:
        taxonomy: the labels.
        mapping: further words of the user's own, word to label.

    Raises:
        BadInput: for a `mapping` to what is no label.
    """

    def __init__(self, taxonomy: Taxonomy, mapping: Mapping[str, str] | None = None) -> None:
        self.taxonomy = taxonomy
        synonyms: dict[str, set[str]] = {}
        for label, words in taxonomy.synonyms.items():
            for word in words:
                synonyms.setdefault(folded(word), set()).add(label)
        self._label_of = {word: labels.pop() for word, labels in synonyms.items() if len(labels) == 1}
        self._label_of |= {folded(name): label for label, name in taxonomy.displays.items()}
        self._label_of |= {folded(label): label for label in taxonomy.labels}
        for word, label in (mapping or {}).items():
            if label not in taxonomy.labels:
                raise BadInput(
                    f"{option('mapping', {word: label})}: no label {label!r} in taxonomy {taxonomy.name}"
                    f"{did_you_mean(label, taxonomy.labels)} (labels: {', '.join(taxonomy.labels)})"
                )
            self._label_of[folded(word)] = label
        names = map(re.escape, filter(None, self._label_of))
        self._names = re.compile(rf"(?<!\w)(?:{'|'.join(names) or '(?!)'})(?!\w)")

    def find(self, word: str) -> str | None:
        """The label that a word stands for; None for a word that stands for no label."""
        return self._label_of.get(folded(word))

    def unsure(self, word: str) -> bool:
        """Whether a word that is no label names one, as "not fear" and "awe/joy" do."""
        return self._names.search(folded(word)) is not None and not self._one(word)

    def says_none(self, word: str) -> bool:
        """Whether a word says that no label applies, and is no label itself."""
        return self.find(word) is None and folded(word) in _NONE

    def split(self, text: str) -> tuple[str, ...]:
        """The words of a list such as "joy, awe and fear"; a label of several words stays whole."""
        if self._one(text):
            return (text.strip(),)
        found: list[str] = []
        for part in _APART.split(text):
            found += [part] if self._one(part) else _LOOSER.split(part)
        return tuple(word.strip(_QUOTES) for word in found if word.strip(_MARKS))

    def _one(self, text: str) -> bool:
        return self.find(text) is not None or self.says_none(text)


def folded(word: str) -> str:
    """A word without capitals, underscores, hyphens, and marks around it."""
    plain = unicodedata.normalize("NFKC", word).casefold()
    return re.sub(r"[\s_\-]+", " ", plain).strip(_MARKS)


def shown(name: str) -> str:
    """A name as it can be printed: short, and without what no terminal can encode."""
    text = " ".join(name.encode("utf-8", "replace").decode().split())
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
