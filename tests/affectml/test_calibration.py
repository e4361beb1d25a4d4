"""Calibration of rates: maps worked by hand, nothing done where nothing is wrong, and the whole of a training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from affectml.demo_set import write_demo
from affectml.embeddings import embed_dataset
from affectml.encoders import load_encoder
from affectml.errors import BadInput
from affectml.heads import CalibratedHead, SigmoidHead, load_head
from affectml.heads._calibrated import BetaMaps, _fit, beta_map, fit_beta_maps
from affectml.predicting import predict_images
from affectml.report.sections.reliability import calibration_table
from affectml.runs import RunFolder
from affectml.training import TrainConfig, plan_run, train_run
from affectml_metrics.functional import squared_calibration_error

pytestmark = pytest.mark.slow  # many of these train


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def rates_and_votes(n=400, labels=4, seed=0):
    """True rates, and shares of five people who choose by them."""
    rng = np.random.default_rng(seed)
    rates = 1 / (1 + np.exp(-rng.normal(-0.5, 1.5, (n, labels))))
    return rates, rng.binomial(5, rates) / 5


def distorted(rates, slope=2.0, shift=0.8):
    return 1 / (1 + np.exp(-(slope * np.log(rates / (1 - rates)) + shift)))


def test_a_map_by_hand():
    """a = 2, b = 1, c = ln 2 at p = .5: odds .25 / .5 * 2 = 1; the identity keeps every value to the bit."""
    parameters = torch.tensor([[2, 1, np.log(2)], [1, 1, 0]], dtype=torch.float64)
    rates = torch.tensor([[0.5, 0.1], [0.5, 1.0]], dtype=torch.float64)
    assert beta_map(rates, parameters)[0, 0] == pytest.approx(0.5)
    assert beta_map(rates, parameters)[:, 1].tolist() == [0.1, 1.0]


def test_one_rate_alone_moves_to_what_people_said_as_the_shrinkage_goes():
    p, y = np.full(1000, 0.5), np.repeat([1.0, 0.0], [200, 800])
    found = _fit(p, y, 1e-6)
    assert beta_map(torch.tensor([[0.5]]), torch.from_numpy(found[None])).item() == pytest.approx(0.2, abs=1e-4)
    assert _fit(p, y, 1e9) == pytest.approx([1, 1, 0], abs=1e-5)


def test_the_fit_is_the_minimum_that_scipy_finds():
    rates, shares = rates_and_votes(60, 1, seed=3)
    for p, shrink in ((distorted(rates)[:, 0], 2.0), (1 - rates[:, 0], 0.5)):  # turned round, a and b end at 0
        y = shares[:, 0]

        def loss(at, p=p, y=y, shrink=shrink):
            z = at[0] * np.log(p) - at[1] * np.log1p(-p) + at[2]
            penalty = sum((value - start) ** 2 for value, start in zip(at, (1, 1, 0), strict=True))
            return (np.logaddexp(0, z) - y * z).sum() + shrink / 2 * penalty

        best = minimize(loss, [1, 1, 0], bounds=[(0, None), (0, None), (None, None)], options={"ftol": 1e-15})
        assert _fit(p, y, shrink) == pytest.approx(best.x, abs=2e-3)
        assert loss(_fit(p, y, shrink)) <= best.fun + 1e-6


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20), st.integers(0, 5))
def test_a_map_keeps_order_and_stays_within_0_and_1(values, seed):
    rates, shares = rates_and_votes(40, 1, seed=seed)
    parameters = torch.from_numpy(_fit(distorted(rates)[:, 0], shares[:, 0], 2.0)[None])
    made = beta_map(torch.tensor(sorted(values), dtype=torch.float64)[:, None], parameters)[:, 0]
    assert (made.diff() >= -1e-12).all()
    assert ((made >= 0) & (made <= 1)).all()


def test_what_was_planted_is_found_and_the_rest_is_left_to_the_bit():
    rates, shares = rates_and_votes()
    given_ = rates.copy()
    given_[:, :2] = distorted(rates[:, :2])
    maps = fit_beta_maps(given_, shares, generator=seeded())
    assert [shrink is not None for shrink in maps.shrink] == [True, True, False, False]
    assert (maps.parameters[2:] == [1, 1, 0]).all()
    assert (maps.held_out[:, 2:] == given_[:, 2:]).all()
    new_rates, new_shares = rates_and_votes(4000, seed=1)
    given_ = new_rates.copy()
    given_[:, :2] = distorted(new_rates[:, :2])
    after = beta_map(torch.from_numpy(given_), torch.from_numpy(maps.parameters))
    both = (torch.from_numpy(given_), after)
    errors = [squared_calibration_error(p, new_shares, average="none")[:2].mean() for p in both]
    assert errors[1] < 0.05 * errors[0]


@pytest.mark.slow
def test_calibrated_rates_are_seldom_touched_and_no_worse_for_it():
    """100 tables of 300 rows, 4 labels: at most 5 % of labels are corrected; the log loss rises by less than 1e-4."""
    changed, change = 0, []
    for seed in range(100):
        rates, shares = rates_and_votes(300, seed=seed)
        maps = fit_beta_maps(rates, shares, generator=seeded(seed))
        changed += sum(shrink is not None for shrink in maps.shrink)
        new, said = (torch.from_numpy(table) for table in rates_and_votes(1000, seed=1000 + seed))
        after = beta_map(new, torch.from_numpy(maps.parameters))
        loss = [-(torch.xlogy(said, p) + torch.xlogy(1 - said, 1 - p)).mean().item() for p in (new, after)]
        change.append(loss[1] - loss[0])
    assert changed <= 20
    assert np.mean(change) + 2 * np.std(change, ddof=1) / 10 < 1e-4


def test_few_rows_and_labels_without_votes_are_left_alone():
    rates, shares = rates_and_votes(9)
    assert (fit_beta_maps(distorted(rates), shares, generator=seeded()).parameters == [1, 1, 0]).all()
    rates, shares = rates_and_votes(200)
    shares[:, 0], shares[:, 1] = 0, 1
    maps = fit_beta_maps(distorted(rates), shares, generator=seeded())
    assert maps.shrink[:2] == (None, None)
    assert np.isnan(maps.gain[:2]).all()


def test_groups_are_not_parted_by_the_folds():
    """Each group says one thing of all its images: row by row it would look learnable, group by group it is chance."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 30)
    rates, shares = np.full((360, 1), 0.5), rng.permutation([0.0, 1.0] * 6)[groups][:, None]
    rates += np.repeat(rng.uniform(-0.2, 0.2, 12), 30)[:, None]
    assert fit_beta_maps(rates, shares, groups=groups, generator=seeded()).shrink == (None,)


def test_tables_that_do_not_fit_are_refused():
    with pytest.raises(BadInput, match="shares: expected one cell per rate"):
        fit_beta_maps(np.full((20, 2), 0.5), np.full((20, 3), 0.5), generator=seeded())


def fitted():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4)).astype(np.float32)
    shares = rng.binomial(5, 1 / (1 + np.exp(-X[:, :3]))) / 5
    member = SigmoidHead(l2=0.1).fit(X, shares)
    parameters = np.array([[2.0, 1.5, 0.3], [1, 1, 0], [0.5, 0.5, 0]])
    maps = BetaMaps(parameters, (2.0, None, 2.0), (0.1, 0.0, 0.1), (0.01, 0.01, 0.01), shares)
    return X, shares, member, CalibratedHead.of(member, maps)


def test_a_calibrated_head_is_saved_read_back_and_cuts_corrected_rates(tmp_path):
    X, shares, member, head = fitted()
    assert (head.before_calibration(X) == member.predict_rates(X)).all()
    assert (head.scores(X)[:, 1] == member.scores(X)[:, 1]).all()
    assert not torch.allclose(head.scores(X)[:, 0], member.scores(X)[:, 0])
    head.tune_thresholds(X, (shares > 0.5).astype(int)).keep_promise("recall=.8", X, shares).save(tmp_path)
    again = load_head(tmp_path)
    assert torch.equal(again.scores(X), head.scores(X))
    assert torch.equal(again.predict_sets(X), head.predict_sets(X))
    assert again.report_ == head.report_
    assert repr(head) == "CalibratedHead(SigmoidHead(l2=0.1))"


def test_it_fits_as_an_estimator_and_says_what_it_lacks():
    X, shares, _, _ = fitted()
    head = CalibratedHead(head="sigmoid", options={"l2": 0.1}).fit(X[:200], shares[:200], val=(X[200:], shares[200:]))
    assert head.predict_rates(X).shape == shares.shape
    with pytest.raises(BadInput, match="give val"):
        CalibratedHead().fit(X, shares)
    with pytest.raises(BadInput, match=r"no rates of 'softmax' to correct.*sigmoid"):
        CalibratedHead(head="softmax").fit(X, shares, val=(X, shares))


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    data = write_demo(tmp_path_factory.mktemp("calibration") / "demo", images=600, seed=5)
    embed_dataset(data, load_encoder("affect-tiny"), progress=False)
    return data.root


def config(demo, **more):
    return TrainConfig(str(demo), multilabel=True, threads=1, calibrate=True, **more)


@pytest.fixture
def loud(heads_as_before):
    """A head that is far too sure of the first four labels."""

    class LoudHead(SigmoidHead, name="loud", learns=("rates", "sets")):
        def scores(self, X):
            rates = super().predict_rates(X).clone()
            rates[:, :4] = (4 * rates[:, :4].logit() + 2).sigmoid()
            return rates

        predict_rates = scores


def test_a_run_corrects_what_is_wrong_and_says_what_that_did(demo, loud, tmp_path):
    run = train_run(config(demo, head="loud", seed=2), out=tmp_path / "run")
    labels = run.info.calibration.labels
    on = [entry for entry in labels.values() if entry["corrected"]]
    assert [entry["corrected"] for entry in labels.values()] == [True] * 4 + [False] * 4
    before, after = (np.mean([entry["test"][when] for entry in on]) for when in ("before", "after"))
    assert after < before / 2
    assert all(entry["gain"] > 2 * entry["gain_se"] for entry in on)
    again = RunFolder.open(run.folder)
    assert again.info.calibration == run.info.calibration
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    named = ", ".join(label for label, entry in labels.items() if entry["corrected"])
    assert f"These are rates after calibration, which corrected those of {named} alone." in page
    rows = {row[0]: row[1:] for row in calibration_table(run.info.calibration).rows}
    assert [rows[label][0] for label in labels] == ["yes"] * 4 + [""] * 4
    first = next(iter(labels))
    assert float(rows[first][3]) == pytest.approx(labels[first]["test"]["before"], abs=5e-6)
    assert "--calibrate" in run.info.command
    table = again.predictions.set_index("image_id")
    found = predict_images(run.folder, [demo], threads=1)
    np.testing.assert_allclose(
        [[dict(each.best)[label] for label in again.taxonomy.labels] for each in found],
        table.loc[[each.image for each in found], list(again.taxonomy.labels)],
        atol=1e-6,
    )


def test_a_run_without_anything_to_correct_is_the_run_without_calibration(demo, tmp_path):
    said = []
    run = train_run(config(demo, seed=2), out=tmp_path / "run", say=said.append)
    plain = train_run(replace(config(demo, seed=2), calibrate=False), out=tmp_path / "plain")
    assert any("all rates stay as they are" in line for line in said)
    assert run.info.calibration is None
    assert "Calibration changed nothing" in (run.folder / "report.html").read_text(encoding="utf-8")
    assert "Calibration changed nothing" not in (plain.folder / "report.html").read_text(encoding="utf-8")
    for name in ("metrics.json", "head.safetensors", "head.json"):
        assert (run.folder / name).read_bytes() == (plain.folder / name).read_bytes()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"head": "topk"}, "a topk head has no rates to correct; take head sigmoid"),
        ({"head": "zero_shot"}, "no rates to correct"),
        ({"options": {"logit_adjustment": 1.0}}, "leave one of them out"),
    ],
)
def test_what_cannot_be_calibrated_is_refused_before_any_work(demo, tmp_path, more, words):
    with pytest.raises(BadInput, match=words):
        plan_run(config(demo, **more), out=tmp_path / "run")
