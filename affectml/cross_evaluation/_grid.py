"""Which scores of a matrix may stand beside each other: those of one test set, judged in the same labels."""

from collections.abc import Mapping
from dataclasses import dataclass

from affectml.cross_evaluation._run import CrossResult
from affectml.judging.scoring import Score
from affectml.page.tables import STAR, leading

Labels = frozenset[str]
Scored = dict[str, dict[str, tuple[Score, Labels]]]  # row -> test set -> score, and the labels it is in


@dataclass(frozen=True)
class Entry:
    """A score of the matrix. mark: "" in the test set's own labels, else what stands for its labels: "5", "5b".

    best: whether it leads those of its column that are in the same labels, or ties with the leader.
    """

    score: Score
    mark: str
    best: bool

    @property
    def in_brackets(self) -> str:
        """The mark as it stands behind a score."""
        return f" ({self.mark})" if self.mark else ""


@dataclass(frozen=True)
class Grid:
    """The matrix of one metric: test sets across; rows by name, None for a pair without a score; {mark: its labels}."""

    metric: str
    tests: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Entry | None, ...]], ...]
    marks: Mapping[str, str]

    def legend(self, bold: str = "bold") -> list[str]:
        """What marks and bold mean, line by line; `bold` says where it is seen."""
        lines = [f"({m}): in {labels}; compare it with ({m}) in its column only" for m, labels in self.marks.items()]
        if any(entry and entry.best for _, entries in self.rows for entry in entries):
            lines.append(f"{bold}: the best of a column in the same labels, and those whose interval overlaps with its")
        return lines

    def below(self) -> list[str]:
        """The legend, and what a star means where there is one."""
        few = any(entry and "few" in entry.score for _, entries in self.rows for entry in entries)
        return [*self.legend(), *([STAR] if few else [])]


def grid_of(result: CrossResult, metric: str) -> Grid:
    """Scores in the order of the test sets: heads by train set, then zero-shot and priors.

    The prior's row of a train set is its label shares, in each cell's labels; zero-shot's is in the test set's own.
    """
    tests = tuple(dict.fromkeys(c.test for c in result.cells))
    own = {test: frozenset(labels) for test, labels in result.labels.items()}
    heads: Scored = {}
    priors: Scored = {}
    for c in result.cells:
        row, labels = heads.setdefault(f"{c.head}, {c.train}", {}), frozenset(c.labels)
        if metric in c.scores:
            row[c.test] = (c.scores[metric], labels)
        if c.prior or c.reason:
            prior = priors.setdefault(f"prior, {c.train}", {})
            if metric in c.prior:
                prior.setdefault(c.test, (c.prior[metric], labels))
    zero_shot = {test: (found[metric], own[test]) for test, found in result.zero_shot.items() if metric in found}
    scored = {**heads, "zero_shot": zero_shot, **priors}
    best = {(name, test) for test in tests for name in _leaders(scored, test, metric)}
    marks = _marks(result)

    def entry(name: str, test: str) -> Entry | None:
        if test not in scored[name]:
            return None
        score, labels = scored[name][test]
        return Entry(score, "" if labels == own[test] else marks[labels][0], (name, test) in best)

    rows = tuple((name, tuple(entry(name, test) for test in tests)) for name in scored)
    used = {entry.mark for _, entries in rows for entry in entries if entry}
    return Grid(metric, tests, rows, {mark: text for mark, text in marks.values() if mark in used})


def _leaders(scored: Scored, test: str, metric: str) -> list[str]:
    """The rows that lead a column, or tie with the leader, among those that are in the same labels."""
    alike: dict[Labels, dict[str, Score]] = {}
    for name, row in scored.items():
        if test in row:
            score, labels = row[test]
            alike.setdefault(labels, {})[name] = score
    return [name for scores in alike.values() for name in leading(scores, metric)]


def _marks(result: CrossResult) -> dict[Labels, tuple[str, str]]:
    """A mark for each set of labels that cells are judged in, and what it says: their number; a letter tells equals."""
    marks: dict[Labels, tuple[str, str]] = {}
    for c in result.cells:
        if c.reason or frozenset(c.labels) in marks:
            continue
        alike = sum(len(labels) == len(c.labels) for labels in marks)
        mark = f"{len(c.labels)}{chr(ord('a') + alike) if alike else ''}"
        marks[frozenset(c.labels)] = (mark, f"{len(c.labels)} labels of {c.taxonomy}")
    return marks
