"""The one way from systems to an evaluation, whoever answers: `affectml evaluate`. Here is what it may be asked for.

systems.py   runs and files by name, what each says of a data set's images, and what stands beside it
datasets.py  everybody judged on a data set, in the labels that both sides have
evaluate.py  all of it, runs compared by what is stored of them too, and the files that it writes
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

from affectml._lazy import lazily
from affectml._options import Groups, Help, Seed, Threads

if TYPE_CHECKING:
    from affectml.evaluating.evaluate import Evaluated, evaluate_systems

__all__ = ["EvaluateConfig", "Evaluated", "evaluate_systems"]
__getattr__ = lazily(__name__)


@dataclass(frozen=True)
class EvaluateConfig:
    """What `affectml evaluate` was asked for.

    on: the data sets to judge on; without one, runs are compared by their stored scores. train: data sets to train runs
    on first, one run for each of `heads`, `prompts` and the seeds. tau: None is the first run's, else a third. mapping:
    for words in files, and for labels that another taxonomy splits.

    Args:
        on: Data set folder to judge on; may be given several times.
        target: Target of the data set to judge by.
        split: Images to judge files of answers on: test, val or all.
        sort: Metric that systems are sorted by. Default: the main one.
        gallery: Show more images on the page, those that systems disagree on.
        train: Data set folder to train runs on first; may be given several times.
        heads: With --train: plain (sigmoid or softmax, as the target needs) or any head of train; several times.
        prompts: With --train: texts that a text head learns from, as for train; several times.
        seeds: With --train: how many seeds each is trained with.
        drop: Leave out labels that have no counterpart in the other taxonomy.
        encoder: Encoder for zero-shot; embeds the images. Default: the embeddings that are there.
        tau: Lowest rate at which a label belongs to an image's set. Default: the run's, else 1/3.
        shape: What a file's answers are: sets, ranked, rates or distribution. Default: what they look like.
        mapping: Label that a word of a file stands for, or that an ambiguous label becomes in another taxonomy; may
            be given several times.
    """

    on: Annotated[tuple[str, ...], Help(path=True)] = ()
    target: str | None = None
    split: str = "test"
    groups: Groups = ()
    sort: str | None = None
    gallery: bool = False
    train: Annotated[tuple[str, ...], Help(path=True)] = ()
    heads: tuple[str, ...] = ("plain",)
    prompts: tuple[str, ...] = ("sentiment",)
    seeds: Annotated[int, Ge(1)] = 1
    drop: bool = False
    encoder: str | None = None
    tau: float | None = None
    seed: Seed = 0
    threads: Threads = None
    shape: str | None = None
    mapping: Annotated[Mapping[str, str], Help(metavar="FROM=TO")] = field(default_factory=dict)
