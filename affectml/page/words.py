"""What several sections say alike: whom a page is about, what to be careful about, and what is missing."""

from collections.abc import Iterable, Mapping, Sequence

from affectml.judging.figures import PEOPLE, Evaluation, Figure
from affectml.page.tables import empty_words, parts_of, rows_of

CALLED = {"model": "the model", "person": "one person", "prior": "one constant answer", "zero_shot": "zero-shot"}
CALLED |= {"floor": "the truth", "consensus": "the consensus of people"}
MISSING = {"person": "How far people agree is not known", "label_set": "There are no label sets"}


def called(system: str) -> str:
    """A system in a sentence: in words, or its own name in quotes."""
    return CALLED.get(system, f"“{system}”")


def capital(text: str) -> str:
    """The same with a first letter that begins a sentence."""
    return text[:1].upper() + text[1:]


def told(evaluation: Evaluation, findings: Iterable[Mapping[str, str]]) -> list[str]:
    """Findings as sentences."""
    names = {"model": first_of(evaluation)}
    who = [(each["system"], each["words"]) for each in findings]
    return [f"{called(names.get(system, system))} {words}" if system else words for system, words in who]


def first_of(evaluation: Evaluation) -> str:
    """Whom the page is about."""
    return str(evaluation.facts.get("first", "model"))


def of_first(evaluation: Evaluation, by: str | None) -> list[Figure]:
    """`parts_of` without other systems: the first's, those of people and the floor, which one table holds together."""
    return [each for each in parts_of(evaluation, by) if each.system in (first_of(evaluation), *PEOPLE, "floor")]


def them(evaluation: Evaluation) -> str:
    """Whom systems are compared with: people, or the labels of images where nobody's answers are known."""
    facts = evaluation.facts
    return "people" if facts.get("kind") in ("rates", "distribution") or facts.get("people") else "labels"


def warnings(evaluation: Evaluation) -> list[str]:
    """What to be careful about in these figures, a sentence each."""
    first, labels = first_of(evaluation), len(evaluation.facts.get("labels", ()))
    whose = capital(called(first))
    rules = evaluation.facts.get("rules", {})
    careful = [*evaluation.facts.get("warnings", ())]
    careful += [rules[name] for name in ("stopping", "languages") if name in rules]
    careful += evaluation.facts.get("lines", ())
    said = [f"{capital(str(line)).rstrip('.')}." for line in careful]
    size = evaluation.get("labels_per_set", first)
    if size is not None and labels and size.value > labels / 2:
        said.append(f"{whose}'s sets hold {size.value:.1f} of {labels} labels on average: they rule little out.")
    said += [f"{capital(words)}."] if (words := empty_words(evaluation)) else []
    made = evaluation.facts.get("promise")
    said += [f"{whose}'s sets are cut to keep a promise ({made['promise']}), not for the best score."] if made else []
    return said


def missing(evaluation: Evaluation) -> list[str]:
    """Which figures are not there, and why."""
    found, votes = [], rows_of(evaluation, metric="label_f1_judgements", system="person", against="rest", label=None)
    known = "; how far they do label by label is" if votes else ""
    for name, words in evaluation.facts.get("rules", {}).items():
        start, _, why = str(words).partition(": ")
        why += known if name == "person" else ""
        if start in ("not available", "none"):
            found.append(f"{MISSING.get(name, f'There is no {name}')}: {why}.")
        found += [f"{name} is infinite for {why}."] if start == "not finite" else []
    return found


def sentence_of(parts: Sequence[str]) -> str:
    """What is to be said, as one sentence; "" where there is nothing."""
    return f"{capital('; '.join(parts))}." if parts else ""
