"""What a training was asked for, and the command line that asks for the same again."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from affectml._options import Argument, Device, Groups, Help, Seed, Threads, options_of, parse_settings
from affectml.errors import spelled


@dataclass(frozen=True)
class TrainConfig:
    """What `affectml train` was asked for; saved with the run. None means: decide from the data.

    The command, `affectml.train` and a run's own command line are made of these fields; docs/training.md and
    judging.md say more of by_person, promise and groups, `affectml.prompts` of prompts and templates. A hidden layer
    is worth trying above some 10,000 images (512 units for contrastive). options are values, or words as `--set` takes
    them. Change tau when your question is about what most people feel (1/2) or about what anyone might (.2).

    Args:
        dataset: Data set folder. Default: the demo set, drawn in data/demo.
        multilabel: Predict rates and sets of labels instead of one answer.
        target: Target of the data set to learn.
        head: softmax, sigmoid, topk, auto, ... (docs/training.md has all), or one of your own that is imported.
            Default: sigmoid with --multilabel, else softmax.
        options: Any other option of the head or of the training, e.g. l2=0.1 or hidden=512; may be given several
            times (docs/training.md has all). Default: the head's own.
        by_person: Tell people apart: each person's own thresholds and tastes, judged on people it never saw.
        promise: Cut sets so that on average they hold at least the share X of people's choices (recall=.8), or at
            most X labels that nobody chose (extra=.5); a fifth of the training images is kept apart for it.
            Default: none.
        promise_group: Column of images.parquet: keep the promise within each of its levels.
        prompts: Texts that a text head learns from: sentiment (the labels), synonyms, or both, joined by +.
        templates: Sentences that a label is put into, e.g. "a photo that evokes {label}", averaged; | between them.
        encoder: Encoder, e.g. ViT-B-32-quickgelu:openai or affect-tiny (docs/data.md has all). Default: the one the
            data set is embedded with; else affect-tiny for the demo set and ViT-B-32-quickgelu:openai for yours.
        tau: Lowest rate at which a label belongs to an image's set. Default: 1/3.
        fold: Fold of `affectml split --folds K` to test on. Default: the split.
    """

    dataset: Annotated[str | None, Argument(path=True)] = None
    multilabel: bool | None = False
    target: str | None = None
    head: str | None = None
    options: Annotated[Mapping[str, Any], Help(metavar="OPTION=VALUE", read=parse_settings)] = field(
        default_factory=dict
    )
    by_person: bool = False
    promise: Annotated[str | None, Help(metavar="recall=X|extra=X")] = None
    promise_group: Annotated[str | None, Help(rare=True)] = None
    prompts: Annotated[str, Help(rare=True)] = "sentiment"
    templates: Annotated[tuple[str, ...], Help(rare=True)] = ()
    encoder: str | None = None
    tau: float = 1 / 3
    groups: Groups = ()
    fold: int | None = None
    seed: Seed = 0
    threads: Threads = None
    device: Device = None


def command(config: TrainConfig, out: Path | None = None) -> str:
    """The command line that asks for this: what is not at its default, and always the seed.

    >>> command(TrainConfig("mydata", head="topk", options={"k": 2, "l2": 0.1}))
    'affectml train mydata --head topk --set k=2 --set l2=0.1 --seed 0'
    """
    from affectml.heads.registry import option_words

    words = ["affectml", "train", *([config.dataset] if config.dataset else [])]
    for option in options_of(TrainConfig)[1:]:
        value, name = getattr(config, option.name), spelled(option.name)
        if option.name != "seed" and value == option.default:
            continue
        if option.help.rare:
            value = {option.name: "|".join(value) if isinstance(value, tuple) else value}
        if isinstance(value, Mapping):
            name, value = "--set", [f"{key}={option_words(part)}" for key, part in value.items()]
        several = value if isinstance(value, tuple | list) else [value]
        words += [name] if isinstance(value, bool) else [word for part in several for word in (name, str(part))]
    return shlex.join([*words, *(["--out", str(out)] if out else [])])


def with_settings(config: TrainConfig) -> TrainConfig:
    """The config in which what `--set` says of a training's own options is theirs, and the rest the head's."""
    rare = {option.name: option.type for option in options_of(TrainConfig) if option.help.rare}
    settings = {name: value for name, value in config.options.items() if name in rare}
    if not settings:
        return config
    from affectml.heads.registry import typed

    if isinstance(sentences := settings.get("templates"), str):
        settings["templates"] = tuple(sentences.split("|"))  # a sentence may hold commas
    own = {name: typed(name, value, rare[name]) for name, value in settings.items()}
    return replace(config, **own, options={name: value for name, value in config.options.items() if name not in rare})
