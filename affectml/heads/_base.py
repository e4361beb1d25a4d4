"""What every head is: fitted on arrays, asked for scores, rates or distributions and sets, saved to two files."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeAlias, get_args

import torch
from torch import Tensor

from affectml.errors import BadInput, did_you_mean
from affectml.heads._inputs import ArrayLike, Pair
from affectml.heads._kinds import KINDS, Kind
from affectml.heads._saving import write_head
from affectml.heads._thresholds import apply_thresholds, choose_thresholds

# What a head may learn: one label per image; shares of one-choice answers; each label's rate; label sets; and one
# label per image where the absent ones are unknown, not wrong. The last three give several labels per image.
Task: TypeAlias = Literal["single", "distribution", "rates", "sets", "single-positive"]
TASKS: tuple[Task, ...] = get_args(Task)
MULTILABEL: tuple[Task, ...] = ("rates", "sets", "single-positive")
# Options of `affectml train` that only some heads take.
Option: TypeAlias = Literal["hidden", "k", "ensemble"]
OPTIONS: tuple[Option, ...] = get_args(Option)

HEADS: dict[str, type["Head"]] = {}  # every head that has been imported, by name


@dataclasses.dataclass(frozen=True)
class HeadConfig:
    """Choices that belong to a head and are saved with it; heads with choices extend this."""

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build from plain values; an unknown key is BadInput that names the nearest one."""
        known = [field.name for field in dataclasses.fields(cls)]
        for key in values:
            if key not in known:
                raise BadInput(f"{cls.__name__}: no option {key!r}{did_you_mean(key, known)}")
        return cls(**values)


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a training run asks of a head.

    target: single, sets, rates or distribution; multilabel: whether several labels of an image may hold. hidden: units
    of a hidden layer, 0 for the head's own default. k: labels to answer with; None leaves it to the head. ensemble:
    how many heads to average, 0 for one alone. options: more of the head's config, by name, as values or as words (see
    typed_options). assumed_negatives: see SigmoidConfig. count_votes: whether `fit` will be given numbers of people
    asked as weights. logit_scale: what the encoder multiplies cosines by.
    """

    target: str = "single"
    multilabel: bool = False
    hidden: int = 0
    k: int | None = None
    ensemble: int = 0
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    seed: int = 0
    assumed_negatives: float | None = None
    count_votes: bool = False
    logit_scale: float | None = None

    @property
    def task(self) -> str:
        """The target, or single-positive for single labels of which several may hold."""
        return "single-positive" if self.multilabel and self.target == "single" else self.target

    @property
    def kind(self) -> Kind:
        """What the head predicts."""
        return "rates" if self.multilabel else "distribution"


class Head(ABC):
    """A small model from features [N, D] to C labels. Fitted by `fit`, or read back by `load_head`.

    report_: plain values on the last fit: what was chosen (l2, epochs, ...), the loss on rows kept out, and
    each label's `prevalence`. thresholds_: [C] float64 after `tune_thresholds`, else None.

    A subclass with a name registers itself, and `load_head` and `train --head NAME` know it once it is imported:

        class NeighbourHead(Head, name="knn", learns=("distribution", "rates", "sets")): ...

    learns: the tasks that `train` offers it for; none keeps it out of `train`. options: which of train's --hidden,
    --k and --ensemble it takes. What else it can, and how it words a refusal, are the class attributes below.
    """

    name: ClassVar[str]  # in head.json and on the command line
    learns: ClassVar[tuple[Task, ...]] = ()
    options: ClassVar[tuple[Option, ...]] = ()
    uses_thresholds: ClassVar[bool] = True  # whether sets are what thresholds cut from the scores
    needs_texts: ClassVar[bool] = False  # Head(texts, config): scores are distributions over texts, whatever it learned
    trained: ClassVar[bool] = True  # False: only calibrated, on validation rows
    says: ClassVar[str] = ""  # what it does, after "a NAME head": why it cannot learn a task that is not its own
    refusals: ClassVar[Mapping[Task, str]] = {}  # the same for single tasks
    config_class: ClassVar[type[HeadConfig]] = HeadConfig

    def __init_subclass__(
        cls,
        *,
        name: str | None = None,
        learns: tuple[Task, ...] = (),
        options: tuple[Option, ...] = (),
        **more: Any,
    ) -> None:
        """Register a class that has a name; see Head. Raises BadInput for a name that another class has."""
        super().__init_subclass__(**more)
        if name is None:
            return
        for given, known, what in ((learns, TASKS, "task"), (options, OPTIONS, "option of train")):
            for word in given:
                if word not in known:
                    near = did_you_mean(str(word), known)
                    raise BadInput(f"{cls.__name__}: no {what} {word!r}{near} (choices: {', '.join(known)})")
        other = HEADS.get(name)
        # the same class defined again, in a notebook say, takes its own place
        if other is not None and (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise BadInput(
                f"{cls.__name__}: the name {name!r} belongs to {other.__module__}.{other.__qualname__}; choose another"
            )
        cls.name, cls.learns, cls.options = name, tuple(learns), tuple(options)
        HEADS[name] = cls

    @classmethod
    def kinds(cls) -> tuple[Kind, ...]:
        """What it can predict, by the tasks it learns: a distribution, rates, or both."""
        several = [task in MULTILABEL for task in cls.learns]
        return tuple(kind for kind in KINDS if (kind == "rates") in several)

    @classmethod
    def described(cls) -> str:
        """Its name with an article: "a softmax head", "an auto head"."""
        return f"{'an' if cls.name[0] in 'aeiou' else 'a'} {cls.name} head"

    @classmethod
    def decided(cls, wanted: Wanted) -> dict[str, Any]:
        """What a run decides of the config: its kind and seed, and train's --hidden and --k where they are options.

        A head whose config depends on more of what is wanted extends this.
        """
        defaults = {field.name: field.default for field in dataclasses.fields(cls.config_class)}
        found: dict[str, Any] = {}
        if "hidden" in cls.options:
            found["hidden"] = wanted.hidden or defaults["hidden"]
        if "k" in cls.options and wanted.k is not None:
            found["k"] = wanted.k
        return found | {key: getattr(wanted, key) for key in ("kind", "seed") if key in defaults}

    def counts_votes(self, uneven: bool) -> bool:
        """Whether `fit` wants the people asked as weights; uneven: whether people per image differ much."""
        return False

    def __init__(self, config: HeadConfig | None = None) -> None:
        self.config = config if config is not None else self.config_class()
        if type(self.config) is not self.config_class:
            raise BadInput(f"{type(self).__name__}: expected a {self.config_class.__name__}, got {self.config!r}")
        self.report_: dict[str, Any] = {}
        self.thresholds_: Tensor | None = None
        self._state: dict[str, Tensor] = {}

    @abstractmethod
    def fit(
        self,
        X: ArrayLike,
        targets: ArrayLike,
        *,
        val: Pair | None = None,
        weights: ArrayLike | None = None,
        generator: torch.Generator | None = None,
    ) -> Self:
        """Fit afresh; whatever an earlier fit or `tune_thresholds` left is forgotten.

        X: [N, D]; targets: [N, C]; val: (X, targets) of other rows, used for choices and not fitted on;
        weights: [N]; generator: for everything random, seed 0 unless given.
        """

    @abstractmethod
    def scores(self, X: ArrayLike) -> Tensor:
        """Probabilities [N, C] that rank the labels of each row: a distribution or rates, as the head learns."""

    def predict_rates(self, X: ArrayLike) -> Tensor:
        """For each label the share of people who would choose it, [N, C]."""
        raise BadInput(f"a {self.name} head predicts a distribution, no rates: call predict_distribution")

    def predict_distribution(self, X: ArrayLike) -> Tensor:
        """Distribution over the labels, [N, C]; rows sum to one."""
        raise BadInput(f"a {self.name} head predicts rates, no distribution: call predict_rates")

    def tune_thresholds(self, X: ArrayLike, sets: ArrayLike) -> Self:
        """Choose `thresholds_` on validation rows X [N, D] with label sets 0/1 [N, C]; see choose_thresholds."""
        self.thresholds_ = choose_thresholds(self._set_scores(X), sets)
        return self

    @property
    def predicts_sets(self) -> bool:
        """Whether `predict_sets` has an answer: here, once thresholds are chosen."""
        return self.thresholds_ is not None

    def predict_sets(self, X: ArrayLike) -> Tensor:
        """Label sets as 0/1 int64 [N, C], by `thresholds_`; a set may be empty.

        Raises BadInput where no thresholds were chosen: a cut that nobody measured would look like a result.
        """
        if self.thresholds_ is None:
            raise BadInput(
                f"this {self.name} head has no thresholds: call tune_thresholds(X, sets) with validation rows first"
            )
        return apply_thresholds(self._set_scores(X), self.thresholds_)

    def save(self, folder: Path | str) -> None:
        """Write head.safetensors and head.json into `folder`, each atomically; `load_head` reads them back."""
        tensors = self._saved()
        if self.thresholds_ is not None:
            tensors["thresholds"] = self.thresholds_
        write_head(Path(folder), self.name, dataclasses.asdict(self.config), self.report_, tensors)

    @classmethod
    def from_saved(cls, config: dict[str, Any], report: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """The head that `save` wrote; raises BadInput for an unknown option, KeyError for a missing tensor."""
        head = cls(cls.config_class.from_dict(config))
        head.thresholds_ = tensors.pop("thresholds", None)
        head.report_ = report
        for key in head._state_keys():
            head._state[key] = tensors.pop(key)
        if tensors:
            raise BadInput(f"unknown tensor {next(iter(tensors))!r}")
        return head

    @abstractmethod
    def _state_keys(self) -> tuple[str, ...]:
        """The tensors that a fit leaves behind, by name."""

    def _set_scores(self, X: ArrayLike) -> Tensor:
        """The probabilities that thresholds cut."""
        return self.scores(X)

    def _saved(self) -> dict[str, Tensor]:
        """Every tensor that `save` writes, thresholds apart."""
        return dict(self._fitted())

    def _fitted(self) -> dict[str, Tensor]:
        if not self._state:
            raise BadInput(f"this {self.name} head has not been fitted: call fit(X, targets) first")
        return self._state

    def _forget(self) -> None:
        self.report_, self.thresholds_, self._state = {}, None, {}


def seeded(generator: torch.Generator | None) -> torch.Generator:
    """The caller's generator, or a fresh one with seed 0."""
    return generator if generator is not None else torch.Generator().manual_seed(0)
