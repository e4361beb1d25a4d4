"""Heads that compare images with texts: one text feature per label, and so any list of labels."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor

from affectml.heads._material import Material
from affectml.heads.base import Head
from affectml.heads.config import HeadConfig
from affectml.heads.inputs import ArrayLike, Features, Pair, as_matrix


class TextHead(Head):
    """A head that can be asked for labels it has never seen.

    texts: [C, T], one row per label (mean of its prompts' features, say), for `scores` without texts of its own; rows
    need not have length one. None: only `scores(X, texts)` works, as for weights that come without texts. Scores are
    distributions over texts, whatever the head learned.
    """

    scores_of = "texts"

    def __init__(self, texts: ArrayLike | None, config: HeadConfig | None = None, **options: Any) -> None:
        super().__init__(config, **options)
        self._given_texts = texts
        self.texts = None if texts is None else as_matrix(texts, "texts", torch.float64)

    def fit(
        self,
        X: Features,
        targets: ArrayLike,
        *,
        val: Pair | None = None,
        weights: ArrayLike | None = None,
        generator: torch.Generator | None = None,
        prompts: Sequence[ArrayLike] | None = None,
        captions: ArrayLike | None = None,
    ) -> Self:
        """Fit afresh, as Head.fit does, from texts as well where the head learns from texts.

        Args:
            X: features, [N, D].
            targets: [N, C]: one-hot labels, sets, rates or a distribution.
            val: (X, targets) of other rows, used for choices and calibration; else a fifth of the rows is.
            weights: [N].
            generator: for everything random.
            prompts: for each label the texts to learn from, [K, T] each, drawn anew for every pair; None learns from
                `texts`; all empty learns from captions alone.
            captions: [N, T], each image's own text; a row of zeros where an image has none.

        Raises:
            BadInput: where shapes do not fit, or no pair of an image and a text is left to learn from.
        """
        more = {key: value for key, value in (("prompts", prompts), ("captions", captions)) if value is not None}
        return self._fit_afresh(X, targets, val, weights, generator, **more)

    @property
    def lacks_texts(self) -> bool:
        """See Head.lacks_texts."""
        return self.texts is None

    def from_material(self, material: Material) -> dict[str, Any]:
        """Texts beside shares."""
        return {**super().from_material(material), **material.texts()}

    @abstractmethod
    def scores(self, X: Features, texts: ArrayLike | None = None) -> Tensor:
        """Softmax over the labels, [N, C]; with `texts` [K, T], over the labels that those stand for, [N, K]."""

    def predict_distribution(self, X: Features) -> Tensor:
        """The scores, which sum to one: [N, C]."""
        return self.scores(X)

    def _arguments(self) -> dict[str, Any]:
        return {"texts": self._given_texts}

    def _checked(self, targets: ArrayLike, rows: int, columns: int | None, name: str) -> Tensor:
        labels = columns if self.texts is None else len(self.texts)
        return super()._checked(targets, rows, labels, name)
