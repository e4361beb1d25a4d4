"""Calibration in a training: a head's rates corrected on validation, and what that did, before and after."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from affectml._progress import Say
from affectml.data import Targets
from affectml.errors import BadInput, option
from affectml.evaluation import Truth
from affectml.heads import CalibratedHead, Head
from affectml.heads._build import heads_that
from affectml.heads._calibrated import can_be_calibrated, fit_beta_maps
from affectml.heads._inputs import Features
from affectml.runs import TrainConfig
from affectml.runs.schema import CalibrationInfo
from affectml_metrics.functional import squared_calibration_error

if TYPE_CHECKING:
    from affectml.training.prepare import Prepared


def check_calibrate(config: TrainConfig, head: type[Head], targets: Targets) -> None:
    """Raises BadInput where a calibration is asked for that this head or target does not allow, with the way out."""
    if not config.calibrate:
        return
    given = option("calibrate", True)
    if targets.kind not in ("rates", "sets"):
        raise BadInput(f"{given} corrects rates, and target {targets.name} is of kind {targets.kind}: leave it out")
    if not can_be_calibrated(head):
        way = heads_that(lambda other: can_be_calibrated(other) and targets.kind in other.learns)
        raise BadInput(f"{given}: {head.described()} has no rates to correct; take {option('head')} {way}")
    if config.options.get("logit_adjustment"):
        raise BadInput(f"{given}: logit_adjustment ranks labels by something else than rates; leave one of them out")


def calibrated(head: Head, prepared: "Prepared", say: Say) -> Head:
    """The head with its rates corrected by validation; itself where held-out folds say that no label gains."""
    val, labels = prepared.val, prepared.targets.taxonomy.labels
    rates = head.predict_rates(prepared.store.features(val.image_id))
    generator = torch.Generator().manual_seed(prepared.plan.config.seed)
    maps = fit_beta_maps(rates, val.shares, groups=val.groups, generator=generator)
    on = [label for label, shrink in zip(labels, maps.shrink, strict=True) if shrink is not None]
    if not on:
        say("calibration: held-out folds of validation gain on no label, so all rates stay as they are")
        return head
    say(f"calibration: the rates of {', '.join(on)} are corrected; on the others held-out folds gain too little")
    made = CalibratedHead.of(head, maps)
    made.report_["calibration"] |= _errors(rates, torch.from_numpy(maps.held_out), val)
    return made


def calibration_info(head: Head, X: Features, test: Truth) -> CalibrationInfo | None:
    """What run.json says of a calibration: label by label, on validation and on test; None without one."""
    before = head.before_calibration(X)
    if before is None:
        return None
    made, on_test = head.report_["calibration"], _errors(before, head.predict_rates(X), test)
    rows = {
        label: {
            "corrected": made["shrink"][c] is not None,
            **{key: made[key][c] for key in ("shrink", "gain", "gain_se")},
            "validation": {"before": made["before"][c], "after": made["after"][c]},
            "test": {"before": on_test["before"][c], "after": on_test["after"][c]},
        }
        for c, label in enumerate(test.labels)
    }
    return CalibrationInfo(labels=rows)


def _errors(before: Tensor, after: Tensor, truth: Truth) -> dict[str, list[float | None]]:
    """Squared calibration error of each label, less what the residuals within bins make of it by chance."""
    shares = torch.from_numpy(np.asarray(truth.shares, dtype=np.float64))

    def errors(rates: Tensor) -> list[float | None]:
        found = squared_calibration_error(rates.double(), shares, average="none")
        return [value if np.isfinite(value) else None for value in found.tolist()]

    return {"before": errors(before), "after": errors(after)}
