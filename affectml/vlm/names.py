"""What names in a file stand for: custom_ids for requests, names of files for images, and words for labels."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from affectml.data.matching import image_finder
from affectml.errors import BadInput, did_you_mean, option
from affectml.taxonomies import Taxonomy
from affectml.vlm.config import Answer

LONGEST = 64  # signs of a custom_id: Anthropic's and Azure's servers take no more, and [A-Za-z0-9_-] alone
_OURS = re.compile(r"s(\d{1,6})(?:w(\d{1,6}))?([hr]?)(?:x([0-9a-f]{4}))?-(.+)", re.DOTALL)
_PLAIN = re.compile(rf"[A-Za-z0-9_-]{{1,{LONGEST - len('s000000-x-')}}}")  # a key beside the shortest of the rest
_LETTERS: dict[str, Answer] = {"": "sets", "h": "shares", "r": "ranking"}
_NONE = frozenset({"none", "none of these", "none of them", "none of the above", "no emotion", "nothing", "no label"})
_MARKS = " .,:;!?\"'`*()[]{}<>“”‘’"
_APART, _LOOSER = re.compile(r"[,;|>\n]"), re.compile(r"/|\band\b|&")
_QUOTES = " '\"`“”[]"


@dataclass(frozen=True)
class Requested:
    """What a request was: its image, its sample and wording (from 1), and the form of answer.

    shuffle: which seed and labels its order of labels is drawn from, see `shuffle_of`; "" where its id does not say.
    """

    image: str
    sample: int
    wording: int
    answer: Answer
    shuffle: str = ""


def key_of(image_id: str) -> str:
    """The part of a custom_id that stands for an image: its id, or a hash of it.

    Signs are [A-Za-z0-9_-]; ids that differ have keys that differ. What a hash stands for is found again by hashing
    the data set's own ids.
    """
    return f"p-{image_id}" if _PLAIN.fullmatch(image_id) else _hash_of(image_id)


def _hash_of(image_id: str) -> str:
    return f"h-{hashlib.sha256(image_id.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"


def shuffle_of(labels: Sequence[str], seed: int) -> str:
    """Four hexadecimal digits of what orders of labels are drawn from, so that no index is taken for another's."""
    return hashlib.sha256("\0".join([str(seed), *labels]).encode("utf-8", "surrogatepass")).hexdigest()[:4]


def custom_id(image_id: str, sample: int, *, wording: int = 1, answer: Answer = "sets", shuffle: str = "") -> str:
    """The custom_id of one request, see `Requested`.

    Of the first wording and sets it is s1-KEY, else such as s1w2-KEY, s1h-KEY (shares) or s1w2r-KEY (a ranking); with a
    shuffle s1x0a1b-KEY.
    """
    letter = next(letter for letter, name in _LETTERS.items() if name == answer)
    given = f"s{sample}{'' if wording == 1 else f'w{wording}'}{letter}{shuffle and f'x{shuffle}'}-"
    key = key_of(image_id)
    return given + (key if len(given) + len(key) <= LONGEST else _hash_of(image_id))


class Names:
    """Finds a data set's image by what a file calls it, as joining does; see `affectml.data.matching.match_images`."""

    def __init__(self, images: pd.DataFrame) -> None:
        self._ids = [str(image) for image in images["image_id"]]
        self._by_key = {key(image): image for image in self._ids for key in (key_of, _hash_of)}
        self._rows = image_finder(images, "answers")
        self.find = lru_cache(None)(self._find)

    def of_custom_id(self, given: str) -> Requested | None:
        """What the request of a custom_id was; None for one that no request of this data set has."""
        match = _OURS.fullmatch(given)
        if match is None or match[5] not in self._by_key:
            return None
        return Requested(self._by_key[match[5]], int(match[1]), int(match[2] or 1), _LETTERS[match[3]], match[4] or "")

    def _find(self, name: str) -> str | None:
        """The image of that name; None where there is none, or several."""
        try:
            row = self._rows([name])
        except BadInput:  # two images have it
            return None
        return None if row < 0 else self._ids[row]


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
            return (text.strip(_QUOTES),)
        found: list[str] = []
        for part in _APART.split(text):
            found += [part] if self._one(part) else _LOOSER.split(part)
        return tuple(word.strip(_QUOTES) for word in found if word.strip(_MARKS))

    def _one(self, text: str) -> bool:
        return self.find(text) is not None or self.says_none(text)


@lru_cache(100_000)
def folded(word: str) -> str:
    """A word without capitals, underscores, hyphens, and marks around it."""
    plain = unicodedata.normalize("NFKC", word).casefold()
    return re.sub(r"[\s_\-]+", " ", plain).strip(_MARKS)


def shown(name: str) -> str:
    """A name as it can be printed: of at most 60 signs, and without what no terminal can encode."""
    text = " ".join(name.encode("utf-8", "replace").decode().split())
    return text if len(text) <= 60 else f"{text[:59]}…"
