"""What a training was asked for, and the command line that asks for the same again."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import NonNegativeInt, PositiveInt


@dataclass(frozen=True)
class TrainConfig:
    """What `affectml train` was asked for; saved with the run. None means: decide from the data.

    dataset: a folder; None is the demo set. multilabel: whether to predict rates and sets of labels instead of one
    answer. target: None takes the only one that fits. head: sigmoid with `multilabel`, else softmax. hidden: units of
    a hidden layer, worth trying above some 10,000 images; 0 is linear, and 512 for contrastive. k: how many labels a
    topk head answers with; None lets it decide for each image. ensemble: how many heads to average, 0 for one.
    options: more of the head's own, by name, as values or as words (`l2`, `gamma`, ...: see its config). judgements:
    learn rates from single judgements of the training images, by what is trusted (see `judged_targets`); None takes the
    target's own. by_person: learn each person's own thresholds and tastes beside, see docs/people.md. promise: cut
    sets so that they keep it, such as "recall=.8", on images kept apart for that (see docs/promises.md);
    promise_group: a column of images.parquet whose levels get a cut each.
    prompts, templates: which texts text heads learn from, see `affectml.prompts`. encoder: None
    takes the data set's only embedding store. tau: the rate from which a label belongs to an image's set; change it
    when your question is about what most people feel (1/2) or about what anyone might (.2). threads: part of what makes
    a result repeatable; None is one less than the cores. device: where the encoder runs, by torch's name; None is cuda
    where there is one, else cpu. learning_curve: fit again on shares of the training images and
    judge each on the same test images; four more fits. groups: the columns of images.parquet and annotators.parquet to
    judge the model by; none takes all of few levels, see docs/subgroups.md.
    """

    dataset: str | None = None
    multilabel: bool | None = False
    target: str | None = None
    head: str | None = None
    hidden: NonNegativeInt = 0
    k: int | None = None
    ensemble: NonNegativeInt = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    prompts: str = "sentiment"
    templates: tuple[str, ...] = ()
    encoder: str | None = None
    judgements: str | None = None
    by_person: bool = False
    promise: str | None = None
    promise_group: str | None = None
    tau: float = 1 / 3
    seed: NonNegativeInt = 0
    threads: PositiveInt | None = None
    device: str | None = None
    learning_curve: bool = False
    groups: tuple[str, ...] = ()


# The option of `affectml train` behind each field, in the order in which a command names them.
OPTIONS = {
    "multilabel": "--multilabel",
    "target": "--target",
    "head": "--head",
    "encoder": "--encoder",
    "threads": "--threads",
    "device": "--device",
    "hidden": "--hidden",
    "k": "--k",
    "ensemble": "--ensemble",
    "options": "--set",
    "judgements": "--judgements",
    "by_person": "--by-person",
    "promise": "--promise",
    "promise_group": "--promise-group",
    "prompts": "--prompts",
    "templates": "--template",
    "tau": "--tau",
    "learning_curve": "--learning-curve",
    "groups": "--group",
    "seed": "--seed",
}


def command(config: TrainConfig, out: Path | None = None) -> str:
    """The command line that asks for this: what is not at its default, and always the seed.

    >>> command(TrainConfig("mydata", head="topk", k=2, options={"l2": 0.1}))
    'affectml train mydata --head topk --k 2 --set l2=0.1 --seed 0'
    """
    defaults = TrainConfig()
    words = ["affectml", "train", *([config.dataset] if config.dataset else [])]
    for name, option in OPTIONS.items():
        value = getattr(config, name)
        if name == "seed" or value != getattr(defaults, name):
            words += _words(option, value)
    return shlex.join([*words, *(["--out", str(out)] if out else [])])


def _words(option: str, value: Any) -> list[str]:
    """One option with its value: a switch, one that is given several times, or one with one value."""
    from affectml.heads._options import option_words

    if isinstance(value, bool):
        return [option]
    if isinstance(value, Mapping):
        return [word for name, each in value.items() for word in (option, f"{name}={option_words(each)}")]
    if isinstance(value, tuple | list):
        return [word for each in value for word in (option, str(each))]
    return [option, str(value)]
