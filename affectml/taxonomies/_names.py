"""What labels are called in other languages: names of one's own, and those of the built-in taxonomies; and which label
somebody may have meant, never the opposite.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from affectml.errors import BadInput, did_you_mean


@dataclass(frozen=True)
class LabelName:
    """A label's name in another language, what it means there, other words for it, and who says so.

    source: who has this word for it, such as a publication; "affectml" for the built-in names that a machine wrote.
    """

    name: str
    definition: str = ""
    synonyms: tuple[str, ...] = ()
    source: str = ""

    def to_dict(self) -> dict[str, Any]:
        """What a taxonomy's YAML file says of it."""
        content = {**vars(self), "synonyms": list(self.synonyms)}
        return {key: value for key, value in content.items() if value}


def read_names(content: Any, where: str) -> dict[str, LabelName]:
    """The names at the key `in` of a label, by language. Raises BadInput for what cannot be read."""
    from affectml_annotation.languages import as_code  # loads pandas, which most taxonomies do without

    if not isinstance(content, Mapping):
        raise BadInput(f"{where}: in: expected names by language, as in {{de: {{name: Freude}}}}, got {content!r}")
    found = {}
    for language, entry in content.items():
        if not isinstance(language, str):
            raise BadInput(f"{where}: in: language {language!r} is read as {type(language).__name__}; put it in quotes")
        code = as_code(language)
        if code is None:
            raise BadInput(f"{where}: in: {language!r} is no language's code (such as de or pt-BR)")
        if code in found:
            raise BadInput(f"{where}: in: {code} stands twice, once as {language!r}")
        found[code] = _name(entry, f"{where}: in {language}")
    return found


def _name(content: Any, where: str) -> LabelName:
    content = keys_of(content, LabelName.__dataclass_fields__, where, "name")
    if not content.get("name"):
        raise BadInput(f"{where}: expected the key 'name', got {sorted(content)}")
    said = {key: content[key] for key in ("name", "definition", "source") if content.get(key) is not None}
    for key, value in said.items():
        if not isinstance(value, str):
            raise BadInput(f"{where}: {key} {value!r} is read as {type(value).__name__}; put it in quotes")
    return LabelName(**said, synonyms=texts(content.get("synonyms") or [], f"{where}: synonyms"))


def own_yaml(text: str) -> Any:
    """What a YAML file holds that comes with affectml; anybody else's are read by `load_yaml`, which has limits."""
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: TID251


@cache
def builtin_names() -> tuple[str, ...]:
    """Names of the taxonomies that ship with affectml, in alphabetical order."""
    folder = files("affectml.taxonomies")
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")))


@cache
def builtin_label_names(taxonomy: str, language: str) -> Mapping[str, LabelName]:
    """The names in a language of a built-in taxonomy's labels; none of another taxonomy, or where we have none."""
    content = _language_file(language)
    if not content or taxonomy not in builtin_names():
        return {}
    entries = content["labels"] | content.get("taxonomies", {}).get(taxonomy, {})
    return {label: _name(entry, f"languages/{language}.yaml: {label}") for label, entry in entries.items()}


def is_read(language: str) -> bool:
    """Whether our names in a language were read by somebody who speaks it."""
    return str(_language_file(language.partition("-")[0]).get("read_by", "nobody")) != "nobody"


@cache
def _language_file(language: str) -> Mapping[str, Any]:
    file = files("affectml.taxonomies").joinpath("languages", f"{language}.yaml")
    found: Mapping[str, Any] = own_yaml(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return found


def keys_of(content: Any, known: Iterable[str], where: str, example: str) -> Mapping[str, Any]:
    """A part of a file that has no key but these. Raises BadInput, which names an example, or the nearest key."""
    if not isinstance(content, Mapping):
        raise BadInput(f"{where}: expected keys such as {example}, got {content!r:.100}")
    for key in content:
        if key not in known:
            raise BadInput(f"{where}: unknown key {key!r}{did_you_mean(str(key), known)}")
    return content


def texts(values: Any, where: str) -> tuple[str, ...]:
    """A list of texts. Raises BadInput for anything else."""
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise BadInput(f"{where}: expected a list of texts, got {values!r}")
    return tuple(values)


# "unhappiness" is no kind of happiness, and neither is "hopelessness" of hope, or "lack of interest" of interest: how a
# word, what stands before a part, and what stands after it says so. A language that is not here says it in no way.
# The labelling page's search goes by these (relabel/client/search.js).
_NEVER = "(?!)"
NEGATIONS = {
    "en": (
        r"(?:un|dis|in|im|il|ir|non|mis|anti)[^ ]|[^ ]+less(?:ly|ness)?(?: |$)",
        r"(?:^| )(?:no|not|non|never|without|lack|loss|absence|un|dis|mis|anti) ",
        r"less|free| (?:less|free)(?: |$)",
    ),
    "de": (
        r"(?:un|miss|nicht|anti)[^ ]|[^ ]+los(?:igkeit)?(?: |$)",
        r"(?:^| )(?:nicht|nie|ohne|kein[^ ]*|mangel|mangelnd[^ ]*|fehlend[^ ]*|verlust) ",
        r"s?(?:los|frei|mangel|verlust)| (?:los|frei)(?: |$)",
    ),
    "es": (r"(?:des|dis|in|im|ir|anti)[^ ]", r"(?:^| )(?:no|sin|nunca|falta|perdida|ausencia) ", _NEVER),
    "fr": (
        r"(?:in|im|ir|de|des|dis|me|mes|mal|anti)[^ ]",
        r"(?:^| )(?:pas|non|sans|jamais|manque|perte|absence|aucune?) ",
        _NEVER,
    ),
    "ja": (_NEVER, r"[不無非未反]$", r"[がのも]?(?:ない|なし|無|欠如|喪失)|しない"),
    "zh": (_NEVER, r"(?:[不无無非未没沒反]|没有|沒有|缺乏|失去)$", _NEVER),
    "ar": (r"لا[^ ]", r"(?:^| )(?:لا|غير|عدم|بلا|دون|بدون|فقدان|قله|انعدام|ليس) ", _NEVER),
}
_NEGATED = re.compile("|".join(NEGATIONS["en"][:2]))
_ALIKE = 0.7  # difflib's ratio of what is taken for a misspelling; of "happiness" and "sadness" it is .63
_SHORTEST = 3  # letters of a name that a longer word may begin with


def nearest(word: str, names: Mapping[str, str]) -> str:
    """The middle of an error message: the label that somebody may have meant, with the name of it that is near.

    names: what a label may be called -> the label. Nothing where none is near but a negation of what was typed.

    >>> names = {"sadness": "sadness", "sorrow": "sadness", "unhappiness": "sadness"}
    >>> nearest("happiness", names), nearest("sadnes", names), nearest("sorow", names)
    ('', "; did you mean 'sadness'?", "; did you mean 'sadness' (sorrow)?")
    >>> nearest("joyfull", {"joy": "joy"}), nearest("joyless", {"joy": "joy"})
    ("; did you mean 'joy'?", '')
    """
    asked, negated = _plain(word), _negates(word)
    alike = {_plain(name): name for name in names if _negates(name) == negated}
    begun = [name for name in alike if len(name) >= _SHORTEST and asked.startswith(name)]
    longer = [name for name in alike if asked and re.search(rf"\b{re.escape(asked)}", name)]
    misspelled = difflib.get_close_matches(asked, alike, n=1, cutoff=_ALIKE)
    near = [*longer, *sorted(begun, key=len, reverse=True), *misspelled]
    if not near:
        return ""
    name = alike[near[0]]
    return f"; did you mean {names[name]!r}{'' if name == names[name] else f' ({name})'}?"


def _plain(text: str) -> str:
    """A text as it is compared: without case, with blanks for the signs between words."""
    return re.sub(r"[\W_]+", " ", text.casefold()).strip()


def _negates(text: str) -> bool:
    return bool(_NEGATED.match(_plain(text)))
