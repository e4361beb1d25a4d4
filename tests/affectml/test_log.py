"""A training in TensorBoard's files, read back by TensorBoard; and heads that keep the loss of every epoch."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from affectml.cli import app
from affectml.errors import MissingExtra
from affectml.heads import SoftmaxHead
from affectml.runs import TrainConfig
from affectml.training import train_run
from affectml.training.log import curves

pytestmark = pytest.mark.slow  # many of these train

GOLDEN = Path(__file__).parents[1] / "golden" / "0.1.0"
tensorboard = pytest.mark.skipif(find_spec("tensorboard") is None, reason="tensorboard is not installed")


def config(folder, **more):
    return TrainConfig(dataset=str(folder), multilabel=True, target="emotions", threads=1, **more)


@pytest.fixture
def data(tmp_path):
    shutil.copytree(GOLDEN / "data", tmp_path / "data")
    return tmp_path / "data"


@tensorboard
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_run_is_logged_with_its_curve_and_scores(data, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    said: list[str] = []
    asked = config(data, hidden=8, options={"max_epochs": 5}, log=str(tmp_path / "log"))
    run = train_run(asked, out=tmp_path / "run", say=said.append)
    events = EventAccumulator(str(tmp_path / "log" / "run")).Reload()
    curve = run.info.head.report["held_out_curve"]
    logged = events.Scalars("validation/loss")
    assert [point.step for point in logged] == list(range(1, len(curve) + 1))
    assert [point.value for point in logged] == pytest.approx(curve)
    assert events.Scalars("model/set_f1")[0].value == pytest.approx(run.metrics["systems"]["model"]["set_f1"]["value"])
    assert events.Scalars("human/set_f1")[0].value == pytest.approx(run.metrics["systems"]["human"]["set_f1"]["value"])
    text = events.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
    assert '"hidden": 8' in text
    assert said[-1].startswith(f"logged in {tmp_path / 'log' / 'run'}; to see it: tensorboard --logdir")
    assert "--log" in run.info.command
    shutil.rmtree(run.folder)
    train_run(asked, out=tmp_path / "run")  # of the same name: beside the first, not into it
    assert sorted(path.name for path in (tmp_path / "log").iterdir()) == ["run", "run-2"]


@tensorboard
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_command_logs_too(data, tmp_path):
    words = [
        "train",
        str(data),
        "--multilabel",
        "--target",
        "emotions",
        "--out",
        str(tmp_path / "run"),
        "--threads",
        "1",
    ]
    result = CliRunner().invoke(app, [*words, "--log", str(tmp_path / "log")])
    assert result.exit_code == 0
    assert len(list((tmp_path / "log" / "run").iterdir())) == 1


def test_without_tensorboard_the_extra_is_named_before_anything_is_done(data, tmp_path, monkeypatch):
    monkeypatch.setattr("affectml.training.log.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"log=.* needs tensorboard: pip install 'affectml\[log\]'"):
        train_run(config(data, log=str(tmp_path / "log")), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_head_with_epochs_keeps_the_loss_of_each():
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(60, 4, generator=generator)
    y = torch.nn.functional.one_hot((X[:, 0] > 0).long(), 2).double()
    report = SoftmaxHead(hidden=4, max_epochs=7).fit(X, y, generator=generator).report_
    assert 1 <= report["epochs"] <= len(report["held_out_curve"]) <= 7
    assert report["held_out_curve"][report["epochs"] - 1] == min(report["held_out_curve"]) == report["held_out_loss"]


def test_heads_of_several_have_a_curve_each():
    report = {
        "members": [{"report": {"held_out_curve": [2.0, 1.0]}}, {"report": {}}, {"report": {"held_out_curve": [3.0]}}]
    }
    assert list(curves(report)) == [("/0", [2.0, 1.0]), ("/2", [3.0])]
    assert list(curves({"held_out_curve": [1.0]})) == [("", [1.0])]
    assert list(curves({"l2": 0.1})) == []
