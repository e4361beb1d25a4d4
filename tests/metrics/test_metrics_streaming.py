"""The classes: batches, merging, processes, collections, pickles and resets all give the value of one call."""

import copy
import pickle
import sys
import warnings
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torchmetrics import Metric, MetricCollection

import affectml_metrics as am
from affectml_metrics import functional as F
from affectml_metrics import streaming

LABELS, ROWS = 6, 97
_g = torch.Generator().manual_seed(3)


def _rand() -> Tensor:
    return torch.rand(ROWS, LABELS, generator=_g, dtype=torch.float64)


SETS = (_rand() < 0.4, _rand() < 0.3)
RANKING = ((_rand() * 6).round(), _rand() < 0.3)
SOFT = ((_rand() * 4).softmax(-1), (_rand() * 4).softmax(-1))
RATES = (_rand(), _rand())
LOGITS = (_rand() * 8 - 4, SOFT[1])
PEOPLE = (_rand() < 0.4, _rand() < 0.4, _rand() < 0.7)
VOTES = (_rand(), (_rand() * 6).floor(), torch.full((ROWS,), 6))
ASKED = _rand() < 0.8
ASKED[0] = False
PARTLY = (SETS[0], torch.where(ASKED, SETS[1].double(), -1.0))  # -1: nobody was asked
PARTLY_RANKED = (RANKING[0], torch.where(ASKED, RANKING[1].double(), -1.0))
PARTLY_RATED = (RATES[0], torch.where(ASKED, RATES[1], -1.0))
NEAR = torch.rand(LABELS, LABELS, generator=_g).fill_diagonal_(1)
COST = torch.rand(LABELS, LABELS, generator=_g)


@dataclass(frozen=True)
class Case:
    """A class with a configuration, the function it wraps, and data that fits."""

    cls: type[Metric]
    function: Any
    data: tuple[Tensor, ...]
    config: dict[str, Any] = field(default_factory=dict)
    init: dict[str, Any] = field(default_factory=dict)  # what only the class takes

    def make(self) -> Metric:
        return self.cls(**self.config, **self.init)

    def expected(self) -> Tensor:
        value = self.function(*self.data, **self.config)
        return value if issubclass(self.cls, streaming._base.PairMetric) or not value.ndim else self._of_rows(value)

    def _of_rows(self, value: Tensor) -> Tensor:
        return value.nanmean() if len(value) == ROWS else value


CASES = [
    Case(am.SetF1, F.set_f1, SETS),
    Case(am.SetF1, F.set_f1, SETS, {"both_empty": 0.0}),
    Case(am.SetPrecision, F.set_precision, SETS),
    Case(am.SetRecall, F.set_recall, SETS, {"one_empty": 0.5}),
    Case(am.SetJaccard, F.set_jaccard, SETS),
    Case(am.ExactMatch, F.exact_match, SETS),
    Case(am.HammingLoss, F.hamming_loss, SETS),
    Case(am.SemanticSetF1, F.semantic_set_f1, SETS, {"similarity": NEAR}),
    *(
        Case(am.LabelF1, F.label_f1, SETS, {"average": a}, {"num_labels": LABELS})
        for a in ("micro", "macro", "weighted", "none")
    ),
    *(
        Case(cls, function, SETS, {"average": a}, {"num_labels": LABELS})
        for cls, function in (
            (am.LabelPrecision, F.label_precision),
            (am.LabelRecall, F.label_recall),
            (am.LabelSpecificity, F.label_specificity),
            (am.LabelMCC, F.label_mcc),
        )
        for a in ("macro", "none")
    ),
    Case(am.TopKAccuracy, F.top_k_accuracy, RANKING),
    Case(am.TopKAccuracy, F.top_k_accuracy, RANKING, {"k": 3}),
    Case(am.TopKAccuracy, F.top_k_accuracy, RANKING, {"k": 3, "match": "all", "ties": "expected"}),
    Case(am.TopKRecall, F.top_k_recall, RANKING, {"k": 2}),
    Case(am.TopKPrecision, F.top_k_precision, RANKING, {"k": 2}),
    Case(am.TopKChance, lambda p, t, **c: F.top_k_chance(t, **c), RANKING, {"k": 2}),
    Case(am.SetSize, lambda p, t: F.set_size(t), RANKING),
    Case(am.LabelRankingAveragePrecision, F.label_ranking_average_precision, RANKING),
    Case(am.LabelRankingAveragePrecision, F.label_ranking_average_precision, RANKING, {"no_labels": 1.0}),
    Case(am.CoverageError, F.coverage_error, RANKING),
    Case(am.RankingLoss, F.ranking_loss, RANKING),
    Case(am.RankingLoss, F.ranking_loss, RANKING, {"tie_cost": 1.0}),
    Case(am.OneError, F.one_error, RANKING),
    Case(am.MeanAveragePrecision, F.mean_average_precision, RANKING),
    Case(am.MeanAveragePrecision, F.mean_average_precision, RANKING, {"average": "none"}),
    Case(am.SetF1, F.set_f1, PARTLY),
    Case(am.SetF1, F.set_f1, RATES[:1] + SETS[1:], {"threshold": 0.6}),
    Case(am.LabelMCC, F.label_mcc, PARTLY, {"average": "weighted"}, {"num_labels": LABELS}),
    Case(am.RankingLoss, F.ranking_loss, PARTLY_RANKED, {"tie_cost": 0.25}),
    Case(am.LabelAUROC, F.label_auroc, PARTLY_RANKED, {"average": "macro"}),
    Case(am.LabelCalibrationError, F.label_calibration_error, PARTLY_RATED, {"bins": 3}),
    Case(am.LabelAUROC, F.label_auroc, RANKING),
    Case(am.LabelAUROC, F.label_auroc, RANKING, {"average": "weighted"}),
    Case(am.NDCG, F.ndcg, SOFT),
    Case(am.NDCG, F.ndcg, SOFT, {"k": 2, "gain": "exponential"}),
    Case(am.HumanMassAtK, F.human_mass_at_k, SOFT, {"k": 2}),
    Case(am.KLDivergence, F.kl_divergence, SOFT),
    Case(am.KLDivergence, F.kl_divergence, SOFT, {"reverse": True, "unit": "bits"}),
    Case(am.KLDivergence, F.kl_divergence, LOGITS, {"from_logits": True}),
    Case(am.CrossEntropy, F.cross_entropy, SOFT, {"eps": 1e-3}),
    Case(am.JSDivergence, F.js_divergence, SOFT, {"square_root": True}),
    Case(am.TotalVariation, F.total_variation, SOFT),
    Case(am.ChebyshevDistance, F.chebyshev_distance, SOFT),
    Case(am.ChiSquaredDistance, F.chi_squared_distance, SOFT),
    Case(am.ClarkDistance, F.clark_distance, SOFT),
    Case(am.CanberraDistance, F.canberra_distance, SOFT, {"normalised": True}),
    Case(am.CosineSimilarity, F.cosine_similarity, SOFT),
    Case(am.Intersection, F.intersection, SOFT),
    Case(am.HellingerDistance, F.hellinger_distance, SOFT),
    Case(am.BrierScore, F.brier_score, SOFT),
    Case(am.EarthMoversDistance, F.earth_movers_distance, SOFT, {"ground": "line"}),
    Case(am.EarthMoversDistance, F.earth_movers_distance, SOFT, {"ground": COST}),
    Case(am.EntropyError, F.entropy_error, SOFT, {"signed": True}),
    Case(am.RankCS, F.rank_cs, SOFT),
    Case(am.EntropyCorrelation, F.entropy_correlation, SOFT),
    Case(am.EntropySimilarity, F.entropy_similarity, SOFT),
    Case(am.EntropyCorrelation, F.entropy_correlation, SOFT, {"method": "spearman"}),
    Case(am.ManhattanDistance, F.manhattan_distance, SOFT),
    Case(am.POJSD, F.po_jsd, SOFT),
    Case(am.RatePOJSD, F.rate_po_jsd, RATES),
    Case(am.ErrorRate, F.error_rate, PEOPLE),
    Case(am.NormalisedAbsoluteDistance, F.normalised_absolute_distance, PEOPLE, {"scale": 2}),
    Case(am.RateCrossEntropy, F.rate_cross_entropy, RATES),
    Case(am.RateBrierScore, F.rate_brier_score, RATES),
    Case(am.RateManhattan, F.rate_manhattan, RATES),
    Case(am.RateJSDivergence, F.rate_js_divergence, RATES),
    Case(am.BinomialLogLikelihood, F.binomial_log_likelihood, VOTES),
    *(Case(am.SoftF1, F.soft_f1, RATES, {"average": a}, {"num_labels": LABELS}) for a in ("micro", "macro", "none")),
    Case(am.LabelCalibrationError, F.label_calibration_error, RATES, {"bins": 5}),
    Case(am.SquaredCalibrationError, F.squared_calibration_error, RATES, {"bins": 5}),
    Case(am.LabelCalibrationError, F.label_calibration_error, RATES, {"average": "none", "norm": "max"}),
]
each = pytest.mark.parametrize("case", CASES, ids=lambda c: repr(c.make()))


def parts(data, cuts):
    return zip(*(torch.tensor_split(x, cuts) for x in data), strict=True)


def fed(case, data=None):
    metric = case.make()
    metric.update(*(data or case.data))
    return metric


def equal(a, b):
    torch.testing.assert_close(a, b, rtol=0, atol=1e-12, check_dtype=False)


def test_every_class_and_every_function_has_its_case():
    assert {case.cls.__name__ for case in CASES} == set(streaming.__all__)
    wrapped = {case.function for case in CASES}
    without_class = {"modes", "entropy", "set_size", "top_k_chance"}  # of target only; two of them have lambdas above
    assert all(getattr(F, name) in wrapped for name in set(F.__all__) - without_class)


@each
def test_one_call_gives_the_functions_value(case):
    metric = fed(case)
    equal(metric.compute(), case.expected())
    assert metric.compute().dtype == torch.float64


@each
def test_batching_does_not_change_the_score(case):
    for cuts in ([1, 2, 50], [90], [30, 30, 60]):  # the last has an empty batch
        metric = case.make()
        for part in parts(case.data, cuts):
            metric.update(*part)
        equal(metric.compute(), case.expected())


@each
def test_forward_gives_the_batch_and_keeps_the_sum(case):
    metric = case.make()
    for part in parts(case.data, [40]):
        equal(metric(*part), fed(case, part).compute())
    equal(metric.compute(), case.expected())


@each
def test_merging_states_gives_the_score_of_all(case):
    first, *rest = (fed(case, part) for part in parts(case.data, [20, 70]))
    for other in rest:
        first.merge_state(other)
    equal(first.compute(), case.expected())


@each
def test_a_pickled_or_copied_metric_goes_on(case):
    start, end = parts(case.data, [33])
    metric = fed(case, start)
    for twin in (pickle.loads(pickle.dumps(metric)), copy.deepcopy(metric)):
        twin.update(*end)
        equal(twin.compute(), case.expected())


@each
def test_reset_forgets(case):
    start, end = parts(case.data, [33])
    metric = fed(case, start)
    metric.reset()
    metric.update(*end)
    equal(metric.compute(), fed(case, end).compute())


@each
def test_without_rows_it_is_nan(case):
    metric = case.make()
    metric.update(*(x[:0] for x in case.data))
    assert metric.compute().isnan().all()


@each
def test_before_any_batch_it_is_nan_and_torchmetrics_warns(case):
    metric = case.make()
    with pytest.warns(UserWarning, match="``compute`` method of metric .* was called before the ``update`` method"):
        assert metric.compute().isnan().all()


def test_a_value_for_what_is_not_defined_is_no_value_for_nothing():
    for metric in (
        am.MeanAveragePrecision(no_labels=0.0),
        am.LabelAUROC(no_labels=0.5, average="none"),
        am.LabelF1(2, zero_division=1.0, average="weighted"),
        am.TopKAccuracy(no_labels=0.0),
        am.SetF1(),
    ):
        for nothing in (torch.zeros(0, 2), torch.zeros(3, 2)):
            metric.update(nothing, torch.full_like(nothing, -1))
            assert metric.compute().isnan().all(), metric


@each
def test_a_saved_state_comes_back(case):
    metric = case.make()
    metric.persistent(True)
    metric.update(*case.data)
    twin = case.make()
    twin.persistent(True)
    twin.load_state_dict(metric.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torchmetrics: compute before update
        equal(twin.compute(), case.expected())


def test_states_of_one_name_hold_the_same_whatever_the_class_makes_of_them():
    seen = {}
    for case in CASES:
        for name, state in fed(case).metric_state.items():
            rows = torch.cat(state) if isinstance(state, list) else state
            torch.testing.assert_close(rows, seen.setdefault((name, id(case.data)), rows), rtol=0, atol=0)
    assert set(am.TopKAccuracy(2)._defaults).isdisjoint(am.TopKAccuracy(3)._defaults)


def test_every_class_plots_its_value():
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    with mpl.rc_context({"backend": "agg"}):
        figure, axes = plt.subplots()
        for case in {case.cls: case for case in CASES}.values():
            axes.cla()
            metric = fed(case)
            metric.plot(ax=axes)
            assert axes.get_lines()[0].get_ydata()[0] == float(metric.compute().flatten()[0])
        plt.close(figure)


def test_a_collection_keeps_metrics_apart_that_the_first_batch_cannot_tell_apart():
    scores = torch.tensor([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0]])
    collection = MetricCollection({f"top_{k}": am.TopKAccuracy(k) for k in (1, 2, 3)})
    collection.update(scores, torch.tensor([[1, 0, 0], [0, 1, 0]]))  # all three are 1
    collection.update(scores, torch.tensor([[0, 1, 0], [0, 0, 1]]))
    assert {name: float(value) for name, value in collection.compute().items()} == {
        "top_1": 0.5,
        "top_2": 0.75,
        "top_3": 1.0,
    }


def test_a_collection_of_every_ranking_metric():
    cases = [case for case in CASES if case.data is RANKING]
    collection = MetricCollection({str(i): case.make() for i, case in enumerate(cases)})
    for part in parts(RANKING, [10, 60]):
        collection.update(*part)
    values = collection.compute()
    for i, case in enumerate(cases):
        equal(values[str(i)], case.expected())


def test_rows_that_are_not_defined_are_counted_apart():
    metric = am.RankingLoss()
    metric.update([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], [[1, 0], [0, 0], [1, 1]])
    assert (float(metric.compute()), metric.rows, metric.skipped) == (0.0, 1, 2)


def test_float32_rows_are_summed_in_float64():
    metric = am.TotalVariation()
    row, many = torch.tensor([[0.55, 0.45]]), torch.tensor([[0.45, 0.55]])
    for _ in range(50):
        metric.update(row.expand(20000, 2), many.expand(20000, 2))
    assert float(metric.compute()) == pytest.approx(float(F.total_variation(row, many)), abs=1e-12)


def test_a_device_without_float64_gets_float32_states():
    def to_mps(tensor):
        if tensor.dtype == torch.float64:
            raise TypeError(
                "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64."
            )
        return tensor.clone()

    metric = am.SetF1()
    metric._apply(to_mps)
    metric.update([[1, 0]], [[1, 1]])
    assert metric.compute().dtype == torch.float32
    metric.reset()
    assert {state.dtype for state in metric.metric_state.values()} == {torch.float32}


def test_half_and_float_leave_the_sums_alone():
    metric = am.SetF1().half()
    assert {state.dtype for state in metric.metric_state.values()} == {torch.float64}


RANKED = (
    am.TopKAccuracy,
    am.TopKRecall,
    am.TopKPrecision,
    am.TopKChance,
    am.LabelRankingAveragePrecision,
    am.RankingLoss,
    am.OneError,
    am.NDCG,
    am.HumanMassAtK,
    am.MeanAveragePrecision,
    am.LabelAUROC,
)
SET_SCORES = (am.SetF1, am.SetPrecision, am.SetRecall, am.SetJaccard)


def test_directions_agree_with_the_names():
    shrinking = ("Loss", "Error", "Divergence", "Distance", "Variation", "CrossEntropy", "Brier", "Manhattan")
    for case in CASES:
        name = case.cls.__name__
        if name in ("SetSize", "TopKChance"):
            assert case.cls.higher_is_better is None
        else:
            assert case.cls.higher_is_better is not any(word in name for word in shrinking)


@pytest.mark.parametrize(
    "make",
    [
        partial(am.LabelF1, 0),
        partial(am.LabelF1, 3, average="samples"),
        partial(am.SoftF1, 3, average="weighted"),
        partial(am.MeanAveragePrecision, average="mean"),
        partial(am.LabelCalibrationError, bins=0),
        partial(am.SquaredCalibrationError, bins=0),
        partial(am.EntropyCorrelation, method="kendall"),
        partial(am.LabelCalibrationError, activation="relu"),
        partial(am.TopKAccuracy, 0),
        partial(am.TopKAccuracy, 1.5),
        partial(am.TopKAccuracy, match="some"),
        partial(am.TopKRecall, ties="last"),
        partial(am.TopKChance, match="some"),
        partial(am.HumanMassAtK, -1),
        partial(am.NDCG, gain="square"),
        partial(am.RankingLoss, tie_cost="half"),
        partial(am.RankingLoss, tie_cost=7),
        partial(am.RankingLoss, tie_cost=np.nan),
        *(partial(cls, no_labels=2) for cls in RANKED),
        *(partial(cls, no_labels="none") for cls in RANKED),
        partial(am.CoverageError, no_labels=-1),
        *(partial(cls, both_empty=7) for cls in SET_SCORES),
        *(partial(cls, one_empty=-1) for cls in SET_SCORES),
        *(partial(cls, threshold=30) for cls in (*SET_SCORES, am.ExactMatch, am.HammingLoss)),
        *(partial(cls, 3, zero_division=2) for cls in (am.LabelF1, am.LabelRecall, am.LabelMCC, am.SoftF1)),
        partial(am.NormalisedAbsoluteDistance, 0),
        partial(am.NormalisedAbsoluteDistance, True),
        partial(am.KLDivergence, reverse="no"),
        partial(am.ClarkDistance, normalised=2),
        partial(am.EntropyError, signed="yes"),
        partial(am.JSDivergence, square_root=None),
        *(partial(cls, from_logits="no") for cls in (am.BrierScore, am.RateManhattan, am.EntropySimilarity, am.RankCS)),
        partial(am.SoftF1, 3, from_logits="no"),
        partial(am.LabelCalibrationError, from_logits=1),
        partial(am.KLDivergence, unit="bit"),
        partial(am.CrossEntropy, eps=2),
        partial(am.CrossEntropy, eps="small"),
        partial(am.BinomialLogLikelihood, eps=-1),
        partial(am.RankCS, ties="expected"),
        partial(am.EarthMoversDistance, "wheel"),
        partial(am.SetF1, both_empty="one"),
        partial(am.LabelF1, 3, zero_division="none"),
        partial(am.SoftF1, 3, zero_division="none"),
    ],
)
def test_a_wrong_option_is_refused_at_once(make):
    with pytest.raises(am.ArgumentError, match="expected"):
        make()


def test_a_wrong_k_is_refused_without_guessing_how_many_labels_there_are():
    for cls in (am.TopKAccuracy, am.TopKChance, am.HumanMassAtK, am.NDCG):
        with pytest.raises(am.ArgumentError, match=r"k: expected a whole number, 1 or more, but received 0"):
            cls(k=0)
    assert am.NDCG(k=None).config["k"] is None


def test_a_wrong_matrix_is_refused_at_once():
    for make in (am.SemanticSetF1, am.EarthMoversDistance):
        with pytest.raises(am.ShapeError, match=r"expected \[C, C\]"):
            make(torch.zeros(2, 3))
        with pytest.raises(am.DomainError):
            make(torch.tensor([[0.0, -1.0], [1.0, 0.0]]))


def test_numbers_of_numpy_are_options():
    metric = am.TopKAccuracy(np.int64(2))
    metric.update([[0.6, 0.3, 0.1]], [[0, 1, 0]])
    assert metric.compute() == 1


def test_calibration_of_a_distribution_takes_the_softmax():
    logits, target = LOGITS
    metric = am.LabelCalibrationError(bins=5, from_logits=True, activation="softmax")
    metric.update(logits, target)
    equal(metric.compute(), F.label_calibration_error(logits.softmax(-1), target, bins=5))
    with pytest.raises(am.DomainError, match="below infinity"):
        metric.update([[float("inf")] * LABELS], target[:1])


@pytest.mark.parametrize("device", ["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
@each
def test_every_device_at_hand_gives_the_value(case, device):
    metric = case.make().to(device)
    metric.update(*(x.to(device) for x in case.data))
    assert metric.compute().device.type == device
    equal(metric.compute().cpu(), case.expected())


def test_another_number_of_labels_is_refused():
    ranking = am.MeanAveragePrecision()
    ranking.update(*RANKING)
    with pytest.raises(am.ShapeError, match="expected 6 labels as before, but received 2"):
        ranking.update([[0.1, 0.2]], [[1, 0]])
    for metric, data in ((am.LabelF1(4), SETS), (am.SoftF1(4), RATES)):
        with pytest.raises(am.ShapeError, match="expected 4 labels"):
            metric.update(*data)


def _one_of_two_processes(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    values = []
    for cuts in ([10, 45, 60], []):  # unequal shares, out of order; then all rows in one process and none in the other
        for case in CASES:
            metric = case.make()
            for i, part in enumerate(parts(case.data, cuts)):
                if i % 2 == rank:
                    metric.update(*part)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # torchmetrics: compute before update
                values.append((metric.compute(), getattr(metric, "rows", None), getattr(metric, "skipped", None)))
    if rank == 0:
        torch.save(values, f"{folder}/values.pt")
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_give_the_score_of_one(tmp_path, spawn):
    command = [sys.executable, __file__, str(tmp_path)]
    processes = [spawn([*command, str(rank)]) for rank in range(2)]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    values = torch.load(tmp_path / "values.pt")
    for case, (value, rows, skipped) in zip([*CASES, *CASES], values, strict=True):
        equal(value, case.expected())
        alone = fed(case)
        assert (rows, skipped) == (getattr(alone, "rows", None), getattr(alone, "skipped", None))


def test_rows_follow_the_batches_after_compute():
    metric = am.RankingLoss()
    metric(*RANKING)
    metric.compute()
    assert metric.rows + metric.skipped == ROWS
    metric(*RANKING)
    assert metric.rows + metric.skipped == 2 * ROWS
    metric.merge_state(fed(Case(am.RankingLoss, None, RANKING)))
    assert metric.rows + metric.skipped == 3 * ROWS
    metric.reset()
    assert (metric.rows, metric.skipped) == (0, 0)


if __name__ == "__main__":
    _one_of_two_processes(int(sys.argv[2]), sys.argv[1])
