"""Opening a run folder, and finding a free one."""

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from affectml._files import read_json
from affectml.errors import BadRun
from affectml.judging.answers import FILE, SystemAnswers
from affectml.runs.schema import SCHEMA, Facts, RunInfo, of_form, problem
from affectml.taxonomies import Taxonomy

if TYPE_CHECKING:
    from affectml.heads import Head
    from affectml.judging.figures import Evaluation


@dataclass(frozen=True)
class RunFolder:
    """A run folder, opened. `info` is run.json."""

    folder: Path
    info: RunInfo

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "RunFolder":
        """Open a run folder, or that of a run.

        Raises:
            BadRun: if it is not one, is damaged, or is of another schema.
        """
        folder = Path(path)
        file = folder / "run.json"
        try:
            content = read_json(file, BadRun)
        except (FileNotFoundError, NotADirectoryError):
            here = "no run.json there, so it is not a run" if folder.exists() else "no such file or folder"
            raise BadRun(f"{folder}: {here}; `affectml train` writes a run") from None
        schema = content.get("schema") if isinstance(content, dict) else None
        if isinstance(schema, int) and schema > SCHEMA:
            raise BadRun(f"{folder}: schema {schema} is newer than this affectml reads ({SCHEMA}): upgrade affectml")
        if schema != SCHEMA:
            raise BadRun(f"{folder}: made before 0.3.0: train it again")
        try:
            return cls(folder, RunInfo.from_json(content))
        except ValidationError as error:
            raise BadRun(f"{file}: {problem(error)}: the run is damaged, train again") from None

    @cached_property
    def head(self) -> "Head":
        """The trained head; needs neither data nor encoder weights."""
        from affectml.heads import load_head

        head = load_head(self.folder)
        shares, labels = head.report_.get("prevalence", []), self.taxonomy.labels
        if len(shares) not in (0, len(labels)):
            where = self.folder / "head.json"
            raise BadRun(f"{where}: report.prevalence: expected {len(labels)} shares, got {len(shares)}; train again")
        return head

    @property
    def taxonomy(self) -> Taxonomy:
        """The labels that the run predicts."""
        return Taxonomy.from_dict(self.info.taxonomy, where=str(self.folder / "run.json"))

    @property
    def has_figures(self) -> bool:
        """Whether it was judged: imported weights were not."""
        return (self.folder / "metrics.csv").exists()

    @cached_property
    def evaluation(self) -> "Evaluation":
        """metrics.csv, scores.parquet and facts.json; raises BadRun where they cannot be read or lack the head."""
        from affectml.judging.figures import FACTS, METRICS, Evaluation

        evaluation, file = Evaluation.read(self.folder), FACTS
        try:
            if of_form(Facts, evaluation.facts)["labels"] != [*self.taxonomy.labels]:
                raise ValueError("labels: expected those of run.json")
            if not evaluation.names(system="model"):
                file = METRICS
                raise ValueError("no figure of the model")
        except ValueError as error:
            raise BadRun(f"{self.folder / file}: {error}: the run is damaged, train again") from None
        return evaluation

    @property
    def has_answers(self) -> bool:
        """Whether it says what was answered of each image: a shared run and imported weights do not."""
        return (self.folder / FILE).exists()

    @cached_property
    def model_answers(self) -> SystemAnswers:
        """What the head answered of each image of its data set; raises BadRun where answers.parquet cannot be read."""
        return SystemAnswers.read(self.folder, self.taxonomy.labels)


def runs_in(parent: str | os.PathLike[str]) -> "tuple[list[RunFolder], list[BadRun]]":
    """The runs in a folder, by name, and what cannot be read; a folder without run.json is none.

    Raises:
        BadRun: where there is no such folder, or no run in it.
    """
    runs: list[RunFolder] = []
    bad: list[BadRun] = []
    for file in sorted(Path(parent).glob("*/run.json")):
        try:
            run = RunFolder.open(file.parent)
            if run.has_figures:
                _ = run.evaluation
            runs.append(run)
        except BadRun as error:
            bad.append(error)
    if not runs and not bad:
        raise BadRun(f"{parent}: no run in this folder; `affectml train` writes one")
    return runs, bad


def next_run_folder(name: str, parent: Path = Path("runs")) -> Path:
    """runs/NAME-NNN with the lowest number above all there are; signs that a shell reads otherwise become a dash.

    An empty folder has no number: a training that was killed has left it.
    """
    slug = re.sub(r"[^\w.]+", "-", name).strip("-.") or "run"
    form = re.compile(rf"{re.escape(slug)}-(\d+)")
    taken = [
        int(match.group(1))
        for entry in (parent.iterdir() if parent.is_dir() else ())
        if (match := form.fullmatch(entry.name)) and (not entry.is_dir() or any(entry.iterdir()))
    ]
    return parent / f"{slug}-{max(taken, default=0) + 1:03d}"
