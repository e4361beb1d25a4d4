"""Anchoring: found where it was planted, and not where it was not."""

import numpy as np
import pandas as pd
import pytest

from affectml_annotation import BadJudgement, anchoring

from .tasks import refused

LABELS = list("abcd")


def second_looks(follow: float, seed: int = 0, people: int = 20, images: int = 60, restless: float = 0.15):
    """People look twice; on the second look a label flips by itself at `restless`, and with a suggestion shown
    each label is taken from it at rate `follow`. Returns judgements and suggestions."""
    random = np.random.default_rng(seed)
    names = np.array(LABELS)
    suggested = random.random((images, 4)) < 0.4
    rows = []
    for person in range(people):
        for image in random.permutation(images)[:30]:
            first = random.random(4) < 0.35
            second = first ^ (random.random(4) < restless)
            shown = bool(random.random() < 0.5)
            if shown:
                second = np.where(random.random(4) < follow, suggested[image], second)
            for number, chosen, visible in ((1, first, False), (2, second, shown)):
                kind = "labels" if chosen.any() else "none"
                rows.append((f"i{image}", f"u{person}", number, kind, names[chosen].tolist(), visible))
    columns = ["image_id", "annotator_id", "round", "kind", "labels", "suggestions_visible"]
    return pd.DataFrame(rows, columns=columns), {f"i{n}": names[row].tolist() for n, row in enumerate(suggested)}


def test_planted_anchoring_is_measured():
    found = anchoring(*_arguments(0.5))
    assert found.effect.low > 0.15
    assert found.changed_shown > found.changed_control
    assert found.looks_shown + found.looks_control == 600


def _arguments(follow, seed=0):
    judgements, suggestions = second_looks(follow, seed)
    return judgements, LABELS, suggestions


def test_none_is_found_where_none_was_planted():
    """A 95 % interval leaves zero out in about one seed of twenty; restless second looks alone are no anchoring."""
    covered = [_span_holds_zero(anchoring(*_arguments(0.0, seed))) for seed in range(20)]
    assert sum(covered) >= 17


def _span_holds_zero(found):
    return found.effect.low <= 0 <= found.effect.high


def test_worked_by_hand():
    rows = [
        ("i", "u", 1, "labels", ["a"], False), ("i", "u", 2, "labels", ["b"], True),
        ("i", "v", 1, "labels", ["a"], False), ("i", "v", 2, "labels", ["a", "b"], False),
    ]  # fmt: skip
    columns = ["image_id", "annotator_id", "round", "kind", "labels", "suggestions_visible"]
    found = anchoring(pd.DataFrame(rows, columns=columns), ["a", "b"], {"i": ["b"]})
    assert (found.shown.value, found.control.value, found.effect.value) == (1.0, 0.5, 0.5)


def test_without_a_control_arm_nothing_is_said():
    judgements, labels, suggestions = _arguments(0.5)
    everything_shown = judgements.assign(suggestions_visible=judgements["round"] == 2)
    refused(BadJudgement, "control", anchoring, everything_shown, labels, suggestions)
    with pytest.raises(BadJudgement, match="first look with suggestions visible"):
        anchoring(judgements.assign(suggestions_visible=True), labels, suggestions)
    with pytest.raises(BadJudgement, match="suggestions_visible"):
        anchoring(judgements.drop(columns="suggestions_visible"), labels, suggestions)
