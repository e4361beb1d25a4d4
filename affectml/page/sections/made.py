"""How the images were parted, what a run cost, and how it was made."""

from affectml.judging.figures import Evaluation
from affectml.page.section import Section, Shown
from affectml.page.sections.labels import picture
from affectml.page.tables import Table, number, pivot, rows_of
from affectml.runs import RunInfo

STEPS = {
    "embed": "embedding and splitting",
    "fit": "fitting",
    "evaluate": "judging",
    "learning_curve": "learning curve",
    "subgroups": "judging by subgroup",
}


def split(evaluation: Evaluation, _: Shown) -> Section | None:
    """The label shares of each part of the images."""
    rows = rows_of(evaluation, by="split", level=None, label=None)
    sizes = {each.level: f"{each.value:,.0f}" for each in rows if each.metric == "images"}
    parts: dict[str, dict[str, float]] = {}
    for each in rows:
        if each.metric == "prevalence":
            parts.setdefault(each.label, {})[each.level] = each.value
    if not parts or not sizes:
        return None
    apart, widest = max((max(by.values()) - min(by.values()), label) for label, by in parts.items())
    words = f"The images are {', '.join(f'{n} {part}' for part, n in sizes.items())}; {widest} differs most between them, by {number(apart)}."
    shares = [each for each in rows if each.metric == "prevalence"]
    table = pivot(
        "Label shares by split",
        shares,
        lambda f: f"{f.level} ({sizes.get(f.level, '–')})",
        lambda f: f.label,
        head="split (images)",
    )
    at = {(f.level, f.label): f for f in shares}
    series = {part: [at.get((part, label)) for label in parts] for part in sizes}
    drawn = (picture("Mean share of each label, by part of the split", [*parts], series),)
    return Section("split", "Split and duplicates", words, drawn, (), (table,) if table else (), folded=True)


def footprint(_: Evaluation, shown: Shown) -> Section | None:
    """What a run cost, and a table by step; None for a run that was not metered."""
    if shown.info is None or shown.info.energy is None:
        return None
    seconds = shown.info.seconds
    rows = tuple((said, f"{seconds[name]:.1f}") for name, said in STEPS.items() if name in seconds)
    note = f"{shown.info.energy['how']} (by {shown.info.energy['by']})"
    return Section(
        "footprint",
        "Footprint",
        cost(shown.info),
        tables=(Table("By step", ("step", "seconds"), rows, note),),
        folded=True,
    )


def cost(info: RunInfo) -> str:
    """What it took, and whether that was measured; what was trained."""
    assert info.energy is not None
    assert info.parameters is not None
    trained = info.parameters
    said = f"Training and judging took {'' if info.energy['measured'] else 'an estimated '}{watt_hours(info.energy['kwh'])}"
    said += f"; the head keeps {trained['trained']:,} numbers from training"
    if trained["share"] is None:
        return f"{said}, and the encoder was not trained."
    return f"{said}, {100 * trained['share']:.2g} % of all that an image passes through; {trained['frozen']:,} were not trained."


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
    return Section("made", "How it was made", words, tables=(table,), folded=True) if rows else None
