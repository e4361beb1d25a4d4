"""Labels where their taxonomy puts them: on the valence-arousal plane, else around its wheel."""

import numpy as np

from affectml.page.data import ReportData
from affectml.page.section import Section, drawing
from affectml.page.tables import number
from affectml.plots import plane


def places(data: ReportData) -> Section | None:
    """How much people and the model give to each place; None without places or a wheel, or without rates."""
    if data.truth.single_positive:
        return None  # scores that say which label comes first, not how often
    taxonomy = data.run.taxonomy
    people = data.prevalence
    model = (data.model.shares if data.model.shares is not None else data.model.scores).double().mean(dim=0).numpy()
    if len(taxonomy.places) >= 3:
        spots = [(label, p.valence, p.arousal) for label, p in taxonomy.places.items()]
        title = "On the valence-arousal plane"
        sources = sorted({p.source.split(":")[0] for p in taxonomy.places.values()})
        note = f"Places: {'; '.join(sources)}."
        without = [label for label in data.labels if label not in taxonomy.places]
        note += f" Without a place: {', '.join(without)}." if without else ""
    elif taxonomy.wheel:
        turn = np.linspace(0, 2 * np.pi, len(taxonomy.wheel), endpoint=False)
        spots = [(label, float(np.sin(t)), float(np.cos(t))) for label, t in zip(taxonomy.wheel, turn, strict=True)]
        title, note = "Around the wheel", f"Order: {taxonomy.wheel_source}."
    else:
        return None
    at = [data.labels.index(label) for label, _, _ in spots]
    alt = f"{title}: " + "; ".join(
        f"{data.labels[c]} {data.them} {number(float(people[c]))}, model {number(float(model[c]))}" for c in at
    )
    picture = plane(
        spots, people[at].tolist(), model[at].tolist(), alt, framed=len(taxonomy.places) >= 3, them=data.them
    )
    note = f"Disc: {data.theirs} mean share; ring: the model's; both by area. {note}"
    gap = model - people
    most = int(np.abs(gap).argmax())
    word = "above" if gap[most] > 0 else "below"
    words = (
        f"Over all test images the model's mean share is farthest from {data.theirs} for {data.labels[most]}, where it "
        f"is {word}: {number(float(model[most]))} against {number(float(people[most]))}."
    )
    return Section("places", "Where labels lie", words, (drawing(title, picture, note),))
