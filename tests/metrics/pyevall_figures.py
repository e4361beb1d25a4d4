"""What PyEvALL makes of a table, which cannot be installed beside this package (it wants numpy 1.26).

Where it is (`pip install PyEvALL==0.2.11`), `python tests/metrics/pyevall_figures.py` prints the figures that
test_metrics_information.py keeps.
"""

import json
import tempfile
from pathlib import Path

import numpy as np


def table():
    """Shares by a model and of 20 people, [10000, 8], some labels rare, and the sets of both; no right set is empty."""
    g = np.random.RandomState(31)  # whose numbers never change
    votes, noise = (g.randint(0, 21, (10_000, 8)) for _ in range(2))
    votes[:, 4:] = np.minimum(votes[:, 4:], g.randint(0, 21, (10_000, 4)))
    guessed, sets = 2 * votes + noise >= 27, votes >= 8
    sets[~sets.any(1), 0] = True
    return (2 * votes + noise) // 3 / 20, votes / 20, guessed, sets


def figures(preds, target, metrics, **more):
    from pyevall.evaluation import PyEvALLEvaluation

    with tempfile.TemporaryDirectory() as folder:
        for name, values in (("preds", preds), ("target", target)):
            rows = [{"test_case": "T", "id": str(i), "value": value} for i, value in enumerate(values)]
            Path(folder, f"{name}.json").write_text(json.dumps(rows))
        files = [str(Path(folder, f"{name}.json")) for name in ("preds", "target")]
        found = PyEvALLEvaluation().evaluate(*files, metrics, report="embedded", log_level="none", **more).report
    return {name: each["results"]["average_per_test_case"] for name, each in found["metrics"].items()}


if __name__ == "__main__":
    preds, target, guessed, sets = table()
    names = [f"label {i}" for i in range(8)]
    soft = [[dict(zip(names, map(float, row), strict=True)) for row in rows] for rows in (preds, target)]
    hard = [[[names[i] for i in np.flatnonzero(row)] for row in rows] for rows in (guessed, sets)]
    flat = {"hierarchy": {name: [] for name in names}}  # without one it takes single labels only
    print(figures(*soft, ["ICMSoft", "ICMSoftNorm"]) | figures(*hard, ["ICM", "ICMNorm"], **flat))
