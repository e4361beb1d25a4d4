"""A training, step by step: plan (every choice made) -> prepare -> fit -> judge -> write.

    plan = plan_run(TrainConfig("mydata", multilabel=True))     nothing embedded yet
    prepared = prepare(plan)                                    embeddings, split, what people said
    systems = fit(prepared)                                     the head, the prior, zero-shot
    run = write(judge(prepared, systems), seconds={})           the run folder

`train_run` is all of them.
"""

import time
from contextlib import closing
from pathlib import Path
from types import MappingProxyType

from affectml._progress import Say
from affectml.footprint import Footprint
from affectml.runs import RunFolder, TrainConfig
from affectml.training.fit import fit, judge
from affectml.training.plan import DEMO, open_or_draw, plan_run, prepare
from affectml.training.steps import Judged, Plan, Prepared, Writers, text_encoder
from affectml.training.write import write


def train_run(
    config: TrainConfig,
    *,
    out: Path | None = None,
    say: Say = lambda line: None,
    writers: Writers = MappingProxyType({}),
) -> RunFolder:
    """Train, judge on the test split and write the run folder.

    Args:
        config: what to train; see TrainConfig.
        out: the folder to write; it must not exist yet, or be empty. None takes the next free runs/NAME-NNN.
        say: called with each line for the user.
        writers: see `write`; `affectml.train` and the command hand the report's.

    Returns:
        The run folder, opened.

    Raises:
        AffectmlError: one of its subclasses, for what the user can mend; then nothing has been written to `out`.
    """
    started = time.perf_counter()
    plan = plan_run(config, out=out, say=say)
    with closing(Footprint()) as meter:
        with meter.step("embed"):
            prepared = prepare(plan, say)
        with meter.step("fit"):
            systems = fit(prepared, say)
        with meter.step("evaluate"):
            judged = judge(prepared, systems, say)
    seconds = {**meter.seconds, "total": time.perf_counter() - started}
    return write(judged, seconds, meter.energy(), writers)


__all__ = ["fit", "judge", "open_or_draw", "plan_run", "prepare", "text_encoder", "train_run", "write"]
__all__ += ["DEMO", "Judged", "Plan", "Prepared", "TrainConfig", "Writers"]
