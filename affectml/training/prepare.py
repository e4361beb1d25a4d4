"""The second step: images embedded, those that can be used found, parted, and what people said of them read."""

from affectml._progress import Say
from affectml.data import Dataset, Targets
from affectml.data.splits import Split, split_dataset
from affectml.duplicates import same_pixels
from affectml.embeddings import EmbeddingStore, ensure_embeddings, with_embeddings
from affectml.encoders import TINY_SPEC
from affectml.encoders.threads import set_threads
from affectml.runs import TrainConfig
from affectml.training.plan import planned
from affectml.training.steps import Plan, Prepared


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
    apart = plan.config.promise is not None
    config = plan.config
    split = split_dataset(plan.dataset, targets, config.seed, copies, calibration=apart, fold=config.fold)
    for note in split.notes:
        say(note)
    if store.identity.architecture == TINY_SPEC:
        say("affect-tiny knows the demo paintings and nothing else; take a real CLIP for real images")
    prepared = Prepared(plan, store, targets, split)
    for step in plan.steps:
        step.check_parts(prepared)
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
    return Prepared(planned(dataset, targets, config), store, targets, split)
