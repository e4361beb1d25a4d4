"""A run read back so that its report can be made again."""

from dataclasses import replace
from os import PathLike
from pathlib import Path

from affectml._files import try_folder, try_page
from affectml._progress import Say
from affectml.data import Dataset
from affectml.data.levels import levels_of
from affectml.data.splits import Split
from affectml.embeddings import ensure_embeddings
from affectml.encoders.threads import set_threads
from affectml.errors import BadInput, BadRun, EncoderUnavailable, option
from affectml.judging.evaluate import Result
from affectml.page.data import ReportData
from affectml.page.write import sections, write_report, write_tables
from affectml.runs import RunFolder
from affectml.training import DEMO, Judged, Writers, prepare_split
from affectml.training.fit import fit_beside

# What a training writes beside its figures.
WRITERS: Writers = {"report.html": lambda run, judged: write_report(ReportData(run, judged))}


def read_again(
    run: str | PathLike[str] | RunFolder, *, dataset: str | Path | None = None, say: Say = lambda line: None
) -> ReportData:
    """What the report of a run is made from, read back from its folder and its data set.

    Scores are those of metrics.json. The split is that of answers.parquet; the head answers the test images anew, and
    the prior and zero-shot are fitted again as the training did: float32 would move figures in the seventh digit.

    Args:
        run: the run or its folder.
        dataset: where its data set is now; None is where it was.
        say: called with what a user should know.

    Raises:
        BadRun: for a run without scores or answers (a shared one, imported weights), and where the data set is not
            the one that it learned from, or has changed since.
    """
    opened = run if isinstance(run, RunFolder) else RunFolder.open(run)
    info = opened.info
    data = Dataset.open(_where(opened, dataset))
    said = opened.model_answers
    if not data.has_fingerprint(info.data.fingerprint, info.data.target):
        raise BadRun(
            f"{opened.folder}: {data.root} is not the data set that it learned from, or has changed since: name the "
            f"right one with {option('dataset')}, or train again"
        )
    assert info.data.target is not None
    targets = data.target(info.data.target)
    set_threads(info.threads)
    split = Split(said.image_id, said.split, tuple(info.split.notes))
    try:
        store = ensure_embeddings(data, info.config.encoder, threads=info.threads, say=say)
        prepared = prepare_split(data, targets.take(said.image_id), store, split, replace(info.config, device=None))
    except (BadInput, EncoderUnavailable) as error:  # what the run says was asked for is nothing, or was taken away
        kind = BadRun if isinstance(error, BadInput) else EncoderUnavailable
        raise kind(f"{opened.folder / 'run.json'}: {error}") from None
    systems = fit_beside(opened.head, prepared, say)  # the prior and zero-shot are no part of a run's folder
    test = split.ids("test")
    answers = systems.answers(store.features(test), levels_of(data.images, info.config.promise_group, test))
    result = Result(opened.metrics, info.set_f1_by_tau)
    return ReportData(opened, Judged(prepared, systems, answers, result, info.levels))


def _where(run: RunFolder, dataset: str | Path | None) -> Path:
    if dataset is not None:
        return Path(dataset)
    named = run.info.config.dataset
    if named is None and run.info.data.name != "demo":
        raise BadRun(
            f"{run.folder}: it does not say which data set it was trained on; name one with {option('dataset')}"
        )
    folder = DEMO if named is None else Path(named)
    if not (folder / "dataset.json").is_file():
        raise BadRun(f"{run.folder}: its data set {folder} is not there: say where it is now with {option('dataset')}")
    return folder


def report_run(
    run: str | PathLike[str] | RunFolder,
    *,
    out: str | Path | None = None,
    tables: str | Path | None = None,
    dataset: str | Path | None = None,
    say: Say = lambda line: None,
) -> Path:
    """Make the report of a run again, as `affectml report` does.

    Args:
        run: the run (`affectml.train` returns one) or its folder.
        out: the file; None writes over report.html in the run's folder.
        tables: a folder that gets every table as CSV and LaTeX.
        dataset: where its data set is now; None is where it was.
        say: called with what a user should know.

    Returns:
        The page's Path.

    Raises:
        BadRun: see `read_again`.
        BadInput: where no page or no folder for the tables can be written, before anything is.
    """
    if out is not None:
        try_page(Path(out))
    if tables is not None:
        try_folder(Path(tables))
    data = read_again(run, dataset=dataset, say=say)
    found = sections(data)
    if tables is not None:
        write_tables(found, Path(tables))
    return write_report(data, None if out is None else Path(out), found)
