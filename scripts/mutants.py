"""Wrong formulas made by machine, and whether the tests see them: run by hand, where metrics or their tests change.

Each mutant is one change to the syntax tree of one formula: an operator, a comparison, a number or a function swapped,
a sign or a term dropped. A seed draws which of all possible ones are tried. A mutant runs in a fork of this process,
with the mutated module in the place of the real one and the fast tests of its family, up to the first failure; nothing
on the disk changes. Without a mutant all of them must pass. Survivors are printed, those that are equal to the original
(EQUAL) with the reason.

    python scripts/mutants.py                       # all families: 120 mutants, some 20 minutes on one core
    python scripts/mutants.py rates sets --count 40 # of two families
"""

import argparse
import ast
import importlib
import importlib.machinery
import importlib.util
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

ROOT = Path(__file__).resolve().parents[1]
METRICS, AGREEMENT = "metrics/affectml_metrics/functional", "annotation/affectml_annotation/agreement"
OF_METRICS = {  # by module: what selects its cases among the facts of all metrics, and the other files that test it
    "logs": ("distribution or rates", "by_hand against_others precision"),
    "order": ("ranking", "by_hand against_others invariants"),
    "average_precision": ("average_precision or auroc", "labels against_others by_hand"),
    "calibration": ("calibration", "by_hand against_others"),
    "disagreement": ("entropy or rank_cs", "by_hand against_others"),
    "distribution": ("distribution", "by_hand against_others"),
    "information": ("icm", "information"),
    "labels": ("label_", "labels by_hand"),
    "people": ("perspectives", "label_variation information bad_input"),
    "ranking": ("ranking", "by_hand against_others invariants precision"),
    "rates": ("rates", "by_hand against_others"),
    "sets": ("sets", "by_hand against_others options bad_input"),
    "transport": ("earth_movers", "by_hand against_others invariants precision"),
}
FAMILIES: dict[str, tuple[str, list[list[str]]]] = {
    **{
        name: (
            f"{METRICS}/{name}.py",
            [
                ["tests/metrics/test_metrics_facts.py", "-k", f"worked_by_hand or {cases}"],
                [f"tests/metrics/test_metrics_{each}.py" for each in files.split()],
            ],
        )
        for name, (cases, files) in OF_METRICS.items()
    },
    "alpha": (f"{AGREEMENT}/alpha.py", [["tests/annotation/test_agreement.py"]]),
}
"""By module its file, and the runs of tests that see its mutants."""
EQUAL = {
    "labels: _without: rest <= 1e-12 * rows -> rest < 1e-12 * rows": "they differ at 0 rows, whose rest is 0",
    "information: icm_soft.bits: above > _STILL -> above >= _STILL": "no share is that far above exactly",
    "information: icm_soft.bits: chance < _LOST -> chance <= _LOST": "no chance is that exactly",
    "information: icm_soft.bits: 1.0 -> 2.0": "what equal shares say is not read from it",
    "information: icm_soft: p > t -> p >= t": "equal shares say the same",
    "logs: js_terms: 1.0 -> 2.0": "0 over any number is 0, and that cell is set to 1 after it",
    "alpha: _by_table: v <= EXACT_VALUES -> v < EXACT_VALUES": "two ways to one value, of which one is quicker",
    "alpha: label_agreement: 1 -> 2": "the first of two equal replicates is taken",
    "disagreement: prepared_correlation: x * x -> x / x": "of two ways to one value the safer is taken more often",
    "disagreement: prepared_correlation.by_sums: two_least * n -> two_least / n": "the same",
    "disagreement: prepared_correlation: 1e-20 * (x * x).mean() -> 1e-20 / (x * x).mean()": "the same",
    "disagreement: rank_cs.same: wrong.any -> wrong.all": "rows that are not settled by neighbours are sorted",
    "disagreement: _mean_ranks: size - 1 -> size": "ranks that are all half a place lower correlate alike",
    "alpha: _interval: numbers.min -> numbers.max": "alpha sees no scale, and the shift is kept",
    "sets: _fill: no_preds ^ no_target -> no_preds | no_target": "two empty sets are filled after it",
    "transport: _is_metric: cost.diagonal() == 0 -> cost.diagonal() != 0": "a flow without what stays is as cheap",
    "ranking: _ascending: x.device.type == 'cpu' -> x.device.type != 'cpu'": "two sorts with one result",
    "ranking: _ascending: 1 -> 2": "no CPU goes this way",
    "order: right_labels: 0 -> 1": "no CPU goes this way",
    "average_precision: _Ranked.of: right_size > 0 -> right_size >= 0": "a score that no right row has adds 0",
    "rates: soft_f1_from_counts: 1.0 -> 2.0": "a label without mass is filled after it",
    "ranking: _precision_among_ties: 1 -> 2": "one harmonic number more than is needed",
    "logs: root: 1.0 -> 2.0": "the root of 0 is set to 0 after it",
    "calibration: _Binned._errors: 1.0 -> 2.0": "a bin of one row has no weight, and one without rows a sum of 0",
    "calibration: _Binned.gap: 1.0 -> 2.0": "a bin without rows has a sum of 0",
    "alpha: krippendorff_alpha: 1 -> 2": "an image without answers has none to keep",
    "alpha: set_codes: chosen.shape[1] <= 62 -> chosen.shape[1] < 62": "two ways to one numbering",
    "alpha: set_codes: 1 -> 2": "twice every key tells the sets apart as well",
    "alpha: image_pairs: 1 -> 2": "how many images are paired at once",
}
"""Mutants that no test can tell from the original, and why."""

QUIET = ["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", "-p", "no:xdist"]
QUIET += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # libraries that all forks share are there before pytest
PATIENCE = 400  # seconds, after which a mutant hangs; that is seen, too
SWAPPED = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult, ast.FloorDiv: ast.Div,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
}  # fmt: skip
NAMES = {
    "minimum": "maximum", "maximum": "minimum", "amax": "amin", "amin": "amax", "min": "max", "max": "min",
    "any": "all", "all": "any", "log": "log1p", "sqrt": "square", "square": "abs", "abs": "square", "mean": "sum",
    "nanmean": "nansum", "row_mean": "row_sum", "row_sum": "row_mean",
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change. where: the function it is in; change: what it makes of what."""

    family: str
    where: str
    change: str
    source: str

    def __str__(self) -> str:
        return f"{self.family}: {self.where}: {self.change}"


def is_number(node: ast.expr) -> TypeGuard[ast.Constant]:
    """Whether it is a number written out."""
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def changes(node: ast.expr) -> Iterator[ast.expr]:
    """What can be in the place of an expression."""
    if isinstance(node, ast.BinOp):
        if type(node.op) in SWAPPED:
            yield ast.BinOp(node.left, SWAPPED[type(node.op)](), node.right)
        if isinstance(node.op, ast.Add | ast.Sub):
            yield node.left
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
        yield ast.Compare(node.left, [SWAPPED[type(node.ops[0])](), *node.ops[1:]], node.comparators)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Invert) and not is_number(node.operand):
        yield node.operand
    elif is_number(node):
        yield ast.Constant(node.value + 1)
    elif isinstance(node, ast.Attribute) and node.attr in NAMES:
        yield ast.Attribute(node.value, NAMES[node.attr], node.ctx)
    elif isinstance(node, ast.Name) and node.id in NAMES:
        yield ast.Name(NAMES[node.id], node.ctx)


class Maker(ast.NodeTransformer):
    """Walks a module, and makes the change of one number; without a number it counts them all."""

    def __init__(self, wanted: int = -1) -> None:
        self.wanted, self.count, self.path, self.made = wanted, 0, list[str](), ("", "")

    def visit(self, node: ast.AST) -> ast.AST:
        """Leave alone what is no formula: what is raised, signatures, annotations, f-strings, slices and axes."""
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            self.path.append(node.name)
            node.body = [self.visit(each) for each in node.body]
            self.path.pop()
            return node
        if isinstance(node, ast.Raise | ast.JoinedStr | ast.Assert | ast.Import | ast.ImportFrom | ast.Slice) or not (
            self.path or isinstance(node, ast.Module)
        ):
            return node
        if isinstance(node, ast.keyword) and node.arg in ("dim", "axis", "decimals"):
            return node
        if isinstance(node, ast.AnnAssign):
            node.value = self.visit(node.value) if node.value else None
            return node
        if isinstance(node, ast.expr):
            for other in changes(node):
                self.count += 1
                if self.count - 1 == self.wanted:
                    self.made = (".".join(self.path), f"{ast.unparse(node)} -> {ast.unparse(other)}")
                    return other
        return self.generic_visit(node)


def possible(family: str) -> int:
    """How many mutants a family has."""
    maker = Maker()
    maker.visit(ast.parse((ROOT / FAMILIES[family][0]).read_text(encoding="utf-8")))
    return maker.count


def mutant(family: str, number: int) -> Mutant:
    """One of them."""
    maker = Maker(number)
    tree = maker.visit(ast.parse((ROOT / FAMILIES[family][0]).read_text(encoding="utf-8")))
    return Mutant(family, *maker.made, ast.unparse(ast.fix_missing_locations(tree)))


class Finder(importlib.machinery.SourceFileLoader):
    """Gives the mutated source for one module."""

    def __init__(self, mutant: Mutant) -> None:
        path = ROOT / FAMILIES[mutant.family][0]
        super().__init__(".".join(path.relative_to(ROOT).with_suffix("").parts[1:]), str(path))
        self.mutant = mutant

    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        """For the module of the mutant alone."""
        return importlib.util.spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str) -> object:
        """The mutant's."""
        return compile(self.mutant.source, self.path, "exec")


def survives(each: Mutant) -> bool:
    """Whether no test of its family fails."""
    child = os.fork()
    if child == 0:
        import pytest

        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        signal.alarm(PATIENCE)
        os.chdir(ROOT)
        sys.meta_path.insert(0, Finder(each))
        for files in FAMILIES[each.family][1]:
            if pytest.main([*QUIET, *files]):
                os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def main() -> None:
    """Draw, try, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"of {', '.join(FAMILIES)}; all by default")
    parser.add_argument("--count", type=int, default=120, help="mutants to draw (120)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (0)")
    parser.add_argument("--list", action="store_true", help="name them, and run nothing")
    given = parser.parse_args()
    chosen = given.families or list(FAMILIES)
    if unknown := sorted(set(chosen) - set(FAMILIES)):
        parser.error(f"no family {', '.join(unknown)}; there are {', '.join(FAMILIES)}")
    every = [(family, number) for family in chosen for number in range(possible(family))]
    drawn = [mutant(*one) for one in sorted(random.Random(given.seed).sample(every, min(given.count, len(every))))]
    print(f"{len(drawn)} of {len(every)} possible mutants")
    if given.list:
        print("\n".join(map(str, drawn)))
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.path[:0] = [str(ROOT / folder) for folder in (".", "metrics", "annotation", "apps")]
    for module in (
        "hypothesis",
        "pandas",
        "pytest",
        "scipy.optimize",
        "scipy.stats",
        "sklearn.metrics",
        "torchmetrics",
    ):
        importlib.import_module(module)  # once, for all forks
    alive = 0
    for family in dict.fromkeys(each.family for each in drawn):
        original = Mutant(family, "", "nothing", (ROOT / FAMILIES[family][0]).read_text(encoding="utf-8"))
        if not survives(original):
            raise SystemExit(f"{family}: its tests fail without any mutant; mend them first")
    for each in drawn:
        began = time.monotonic()
        lives, why = survives(each), EQUAL.get(str(each))
        alive += lives and not why
        verdict = "caught" if not lives else "equal" if why else "SURVIVES"
        print(
            f"{verdict:>8} {time.monotonic() - began:4.0f} s  {each}{f' ({why})' if lives and why else ''}", flush=True
        )
    print(f"{alive} survive")
    raise SystemExit(bool(alive))


if __name__ == "__main__":
    main()
