"""The classes: batches, merging, processes, collections, pickles and resets all give the value of one call."""

import copy
import pickle
import sys
import warnings
from functools import partial

import pytest
import torch
import torch.distributed as dist
from torchmetrics import MetricCollection

import affectml_metrics as am
from affectml_metrics import functional as F


def parts(data, cuts):
    return zip(*(torch.tensor_split(x, cuts) for x in data), strict=True)


def equal(a, b):
    torch.testing.assert_close(a, b, rtol=0, atol=1e-12, check_dtype=False)


def test_any_split_into_batches_gives_the_functions_value(case):
    for cuts in ([1, 2, 50], [30, 30, 60]):  # the last has an empty batch
        metric = case.metric()
        for part in parts(case.tables, cuts):
            metric.update(*part)
        equal(metric.compute(), case.value())
        assert metric.compute().dtype == torch.float64


def test_forward_gives_the_batch_and_keeps_the_sum_and_merged_states_give_the_score_of_all(row):
    metric = row.metric()
    for part in parts(row.tables, [40]):
        equal(metric(*part), row.fed(part).compute())
    equal(metric.compute(), row.value())
    first, *rest = (row.fed(part) for part in parts(row.tables, [20, 70]))
    for other in rest:
        first.merge_state(other)
    equal(first.compute(), row.value())


def test_a_pickled_copied_or_saved_metric_goes_on_and_one_that_is_reset_begins_anew(row):
    start, end = parts(row.tables, [33])
    metric = row.fed(start)
    for twin in (pickle.loads(pickle.dumps(metric)), copy.deepcopy(metric)):
        twin.update(*end)
        equal(twin.compute(), row.value())
    metric.persistent(True)
    twin = row.fed(end)
    twin.persistent(True)
    twin.load_state_dict(metric.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torchmetrics: compute before update
        equal(twin.compute(), row.fed(start).compute())
    metric.reset()
    metric.update(*end)
    equal(metric.compute(), row.fed(end).compute())


def test_without_rows_or_before_any_batch_it_is_nan_and_torchmetrics_warns_of_the_latter(case):
    metric = case.metric()
    with pytest.warns(UserWarning, match="``compute`` method of metric .* was called before the ``update`` method"):
        assert metric.compute().isnan().all()
    metric.update(*(x[:0] for x in case.tables))
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


def test_states_of_one_name_hold_the_same_whatever_the_class_makes_of_them(cases):
    seen = {}
    for case in cases:
        for name, state in case.fed().metric_state.items():
            rows = torch.cat(state) if isinstance(state, list) else state
            known = seen.setdefault((name, *map(id, case.tables)), rows)
            torch.testing.assert_close(rows, known, rtol=0, atol=0, equal_nan=True)
    assert set(am.TopKAccuracy(2)._defaults).isdisjoint(am.TopKAccuracy(3)._defaults)


def test_every_class_plots_its_value(of_classes):
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    with mpl.rc_context({"backend": "agg"}):
        figure, axes = plt.subplots()
        for case in of_classes:
            axes.cla()
            metric = case.fed()
            metric.plot(ax=axes)
            assert axes.get_lines()[0].get_ydata()[0] == float(metric.compute().flatten()[0])
        axes.cla()
        am.LabelMCC(2).plot([torch.tensor(1.0), torch.tensor(0.5)], ax=axes)  # over time, between the table's bounds
        assert axes.get_ylim()[0] <= -1 < 1 <= axes.get_ylim()[1]
        plt.close(figure)


def test_a_collection_of_all_metrics_of_the_same_data_gives_the_value_of_each(cases):
    alike = {}
    for case in cases:
        alike.setdefault(tuple(map(id, case.tables)), []).append(case)
    for some in alike.values():
        collection = MetricCollection({str(i): case.metric() for i, case in enumerate(some)})
        for part in parts(some[0].tables, [10, 60]):
            collection.update(*part)
        for i, value in collection.compute().items():
            equal(value, some[int(i)].value())


def test_float32_rows_are_summed_in_float64():
    metric = am.TotalVariation()
    row, many = torch.tensor([[0.55, 0.45]]), torch.tensor([[0.45, 0.55]])
    for _ in range(50):
        metric.update(row.expand(20000, 2), many.expand(20000, 2))
    assert float(metric.compute()) == pytest.approx(float(F.total_variation(row, many)), abs=1e-12)


def test_a_device_without_float64_gets_float32_states():
    def to_mps(tensor):
        if tensor.dtype == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support it.")
        return tensor.clone()

    metric = am.SetF1()
    metric._apply(to_mps)
    metric.update([[1, 0]], [[1, 1]])
    assert metric.compute().dtype == torch.float32
    metric.reset()
    assert {state.dtype for state in metric.metric_state.values()} == {torch.float32}
    assert {state.dtype for state in am.SetF1().half().metric_state.values()} == {torch.float64}  # but no further


def test_a_gpu_gives_the_value_where_one_is_at_hand(of_classes):
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for case in of_classes:
        metric = case.metric().to(device)
        metric.update(*(x.to(device) for x in case.tables))
        assert metric.compute().device.type == device
        equal(metric.compute().cpu(), case.value())


def test_another_number_of_labels_is_refused_and_not_merged():
    from .checks import refused  # which this file as a program has not

    ours, theirs = am.MeanAveragePrecision(), am.MeanAveragePrecision()
    ours.update(torch.rand(97, 6), torch.ones(97, 6))
    theirs.update(torch.rand(11, 4), torch.ones(11, 4))
    refused(am.ShapeError, "expected 6 labels as before, but received 2", ours.update, [[0.1, 0.2]], [[1, 0]])
    refused(am.ShapeError, "expected 6 labels, as here, but received 4", ours.merge_state, theirs)
    for metric in (am.LabelF1(4), am.SoftF1(4)):
        refused(am.ShapeError, "expected 4 labels", metric.update, torch.zeros(1, 3), torch.zeros(1, 3))
    # also a metric of the target alone looks at the shape of preds
    refused(am.ShapeError, r"received \[3, 2\] and \[4, 2\]", am.SetSize().update, torch.rand(3, 2), torch.ones(4, 2))


def _one_of_two_processes(rank: int, folder: str) -> None:
    from conftest import OF_CLASSES

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    values = []
    for cuts in ([10, 45, 60], []):  # unequal shares, out of order; then all rows in one process and none in the other
        for case in OF_CLASSES:
            metric = case.metric()
            for i, part in enumerate(parts(case.tables, cuts)):
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
def test_two_processes_give_the_score_of_one(of_classes, tmp_path, spawn):
    command = [sys.executable, __file__, str(tmp_path)]
    processes = [spawn([*command, str(rank)]) for rank in range(2)]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    for case, (value, rows, skipped) in zip(of_classes * 2, torch.load(tmp_path / "values.pt"), strict=True):
        equal(value, case.value())
        alone = case.fed()
        assert (rows, skipped) == (getattr(alone, "rows", None), getattr(alone, "skipped", None))


def test_what_came_after_a_value_was_asked_for_counts():
    metric, other = am.TopKAccuracy(1), am.TopKAccuracy(1)
    other.update([[0.6, 0.4]], [[0, 1]])
    batch, merge = partial(metric, [[0.6, 0.4], [0.6, 0.4]], [[1, 0], [0, 0]]), partial(metric.merge_state, other)
    for step, value, rows, skipped in ((batch, 1, 1, 1), (batch, 1, 2, 2), (merge, 2 / 3, 3, 2)):
        step()
        assert (float(metric.compute()), metric.rows, metric.skipped) == (pytest.approx(value), rows, skipped)
    metric.reset()
    assert (metric.rows, metric.skipped) == (0, 0)


if __name__ == "__main__":
    _one_of_two_processes(int(sys.argv[2]), sys.argv[1])
