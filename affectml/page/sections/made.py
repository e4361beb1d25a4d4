"""How the images were parted, what a run cost, and how it was made."""

from affectml.judging.figures import Evaluation
from affectml.page.section import Section, Shown, section, spots
from affectml.page.tables import Table, number, pivot, rows_of
from affectml.runs import RunInfo


def split(evaluation: Evaluation, _: Shown) -> Section | None:
    """The label shares of each part of the images."""
    every = rows_of(evaluation, by="split", level=None, label=None)
    sizes = {each.level: f"{each.value:,.0f}" for each in every if each.metric == "images"}
    rows = [each for each in every if each.metric == "prevalence"]
    by = {each.label: [f.value for f in rows if f.label == each.label] for each in rows}
    if not rows:
        return None
    apart, widest = max((max(values) - min(values), label) for label, values in by.items())
    parts = ", ".join(f"{size} {part}" for part, size in sizes.items())
    words = f"The images are {parts}; the share of {widest} differs most between them, by {number(apart)}."
    title = "Mean share of each label, by part of the split"
    table = pivot(title, rows, lambda f: f"{f.level} ({sizes.get(f.level, '–')})", "label", head="split (images)")
    return section("split", "Split and duplicates", words, [spots(title, rows, "label", "level")], [table])


def footprint(_: Evaluation, shown: Shown) -> Section | None:
    """What a run cost, and a table by step; None for a run that was not metered."""
    if shown.info is None or shown.info.energy is None:
        return None
    rows = tuple((step.replace("_", " "), f"{seconds:.1f}") for step, seconds in shown.info.seconds.items())
    table = Table("By step", ("step", "seconds"), rows, "{how} (by {by})".format_map(shown.info.energy))
    return section("footprint", "Footprint", cost(shown.info), (), [table])


def cost(info: RunInfo) -> str:
    """What it took, and whether that was measured; what was trained."""
    assert info.energy is not None
    assert info.parameters is not None
    trained, about = info.parameters, "" if info.energy["measured"] else "an estimated "
    said = f"Training and judging took {about}{watt_hours(info.energy['kwh'])}; the head keeps {trained['trained']:,} numbers"
    if trained["share"] is None:
        return f"{said}, and the encoder was not trained."
    return f"{said}, {100 * trained['share']:.2g} % of all; the encoder's {trained['frozen']:,} were not trained."


def watt_hours(kwh: float) -> str:
    """With two digits that say something: `0.011 Wh`, `1,200 Wh`."""
    value = kwh * 1000
    return f"{value:,.0f} Wh" if value >= 100 else f"{float(f'{value:.2g}'):g} Wh"


def made(evaluation: Evaluation, shown: Shown) -> Section | None:
    """How figures were counted, the images parted, and what repeats a run, in one table."""
    facts, info = evaluation.facts, shown.info
    rules = {**facts.get("rules", {}), **(facts.get("subgroups") or {}).get("rules", {})}
    rows = [(name, number(words) if isinstance(words, float) else str(words)) for name, words in rules.items()]
    rows += [("split", note) for note in facts.get("split_notes", () if info is None else info.split.notes)]
    if info is not None:
        threads = "1 thread" if info.threads == 1 else f"{info.threads} threads"
        rows += [
            ("versions", "; ".join(f"{name} {value}" for name, value in info.versions.items())),
            ("machine", f"{info.hardware.processor}, {info.hardware.cores} cores; {threads}, seed {info.config.seed}"),
            *((f"{name} (sha256)", value) for name, value in info.data.fingerprint.items()),
            ("encoder weights (sha256)", str(info.encoder.identity["weights_sha256"])),
        ]
    table = Table("How it was made", ("what", "how"), tuple(rows))
    words = "How each figure was counted, how the images were parted, and what repeats the run."
    return section("made", "How it was made", words, (), [table] if rows else ())
