"""`affectml evaluate`: from systems to an evaluation, and to its files."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import chain, combinations, product
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from affectml._files import try_file, try_folder, try_page, write_parquet, write_text
from affectml._options import check_range, options_of
from affectml._progress import Say
from affectml.data import Dataset, check_new
from affectml.data.choose import SEVERAL
from affectml.errors import AffectmlError, BadInput, BadRun, EncoderUnavailable, did_you_mean, few, option
from affectml.evaluating import EvaluateConfig
from affectml.evaluating.datasets import Judged, joined, on_datasets
from affectml.evaluating.systems import Source, free_name, sources_of, target_of
from affectml.heads.registry import PLAIN, head_class, offered
from affectml.judging.answers import FILE, write_answers
from affectml.judging.compare import differences, in_families, over_seeds, stored
from affectml.judging.figures import FACTS, METRICS, SCORES, Evaluation, Figure
from affectml.judging.truth import DEFAULT_TAU
from affectml.page import WRITERS as WRITERS_OF_RUN
from affectml.page import Shown, write_report
from affectml.page.tables import brief, matrix, scores_table
from affectml.prompts import Prompts
from affectml.runs import RunFolder, TrainConfig, next_run_folder
from affectml_metrics.table import find, specs
from affectml_metrics.table import shown as in_order

PAGE = "report.html"
OF_TRAINING = ("train", "heads", "prompts", "seeds", "seed", "target", "encoder", "tau", "threads")


@dataclass(frozen=True, eq=False)
class Evaluated:
    """An evaluation, with what was written of it. judged: on each data set, none where stored figures were compared."""

    evaluation: Evaluation
    judged: Sequence[Judged]
    file: Path


def evaluate_systems(
    systems: Iterable[str | PathLike[str]],
    config: EvaluateConfig,
    *,
    out: str | Path | None = None,
    say: Say = lambda line: None,
) -> Evaluated:
    """Judge systems beside people, the prior and zero-shot, and write what was found; see EvaluateConfig.

    Args:
        systems: runs' folders, files of answers, or NAME=PATH.
        config: on which data, and how.
        out: a folder for everything (metrics.csv, scores.parquet, facts.json, answers.parquet, report.html), or a file:
            .html the page, .parquet and .csv the figures, .tex and .md the scores for a paper. None is report.html in
            the run that is named alone without `on`, else runs/evaluation-NNN.
        say: called with each line for the user.

    Raises:
        AffectmlError: one of its subclasses, for what the user can mend.
    """
    _check(config)
    named, once = list(systems), cache(say)  # what is said of each of several data sets is said once
    sources = sources_of(named) if named or not config.train else []
    alone = len(sources) == 1 and sources[0].run is not None and not config.on and not config.train
    file = Path(out) if out is not None else sources[0].path / PAGE if alone else next_run_folder("evaluation")
    _try_out(file, own=alone and out is None, again=bool(config.train))
    on = config.on or (config.train if len(set(config.train)) > 1 else ())
    if not on:
        _check_without_data(sources, config)
    elif config.shape and all(source.run is not None for source in sources):
        raise BadInput(f"{option('shape')} is for files of answers, and every system is a run: leave it out")
    if config.gallery and len({Path(folder).resolve() for folder in on}) > 1:
        way = f"name one alone with {option('on')}"
        raise BadInput(f"{option('gallery', True)}: a page of several data sets shows no images: {way}")
    if config.train:
        for folder in (*config.on, *config.train):
            Dataset.open(folder)  # so that none is missed after the training
        sources = sources_of([*named, *train_missing(config, file, say)])
    judged = on_datasets(sources, replace(config, on=on), once) if on else []
    evaluation = of_runs(sources) if not judged else judged[0].evaluation
    if len(judged) > 1:
        evaluations = [part.evaluation for part in judged]
        warnings = dict.fromkeys(line for part in evaluations for line in part.facts["warnings"])
        parts = {part.figures[0].dataset: part.facts for part in evaluations}
        evaluation = joined(evaluations, warnings=list(warnings), datasets=parts)
    runs = [source.run for source in sources if source.run is not None]
    shown = replace(_shown(evaluation, judged, runs), gallery=config.gallery)
    if file.suffix in WRITERS:
        WRITERS[file.suffix](evaluation, shown, file)
    else:
        file.mkdir(parents=True, exist_ok=True)
        evaluation.write(file)
        if judged:
            _write_answers(judged, file / FILE)
        write_report(evaluation, shown, file / PAGE)
    if alone and out is None:
        data = option("on", runs[0].info.config.dataset or "DATASET")
        say(f"{file} is written again, without pictures of images: name the data set for these, {data}")
    return Evaluated(evaluation, judged, file)


def _check(config: EvaluateConfig) -> None:
    """Raises BadInput for a number or a word that is out of range."""
    check_range(config)
    if config.tau is not None and not 0 < config.tau < 1:
        raise BadInput(f"{option('tau', config.tau)}: expected a rate between 0 and 1")
    if config.sort is not None and find(config.sort) is None:
        near = did_you_mean(config.sort, [spec.name for spec in specs()])
        raise BadInput(f"{option('sort', config.sort)}: no such metric{near} (docs/metrics.md has all)")


def _check_without_data(sources: Sequence[Source], config: EvaluateConfig) -> None:
    """Raises BadInput for a file of answers, or an option, that needs a data set; before anything is trained."""
    if files := [source for source in sources if source.run is None]:
        raise BadInput(f"{files[0].path}: answers in a file are judged on a data set: name it with {option('on')}")
    of_training = OF_TRAINING if config.train else ("on", "threads")
    for field in options_of(EvaluateConfig):
        if getattr(config, field.name) != field.default and field.name not in of_training:
            way = option("train" if field.name in ("heads", "prompts", "seeds") else "on")
            raise BadInput(f"{option(field.name)} needs the data set: name it with {way}")


def _try_out(file: Path, *, own: bool, again: bool) -> None:
    """Raises BadInput for a place that cannot be written; own: a run's own page, which is written over."""
    if own:
        try_page(file)
    elif file.suffix in WRITERS and not again:
        try_file(file)
    elif file.suffix or file.is_file():
        kinds = "a folder" if again else f"a folder, or a file that ends in {', '.join(WRITERS)}"
        raise BadInput(f"{option('out', str(file))}: expected {kinds}")
    elif again:
        kept = [name for name in (METRICS, FACTS, SCORES, FILE, PAGE) if (file / name).exists()]
        other = [name for name in ("run.json", "dataset.json") if (file / name).exists()]
        if other or (kept and not {METRICS, FACTS} <= {*kept}):
            raise BadInput(f"{file} holds {(other or kept)[0]}, which no evaluation wrote: name another folder")
        try_folder(file)
    else:
        check_new(file)


def _shown(evaluation: Evaluation, judged: Sequence[Judged], runs: Sequence[RunFolder]) -> Shown:
    """What the page shows beside figures."""
    pictures: dict[str, Any] = {}
    if len(judged) == 1:
        pictures = {"dataset": judged[0].data, "answers": judged[0].answers, "truth": judged[0].truth}
    if len(runs) == 1 and evaluation.facts.get("systems", ["model"]) == ["model"]:
        return Shown.of_run(runs[0].info, **pictures)
    first = evaluation.figures[0]
    names = list(dict.fromkeys(figure.dataset for figure in evaluation.figures))
    heading = f"{few(names, 3)}, target {first.target}: {few(evaluation.facts['systems'], 6)} judged beside people"
    about = tuple(f"{run.folder.resolve().name}: {run.info.command}" for run in runs if run.info.command)
    return Shown(f"{few(names, 3)} – affectml evaluation", heading, about, **pictures)


def _write_answers(judged: Sequence[Judged], file: Path) -> None:
    """Write everybody's answers to the judged images; labels that a data set has not are NaN there."""
    labels = list(dict.fromkeys(label for part in judged for label in part.truth.labels))
    names = [part.evaluation.figures[0].dataset for part in judged for _ in part.answers]
    answers = [(system, a.image_id, a.split, a) for part in judged for system, a in part.answers.items()]
    write_answers(file, names, labels, answers)


def of_runs(sources: Sequence[Source]) -> Evaluation:
    """What metrics.csv and scores.parquet have of runs of the same data, target and cut.

    One run's as it is. Of several that were tested on the same images each run's model is a system of its own name,
    beside what stands beside the first, and each pair of runs is compared. Runs that differ in nothing but the seed are
    one way of training, compared with others over their seeds.

    Raises:
        BadInput: for runs of other data, another target or cut, and of other test images, unless seeds say something.
        BadRun: for a run that was never judged.
    """
    runs = {source.name: source.run for source in sources if source.run is not None}
    way_out = f"name the data set: {option('on')}"
    for run in runs.values():
        if not run.has_figures:
            raise BadRun(f"{run.folder}: no {METRICS}: it was never judged; {way_out}")
    evaluations, names = {name: run.evaluation for name, run in runs.items()}, list(runs)
    first = evaluations[names[0]]
    if len(runs) == 1:
        return first
    _check_alike(list(runs.values()))
    if missing := [runs[name].folder for name, evaluation in evaluations.items() if evaluation.scores.empty]:
        raise BadRun(f"{missing[0]}: no scores of single images, which a shared run comes without: {way_out}")
    images, ways = [set(evaluation.scores["image_id"]) for evaluation in evaluations.values()], _ways(runs)
    alike, seeds = all(tested == images[0] for tested in images), _over_seeds(runs, ways)
    if not alike and not seeds:
        same = f"the same {option('seed')} and {option('fold')}"
        way = f"name the data set to judge them on the images of all: {option('on')}, or train them with {same}"
        raise BadInput(f"evaluate: the runs were tested on different images: {way}")
    judged = names if alike else names[:1]  # of seeds tested on different images no image speaks
    mine = {name: evaluations[name].scores for name in judged}
    mine |= {name: rows[rows["system"] == "model"] for name, rows in mine.items() if name != names[0]}
    scores = pd.concat([rows.assign(system=rows["system"].replace("model", name)) for name, rows in mine.items()])
    by_image, ids, groups = stored(scores)
    facts, key = dict(first.facts), dict(scores.iloc[0][["dataset", "target", "space"]])
    warnings = list(facts.get("warnings", []))
    figures = [
        replace(figure, system=name) if figure.system == "model" else figure
        for name in judged
        for figure in evaluations[name].figures
        if figure.system == "model" or name == names[0]
    ]
    if not alike:
        facts["ways"] = {way: list(of_seed.values()) for way, of_seed in ways.items()}
        warnings.append(
            "The runs were tested on different images: apart from the comparison over seeds, every figure is of "
            f"{names[0]} alone"
        )
    apart = [f for f in figures if f.against != "people" and f.p is not None and not (f.by or f.label)]
    kept, pairs = set(figures) - set(apart), combinations(judged, 2)
    figures = [f for f in figures if f in kept] + in_families([*apart, *differences(by_image, pairs, groups, **key)])
    figures += [replace(figure, **key) for figure in seeds]
    facts |= {"n": len(ids), "first": names[0], "systems": names, "warnings": warnings}
    return Evaluation(tuple(figures), scores, facts)


def _check_alike(runs: Sequence[RunFolder]) -> None:
    """Raises BadInput for the first run whose figures cannot stand beside those of the first run."""
    first = runs[0].info
    for run, info in ((run, run.info) for run in runs):
        same = {
            "data set": info.data.fingerprint == first.data.fingerprint,
            "target": info.data.target == first.data.target,
            option("tau"): info.config.tau == first.config.tau,
        }
        if other := [what for what, alike in same.items() if not alike]:
            why = f"another {other[0]} than {runs[0].folder}, so what is stored of them does not compare"
            raise BadInput(f"{run.folder}: {why}: name a data set to judge both on: {option('on')}")


def _ways(runs: Mapping[str, RunFolder]) -> dict[str, dict[int, str]]:
    """Ways of training, each by its head, the settings in which ways differ, and its number of seeds: seed to run.

    Runs of one way have the same data and settings, and differ in the seed alone. A further run of the same seed begins
    a way of its own.
    """
    ways: dict[str, list[dict[int, str]]] = {}
    settings: dict[str, dict[str, Any]] = {}
    for name, info in ((name, run.info) for name, run in runs.items()):
        options = dict(sorted(info.config.options.items()))
        kept = replace(info.config, seed=0, dataset=None, threads=None, groups=())
        config = replace(kept, options=options)
        recipe = repr((config, info.head.name, info.data.target, sorted(info.data.fingerprint.items()),
                       info.encoder.identity))  # fmt: skip
        settings[name] = {**asdict(config), **options, "head": info.head.name, "options": None}
        alike = ways.setdefault(recipe, [])
        if all(info.config.seed in way for way in alike):
            alike.append({})
        next(way for way in alike if info.config.seed not in way)[info.config.seed] = name
    every = sorted(chain(*ways.values()), key=lambda way: list(runs).index(next(iter(way.values()))))
    about = [settings[next(iter(way.values()))] for way in every]
    keys = [key for key in dict.fromkeys(chain(*about)) if len({repr(setting.get(key)) for setting in about}) > 1]
    named: dict[str, dict[int, str]] = {}
    for way, setting in zip(every, about, strict=True):
        known = [key for key in keys if key != "head" and setting.get(key) is not None]
        words = [setting["head"], *(f"{key} {setting[key]}" for key in known)]
        named[free_name(f"{', '.join(words)} ({len(way)} seed{'s' * (len(way) > 1)})", named)] = way
    return named


def _over_seeds(runs: Mapping[str, RunFolder], ways: Mapping[str, Mapping[int, str]]) -> list[Figure]:
    """Ways of training compared over their seeds, where one has several; of several prompts zero-shot as well.

    One person beside the rest of the panel has a mean over the same seeds, and so have the ways beside it.
    """
    if all(len(way) == 1 for way in ways.values()):
        return []
    asked = len({repr(run.info.prompts) for run in runs.values()})

    def scores(system: str, way: Mapping[int, str], against: str = "people") -> dict[int, dict[str, float]]:
        by_seed = {seed: runs[run].evaluation.scores_of(system, against) for seed, run in way.items()}
        return {seed: {figure.name: figure.value for figure in figures} for seed, figures in by_seed.items()}

    def means(of_seeds: Mapping[str, Mapping[int, Mapping[str, float]]]) -> list[Figure]:
        metrics = {name for way in of_seeds.values() for values in way.values() for name in values}
        return over_seeds(of_seeds, in_order(metrics, "headline"))

    systems = [("model", ""), ("zero_shot", "zero_shot of ")][:asked]
    of_ways = means({f"{of}{name}": scores(system, way) for system, of in systems for name, way in ways.items()})
    every = {seed: run for way in ways.values() for seed, run in way.items()}
    rest = {name: scores("model", way, "rest") for name, way in ways.items()}
    beside = means({**rest, "person": scores("person", every, "rest")})
    return [*of_ways, *(replace(figure, against="rest") for figure in beside if figure.against == "people")]


def train_missing(config: EvaluateConfig, folder: Path, say: Say) -> list[Path]:
    """Train on each data set of `config.train` with each head, prompts and seed, as far as `folder` has no such run.

    A head that cannot learn a data set's target, or lacks its texts, is left out, and that is said.

    Raises:
        AffectmlError: for an unknown head or data set, and where nothing could be trained.
    """
    from affectml.training import train_run

    known = ("plain", *offered())
    for name in config.heads:
        if ":" not in name and name.replace("-", "_") not in known:
            raise BadInput(f"{option('heads', name)}: no such head{did_you_mean(name, known)} ({', '.join(known)})")
    folders, why, names = list[Path](), list[AffectmlError](), set[str]()
    for path in {Path(place).resolve(): place for place in config.train}.values():
        data = Dataset.open(path)
        names.add(named := free_name(data.name, names))
        targets = target_of(data, [], config.target if config.target in data.meta.targets else None, any_kind=True)
        several = targets.kind in SEVERAL
        for prompts in config.prompts:
            Prompts.parse(prompts, ()).learned(targets.taxonomy)
        heads = dict.fromkeys(head_class(PLAIN[several] if name == "plain" else name) for name in config.heads)
        seeds = range(config.seed, config.seed + config.seeds)
        mixes = {head: config.prompts if head.scores_of == "texts" else config.prompts[:1] for head in heads}
        for head, prompts, seed in ((learner, *more) for learner in heads for more in product(mixes[learner], seeds)):
            words = [named, head.name, prompts * (len(config.prompts) > 1), f"seed{seed}" * (config.seeds > 1)]
            out = folder / "-".join(filter(None, words)).replace("/", "-")
            asked = TrainConfig(
                dataset=str(data.root), multilabel=several, target=targets.name, head=head.name, prompts=prompts,
                encoder=config.encoder, tau=config.tau or DEFAULT_TAU, seed=seed, threads=config.threads,
            )  # fmt: skip
            try:
                if (out / "run.json").exists():
                    _check_trained_so(RunFolder.open(out), asked, data)
                else:
                    say(f"training {out.name}")
                    train_run(asked, out=out, say=say, writers=WRITERS_OF_RUN)
                folders.append(out)
            except (BadInput, EncoderUnavailable) as error:
                say(f"{out.name} is left out: {error}")
                why.append(error)
    if not folders:
        raise why[0]
    return folders


def _check_trained_so(run: RunFolder, asked: TrainConfig, data: Dataset) -> None:
    """Raises BadRun where a run that is there was trained on other data, or in another way, than is asked now."""
    before = run.info.config
    if asked.encoder is None:
        asked = replace(asked, encoder=before.encoder)
    names = ("target", "tau", "prompts", "encoder")
    other = [option(name) for name in names if getattr(before, name) != getattr(asked, name)]
    if not data.has_fingerprint(run.info.data.fingerprint, run.info.data.target):
        other.insert(0, "data")
    if other:
        raise BadRun(f"{run.folder}: trained with another {other[0]} than is asked now; name another {option('out')}")


def _paper(evaluation: Evaluation, tex: bool) -> str:
    """The scores as a table for a paper."""
    table = next(iter(matrix(evaluation)), None) or scores_table(evaluation) or brief(evaluation)
    told = "; ".join(filter(None, (table.note, table.bold if table.best else "")))
    return replace(table, note=told).to_tex() if tex else f"{table.to_markdown()}\n\n{told}\n"


WRITERS: dict[str, Callable[[Evaluation, Shown, Path], object]] = {
    ".html": write_report,
    ".parquet": lambda evaluation, _, file: write_parquet(file, evaluation.table()),
    ".csv": lambda evaluation, _, file: write_text(file, evaluation.to_csv()),
    ".tex": lambda evaluation, _, file: write_text(file, _paper(evaluation, tex=True)),
    ".md": lambda evaluation, _, file: write_text(file, _paper(evaluation, tex=False)),
}
"""By a file's ending: the page, the figures (two kinds), the table for a paper (two kinds)."""
