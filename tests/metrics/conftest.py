"""Data that several metric tests share, and every metric of the table with every one of its options.

A test that takes `row` runs for each row of the table, one that takes `case` for each of its options too (NAMED has
what else there is), all options of a row as one test: a metric that is added is tested by all of them.
"""

import inspect
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, Literal, get_args, get_origin

import pandas as pd
import pytest
import torch
from torch import Tensor

import affectml_metrics as am
from affectml_metrics.table import specs

LABELS, ROWS = 6, 97
_g = torch.Generator().manual_seed(3)


def _rand(*shape: int) -> Tensor:
    return torch.rand(shape or (ROWS, LABELS), generator=_g, dtype=torch.float64)


def _set(share: float) -> Tensor:
    chosen = _rand() < share
    chosen[:2] = torch.tensor([[False], [True]])  # an empty and a full set
    return chosen


def _shares() -> Tensor:
    shares = (_rand() * 4).softmax(-1) * (_rand() < 0.8)
    shares[:, 0] += 0.01  # so that no row is empty
    return shares / shares.sum(-1, keepdim=True)


CHOSEN, LOGITS = _set(0.3).roll(1, 0), _rand() * 8 - 4
RATES, RATED = _rand(), (_rand() * 6).round() / 6
NEAR = _rand(LABELS, LABELS).fill_diagonal_(1)
COST = _rand(LABELS, LABELS).fill_diagonal_(0)  # not the same both ways
PAIRS = {
    "sets": (_set(0.4), CHOSEN),
    "ranking": ((_rand() * 6).round(), CHOSEN),  # with ties
    "distribution": ((_rand() * 4).softmax(-1), _shares()),
    "rates": (RATES, RATED),
    "perspectives": ((_rand() * 3).round(), (_rand() * 3).round()),
}
PEOPLE = _rand() < 0.7
PEOPLE[2] = False  # nobody was asked
N = torch.full((ROWS,), 6, dtype=torch.float64)
GIVEN = {"similarity": NEAR, "ground": COST, "scale": 3.0, "k": 2}
OTHER = {
    "k": 4, "eps": 1e-3, "bins": 5, "both_empty": 0.0, "one_empty": 0.5, "zero_division": 0.5, "no_labels": 1.0,
    "tie_cost": 0.25, "threshold": 0.6,
}  # fmt: skip
"""What an option that is a number is tried with besides its default."""


@dataclass(frozen=True)
class Case:
    """A metric on data of one kind: tables are preds and target, and what else `update` takes."""

    spec: am.MetricSpec
    kind: str
    config: dict[str, Any]
    tables: tuple[Tensor, ...]
    given: dict[str, Tensor] = field(default_factory=dict)  # weights

    def __str__(self) -> str:
        said = [f"{k}={v}" for k, v in self.config.items() if not isinstance(v, Tensor) and v != GIVEN.get(k)]
        return "-".join([self.spec.name, self.kind, *said])

    def function(self, *tables: Tensor, **more: Any) -> Tensor:
        """The function's value, [N] or over the table."""
        return self.spec.function(*(tables[1:2] if self.spec.of_target else tables), **{**self.config, **more})

    def value(self, *tables: Tensor, **more: Any) -> Tensor:
        """What the class makes of it: the mean over the rows on which it is defined."""
        found = self.function(*(tables or self.tables), **more)
        return found.nanmean() if self.spec.over == "rows" else found

    def options(self) -> dict[str, list[Any]]:
        """By name what each option of the function may be besides what it is, and last what it may not."""
        found: dict[str, list[Any]] = {}
        for name, parameter in inspect.signature(self.spec.function).parameters.items():
            now = self.config.get(name, parameter.default)
            if get_origin(hint := parameter.annotation) is Literal:
                some = [choice for choice in get_args(hint) if choice != now and name != "activation"]  # of logits
                found[name] = [*some, "no such choice"]
            elif isinstance(now, bool):
                found[name] = [not now, "no"]
            elif name in OTHER:
                found[name] = [OTHER[name], -7]
        return found

    def metric(self, **more: Any) -> Any:
        """The class with this configuration."""
        cls = getattr(am, self.spec.cls)
        sums = {"num_labels": LABELS} if "num_labels" in inspect.signature(cls).parameters else {}
        return cls(**{**sums, **self.config, **more})

    def fed(self, tables: tuple[Tensor, ...] = ()) -> Any:
        metric = self.metric()
        metric.update(*(tables or self.tables))
        return metric


def plain(spec: am.MetricSpec, kind: str) -> Case:
    """A row of the table with its own conventions."""
    preds, target = PAIRS[kind]
    if {"shares", "shares?"} & set(spec.needs):
        target = RATED
    tables = (preds, target * 6, N) if "votes" in spec.needs else (preds, target)
    if kind == "perspectives":
        tables = (*tables, PEOPLE)
    config = {**spec.options, **{name: GIVEN[name] for name in spec.needs if name in GIVEN}}
    return Case(spec, kind, config, tables)


def others(case: Case) -> list[Case]:
    """The case with each other value that one option of its function may have."""
    found = []
    for name, values in case.options().items():
        for value in values[:-1]:
            config, tables = {**case.config, name: value}, case.tables
            if name == "from_logits":
                tables = (LOGITS, *tables[1:])
                if case.spec.takes("activation") and case.kind == "distribution":
                    config["activation"] = "softmax"
            if name == "threshold":
                tables = (RATES, *tables[1:])
            found.append(replace(case, config=config, tables=tables))
    if case.spec.takes("ground"):
        found += [replace(case, config={**case.config, "ground": ground}) for ground in ("line", "circle")]
    return found


ROW_CASES = [plain(spec, kind) for spec in specs() for kind in spec.kinds]
_every = [case for row in ROW_CASES for case in [*others(row), row]]
CASES = list({(case.spec.function, str(case).partition("-")[2]): case for case in _every}.values())
OF_CLASSES = list({case.spec.cls: case for case in CASES}.values())  # one for each


def _some(cases: list[Case], *kinds: str, over: str = "") -> list[Case]:
    return [
        case for case in cases
        if case.spec.kinds[0] in kinds and over in ("", case.spec.over) and "activation" not in case.config
    ]  # fmt: skip


NAMED = {
    "row": ROW_CASES,
    "case": CASES,
    "row_of_asked": _some(CASES, "sets", "ranking", "rates", over="rows"),  # -1 in the target: nobody was asked
    "table_of_asked": _some(CASES, "sets", "ranking", "rates", over="table"),
    "of_sets": _some(ROW_CASES, "sets"),
    "of_rankings": _some(CASES, "ranking"),
    "of_one_question": _some(ROW_CASES, "sets", "ranking", "distribution"),  # a single label is a target
    "of_distributions": _some(ROW_CASES, "distribution"),
    "of_shares": [case for case in _some(CASES, "distribution", "rates") if not case.config.get("from_logits")],
    "of_people": _some(ROW_CASES, "perspectives"),
}
NAMED["with_a_slope"] = [
    case for case in NAMED["of_shares"]
    if case.spec.range != "0 or 1" and case.config.get("method") != "spearman" and not case.spec.takes("bins")
]  # fmt: skip


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for name in NAMED.keys() & set(metafunc.fixturenames):
        rows: dict[str, list[Case]] = {}
        for case in NAMED[name]:
            rows.setdefault(f"{case.spec.name}-{case.kind}", []).append(case)
        metafunc.parametrize(name, rows.values(), ids=list(rows))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Of the options of a row one test is made, which pytest takes a third of the time for; an error says of which."""
    if not (named := NAMED.keys() & pyfuncitem.funcargs.keys()):
        return None
    for case in pyfuncitem.funcargs[named.pop()]:
        try:
            pyfuncitem.obj(case)
        except Exception as error:
            error.add_note(f"of {case}")
            raise
    return True


@pytest.fixture(scope="session")
def cases() -> list[Case]:
    """All of them in one test."""
    return CASES


@pytest.fixture(scope="session")
def of_classes() -> list[Case]:
    return OF_CLASSES


def drawn(labels):
    """400 rows of so many labels: scores with many ties, sets with empty and full rows, distributions, rates."""
    g = torch.Generator().manual_seed(labels)

    def rand():
        return torch.rand(400, labels, generator=g, dtype=torch.float64)

    sets = rand() < 0.3
    sets[0], sets[1] = False, True
    chosen = rand() < 0.3
    chosen[:3] = False
    known = {"scores": (rand() * 6).round() / 6, "chosen": chosen, "sets": sets}
    known |= {name: (rand() * 3).softmax(-1) for name in ("preds", "target")}
    return SimpleNamespace(**known, rates=rand(), shares=rand())


@pytest.fixture(scope="session", params=[5, 13])
def table(request):
    return drawn(request.param)


@pytest.fixture(scope="session")
def ferplus(real_data):
    """FER+: shares of the eight emotions over faces with a vote for one, a perturbed copy as preds, and the counts."""
    counts = torch.tensor(pd.read_csv(real_data / "ferplus" / "fer2013new.csv").iloc[:, 2:10].to_numpy(float))
    counts = counts[counts.any(-1)]
    shares = counts / counts.sum(-1, keepdim=True)
    g = torch.Generator().manual_seed(0)
    noise = torch.rand(shares.shape, generator=g, dtype=torch.float64)
    preds = 0.7 * shares + 0.2 * shares.roll(1, 0) + 0.1 * noise / noise.sum(-1, keepdim=True)
    return preds, shares, counts


@pytest.fixture(scope="session", params=[5, 13, "ferplus"])
def pair(request):
    """Predicted and right distributions: drawn, with so many labels, and of FER+."""
    if request.param == "ferplus":
        return request.getfixturevalue("ferplus")[:2]
    return drawn(request.param).preds, drawn(request.param).target
