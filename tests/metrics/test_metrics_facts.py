"""What holds for every metric of the table: `row` is each of them, `case` each with each option (conftest.py)."""

import copy
import inspect
import math
from dataclasses import replace
from statistics import correlation

import numpy as np
import pandas as pd
import pytest
import torch

import affectml_metrics as am
from affectml_metrics import functional
from affectml_metrics.spec import Figure, Given
from affectml_metrics.table import _options, specs

from .checks import gen, many, refused, same

EXAMPLES = {  # by kind, so small that a metric can be worked by hand: preds, target, and what some metrics need besides
    "sets": (
        [[1, 1, 0], [1, 0, 1], [1, 1, 1], [0, 0, 0], [0, 0, 0]],
        [[1, 1, 1], [0, 1, 1], [1, 0, 0], [0, 0, 0], [0, 1, 0]],
        {"similarity": [[1, 0.5, 0], [0.5, 1, 0.2], [0, 0.2, 1]]},
    ),
    "ranking": (
        [[0.6, 0.3, 0.1, 0], [0.5, 0.2, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]],
        [[0, 1, 0, 1], [0, 0, 1, 0], [0, 1, 1, 1], [0, 0, 0, 0]],
        {"k": [2], "shares": [[1, 5, 1, 3], [1, 1, 3, 0], [0, 2, 3, 5], [0, 0, 0, 0]]},
    ),
    "distribution": (
        [[0.5, 0.25, 0.25, 0], [0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.25, 0.25]],
        [[0.25, 0.75, 0, 0], [0.2, 0.2, 0.2, 0.4], [0.5, 0.5, 0, 0]],
        {"ground": "line"},
    ),
    "rates": (
        [[0.2, 0.5], [0.2, 0.9], [0.6, 0.5], [0.6, 0.9]],
        [[0.25, 0.5], [0, 1], [0.5, 0.25], [1, 0.75]],
        {"votes": [[1, 2], [0, 4], [2, 1], [4, 3]], "n": [4, 4, 4, 4]},
    ),
    "perspectives": ([[0, 2, 2], [3, 0, 0]], [[0, 1, 0], [1, 0, 2]], {"asked": [[1, 1, 1], [1, 1, 0]], "scale": 3}),
}


def on_example(spec):
    """A metric's figure on the example of its first kind: the mean over the rows on which it is defined."""
    kind = spec.kinds[0]
    preds, target, given = EXAMPLES[kind]
    given = Given(**{k: torch.tensor(v) if k in ("shares", "votes", "n") else v for k, v in given.items()})
    k = given.k[0] if "k" in spec.needs else None
    figure = Figure(spec.named(k), spec, kind, given, _options(spec, given, k))
    return figure.of(torch.tensor(preds, dtype=torch.float64), torch.tensor(target, dtype=torch.float64)).nanmean()


def entropy(*shares):
    return -sum(p * math.log(p) for p in shares if p)


def js_of_pairs(p, q):
    return entropy((p + q) / 2, 1 - (p + q) / 2) - (entropy(p, 1 - p) + entropy(q, 1 - q)) / 2


def bits_above(value, mean, deviation):
    return -math.log2(math.erfc((value - mean) / deviation / math.sqrt(2)) / 2)


@pytest.mark.parametrize("spec", list(specs()), ids=lambda spec: spec.name)
def test_its_value_is_the_one_worked_by_hand(spec):
    x, y = ([entropy(*shares) for shares in rows] for rows in EXAMPLES["distribution"][:2])
    names = {**vars(math), "correlation": correlation, "H": entropy, "J": js_of_pairs, "I": bits_above, "x": x, "y": y}
    assert float(on_example(spec)) == pytest.approx(eval(spec.worked, names), abs=1e-12)


def test_every_function_is_in_the_table():
    assert {spec.function.__name__ for spec in specs()} == set(functional.__all__) - {"modes", "entropy"}  # no scores


def test_right_predictions_are_the_best_and_the_fewer_of_them_the_worse(row):
    """Which way is better is what the table says, and what does not look at predictions is neither."""
    preds, target, *more = row.tables
    right = target / more[0][:, None] if "votes" in row.spec.needs else target
    if row.spec.of_target:
        assert row.spec.better == ""
        same(row.value(right, target, *more), row.value())
        return
    if row.spec.over == "rows":
        at_best, found = row.function(right, target, *more), row.function(*row.tables)
        gain = at_best - found if row.spec.better == "higher" else found - at_best
        assert (gain[~found.isnan()] >= -1e-12).all()
    part = torch.arange(len(preds))[:, None]
    some, few = (torch.where(part < rows, right, preds.to(right.dtype)) for rows in (60, 30))
    values = [float(row.value(p.to(preds.dtype), target, *more)) for p in (right, some, few, preds)]
    assert values == sorted(values, reverse=row.spec.better == "higher")
    assert len(set(values)) == 4


def test_values_lie_in_the_range_of_the_table_and_inputs_are_left_as_they_were(case):
    low, high = case.spec.bounds()
    inputs = [table.clone() for table in case.tables]
    values = case.function(*case.tables)
    assert all(map(torch.equal, case.tables, inputs))
    other_scale = case.spec.options.get("normalised") and not case.config["normalised"]
    if "signed" in case.config or case.config.get("unit") == "bits" or other_scale:
        return
    values = values[~values.isnan()]
    assert low is None or values.min() >= low - 1e-9
    assert high is None or values.max() <= high + 1e-9


def test_the_order_of_rows_says_nothing_nor_that_of_labels_but_where_it_breaks_ties(case):
    order = torch.randperm(len(case.tables[0]), generator=gen(1))
    found, again = case.function(*case.tables), case.function(*(table[order] for table in case.tables))
    same(again, found[order] if case.spec.over == "rows" else found)
    if case.config.get("ties") == "first" or case.config.get("ground") in ("line", "circle"):
        return
    order = torch.randperm(case.tables[0].shape[1], generator=gen(1))
    tables = [table[:, order] if table.ndim == 2 else table for table in case.tables]
    config = {k: v[order][:, order] if isinstance(v, torch.Tensor) else v for k, v in case.config.items()}
    again = replace(case, config=config).function(*tables)
    same(again, found[order] if case.config.get("average") == "none" else found)


def test_an_increasing_map_of_scores_changes_no_ranking(of_rankings):
    scores, target = of_rankings.tables
    same(of_rankings.function(scores.sigmoid() * 3 - 8, target), of_rankings.function(scores, target))


def unasked(case):
    """The tables with the cells that nobody was asked about at -1, and which were asked: a few patterns, and none."""
    patterns = torch.rand(5, case.tables[1].shape[1], generator=gen(2)) < 0.6
    patterns[0], patterns[1] = True, False
    asked = patterns[torch.arange(len(case.tables[1])) % 5]
    preds, target, *more = case.tables
    return (preds, target.double().masked_fill(~asked, -1), *more), asked


def test_a_distribution_has_no_label_that_was_not_asked(of_distributions):
    refused(am.DomainError, "-1 in row 1, label 0", of_distributions.function, *unasked(of_distributions)[0])


def test_a_row_is_scored_on_the_labels_that_were_asked(row_of_asked):
    case = replace(row_of_asked, tables=tuple(table[:30] for table in row_of_asked.tables))
    tables, asked = unasked(case)
    rows = []
    for row, there in enumerate(asked):
        config = {k: v[there][:, there] if isinstance(v, torch.Tensor) else v for k, v in case.config.items()}
        if "k" in config:
            config["k"] = min(config["k"], max(int(there.sum()), 1))
        alone = [table[row : row + 1][:, there] if table.ndim == 2 else table[row : row + 1] for table in case.tables]
        rows.append(replace(case, config=config).function(*alone)[0] if there.any() else torch.tensor(torch.nan))
    expected = torch.stack([value.double() for value in rows])
    same(case.function(*tables), expected)
    with am.unchecked():
        same(case.function(*tables), expected)


def test_over_the_table_a_cell_that_was_not_asked_does_not_count(table_of_asked):
    case = table_of_asked
    (preds, target), asked = unasked(case)
    found = case.function(preds, target)
    same(case.function(torch.where(asked, preds, preds.flip(0)), target), found)
    by_label = replace(case, config={**case.config, "average": "none"})
    each = torch.stack([
        by_label.function(preds[there, i : i + 1], case.tables[1][there, i : i + 1])[0]
        for i, there in enumerate(asked.T)
    ])  # fmt: skip
    same(by_label.function(preds, target), each)
    average = case.config.get("average", inspect.signature(case.spec.function).parameters["average"].default)
    if average == "macro":
        same(found, each.nanmean())
    if average == "micro":
        same(found, case.function(preds[asked][:, None], case.tables[1][asked][:, None]))
    if average == "weighted":
        right = target.clamp(min=0).sum(0)
        same(found, (each * right).sum() / right.sum())
    if average == "sum" and not case.config.get("normalised"):
        same(found, each.nansum())


def test_what_stands_in_the_cells_of_people_who_were_not_asked_is_not_looked_at(of_people):
    preds, target, asked = of_people.tables
    found = of_people.function(preds.masked_fill(~asked, torch.nan), target.masked_fill(~asked, torch.nan), asked)
    same(found, of_people.function(*of_people.tables))
    assert of_people.spec.over == "table" or found[2].isnan()  # nobody was


def test_a_row_of_weight_two_counts_as_two_rows(case):
    if case.spec.takes("bins"):  # edges are of the rows, not of the weights
        case = replace(case, config={**case.config, "bins": 1})
    rows = torch.arange(len(case.tables[0]))
    for times in (1 + (rows == 2), rows % 4):  # nearly even weights, and others
        repeated = [table[rows.repeat_interleave(times)] for table in case.tables]
        if case.spec.over == "table":
            same(case.function(*case.tables, weights=times), case.function(*repeated))
    metric = case.metric()
    for part in (slice(0, 40), slice(40, None)):
        metric.update(*(table[part] for table in case.tables), weights=times[part])
    same(metric.compute(), case.value(*repeated))
    refused(am.ShapeError, "weights: expected", metric.update, *case.tables, weights=times[:5])
    says = "weights: expected finite numbers of 0 or more"
    refused(am.DomainError, says, metric.update, *case.tables, weights=times - 1)


def test_the_quicker_ways_to_many_weights_give_the_figure_of_each(row):
    preds, target, *_ = row.tables
    weights = torch.randint(0, 4, (5, len(preds)), generator=gen(0)).double()
    masked = [] if row.kind == "distribution" else [unasked(row)[0][1]]
    for said in (target, *masked):
        if row.spec.over == "table":
            expected = torch.stack([row.function(preds, said, weights=w) for w in weights])
        if row.spec.sums is not None:
            sums = weights @ row.spec.sums.columns(preds, said).double()
            same(row.spec.sums.statistic(sums, **row.spec.options), expected)
        if row.spec.prepared is not None:
            same(many(row.spec.prepared(preds, said), weights), expected)


def test_indices_of_single_labels_are_the_sets_of_one_label(of_one_question):
    row = of_one_question
    preds = row.tables[0]
    index = torch.arange(len(preds)) % preds.shape[1]
    same(row.fed((preds, index)).compute(), row.value(preds, torch.nn.functional.one_hot(index, preds.shape[1])))


def wrong(case, table, value):
    tables = list(case.tables)
    tables[table] = tables[table].double().clone()
    tables[table][1, 1] = value
    return tables


def test_nan_is_refused_on_either_side(row):
    for table in [1] if row.spec.of_target else [0, 1]:
        says = r"row 1, (label|person) 1|row 1 sums to nan"
        refused(am.DomainError, says, row.function, *wrong(row, table, math.nan))


def test_a_batch_that_is_refused_leaves_the_metric_as_it_was(row):
    metric = row.fed()
    value, states = metric.compute(), copy.deepcopy(metric.metric_state)
    for tables, weight in ((wrong(row, 1, math.nan), 1), (row.tables, -1)):
        for by in (metric.update, metric.forward):
            refused(am.DomainError, None, by, *tables, weights=torch.full((len(tables[0]),), weight))
            torch.testing.assert_close(metric.metric_state, states, rtol=0, atol=0, equal_nan=True)
            assert (metric.update_count, metric.compute()) == (1, value)
    metric(*row.tables)
    assert metric.update_count == 2


def test_frames_in_another_order_are_refused(row):
    preds, target, *more = row.tables
    frames = [pd.DataFrame(np.asarray(table)).rename(columns="label {}".format) for table in (preds, target)]
    same(row.function(*frames, *more), row.function(*row.tables))
    for axis, moved in (("labels", frames[1].iloc[:, ::-1]), ("rows", frames[1].iloc[::-1])):
        if not row.spec.of_target:
            refused(am.ShapeError, f"their {axis} in one order", row.function, frames[0], moved, *more)


NOT_OF_ITS_KIND = {
    "sets": (0.7, "{}: expected 0 or 1 .* 0.7 in row 1, label 1"),
    "ranking": (0.7, "{}: expected 0 or 1 .* 0.7 in row 1, label 1; turn shares"),
    "distribution": (-0.5, "{}: expected a share .* -0.5 in row 1, label 1"),
    "rates": (-0.5, "{}: expected a rate .* -0.5 in row 1, label 1"),
}


def test_what_is_not_of_its_kind_is_refused(row):
    soft, kind = {"shares", "shares?", "votes"} & set(row.spec.needs), row.spec.kinds[0]
    for table, name in enumerate(("preds", "target")):
        if kind == "perspectives" or (kind == "ranking" and (soft or not table)) or (soft and table):
            assert row.function(*wrong(row, table, 3.0)).any()  # any number will do
            continue
        value, says = NOT_OF_ITS_KIND[kind]
        if "k" in row.spec.needs or row.spec.name == "one_error":  # whose target may be shares
            value, says = -0.5, "{}: expected a finite number of 0 or more .* -0.5 in row 1, label 1"
        refused(am.DomainError, says.format(name), row.function, *wrong(row, table, value))


def test_what_does_not_sum_to_one_is_no_distribution(of_distributions):
    preds, target = of_distributions.tables
    below = preds + torch.tensor([-1.5, 1.5, 0, 0, 0, 0])  # which sums to 1 all the same
    empty = target * (torch.arange(len(target)) != 2)[:, None]
    for says, *tables in (
        ("target: expected rows that sum to 1, but row 2 sums to 0; divide", preds, empty),
        ("preds: expected rows that sum to 1, but row 0 sums to 1.1", preds * 1.1, target),
        ("preds: expected a share .* in row 0, label 0", below, target),
    ):
        refused(am.DomainError, says, of_distributions.function, *tables)


def test_logits_that_a_softmax_cannot_take_are_refused(of_distributions):
    preds, target = of_distributions.tables
    for wrong in (torch.inf, -torch.inf):
        logits, says = preds.log(), "preds: expected a number below infinity.* row 1, label 0"
        logits[1] = wrong
        refused(am.DomainError, says, of_distributions.function, logits, target, from_logits=True)


def test_values_are_the_same_where_gradients_are_asked_for(with_a_slope):
    preds, *rest = with_a_slope.tables
    same(with_a_slope.function(preds.clone().requires_grad_(), *rest).detach(), with_a_slope.function(preds, *rest))


def test_what_is_normalised_is_1_where_nothing_is_shared(of_distributions):
    if of_distributions.spec.takes("normalised"):
        apart = [[0.5, 0.5, 0.0], [0.25, 0.0, 0.75]], [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
        same(of_distributions.function(*map(torch.tensor, apart), normalised=True), torch.ones(2))


def test_shapes_must_match(row):
    preds, target, *more = row.tables
    refused(am.ShapeError, r"expected (one shape )?\[N, ", row.function, preds[0], target[0], *more)
    if row.spec.of_target:
        return
    wider = torch.cat([target, torch.zeros_like(target)], dim=1)
    refused(am.ShapeError, "expected one shape", row.function, preds, wider, *more)
    refused(am.ShapeError, "at least one label|people|but received", row.function, preds[:, :0], target[:, :0], *more)


def test_raw_outputs_are_taken_where_said(of_shares):
    row = of_shares
    preds, *rest = row.tables
    refused(am.DomainError, "preds: expected .*from_logits=True", row.function, preds * 3, *rest)
    softly = {"activation": "softmax"} if row.spec.takes("activation") and row.kind == "distribution" else {}
    inside = preds if row.kind == "distribution" else preds.clamp(0.01, 0.99)
    logits = preds.log() if row.kind == "distribution" else inside.logit()
    same(row.function(logits, *rest, from_logits=True, **softly), row.function(inside, *rest))


def test_a_wrong_option_is_refused_by_the_function_and_at_once_by_the_class(row):
    for name, (*_, wrong) in row.options().items():
        refused(am.ArgumentError, f"{name}: expected .*{wrong!r}", row.metric, **{name: wrong})
        if wrong != "no":  # functions take what is true for True
            refused(am.ArgumentError, f"{name}: expected .*{wrong!r}", row.function, *row.tables, **{name: wrong})


def test_a_threshold_makes_sets_of_rates(of_sets):
    row = of_sets
    rates = torch.rand(row.tables[0].shape, generator=gen(1))
    same(row.value(rates, row.tables[1], threshold=0.3), row.value(rates >= 0.3, row.tables[1]))
    refused(am.DomainError, "preds: expected 0 or 1 .*threshold=", row.function, rates, row.tables[1])
    refused(am.DomainError, "preds: expected a rate", row.function, rates * 2, row.tables[1], threshold=0.3)
