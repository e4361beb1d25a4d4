"""The run folder: one training with all that is needed to repeat it and to judge it.

run.json              `RunInfo`: command, config, data and encoder fingerprints, split, seed, threads, versions, seconds
head.safetensors, head.json
predictions.parquet   image_id, split, the model's score of every label, its set where it has sets
metrics.json          what the systems score on test: no times and no paths, so that equal runs are equal bytes
report.html
"""

from affectml.runs.config import TrainConfig
from affectml.runs.folder import RunFolder, next_run_folder, reserve_run_folder, runs_in
from affectml.runs.schema import SCHEMA, RunInfo, surroundings

__all__ = [
    "SCHEMA",
    "RunFolder",
    "RunInfo",
    "TrainConfig",
    "next_run_folder",
    "reserve_run_folder",
    "runs_in",
    "surroundings",
]
