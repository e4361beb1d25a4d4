"""Pilots: people who answer about images, drawn from a mixed logit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def pilot_of() -> Callable[..., Any]:
    """`pilot_of(people, images, n, seed=0)`: n random people of all answer each image, over three labels."""
    from dataclasses import replace

    import numpy as np

    from affectml.planning import Pilot, PlanConfig

    def drawn(people: int, images: int, n: int, seed: int = 0, **spread: Any) -> Any:
        assumed = PlanConfig(rates=(0.4, 0.2, 0.1), seed=seed, **spread)
        whole = Pilot.assumed_of(assumed, people=people, images=images)
        random = np.random.default_rng(seed)
        who = random.random((images, people)).argsort(axis=1)[:, :n]
        rows = (who * images + np.arange(images)[:, None]).ravel()
        parts = {name: getattr(whole, name)[rows] for name in ("image", "person", "chosen")}
        return replace(whole, assumed=False, labels=("joy", "awe", "fear"), **parts)

    return drawn


@pytest.fixture(scope="session")
def judgements_of() -> Callable[..., Any]:
    """`judgements_of(pilot)`: its answers as a judgement table, 4 seconds each."""
    import pandas as pd

    def table(pilot: Any) -> Any:
        sets = [[name for name, yes in zip(pilot.labels, row, strict=True) if yes] for row in pilot.chosen]
        return pd.DataFrame({
            "image_id": [f"i{n:03}" for n in pilot.image], "annotator_id": [f"p{n:03}" for n in pilot.person],
            "round": 1, "kind": ["labels" if chosen else "none" for chosen in sets], "labels": sets, "seconds": 4.0,
        })  # fmt: skip

    return table


@pytest.fixture
def dataset_of(tmp_path: Path, judgements_of: Callable[..., Any]) -> Callable[..., Any]:
    """`dataset_of(pilot)`: a data set folder with these judgements and no target."""
    import pandas as pd

    from affectml.data import DatasetMeta, write_dataset

    def folder(pilot: Any, judgements: Any = None) -> Any:
        table = judgements_of(pilot) if judgements is None else judgements
        images = pd.DataFrame({"image_id": sorted(set(judgements_of(pilot)["image_id"]))})
        return write_dataset(tmp_path / "pilot", DatasetMeta("pilot"), images, {}, table)

    return folder
