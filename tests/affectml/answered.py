"""What a run says of images, read as a table with a row for each and written from one; what a data set says of it."""

import numpy as np

from affectml.evaluating import EvaluateConfig
from affectml.evaluating.datasets import on_datasets
from affectml.evaluating.systems import sources_of
from affectml.judging.answers import FILE, SystemAnswers, write_answers
from affectml.runs import RunFolder


def answered(run):
    """image_id, split, the head's score of every label, and where it has sets `set`, the labels as a tuple."""
    said = RunFolder.open(run.folder).model_answers
    table = said.frame.reset_index()
    table.insert(1, "split", said.split)
    return table if said.sets is None else table.assign(set=[said.set_of(row) for row in range(len(table))])


def write_answered(folder, labels, table, *, shares=True):
    """Write such a table as a run's answers. shares: whether the scores are shares of people."""
    scores, ids, split = table[list(labels)].to_numpy(), table["image_id"].to_numpy(), table["split"].to_numpy()
    sets = np.array([[label in chosen for label in labels] for chosen in table["set"]]) if "set" in table else None
    said = SystemAnswers(tuple(labels), ids, split, scores, scores if shares else None, sets)
    write_answers(folder / FILE, "hand", labels, [("model", ids, split, said)])


def evaluated(run, on, say=lambda line: None, **options):
    """What is found of a run on a data set, as `affectml evaluate RUN --on DATASET` finds it."""
    config = EvaluateConfig(on=(str(on),), threads=1, **options)
    return on_datasets(sources_of([getattr(run, "folder", run)]), config, say)[0].evaluation
