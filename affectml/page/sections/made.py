"""What a run cost, and how it was made."""

from affectml.page.section import Page, Section
from affectml.page.tables import Table, number
from affectml.runs import RunInfo

LISTED = 5  # places of each problem with a file of answers


def cost(info: RunInfo) -> str:
    """What it took, and whether that was measured; what was trained."""
    assert info.energy is not None
    assert info.parameters is not None
    trained, kwh = info.parameters, info.energy["kwh"]
    took = watt_hours(kwh) if info.energy["measured"] else f"an estimated {watt_hours(kwh)}"
    said = f"Training and judging took {took}; the head keeps {trained['trained']:,} numbers"
    if trained["share"] is None:
        return f"{said}, and the encoder was not trained."
    return f"{said}, {100 * trained['share']:.2g} % of all; the encoder's {trained['frozen']:,} were not trained."


def watt_hours(kwh: float) -> str:
    """With two digits that say something: `0.011 Wh`, `1,200 Wh`."""
    value = kwh * 1000
    return f"{value:,.0f} Wh" if value >= 100 else f"{float(f'{value:.2g}'):g} Wh"


def made(page: Page) -> Section | None:
    """What a run cost, how the images were parted and figures counted, and what repeats a run, in one table."""
    facts, info, rows = page.facts, page.shown.info, list[tuple[str, str]]()
    if info is not None and info.energy is not None:
        seconds = "; ".join(f"{step.replace('_', ' ')} {value:.1f} s" for step, value in info.seconds.items())
        rows.append(("footprint", f"{cost(info)} {seconds}; {info.energy['how']} (by {info.energy['by']})"))
    parts = page.parts("split")
    sizes = {each.level: f"{each.value:,.0f}" for each in parts if each.metric == "images"}
    for part, size in sizes.items():
        shares = (f"{f.label} {number(f.value)}" for f in parts if f.level == part and f.metric == "prevalence")
        rows.append((f"split: {part}, {size} images", ", ".join(shares)))
    rows += [("split", note) for note in facts.get("split_notes", () if info is None else info.split.notes)]
    for name, each in facts.get("received", {}).items():
        told = [f"{each['answered']} of {each['judged']} images answered", *each.get("notes", ())]
        told += [f"unknown label {label}: {count}" for label, count in each.get("unknown_labels", {}).items()]
        told += [f"{why}: {len(at)} ({', '.join(at[:LISTED])})" for why, at in each.get("problems", {}).items()]
        rows.append((f"answers of {name}", "; ".join(told)))
    rules = {**facts.get("rules", {}), **(facts.get("subgroups") or {}).get("rules", {})}
    rows += [(name, number(words) if isinstance(words, float) else str(words)) for name, words in rules.items()]
    if info is not None:
        threads = f"{info.threads} thread{'s' * (info.threads != 1)}"
        machine = f"{info.hardware.processor}, {info.hardware.cores} cores; {threads}, seed {info.config.seed}"
        versions = "; ".join(f"{name} {value}" for name, value in info.versions.items())
        hashes = {**info.data.fingerprint, "encoder weights": str(info.encoder.identity["weights_sha256"])}
        rows += [("machine", machine), ("versions", versions)]
        rows += [(f"{name} (sha256)", at) for name, at in hashes.items()]
    table = Table("How it was made", ("what", "how"), tuple(rows))
    words = f"split: {', '.join(f'{part} {size} images' for part, size in sizes.items())}. " * bool(sizes)
    words += "Costs, rules, versions and hashes, in one table"
    return Section.of("made", "How it was made", [words], [table] if rows else ())
