"""Planned against what happened: studies that are simulated, and real people's answers drawn anew.

    python benchmarks/planning.py studies   200 studies of the demo's panels and of people of a mixed logit
    python benchmarks/planning.py oasis     245 people who rated the same 149 photographs, from pilots of 8 and 20
    python benchmarks/planning.py curves    the curves and the table of docs/studies.md

Prints Markdown. All but `studies` read oasis/ in --data. Needs
`pip install -e ".[dev-all]"`.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import matplotlib.style
import numpy as np
import pandas as pd
import torch
from PIL import Image
from scipy import stats
from scipy.special import expit, logit

from affectml.demo_set.people import Annotators, Words, choice_chances, draw_feeling, true_rates, words_of
from affectml.planning._figures import Design, Figures, Pilot, Predicted, alpha_influence, figures_of, stand_ins
from affectml.taxonomies import get_taxonomy
from affectml_metrics import two_way_interval

TAU = 1 / 3
EACH = 50  # images a person answers
PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
PEOPLE, IMAGES, LABELS = 800, 1000, 8  # of whom each simulated study has some, drawn with replacement
WORLDS = ("textbook", "local", "mixed logit")
PILOTS = ((8, 60, 4), (20, 100, 5), (60, 300, 5))  # people, images, people an image
DESIGNS = (Design(3, 900, 45), Design(5, 300, 25), Design(10, 150, 38))
FIGURES = ("each label's rate", "mean of these", "an image's rate", "alpha", "set F1", "F1 of two models",
           "cross-entropy", "of two models")  # fmt: skip


def line(*cells: object) -> str:
    """A row of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def share(x: float) -> str:
    return f"{100 * x:.1f}"


# (a) simulated studies


def fours(values: np.ndarray) -> str:
    return ", ".join(f"{x:.4f}" for x in values)


def shares(values: np.ndarray) -> str:
    return "–" if np.isnan(values).all() else ", ".join(map(share, values))


def demo_rates(panel: str, images: int, random: np.random.Generator) -> np.ndarray:
    """True rates [N, 8] of paintings before one of the demo's panels."""
    taxonomy = get_taxonomy("mikels-8")
    words = Words.of(taxonomy)
    feelings = np.stack([draw_feeling(words.places[words.placed], random) for _ in range(images)])
    return true_rates(feelings, words_of(taxonomy, panel))


@dataclass(frozen=True)
class World:
    """What everybody says of every image, [PEOPLE, IMAGES, C], and two models' rates [IMAGES, C]."""

    chosen: np.ndarray
    models: tuple[np.ndarray, np.ndarray]

    @classmethod
    def of(cls, kind: str, g: np.random.Generator) -> World:
        if kind == "mixed logit":
            odds = g.normal(-1.5, 0.5, LABELS) + 1.3 * g.normal(size=(IMAGES, LABELS))
            habit = 0.5 * g.normal(size=(PEOPLE, 1, LABELS)) + 0.5 * g.normal(size=(PEOPLE, 1, 1))
            rates, parts = expit(odds), (expit(odds[at : at + 100] + habit) for at in range(0, IMAGES, 100))
        else:
            rates, panel = demo_rates(kind, IMAGES, g), Annotators.draw(LABELS, g, PEOPLE)
            parts = (choice_chances(rates[at : at + 100], panel) for at in range(0, IMAGES, 100))
        chosen = np.concatenate([g.random(part.shape) < part for part in parts], axis=1)
        odds_of = logit(rates.clip(0.002, 0.998))
        off = (expit(0.9 * odds_of + sd * g.normal(size=rates.shape)).clip(0.01, 0.99) for sd in (0.5, 0.9))
        return cls(chosen, tuple(off))

    def pilot(self, person: np.ndarray, image: np.ndarray, who: np.ndarray, what: np.ndarray) -> Told:
        pilot = Pilot(tuple("abcdefgh"), image, person, self.chosen[who[person], what[image]].astype(np.float64))
        rates = (model[what[image]] for model in self.models)
        return pilot, tuple(Predicted(part, part >= TAU, image) for part in rates)

    def study(self, people: int, images: int, each: int, g: np.random.Generator) -> Told:
        """Answers of `each` of these many people to each of these many images; everybody has about as many."""
        load, rows = np.zeros(people), []
        for _ in range(images):
            rows.append(np.argsort(load + 0.9 * g.random(people))[:each])
            load[rows[-1]] += 1
        image = np.repeat(np.arange(images), each)
        return self.pilot(np.concatenate(rows), image, g.integers(PEOPLE, size=people), g.integers(IMAGES, size=images))


Told = tuple[Pilot, tuple[Predicted, ...]]


def columns(told: Told) -> np.ndarray:
    """A column for each figure that is a mean over answers, but alpha's of nan."""
    pilot, models = told
    ours, theirs = (model.scores(pilot) for model in models)
    scores = [part for name in ours for part in (ours[name], ours[name] - theirs[name])]
    return np.column_stack([pilot.chosen, np.full(len(pilot.image), np.nan), *scores])


def alpha_of(pilot: Pilot) -> float:
    values = alpha_influence(pilot).values
    return math.nan if np.isnan(values).all() else float(np.nanmean(values))


def by_figure(values: np.ndarray) -> np.ndarray:
    """Mean over labels of what is said of each, and the rest in the order of FIGURES; values [..., M + 2]."""
    rates = np.nanmean(values[..., :LABELS], axis=-1, keepdims=True)
    return np.concatenate([rates, values[..., -2:], values[..., LABELS:-2]], axis=-1)


def widths(figures: Figures, design: Design, **how: bool) -> np.ndarray:
    """[M + 2, 3]: half a width, and the plan's own interval of it."""
    return np.array(list(figures.widths(design, **how).values()))


def of_studies(options: argparse.Namespace) -> Iterator[str]:
    """Pilots of three sizes and a study of each design, `runs` times in all, for each plan what came of it."""
    held, covered, ratios, single, wide = ({p: [] for p in PILOTS} for _ in range(5))
    for kind in WORLDS:
        g = np.random.default_rng(0)
        world = World.of(kind, g)
        at = np.indices(world.chosen.shape[:2]).reshape(2, -1)
        truth = columns(world.pilot(*at, np.arange(PEOPLE), np.arange(IMAGES))).mean(axis=0)
        rate = world.chosen.mean(axis=0)
        sizes = {design: (design.all_people, design.images, design.people) for design in DESIGNS}
        alphas = [
            np.array([alpha_of(world.study(*size, g)[0]) for _ in range(options.alphas)]) for size in sizes.values()
        ]
        truth[LABELS] = np.mean(alphas)
        plans, said, halves = {p: [] for p in PILOTS}, {d: [] for d in DESIGNS}, {d: [] for d in DESIGNS}
        for _ in range(-(-options.runs // len(WORLDS))):
            for p in PILOTS:
                pilot, models = world.study(*p, g)
                plan = figures_of(pilot, *models, draws=400)
                plans[p].append([widths(plan, design) for design in DESIGNS])
            for design in DESIGNS:
                told = world.study(*sizes[design], g)
                found = two_way_interval(columns(told), told[0].person, told[0].image)
                halves[design].append(((found.high - found.low) / 2).numpy())
                value = found.value.numpy()
                value[LABELS] = alpha_of(told[0])
                said[design].append(value)
        for k, design in enumerate(DESIGNS):
            own, values = np.array(halves[design]), np.array(said[design])
            own[:, LABELS] = stats.t.ppf(0.975, design.all_people - 1) * alphas[k].std(ddof=1)
            image = 1.96 * np.sqrt((rate * (1 - rate)).mean(axis=0) / design.people).mean()
            own = np.column_stack([own, own[:, :LABELS].mean(axis=1), np.full(len(own), image)])
            for p in PILOTS:
                half, low, high = np.moveaxis(np.array([plan[k] for plan in plans[p]]), -1, 0)
                happened = own.mean(axis=0)
                inside = np.column_stack([abs(values - truth) <= half[:, :-2], np.full((len(half), 2), np.nan)])
                held[p].append(by_figure(inside.astype(float)))
                covered[p].append(by_figure(((low <= happened) & (happened <= high)).astype(float)))
                ratios[p].append(by_figure(np.nanmean(half, axis=0)[None] / happened))
                wide[p].append(by_figure(high / low))
                single[p].append(by_figure((abs(own / half - 1) <= 0.15).astype(float)))
    runs = len(held[PILOTS[0]][0]) * len(WORLDS)
    designs = "; ".join(f"{d.people} of {d.all_people} people about each of {d.images} images" for d in DESIGNS)
    yield (
        f"{runs} studies, a third of each kind of people, of three designs ({designs}), from pilots of 8, 20 and 60 "
        "people. Holds: planned 95 % intervals, around what the study says, that hold the truth, in per cent. Covers: "
        "the plan's own 90 % intervals of a width that hold the mean width of studies. Width: planned over realised.\n"
    )
    yield line("figure, from 8, 20, 60", "holds", "covers", "width")
    yield line("---", *["--:"] * 3)
    table = [np.stack([np.concatenate(part[p]).mean(axis=0) for p in PILOTS]) for part in (held, covered, ratios)]
    for at, name in enumerate(FIGURES):
        yield line(name, *(shares(part[:, at]) for part in table[:2]), ", ".join(f"{x:.2f}" for x in table[2][:, at]))
    mean = [np.nanmean(part, axis=1) for part in table]
    yield line("all", *(shares(part) for part in mean[:2]), ", ".join(f"{x:.2f}" for x in mean[2]))
    worst = float(abs(np.concatenate(ratios[PILOTS[2]]) - 1).max())
    alone = np.nanmean(np.concatenate(single[PILOTS[2]]), axis=0)[[0, 1, 4]]
    yield (
        f"\nFrom 60 people no figure of any design and kind of people is planned more than {share(worst)} % off its "
        "average width. The plan's own interval ends at "
        + ", ".join(f"{np.nanmedian(np.concatenate(wide[p])):.2f}" for p in PILOTS)
        + " times where it begins (medians, from 8, 20 and 60). Single studies scatter around the average; within 15 % "
        f"of the plan are {share(alone[0])} % of the widths of a label's rate, {share(alone[1])} % of their mean and "
        f"{share(alone[2])} % of set F1."
    )


# (b) people who rated the same photographs


def block(folder: Path) -> np.ndarray:
    """Ratings [245, 149] of beauty, 1 to 7: the largest block of OASIS' raters who saw the same photographs."""
    table = pd.read_csv(folder / "oasis" / "beauty_by_person.csv.gz")
    wide = table.pivot_table("beauty", "person", "image")
    seen = wide.notna()
    first = seen.groupby(seen.idxmax(axis=1)).ngroup()  # who saw the same photographs first saw the same ones
    same = wide[(first == first.value_counts().idxmax()).to_numpy()].dropna(axis=1, how="all")
    assert same.shape == (245, 149)
    assert not same.isna().any().any()
    return same.to_numpy().astype(np.int64)


def of_oasis(options: argparse.Namespace) -> Iterator[str]:
    """Pilots of people who all rated the same photographs, and the realised error of larger panels of theirs."""
    rated = block(options.data)
    people, images = rated.shape
    high, low = options.cuts
    chosen = np.stack([rated >= high, rated <= low], axis=-1)
    g = np.random.default_rng(0)

    def pilot_of(count: int) -> Pilot:
        who = g.permutation(people)[:count]
        person, image = (part.ravel() for part in np.indices((count, images)))
        return Pilot(("beautiful", "ugly"), image, person, chosen[who[person], image].astype(np.float64))

    names = ("rate of beautiful", "rate of ugly", "alpha", "an image's rate")
    realised = {}
    for n in (60, 120, 240):
        drawn = [g.permutation(people)[:n] for _ in range(options.panels)]
        rates = np.array([chosen[who].mean(axis=0) for who in drawn])
        values = np.column_stack([rates.mean(axis=1), [nominal_alpha(chosen[who]) for who in drawn]])
        own = np.sqrt(rates.var(axis=0, ddof=1).mean(axis=0)).mean()
        realised[n] = np.append(values.std(axis=0, ddof=1), own) / math.sqrt(1 - n / people)
    yield (
        f"OASIS, {people} people and the same {images} photographs. A rating of {high} or more is the set "
        f"{{beautiful}}, of {low} or less {{ugly}}, else {{}}. "
        f"Realised: SD over {options.panels} panels of n of the people, over the root of 1 - n / {people}; of an "
        f"image's rate, over images. Planned for other people and these images: median over {options.pilots} pilots, "
        "and the pilots, in per cent, whose 90 % interval holds the realised error.\n"
    )
    head = ", ".join(map(str, realised))
    yield line(f"figure, n {head}", "realised", *(f"{what}, {j}" for j in (8, 20) for what in ("planned", "covers")))
    yield line("---", *["--:"] * 5)
    planned: dict[int, list[np.ndarray]] = {8: [], 20: []}
    for j, plans in planned.items():
        for _ in range(options.pilots):
            figures = figures_of(pilot_of(j), draws=1000)
            each = [widths(figures, Design(n, images, images), these_images=True)[[0, 1, 2, -1]] for n in realised]
            factor = np.array([[stats.t.ppf(0.975, n - 1)] * 3 + [1.96] for n in realised])
            plans.append(np.array(each) / factor[..., None])
    for at, name in enumerate(names):
        happened = np.array([errors[at] for errors in realised.values()])
        cells = []
        for plans in planned.values():
            middle, low, high = np.moveaxis(np.array(plans)[:, :, at], -1, 0)
            cells += [fours(np.median(middle, axis=0)), shares(((low <= happened) & (happened <= high)).mean(axis=0))]
        yield line(name, fours(happened), *cells)


def nominal_alpha(chosen: np.ndarray) -> float:
    """Krippendorff's alpha of sets of at most one label, [J, I, C], nothing missing."""
    kind = np.concatenate([chosen, ~chosen.any(axis=-1, keepdims=True)], axis=-1)
    votes, n = kind.sum(axis=0), len(kind)
    within = (n * n - (votes**2).sum(axis=1)).mean() / (n * (n - 1))
    total = votes.sum(axis=0)
    return float(1 - within / ((total.sum() ** 2 - (total**2).sum()) / (total.sum() * (total.sum() - 1))))


# the curves and tables of docs/studies.md


def sources(options: argparse.Namespace) -> Iterator[tuple[str, Pilot, Sequence[Predicted]]]:
    """All raters of OASIS, and 400 of the demo's local people about eight emotions."""
    table = pd.read_csv(options.data / "oasis" / "beauty_by_person.csv.gz")
    person, image = (pd.factorize(table[name])[0] for name in ("person", "image"))
    chosen = np.stack([table["beauty"] >= 5, table["beauty"] <= 3], axis=-1).astype(np.float64)
    beauty = Pilot(("beautiful", "ugly"), image, person, chosen)
    yield "beauty", beauty, stand_ins(beauty)
    g = np.random.default_rng(0)
    yield "emotions", *World.of("local", g).study(400, 1000, 10, g)


def of_curves(options: argparse.Namespace) -> Iterator[str]:
    """What 1,000 and 5,000 answers tell, spread over more images or over more people an image."""
    names = {"label_rates": "rate", "image_rates": "an image's rate", "alpha": "alpha", "set_f1": "set F1",
             "set_f1_difference": "F1 of two models", "rate_cross_entropy": "cross-entropy"}  # fmt: skip
    for source, pilot, models in sources(options):
        figures = figures_of(pilot, *models, draws=400)
        yield f"\n{source}: {len(pilot.image):,} answers of {pilot.people} people about {pilot.images:,} images\n"
        yield line("answers", "people an image", "images", "people", *names.values())
        yield line(*["--:"] * (len(names) + 4))
        for answers in (1000, 5000):
            for n in (2, 3, 5, 10, 20):
                design = Design(n, answers // n, EACH)
                halves = figures.expected(design)
                cells = (f"±{halves[name]:.3f}".replace("0.", ".") for name in names)
                yield line(f"{answers:,}", n, f"{design.images:,}", design.all_people, *cells)
        if source == "beauty":
            for name, style in (("how-many-people", "default"), ("how-many-people-dark", "dark_background")):
                drawn(PICTURES / f"{name}.webp", figures, names, style)


def drawn(file: Path, figures: Figures, names: Mapping[str, str], style: str) -> None:
    """Curves over people an image, a line for each number of images."""
    across, squares = (2, 3, 5, 8, 12, 20, 40), {title: {} for title in names.values()}
    for m in (100, 300, 1000):
        every = [figures.widths(Design(n, m, EACH)) for n in across]
        for name, title in names.items():
            squares[title][f"{m:,} images"] = tuple(zip(*(widths[name] for widths in every), strict=True))
    place = {title: (5, figures.expected(Design(5, 300, EACH))[name]) for name, title in names.items()}
    look = {"font.size": 8, "axes.spines.right": False, "axes.spines.top": False}
    with matplotlib.style.context([style, look]), TemporaryDirectory() as folder:
        rows, columns = -(-len(squares) // 3), min(3, len(squares))
        figure = plt.figure(figsize=(3.2 * columns, 2.5 * rows + 0.4), layout="constrained")
        every = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, (title, curves) in zip(every, squares.items(), strict=False):
            for number, (name, (half, low, high)) in enumerate(curves.items()):
                axes.plot(across, half, color=f"C{number}", marker="o", markersize=3, label=name)
                axes.fill_between(across, low, high, color=f"C{number}", alpha=0.15, linewidth=0)
            cross = {"color": plt.rcParams["text.color"], "markersize": 8, "markeredgewidth": 2}
            axes.plot(*place[title], "x", label="5 people, 300 images", **cross)
            axes.set(title=f"{title}, ±", xscale="log")
            axes.set_xticks(across, [str(x) for x in across])
            axes.minorticks_off()
            axes.set_ylim(bottom=0)
        for axes in every[len(squares) :]:
            axes.remove()
        figure.supxlabel("people an image")
        figure.legend(*every[0].get_legend_handles_labels(), loc="outside upper center", ncols=5, frameon=False)
        png = Path(folder) / "curves.png"
        figure.savefig(png, dpi=160)
        plt.close(figure)
        Image.open(png).convert("RGB").save(file, quality=80, method=6)


def main() -> None:
    parts = {"studies": of_studies, "oasis": of_oasis, "curves": of_curves}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=parts)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AFFECTML_TEST_DATA", "shared/data")))
    parser.add_argument("--cuts", type=int, nargs=2, default=(5, 3), help="ratings that are beautiful and ugly")
    parser.add_argument("--runs", type=int, default=200, help="simulated studies")
    parser.add_argument("--alphas", type=int, default=200, help="studies a design that say how far alpha scatters")
    parser.add_argument("--panels", type=int, default=200, help="panels of real people")
    parser.add_argument("--pilots", type=int, default=200, help="pilots of real people")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for text in parts[options.part](options):
        print(text, flush=True)


if __name__ == "__main__":
    main()
