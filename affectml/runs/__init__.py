"""The run folder: one training with all that is needed to repeat it and to judge it.

run.json              `RunInfo`: command, config, data and encoder fingerprints, split, seed, threads, versions, seconds
head.safetensors, head.json
answers.parquet       what prior, zero-shot and the head answer of every image: see `affectml.judging.answers`
metrics.csv, scores.parquet, facts.json
                      what the systems score on test: see `affectml.judging.figures`
report.html
"""

from typing import TYPE_CHECKING

from affectml._lazy import lazily
from affectml.runs.config import TrainConfig

if TYPE_CHECKING:
    from affectml.runs.folder import RunFolder, next_run_folder, runs_in
    from affectml.runs.schema import SCHEMA, RunInfo, surroundings

__all__ = ["SCHEMA", "RunFolder", "RunInfo", "TrainConfig", "next_run_folder", "runs_in", "surroundings"]
__getattr__ = lazily(__name__)
