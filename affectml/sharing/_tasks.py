"""A run's predictions as pre-annotations: Label Studio's tasks, and the labelling interface that shows them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from affectml._files import try_file, write_text
from affectml._options import check_choice
from affectml._progress import Progress
from affectml.data import Dataset
from affectml.data.dataset import SPLITS
from affectml.errors import BadInput, option
from affectml.people.erasing import refuse_outdated
from affectml.pictures import Bad
from affectml.predicting import predict_images
from affectml.runs import RunFolder
from affectml_annotation.exchange.label_studio import labelling_config, write_label_studio
from affectml_annotation.judgements import REQUIRED

PREDICTION = ["image_id", "model", "labels", "score"]
LOCAL_FILES = "/data/local-files/?d="  # where Label Studio serves files below its document root
LEANING = (
    "people who see a prediction before they answer lean towards it: their answers tell you less about what people feel"
)


@dataclass(frozen=True)
class WrittenTasks:
    """What was written: the tasks, the labelling interface, how many images, and what to know."""

    path: Path
    interface: Path
    images: int
    notes: list[str] = field(default_factory=list)


def write_tasks(
    run: str | Path | RunFolder,
    out: str | Path,
    *,
    dataset: str | Path | None = None,
    split: str | None = None,
    image_prefix: str = LOCAL_FILES,
    threads: int | None = None,
) -> WrittenTasks:
    """Write a run's predictions for a data set as Label Studio's tasks (JSON), and its interface (XML) beside them.

    A task has one prediction: the run's set of labels, or its first label where it predicts one; `score` is the highest
    of the labels' scores, `model_version` the run's name. An image that the run was trained or tested with keeps what
    answers.parquet says of it; any other is predicted now, from its file.

    Args:
        run: the run's folder.
        out: the JSON file to write; it must not exist yet, nor the same with `.xml`.
        dataset: the data set; None is the one that the run was trained on.
        split: train, val or test, for those images alone.
        image_prefix: what Label Studio puts before an image's path in the data set, to show it. The url is taken where
            an image has one.
        threads: torch's; None is one less than the cores.

    Raises:
        BadInput: where a file is there already, or no image can be predicted.
    """
    opened = run if isinstance(run, RunFolder) else RunFolder.open(run)
    refuse_outdated(opened)
    path, interface = Path(out), Path(out).with_suffix(".xml")
    for file in (path, interface):
        try_file(file)
    if (given := dataset or opened.info.config.dataset) is None:
        what = f"it does not say what data set it was trained on; name one: {option('dataset')}"
        raise BadInput(f"{opened.folder}: {what}")
    data = Dataset.open(given)
    images = _images(data, split)
    known = _known(opened, data, images)
    shown = {image: _shown(row, image_prefix) for image, row in images.iterrows()}
    files = images["file"].dropna().items() if "file" in images else ()
    paths = {image: data.image_path(str(file)) for image, file in files if image not in known}
    bad: Bad = []
    known |= _predicted(opened, paths, bad, threads) if paths else {}
    told = [image for image in images.index if image in known and shown[image] is not None]
    if not told:
        raise BadInput(f"{data.root}: no image that can be predicted and shown; images need a file or a url")
    name = opened.folder.resolve().name
    table = pd.DataFrame([(image, name, *known[image]) for image in told], columns=PREDICTION)
    nobody = pd.DataFrame({column: pd.Series(dtype=object) for column in REQUIRED})
    write_text(interface, labelling_config(opened.taxonomy.labels))
    write_label_studio(nobody, path, urls={i: str(shown[i]) for i in told}, predictions=table)
    notes = [LEANING, *(f"left out: {': '.join(one)}" for one in bad)]
    if rest := len(images) - len(told) - len(bad):
        notes.append(f"{rest:,} images without a prediction, a file or a url are left out")
    return WrittenTasks(path, interface, len(told), notes)


def _images(data: Dataset, split: str | None) -> pd.DataFrame:
    table = data.images.set_index("image_id")
    if split is None:
        return table
    check_choice("split", split, SPLITS)
    there = table[table["split"] == split] if "split" in table.columns else table[:0]
    if there.empty:
        raise BadInput(f"{data.root}: {option('split', split)}: no image is in that split")
    return there


def _known(run: RunFolder, data: Dataset, images: pd.DataFrame) -> dict[Any, tuple[list[str], float]]:
    """By image, the labels and the first score that the run's own answers have, if they are of this data set."""
    if not run.has_answers or not data.has_fingerprint(run.info.data.fingerprint, run.info.data.target):
        return {}
    said = run.model_answers
    here = pd.Index(said.image_id).isin(images.index)
    best = np.array(said.labels, dtype=object)[said.scores.argmax(axis=1)]
    return {
        said.image_id[row]: (list(said.set_of(row) or ()) if said.sets is not None else [best[row]], float(score))
        for row, score in enumerate(said.scores.max(axis=1))
        if here[row]
    }


def _predicted(
    run: RunFolder, paths: dict[Any, Path], bad: Bad, threads: int | None
) -> dict[Any, tuple[list[str], float]]:
    """By image, the labels and the first score that the run predicts now; `bad` gets what cannot be read, and why."""
    try:
        bar = Progress("predicting", len(paths), "images")
        made = predict_images(run, list(paths.values()), threads=threads, bad=bad, bar=bar)
    except BadInput:
        if len(bad) < len(paths):
            raise
        return {}  # none can be read: those that the run knows are told all the same
    said = {one.image: (one.labels if one.labels is not None else [one.best[0][0]], one.best[0][1]) for one in made}
    return {image: said[str(path)] for image, path in paths.items() if str(path) in said}


def _shown(row: pd.Series, prefix: str) -> str | None:
    """What Label Studio shows of an image: its url, else its file behind the prefix."""
    url, file = row.get("url"), row.get("file")
    if isinstance(url, str) and url:
        return url
    return f"{prefix}{quote(file)}" if isinstance(file, str) and file else None
