"""One image, one label: its map, the map's curves beside those of controls, and the verdict."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml._progress import Progress
from affectml.encoders import Encoder
from affectml.encoders.threads import set_threads
from affectml.errors import BadInput, BadRun, option
from affectml.explanation._curves import Curve, centred, curve, filled, spread
from affectml.explanation._occlusion import grid_of, occlusion
from affectml.explanation._tower import Rates, Tower
from affectml.explanation._verdict import judge
from affectml.explanation.explanation import Curves, Explanation
from affectml.heads import Head, TextHead
from affectml.pictures import ImageLike, Picture, one_by_one, pictures
from affectml.predicting.features import run_encoder
from affectml.prompts import Prompts, label_features
from affectml.runs import RunFolder

OCCLUSION, CENTRE = "occlusion", "centre"


class Explainer:
    """A run that is asked for explanations; its encoder is loaded once.

    Args:
        run: the run.
        encoder_factory: gives the run's encoder, where it is loaded already; see `run_encoder`.
        head: explain this head instead of the run's own: of the same labels, on the same embeddings.
        threads: torch's; None is one less than the cores.

    Raises:
        BadRun: for a run on embeddings made elsewhere, whose encoder is not known.
        EncoderUnavailable: where the encoder is not the one that the run was trained with.
    """

    def __init__(
        self,
        run: RunFolder,
        *,
        encoder_factory: Callable[[], Encoder] | None = None,
        head: Head | None = None,
        threads: int | None = None,
    ) -> None:
        if not run.info.encoder.specs:
            raise BadRun(
                f"{run.folder}: trained on embeddings made elsewhere, so the encoder that would show which parts of an "
                "image matter is not known: train on embeddings that `affectml embed` made"
            )
        set_threads(threads)
        self.run, self.taxonomy = run, run.taxonomy
        self._head = run.head if head is None else head
        self.encoder = run_encoder(run, threads) if encoder_factory is None else encoder_factory()
        self.tower = Tower.of(self.encoder, normalised=bool(run.info.encoder.identity["normalised"]))

    @cached_property
    def rates(self) -> Rates:
        """Features [N, D] -> what the head says of each label, [N, C] float64: rates, or shares of a distribution."""
        head = self._head
        if head.lacks_texts:  # weights that came without texts: the encoder is asked
            asked = self.run.info.prompts
            prompts = Prompts(tuple(asked.kinds), tuple(asked.templates))
            texts = label_features(prompts, self.taxonomy, lambda rows: self.encoder.encode_texts(rows).numpy())
            return lambda X: cast("TextHead", head).scores(X, texts).double()
        of = head.predict_rates if self.run.info.data.kind in ("rates", "sets") else head.scores
        return lambda X: of(X).double()

    def occlusion(self, pixels: Tensor) -> Tensor:
        """Occlusion maps of every label, [C, h, w]; pixels: preprocessed, [3, H, W]."""
        size = (pixels.shape[1], pixels.shape[2])
        return occlusion(self.tower, self.rates, pixels, filled(pixels), grid_of(self.tower, size))

    def explain(
        self,
        picture: Picture,
        *,
        label: str | None = None,
        against: str | None = None,
        steps: int = 16,
        random: int = 19,
        seed: int = 0,
    ) -> Explanation:
        """See `explain_image`."""
        pixels = self.encoder.preprocess(picture.read())
        size, fillings = (pixels.shape[1], pixels.shape[2]), filled(pixels)
        rates = self.rates(self.tower.features(torch.stack([pixels, *fillings.values()])))
        column, other = self._columns(rates[0], label, against)
        name, other_name = self.taxonomy.labels[column], self.taxonomy.labels[other]
        every = self.occlusion(pixels)
        generator, grid = torch.Generator().manual_seed(seed), every.shape[1:]
        drawn = [torch.rand(grid, generator=generator, dtype=torch.float64) for _ in range(random)]
        ordered = [spread(every[column], size), spread(every[other], size), centred(size)]
        ordered += [spread(values, size) for values in drawn]
        ends = dict(zip(fillings, rates[1:, column].tolist(), strict=True))
        results: list[Curves] = []
        with Progress("covering", len(ordered) * len(fillings), "curves") as bar:
            for order in ordered:
                by: dict[str, Curve] = {}
                for filling, cover in fillings.items():
                    both = (float(rates[0, column]), ends[filling])
                    by[filling] = curve(self.tower, self.rates, pixels, (filling, cover), order, column, both, steps)
                    bar.advance()
                results.append(by)
        own, others, centre, *chance = results
        return Explanation(
            image=picture.name,
            label=name,
            rate=float(rates[0, column]),
            other=other_name,
            other_rate=float(rates[0, other]),
            pixels=self._seen(pixels),
            map=ordered[0].numpy(),
            cells=every[column].numpy(),
            curves={OCCLUSION: own, f"{OCCLUSION} of {other_name}": others, CENTRE: centre},
            random=chance,
            judged=judge(own, centre=centre, other=others, random=chance, label=other_name),
        )

    def _columns(self, rates: Tensor, label: str | None, against: str | None) -> tuple[int, int]:
        """The label to explain, else the likeliest, and the one to compare with, else the least likely other."""
        if len(rates) < 2:
            raise BadInput(f"{self.run.folder}: it has one label, so there is no map of another to compare with")
        column = int(rates.argmax()) if label is None else self.taxonomy.index(label)
        if against is not None:
            other = self.taxonomy.index(against)
            if other == column:
                raise BadInput(f"{option('against', against)}: that is the label to explain; name another")
            return column, other
        rest = [c for c in range(len(rates)) if c != column]
        return column, min(rest, key=lambda c: float(rates[c]))

    def _seen(self, pixels: Tensor) -> NDArray[np.uint8]:
        """Preprocessed pixels [3, H, W] as a picture, [H, W, 3]."""
        config = self.encoder.identity.preprocessing
        mean, std = (torch.tensor(config[key])[:, None, None] for key in ("mean", "std"))
        shown = (pixels * std + mean).clamp(0, 1).permute(1, 2, 0)
        return (shown * 255).round().to(torch.uint8).numpy()


def explain_image(
    run: str | Path | RunFolder,
    image: ImageLike,
    *,
    label: str | None = None,
    against: str | None = None,
    steps: int = 16,
    random: int = 19,
    seed: int = 0,
    threads: int | None = None,
    encoder_factory: Callable[[], Encoder] | None = None,
) -> Explanation:
    """Which parts of an image speak for a label, and whether the map of them is better than maps that know nothing.

    Args:
        run: a run, or its folder.
        image: one: a path, a PIL image or an array; see `pictures`.
        label: one of the run's; None takes the likeliest.
        against: the label whose map is a control; None takes the one that the image has least of, since near labels may
            well rest on the same parts.
        steps: how many steps an image is covered in, at least 2.
        random: how many random maps to compare with, at least 1; of 19 the best is beaten by chance once in 20.
        seed: of the random maps.
        threads: torch's; None is one less than the cores.
        encoder_factory: gives the run's encoder, where it is loaded already; see `run_encoder`.

    Raises:
        UnknownLabel: for a label that the run does not have.
        BadInput: for an image that cannot be read, or several.
        BadRun: for a run on embeddings made elsewhere, whose encoder is not known.
        EncoderUnavailable: where the encoder is not the one that the run was trained with.
    """
    for name, value, least in (("steps", steps, 2), ("random", random, 1)):
        if not isinstance(value, int) or value < least:
            raise BadInput(f"{option(name, value)}: expected a whole number of at least {least}")
    found = pictures(one_by_one(image))
    if len(found) != 1:
        raise BadInput(f"{image}: {len(found):,} images; explain takes one at a time, so name the file")
    opened = run if isinstance(run, RunFolder) else RunFolder.open(run)
    for asked in (label, against):
        if asked is not None:
            opened.taxonomy.index(asked)
    explainer = Explainer(opened, encoder_factory=encoder_factory, threads=threads)
    return explainer.explain(found[0], label=label, against=against, steps=steps, random=random, seed=seed)
