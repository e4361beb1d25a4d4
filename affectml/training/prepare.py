"""The second step: images embedded, those that can be used found, parted, and what people said of them read."""

from dataclasses import dataclass, replace
from functools import cached_property

from affectml._progress import Say
from affectml.data import Dataset, Targets
from affectml.data.splits import CALIBRATION, Split, split_dataset
from affectml.duplicates import same_pixels
from affectml.embeddings import EmbeddingStore, ensure_embeddings, with_embeddings
from affectml.encoders import TINY_SPEC, load_encoder
from affectml.encoders.threads import set_threads
from affectml.evaluation import Truth, fit_prior, read_truth
from affectml.prompts import Encode
from affectml.runs import TrainConfig
from affectml.training.by_person import Judges, read_judges
from affectml.training.plan import Plan, plan_for
from affectml.training.promised import check_enough
from affectml_annotation import BetaPrior


@dataclass(frozen=True, eq=False)
class Prepared:
    """A plan with all that a head is fitted on and judged by: embeddings, the images that have one, and their split.

    targets: the plan's, of those images only.
    """

    plan: Plan
    store: EmbeddingStore
    targets: Targets
    split: Split

    @cached_property
    def train(self) -> Targets:
        """What people said of the training images."""
        return self.targets.take(self.split.ids("train"))

    @cached_property
    def calibration(self) -> Targets:
        """What people said of the images that a promise is made on; none without a promise."""
        return self.targets.take(self.split.ids(CALIBRATION))

    @cached_property
    def beta(self) -> BetaPrior | None:
        """The prior of rates, by which votes become sets, fitted on the training images."""
        return fit_prior(self.train)

    @cached_property
    def val(self) -> Truth:
        """What the validation images are judged by."""
        return self._truth("val")

    @cached_property
    def test(self) -> Truth:
        """What the test images are judged by."""
        return self._truth("test")

    @cached_property
    def judges(self) -> Judges:
        """Who answered what about the images of each part; see read_judges."""
        return read_judges(self)

    def under(self, plan: Plan) -> "Prepared":
        """The same data under another plan: another head, other prompts; not another seed, which moves the split."""
        return replace(self, plan=plan)

    def _truth(self, part: str) -> Truth:
        return read_truth(
            self.plan.dataset,
            self.targets,
            self.split.ids(part),
            beta=self.beta,
            tau=self.plan.config.tau,
            single_positive=self.plan.single_positive,
        )


def prepare(plan: Plan, say: Say = lambda line: None) -> Prepared:
    """Embed what has no embedding yet, leave out what cannot be embedded, and split.

    Interrupted, it keeps what was embedded, and goes on from there next time.

    Args:
        plan: what to prepare for.
        say: called with what a user should know.

    Raises:
        EncoderUnavailable: where the encoder's weights cannot be had.
        BadDataset: where no image has an embedding, or too few are left to split.
        BadInput: where the calibration part is too small for a promise.
    """
    set_threads(plan.threads)
    threads, device = plan.asked.threads, plan.asked.device
    store = ensure_embeddings(plan.dataset, plan.config.encoder, threads=threads, say=say, device=device)
    targets = with_embeddings(plan.dataset, plan.targets, store, say)
    copies = same_pixels(plan.dataset, targets.image_id, store.features(targets.image_id))
    promises = plan.config.promise is not None
    split = split_dataset(plan.dataset, targets, plan.config.seed, copies, calibration=promises)
    for note in split.notes:
        say(note)
    if store.identity.architecture == TINY_SPEC:
        say("affect-tiny knows the demo paintings and nothing else; take a real CLIP for real images")
    prepared = Prepared(plan, store, targets, split)
    if promises:
        check_enough(plan, prepared.calibration)
    return prepared


def prepare_split(
    dataset: Dataset, targets: Targets, store: EmbeddingStore, split: Split, config: TrainConfig
) -> Prepared:
    """The same for a run that is read back: its images are embedded, and its split is known.

    Args:
        dataset: what it learned from.
        targets: of the images in the split.
        store: their embeddings.
        split: which image went where.
        config: what was asked for, every choice made.
    """
    return Prepared(plan_for(dataset, targets, config), store, targets, split)


def text_encoder(store: EmbeddingStore, device: str | None = None) -> Encode:
    """Text features by the store's encoder, cached beside it; raises EncoderUnavailable when called without one."""
    spec = store.specs[0] if store.specs else None
    factory = None if spec is None else (lambda: load_encoder(spec, precision=store.identity.precision, device=device))
    return lambda texts: store.text_features(factory, texts)
