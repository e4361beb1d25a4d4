"""What three simulated models answer about a demo set, in files for `affectml evaluate`.

calibrated.jsonl: it sees each label's log-odds through noise, and states the rate that is to be expected then.
overconfident.jsonl: it sees the same, and states it too surely.
words-only.jsonl: it knows how often people say each label, not the picture; it names a set, several times.
"""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from affectml.demo_set.feelings import FloatArray

NOISE = 2.0  # SD of what is seen of a label's log-odds
TOO_SURE = 2.5  # by which log-odds are multiplied
SAMPLES = 5
GRID = 256  # rates that stand for all images' own


def write_answers(
    folder: Path,
    shares: FloatArray,
    labels: tuple[str, ...],
    image_ids: npt.NDArray[np.object_],
    rng: np.random.Generator,
) -> None:
    """Write calibrated.jsonl, overconfident.jsonl and words-only.jsonl into a new folder.

    Args:
        folder: must not exist yet.
        shares: what is true of each image, [N, C]: rates, or distributions where all rows sum to 1.
        labels: C names.
        image_ids: [N].
        rng: of what is seen, and what is drawn.
    """
    one = bool(np.allclose(shares.sum(axis=1), 1))
    true = np.clip(shares, 1e-4, 1 - 1e-4)
    seen = logit(true) + rng.normal(0.0, NOISE, size=true.shape)
    expected = np.stack([_expected(*columns) for columns in zip(seen.T, true.T, strict=True)], axis=1)
    folder.mkdir()
    for name, said in (("calibrated", expected), ("overconfident", expit(TOO_SURE * logit(expected)))):
        stated = (said / said.sum(axis=1, keepdims=True) if one else said).round(2).tolist()
        shares_of = [dict(zip(labels, row, strict=True)) for row in stated]
        replies = [(f"s1h-p-{image}", json.dumps(each)) for image, each in zip(image_ids, shares_of, strict=True)]
        _write(folder / f"{name}.jsonl", replies)
    often = shares.mean(axis=0)
    size = (SAMPLES, len(labels))
    replies = []
    for image in image_ids:
        drawn = rng.multinomial(1, often / often.sum(), SAMPLES) if one else rng.random(size) < often
        sets = [[labels[at] for at in np.flatnonzero(row)] for row in drawn]
        replies += [(f"s{k}-p-{image}", json.dumps({"labels": each})) for k, each in enumerate(sets, start=1)]
    _write(folder / "words-only.jsonl", replies)


def _expected(seen: FloatArray, true: FloatArray) -> FloatArray:
    """What a label's rate is expected to be on each image [N], given what was seen of it and all images' rates [N]."""
    rates = np.quantile(true, (np.arange(GRID) + 0.5) / GRID)
    likely = np.exp(-0.5 * ((seen[:, None] - logit(rates)) / NOISE) ** 2)
    return np.asarray(likely @ rates / likely.sum(axis=1))


def _write(path: Path, replies: list[tuple[str, str]]) -> None:
    """Responses to batch requests, from the custom_id of each and what it answers; see `affectml ask`."""
    with path.open("w", encoding="utf-8") as file:
        for request, reply in replies:
            choice = {"message": {"role": "assistant", "content": reply}, "finish_reason": "stop"}
            answer = {"custom_id": request, "response": {"status_code": 200, "body": {"choices": [choice]}}}
            file.write(json.dumps(answer) + "\n")
