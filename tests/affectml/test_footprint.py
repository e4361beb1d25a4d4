"""What a training costs: metered without a word to anybody, and never in the way."""

import socket
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch

from affectml import footprint
from affectml.footprint import Footprint, trained_share
from affectml.page.section import Page, Shown
from affectml.page.sections.parts import cost, made, watt_hours
from affectml.runs import RunFolder

from .checks import GOLDEN

codecarbon = pytest.mark.skipif(find_spec("codecarbon") is None, reason="codecarbon is not installed")


def test_without_codecarbon_steps_are_timed_and_no_energy_is_told(monkeypatch):
    monkeypatch.setattr(footprint, "find_spec", lambda name: None)
    meter = Footprint()
    for name in ("embed", "fit"):
        with meter.step(name):
            sum(range(1_000))
    meter.close()
    assert (list(meter.seconds), meter.energy()) == (["embed", "fit"], None)


@codecarbon
def test_a_meter_prints_nothing():
    """In a process of its own, since what codecarbon prints is set where it is imported first."""
    code = "from affectml.footprint import Footprint\nmeter = Footprint()\nwith meter.step('fit'): pass\nmeter.close()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


@codecarbon
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_metering_sends_nothing_whatever_its_configuration_says(monkeypatch, tmp_path, caplog):
    refused = Mock(side_effect=OSError("no network here"))
    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    (tmp_path / ".codecarbon.config").write_text(
        "[codecarbon]\nsave_to_api=true\noutput_methods=api,prometheus\napi_key=k\nemissions_endpoint=http://192.0.2.1/\n"
        "electricitymaps_api_token=t\nco2_signal_api_token=t\ncloud_provider=gcp\ncloud_region=europe-west1\n"
        "send_telemetry=true\n"
    )
    monkeypatch.chdir(tmp_path)
    meter = Footprint()
    with meter.step("fit"):
        sum(range(3_000_000))
    meter.close()
    energy = meter.energy()
    assert (energy["by"].split()[0], energy["kwh"] > 0, refused.call_args_list) == ("codecarbon", True, [])
    assert [path.name for path in tmp_path.iterdir()] == [".codecarbon.config"]  # nor does it write a file


def metered(monkeypatch, tracker):
    monkeypatch.setattr(footprint, "_tracker", lambda: tracker)
    monkeypatch.setattr(footprint, "version", lambda name: "9.9")
    meter = Footprint()
    with meter.step("fit"):
        pass
    meter.close()
    return meter.energy()


def test_a_meter_that_breaks_ends_no_training(monkeypatch):
    assert metered(monkeypatch, Mock(stop=Mock(side_effect=RuntimeError("no such counter")))) is None


MODES = [
    ("intel_rapl", True, "processor by its own counter, memory by its size"),
    ("cpu_load", False, "an estimate: processor by its load and rated power, memory by its size"),
]


@pytest.mark.parametrize(("mode", "measured", "how"), MODES)
def test_what_codecarbon_says_is_measured_where_a_counter_was_read(monkeypatch, mode, measured, how):
    tracker = Mock(_hardware=[SimpleNamespace(_mode=mode)], **{"final_emissions_data.energy_consumed": 0.5})
    assert metered(monkeypatch, tracker) == {"by": "codecarbon 9.9", "measured": measured, "how": how, "kwh": 0.5}


def test_what_is_trained_is_what_the_head_keeps():
    shapes = {"weight": (10, 8), "bias": (8,), "texts": (8, 10), "0.labels": ()}
    head = {name: torch.zeros(shape) for name, shape in shapes.items()}
    assert trained_share(head, 912) == {"trained": 88, "frozen": 912, "share": 0.088}
    assert trained_share(head, None) == {"trained": 88, "frozen": None, "share": None}


def test_the_report_says_what_a_run_cost():
    info = RunFolder.open(GOLDEN / "runs" / "sigmoid").info
    told = {"kwh": 1.071e-05, "measured": False, "how": "an estimate", "by": "affectml"}
    parameters = {"trained": 1032, "frozen": 910592, "share": 0.001132}
    info = replace(info, energy=told, parameters=parameters, seconds={"fit": 1.0})
    kept = "he head keeps 1,032 numbers, 0.11 % of all; the encoder's 910,592 were not trained."
    assert cost(info) == f"Training and judging took an estimated 0.011 Wh; t{kept} An estimate (by affectml)."
    (table,) = made(Page((), shown=Shown.of_run(info))).tables
    assert table.rows[0] == ("footprint", f"{cost(info)} fit 1.0 s")
    assert cost(replace(info, energy=None)) == f"T{kept}"


AMOUNTS = [(1.071e-05, "0.011 Wh"), (0, "0 Wh"), (1.2345, "1,234 Wh"), (0.0042, "4.2 Wh")]


@pytest.mark.parametrize(("kwh", "said"), AMOUNTS)
def test_amounts_have_two_digits_that_say_something(kwh, said):
    assert watt_hours(kwh) == said
