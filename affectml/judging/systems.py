"""The systems of a run: what each of them answers of an image."""

from dataclasses import dataclass, field

from torch import Tensor

from affectml.heads import Head, PriorHead, ZeroShotHead, sets_of
from affectml.heads.inputs import Features
from affectml.judging.scoring import Answers, Array, unsure


@dataclass(frozen=True)
class Systems:
    """The fitted systems of a run. why_not: system -> why it has no scores."""

    model: Head
    prior: PriorHead
    zero_shot: ZeroShotHead | None
    kind: str
    why_not: dict[str, str] = field(default_factory=dict)

    def answers(self, X: Features, levels: Array | None = None) -> dict[str, Answers]:
        """What each system says of the images with these embeddings, in the report's order. levels: see answers_of."""
        heads: dict[str, Head | None] = {"prior": self.prior, "zero_shot": self.zero_shot, "model": self.model}
        return {name: answers_of(head, X, self.kind, levels) for name, head in heads.items() if head is not None}


def answers_of(head: Head, X: Features, kind: str, levels: Array | None = None) -> Answers:
    """A head's scores, its rates or distribution as the target's kind asks, and its sets where it has any.

    levels: the level of each row in the column of a promise, where its sets are cut by levels.
    """
    shares: Tensor | None = head.predict_rates(X) if kind in ("rates", "sets") else head.scores(X)
    if kind == "rates" and head.scores_of == "sets":
        shares = None  # it says how likely a label is in the image's set, not how many people would choose it
    sets = sets_of(head, X, levels) if head.predicts_sets else None
    if shares is not None:
        shares = unsure(shares, rates=kind in ("rates", "sets"))
    return Answers(rounded(head.scores(X)), None if shares is None else rounded(shares), sets)


def rounded(values: Tensor) -> Tensor:
    """As answers.parquet keeps them, in float64: what is judged is what is stored."""
    return values.float().double()
