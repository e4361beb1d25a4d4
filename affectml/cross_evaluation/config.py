"""What `affectml crosseval` and `affectml ablate` are asked for: the options of the commands, and of the functions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge

from affectml._options import Argument, Help, Prompts, Seed, Tau, Templates, Threads

SEEDS = 5
Encoder = Annotated[str | None, Help("Encoder.", default="the one that the data is embedded with")]


@dataclass(frozen=True)
class CrossConfig:
    """What `affectml crosseval` was asked for.

    A data set that is in train and in test is judged on the part it was not trained on.
    """

    train: Annotated[tuple[str, ...], Help("Data set folder to train on; may be given several times.", path=True)]
    test: Annotated[tuple[str, ...], Help("Data set folder to judge on; may be given several times.", path=True)]
    heads: Annotated[
        tuple[str, ...],
        Help(
            "plain (sigmoid or softmax, as the target needs) or any head of train; may be given several times.",
            default="plain and contrastive",
        ),
    ] = ("plain", "contrastive")
    target: Annotated[str | None, Help("Target to use in each data set that has one of this name.")] = None
    choices: Annotated[
        Mapping[str, str],
        Help("Which label an ambiguous one becomes; may be given several times.", metavar="LABEL=OPTION"),
    ] = field(default_factory=dict)
    drop: Annotated[
        bool, Help("Leave out labels that become none of the other set's, instead of the whole pair of sets.")
    ] = False
    hidden: Annotated[int, Ge(0), Help("Units of the hidden layer; 0 for a linear head.")] = 0
    prompts: Prompts = "sentiment"
    templates: Templates = ()
    encoder: Encoder = None
    tau: Tau = 1 / 3
    seed: Seed = 0
    threads: Threads = None


@dataclass(frozen=True)
class AblateConfig:
    """What `affectml ablate prompts` was asked for.

    seeds: each moves the split (unless the data set has its own), the initial weights and the batches. templates: see
    Prompts.
    """

    dataset: Annotated[str, Argument("Data set folder.", path=True)]
    mixes: Annotated[
        tuple[str, ...] | None,
        Help(
            "Kinds of prompt joined by +: sentiment, synonyms, captions; may be given several times.",
            default="every mix that the data set allows",
        ),
    ] = None
    seeds: Annotated[int, Ge(2), Help("How many seeds; each has a split, first weights and batches of its own.")] = (
        SEEDS
    )
    target: Annotated[str | None, Help("Target of the data set to learn.")] = None
    encoder: Encoder = None
    templates: Templates = ()
    hidden: Annotated[int, Ge(0), Help("Units of the hidden layer; 0 for 512.")] = 0
    tau: float = 1 / 3
    threads: Threads = None
