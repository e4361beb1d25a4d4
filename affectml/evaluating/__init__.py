"""The one way from systems to an evaluation, whoever answers: `affectml evaluate`. Here is what it may be asked for.

systems.py   runs and files by name, what each says of a data set's images, and what stands beside it
datasets.py  everybody judged on a data set, in the labels that both sides have
evaluate.py  all of it, runs compared by what is stored of them too, and the files that it writes
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

from affectml._lazy import lazily
from affectml._options import Groups, Help, Seed, Threads
from affectml.vlm.config import ReadConfig

if TYPE_CHECKING:
    from affectml.evaluating.evaluate import Evaluated, evaluate_systems

__all__ = ["EvaluateConfig", "Evaluated", "evaluate_systems"]
__getattr__ = lazily(__name__)


@dataclass(frozen=True)
class EvaluateConfig(ReadConfig):
    """What `affectml evaluate` was asked for.

    on: the data sets to judge on; without one, runs are compared by their stored scores. train: data sets to train runs
    on first, one run for each of `heads`, `prompts` and the seeds. tau: None is the first run's, else a third. mapping:
    for words in files, see ReadConfig, and for labels that another taxonomy splits.
    """

    on: Annotated[tuple[str, ...], Help("Data set folder to judge on; may be given several times.", path=True)] = ()
    target: Annotated[str | None, Help("Target of the data set to judge by.")] = None
    split: Annotated[str, Help("Images to judge files of answers on: test, val or all.")] = "test"
    groups: Groups = ()
    sort: Annotated[str | None, Help("Metric that systems are sorted by.", default="the main one")] = None
    gallery: Annotated[bool, Help("Show more images on the page, those that systems disagree on.")] = False
    train: Annotated[
        tuple[str, ...], Help("Data set folder to train runs on first; may be given several times.", path=True)
    ] = ()
    heads: Annotated[
        tuple[str, ...],
        Help("With --train: plain (sigmoid or softmax, as the target needs) or any head of train; several times."),
    ] = ("plain",)
    prompts: Annotated[
        tuple[str, ...], Help("With --train: texts that a text head learns from, as for train; several times.")
    ] = ("sentiment",)
    seeds: Annotated[int, Ge(1), Help("With --train: how many seeds each is trained with.")] = 1
    drop: Annotated[bool, Help("Leave out labels that have no counterpart in the other taxonomy.")] = False
    index: Annotated[
        tuple[str, ...],
        Help(
            "Index that `ask` wrote, to see whether a system prefers the first places; may be given several times.",
            path=True,
        ),
    ] = ()
    k: Annotated[
        Annotated[int, Ge(1)] | None, Help("Take the first K labels of a ranked list as its set.", default="no sets")
    ] = None
    encoder: Annotated[
        str | None, Help("Encoder for zero-shot; embeds the images.", default="the embeddings that are there")
    ] = None
    tau: Annotated[
        float | None, Help("Lowest rate at which a label belongs to an image's set.", default="the run's, else 1/3")
    ] = None
    seed: Seed = 0
    threads: Threads = None
