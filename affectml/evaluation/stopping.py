"""Images that stop early: what scores then go by, and how well that does, by the images that kept all their people."""

from collections.abc import Mapping
from typing import Any

import torch

from affectml.data import Dataset
from affectml.evaluation.scoring import REPLICATES, as_scores
from affectml.evaluation.truth import Truth
from affectml_annotation.stopped import replay
from affectml_metrics import bootstrap

FIGURES = ("rates", "raw_rates", "entropy", "raw_entropy")


def stopping(dataset: Dataset, truth: Truth, seed: int) -> dict[str, Any]:
    """The entry `stopping` of metrics.json: how images of the data set stop, and what it would do to some that did not.

    whole: how many images kept all their people. Of these, had they stopped like the others: people, how many would
    have been asked on average; and how far from what all of them say, with a 95 % interval over images, mean rates
    (posterior means; raw_rates: shares as they are) and mean entropy in bits (its posterior expectation; raw_entropy:
    that of shares as they are) would be. Without two such images, only how images stop.
    """
    rule, judgements = dataset.stopping, dataset.judgements
    assert rule is not None
    found: dict[str, Any] = {"min": rule.min, "max": rule.max, "mean": rule.mean, "until": rule.until, "whole": 0}
    if judgements is None or "order" not in judgements or truth.chosen is None:
        return found
    seen = replay(judgements, truth.labels, rule.whole, minimum=rule.min, maximum=rule.max, until=rule.until)
    if seen is None:
        return found
    table, groups = torch.from_numpy(seen.table()), dataset.groups(seen.image_id)
    drawn = bootstrap(table, groups=groups, replicates=REPLICATES, generator=torch.Generator().manual_seed(seed))
    found |= {"whole": len(seen.image_id), "people": float(seen.people.mean())}
    return found | dict(zip(FIGURES, as_scores(drawn), strict=True))


def in_words(entry: Mapping[str, Any]) -> str:
    """What that means for whoever reads scores."""
    least, most, whole = entry["min"], entry["max"], entry["whole"]
    words = (
        f"Images have {least} to {most} people, fewer where more would change little ({entry['until']}). Scores, "
        f"people's own too, go by the first {least} answers to each, label sets and most chosen labels by all."
    )
    if not whole:
        return f"{words} No two images have all {most} yet, which would show how well that does."
    off = [f"{s['value']:+.3f} ({s['low']:+.3f} to {s['high']:+.3f})" for s in map(entry.__getitem__, FIGURES)]
    return (
        f"{words} Had the {whole} images with all {most} stopped too, after {entry['people']:.1f} people on average, "
        f"their mean rate would be off by {off[0]} as posterior mean and {off[1]} as share, their entropy by {off[2]} "
        f"bits as posterior expectation and {off[3]} as that of shares."
    )
