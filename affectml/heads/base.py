"""What every head is: fitted on arrays, asked for scores, rates or distributions and sets, saved to two files.

head.json: schema, head (its name), config, report, and the sha256 of the tensors, so that files of two heads are never
read as one. head.safetensors: the tensors. Neither data nor encoder is in them.
"""

import dataclasses
import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml._files import read_json, replacing, sha256, write_json
from affectml._options import check_choice
from affectml._progress import Say
from affectml._rows import BIG
from affectml.errors import BadInput, BadRun, did_you_mean
from affectml.heads.blocks import Blocks, one_thread_if_small
from affectml.heads.config import MULTILABEL, TASKS, HeadConfig, Task, Wanted, defaults_of, plain
from affectml.heads.inputs import (
    ArrayLike,
    Features,
    Material,
    Pair,
    Rows,
    as_distribution,
    as_features,
    as_shares,
    as_weights,
    is_distribution,
)
from affectml.heads.objective import SCORE_KINDS, ScoreKind, logits_of, masses, refuse_distributions
from affectml.heads.promise import Array, Asked, Family, Promise, family_scores, make_promise
from affectml.heads.shift import make_ground
from affectml.heads.thresholds import apply_thresholds, choose_thresholds

SCHEMA = 1
GROUND = "promise_ground"  # the tensor of `Head.ground_`, which every head may have
_KEYS = {"schema": int, "head": str, "config": dict, "report": dict, "tensors_sha256": str}


def read_head(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Content of head.json and the tensors. Raises BadRun if either is damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    described, path = folder / "head.json", folder / "head.safetensors"
    for file in (described, path):
        if not file.is_file():
            raise BadRun(f"{folder}: no {file.name} there, so no head can be read from it")
    content = read_json(described, BadRun)
    if not isinstance(content, dict):
        raise BadRun(f"{described}: expected a JSON object, got {type(content).__name__}")
    if (schema := content.get("schema")) != SCHEMA:
        way = "use the version that wrote it, or train again"
        raise BadRun(f"{described}: schema {schema!r}, but this affectml reads {SCHEMA}: {way}")
    for key in content:
        if key not in _KEYS:
            raise BadRun(f"{described}: unknown key {key!r}{did_you_mean(key, _KEYS)}")
    for key, wanted in _KEYS.items():
        if not isinstance(content.get(key), wanted):
            raise BadRun(f"{described}: key {key!r} is missing or not of type {wanted.__name__}")
    if sha256(path) != content["tensors_sha256"]:
        raise BadRun(f"{path}: not the file that {described.name} was written with; train again")
    try:
        return content, load(path.read_bytes())
    except SafetensorError as error:
        raise BadRun(f"{path}: not a safetensors file ({error})") from None


HEADS: dict[str, type["Head"]] = {}  # every head that has been imported, by name


class Head(ABC):
    """A small model from features [N, D] to C labels. Fitted by `fit`, or read back by `load_head`.

    report_: plain values on the last fit: what was chosen (l2, epochs, ...), the loss on rows kept out, and
    each label's `prevalence`. thresholds_: [C] float64 after `tune_thresholds`, else None. promise_: after
    `keep_promise`, else None. ground_: what it then keeps of its calibration images' scores, to see a shift.

    A subclass with a name registers itself, and `load_head` and `train --head NAME` know it once it is imported:

        class NeighbourHead(Head, name="knn", learns=("distribution", "rates", "sets")): ...

    learns: the tasks that `train` offers it for; without one, `train` does not offer it. The class attributes below say
    what else it can do and how it refuses.

    A subclass writes `_fit`, `scores`, `_state_keys`, and `predict_rates` or `predict_distribution` or both. `fit` does
    the rest: it checks options and arrays, and turns them into tensors. A head that learns from more than shares says
    so in `from_material`.
    """

    __signature__: ClassVar[inspect.Signature]
    name: ClassVar[str]  # in head.json and on the command line
    learns: ClassVar[tuple[Task, ...]] = ()
    # shares of people who would choose a label; a label's chance to be in the image's set; a distribution over texts
    scores_of: ClassVar[Literal["people", "sets", "texts"]] = "people"
    reads_blocks: ClassVar[bool] = False  # whether `_fit` takes a large X as Blocks, with only some rows in memory
    says: ClassVar[str] = ""  # what it does, after "a NAME head": why it cannot learn a task that is not its own
    refusals: ClassVar[Mapping[Task, str]] = {}  # the same for single tasks
    config_class: ClassVar[type[HeadConfig]] = HeadConfig
    ground_: Tensor | None = None

    def __init_subclass__(cls, *, name: str | None = None, learns: tuple[Task, ...] = (), **more: Any) -> None:
        """Register a class that has a name; see Head. Raises BadInput for a name that another class has."""
        super().__init_subclass__(**more)
        cls.__signature__ = cls._signature()
        if name is None:
            return
        for task in learns:
            check_choice(f"{cls.__name__}: learns", task, TASKS)
        other = HEADS.get(name)
        # the same class defined again, in a notebook say, takes its own place
        if other is not None and (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise BadInput(
                f"{cls.__name__}: the name {name!r} belongs to {other.__module__}.{other.__qualname__}; choose another"
            )
        cls.name, cls.learns = name, tuple(learns)
        HEADS[name] = cls

    @classmethod
    def _signature(cls) -> inspect.Signature:
        """Every argument by its name, for help texts and scikit-learn, instead of `config` and `options`."""
        parameters = inspect.signature(cls.__init__).parameters.values()
        own = [parameter for parameter in parameters if parameter.name not in ("self", "options")]
        defaults = defaults_of(cls.config_class)
        options = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name]) for name in defaults]
        return inspect.Signature([*own, *options])

    @classmethod
    def kinds(cls) -> tuple[ScoreKind, ...]:
        """What the head can predict: a distribution, rates, or both."""
        several = [task in MULTILABEL for task in cls.learns]
        return tuple(kind for kind in SCORE_KINDS if (kind == "rates") in several)

    @classmethod
    def described(cls) -> str:
        """Its name with an article: "a softmax head", "an auto head"."""
        return f"{'an' if cls.name[0] in 'aeiou' else 'a'} {cls.name} head"

    @classmethod
    def decided(cls, wanted: Wanted) -> dict[str, Any]:
        """The options that a run decides: its kind and seed, if the head has them.

        A head whose config depends on more of what is wanted extends this.
        """
        return {key: getattr(wanted, key) for key in ("kind", "seed") if key in defaults_of(cls.config_class)}

    def told(self) -> list[str]:
        """Lines to tell a user after a fit."""
        return list(self.report_.get("why", []))

    def __init__(self, **options: Any) -> None:
        """options: of the head's config, each by its name: SigmoidHead(hidden=64, l2=0.1); `fit` checks the values."""
        self.config = self.config_class.from_dict(options)
        self.report_: dict[str, Any] = {}
        self.thresholds_: Tensor | None = None
        self._state: dict[str, Tensor] = {}

    def learn(self, material: Material, say: Say = lambda line: None) -> Self:
        """Fit afresh on what a training has, and choose thresholds if there are sets and the head needs them.

        Args:
            material: everything a training has; the head takes what it learns from (`from_material`).
            say: called with each line for the user.

        Raises:
            BadInput: as `fit` does, and if the material lacks what the head learns from.
        """
        arguments = self.from_material(material)
        if material.uneven and arguments.get("weights") is not None:
            say("people per image differ much: votes count as votes of n, not as shares")
        self.fit(**arguments)
        for line in self.told():
            say(line)
        if material.val_sets is not None and not self.predicts_sets:
            self.tune_thresholds(material.val[0], material.val_sets)
        return self

    def from_material(self, material: Material) -> dict[str, Any]:
        """What `fit` is given of it, by name: shares, and what else a head learns from that extends this."""
        return {"X": material.X, "targets": material.shares, "val": material.val, "generator": material.generator}

    def fit(
        self,
        X: Features,
        targets: ArrayLike,
        *,
        val: Pair | None = None,
        weights: ArrayLike | None = None,
        generator: torch.Generator | None = None,
        **more: Any,
    ) -> Self:
        """Fit afresh: what an earlier fit or `tune_thresholds` left is forgotten, unless this fit fails.

        Args:
            X: features, [N, D]: an array or tensor of any float type.
            targets: [N, C], of a kind that the head learns: see its class.
            val: (X, targets) of other rows, which are used for choices and not fitted on.
            weights: [N], or [N, C] for heads that weigh each label's cell.
            generator: for everything random; seeded with `config.seed`, or with 0, unless given.
            more: what else the head learns from: see its class.

        Returns:
            The head itself.

        Raises:
            BadInput: if an option, a shape or a value is impossible; names the option or the row.
        """
        self.config.check()
        self.config = plain(self.config)
        features = self._features(X, None, "X")
        shares = self._checked(targets, len(features), None, "targets")
        mass = None if weights is None else as_weights(weights, shares.shape, per_cell=self._per_cell())
        held = None
        if val is not None:
            val_X = self._features(val[0], features.shape[1], "val X", blocks=isinstance(features, Blocks))
            held = cast("Tensor", val_X), self._checked(val[1], len(val_X), shares.shape[1], "val targets")
        if generator is None:
            generator = torch.Generator().manual_seed(getattr(self.config, "seed", 0))
        before = vars(self).copy()
        self._forget()
        self.n_features_in_ = features.shape[1]
        try:
            with one_thread_if_small(features):
                self._fit(Rows(cast("Tensor", features), shares, held, mass), generator, **more)
        except BaseException:
            self.__dict__ = before
            raise
        return self

    @abstractmethod
    def _fit(self, rows: Rows, generator: torch.Generator) -> None:
        """Learn from checked rows: set `_state`, the tensors to save by name, and `report_`."""

    @abstractmethod
    def scores(self, X: Features) -> Tensor:
        """Probabilities [N, C] that rank the labels of each row: a distribution or rates, as the head learns."""

    def predict_rates(self, X: Features) -> Tensor:
        """The share of people who would choose each label, [N, C]. Raises BadInput if the head has no rates."""
        if self._kind() != "rates":
            raise BadInput(f"a {self.name} head predicts a distribution, no rates: call predict_distribution")
        return self.scores(X)

    def predict_distribution(self, X: Features) -> Tensor:
        """Distribution over the labels, [N, C]; rows sum to one. Raises BadInput if the head has rates."""
        if self._kind() != "distribution":
            raise BadInput(f"a {self.name} head predicts rates, no distribution: call predict_rates")
        return self.scores(X)

    def tune_thresholds(self, X: Features, sets: ArrayLike) -> Self:
        """Choose `thresholds_`, by which `predict_sets` cuts; see choose_thresholds.

        Args:
            X: features of validation rows, [N, D].
            sets: their label sets, 0/1 [N, C].

        Returns:
            The head itself; an earlier promise is forgotten.

        Raises:
            BadInput: before `fit`, and if sets are not 0/1.
        """
        self.thresholds_ = choose_thresholds(self._set_scores(X), sets)
        self.report_.pop("promise", None)
        self.ground_ = None
        return self

    def keep_promise(
        self,
        promise: str | Asked,
        X: Features,
        choices: ArrayLike,
        *,
        family: Family | None = None,
        groups: Array | None = None,
        column: str | None = None,
        levels: Array | None = None,
    ) -> Self:
        """Cut sets so that they keep a promise; see `affectml.heads.Promise`.

        Args:
            promise: "recall=.8" or "extra=.5", or the same as an `Asked`.
            X: features of calibration rows, [N, D], used for nothing else.
            choices: what people chose there: votes, shares or 0/1, [N, C].
            family: which score is cut: "rates", or "shares", each rate over its row's sum. None takes the one with
                smaller sets: shares for recall, else rates.
            groups: the group of each row, [N]: then a group is one unit, and the promise is about groups.
            column: the name of the column that `levels` come from.
            levels: the level of each row in a column, [N], or None: each level gets a cut of its own.

        Returns:
            The head itself; `predict_sets` gives the sets, and `promise_` says what holds.

        Raises:
            BadInput: if the promise cannot be made, rows are too few, or the head makes its sets in another way.
        """
        asked = promise if isinstance(promise, Asked) else Asked.parse(promise)
        more: dict[str, Any] = {"groups": groups, "levels": levels}
        kept = make_promise(asked, self._set_scores(X), choices, family=family, column=column, **more)
        self.report_["promise"] = kept.to_json()
        self.ground_ = make_ground(kept, self.scores(X), choices, **more)
        return self

    @property
    def lacks_texts(self) -> bool:
        """Whether it can be asked only by `scores(X, texts)`, as weights can that came without texts."""
        return False

    @property
    def promise_(self) -> Promise | None:
        """What `predict_sets` promises, after `keep_promise`; None if nothing."""
        saved = self.report_.get("promise")
        return None if saved is None else Promise.from_json(saved)

    @property
    def predicts_sets(self) -> bool:
        """Whether `predict_sets` has an answer: here, once thresholds are chosen or a promise is made."""
        return self.thresholds_ is not None or self.promise_ is not None

    def predict_sets(self, X: Features, *, levels: Array | None = None) -> Tensor:
        """Label sets as 0/1 int64 [N, C], by the promise where there is one, else by `thresholds_`; a set may be empty.

        levels: the level of each row in the promise's column; None, and a level that is not known, take the most
        cautious cut. Raises BadInput if no thresholds were chosen.
        """
        if self.promise_ is not None:
            return (self._above_cut(self._set_scores(X), levels) >= 0).long()
        if self.thresholds_ is None:
            raise BadInput(
                f"this {self.name} head has no thresholds: call tune_thresholds(X, sets) with validation rows first"
            )
        return apply_thresholds(self._set_scores(X), self.thresholds_)

    def save(self, folder: Path | str) -> None:
        """Write head.safetensors and head.json into `folder`, each atomically; `load_head` reads them back."""
        from safetensors.torch import save

        tensors, path = self._saved(), Path(folder, "head.safetensors")
        if self.thresholds_ is not None:
            tensors["thresholds"] = self.thresholds_
        if self.ground_ is not None:
            tensors[GROUND] = self.ground_
        content = save({key: tensor.contiguous() for key, tensor in sorted(tensors.items())})
        with replacing(path) as temporary:
            temporary.write_bytes(content)
        described = {"head": self.name, "config": dataclasses.asdict(self.config), "report": self.report_}
        # last, as it vouches for the other
        write_json(Path(folder, "head.json"), {"schema": SCHEMA, **described, "tensors_sha256": sha256(path)})

    @classmethod
    def from_saved(cls, config: dict[str, Any], report: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """The head that `save` wrote. Raises BadInput for an unknown option, KeyError for a missing tensor."""
        return cls._read(config)._restored(report, tensors)

    @classmethod
    def _read(cls, config: dict[str, Any], **arguments: Any) -> Self:
        """A head with saved options, whose values are checked, not fitted."""
        head = cls(**arguments, **config)
        HeadConfig.check(head.config)  # alone: what a head has inside may come from a package that is not imported
        return head

    def _restored(self, report: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """With what a fit had left; raises BadInput for a tensor that it had not, KeyError for a missing one."""
        self.report_, self.thresholds_ = report, tensors.pop("thresholds", None)
        self._state = {key: tensors.pop(key) for key in self._state_keys()}
        if tensors:
            raise BadInput(f"unknown tensor {next(iter(tensors))!r}")
        return self

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Every argument of the head by name, as scikit-learn's clone and searches want them; nothing lies deeper."""
        return self._arguments() | vars(self.config)

    def set_params(self, **params: Any) -> Self:
        """Change arguments; the fit is forgotten. Raises BadInput if the head does not have an argument."""
        if params:
            self.__dict__ = vars(type(self)(**{**self.get_params(), **params}))
        return self

    def predict(self, X: Features) -> NDArray[np.int64]:
        """Label sets as 0/1 [N, C], for scikit-learn: those of `predict_sets` if there are any, else the mode.

        The mode of rates: the labels that at least half of the people would choose, perhaps none. Of a distribution:
        the one likeliest label.
        """
        if self.predicts_sets:
            return self.predict_sets(X).numpy()
        kind, predicted = self._predicted(X)
        if kind == "rates":
            return (predicted >= 0.5).long().numpy()
        return torch.zeros(predicted.shape, dtype=torch.int64).scatter_(1, predicted.argmax(1, keepdim=True), 1).numpy()

    @property
    def classes_(self) -> NDArray[np.int64]:
        """The columns of a distribution, 0 to C - 1, for scikit-learn; AttributeError for rates and before `fit`."""
        if self._kind() == "rates" or "prevalence" not in self.report_:
            raise AttributeError(f"{self.described()} has no classes_ before a fit, and none where it predicts rates")
        return np.arange(len(self.report_["prevalence"]))

    @property
    def predict_proba(self) -> Callable[[Features], NDArray[np.float64]]:
        """`predict_distribution` as scikit-learn asks for it: features [N, D] -> [N, C]; AttributeError for rates."""
        if self._kind() == "rates":
            raise AttributeError(f"{self.described()} of rates has no predict_proba: call predict_rates")

        def predict_proba(X: Features) -> NDArray[np.float64]:  # scikit-learn's scorers ask for its name
            return self.predict_distribution(X).double().numpy()

        return predict_proba

    def score(self, X: Features, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Minus the mean log loss, so that higher is better.

        Summed over labels, in nats per row: cross-entropy of a distribution, or of each label's rate.

        Args:
            X: features, [N, D].
            y: targets [N, C], as `fit` takes them.
            sample_weight: [N], or [N, C] for rates.

        Returns:
            At most 0.

        Raises:
            BadInput: before `fit`, and if shapes or values do not fit.
        """
        kind, predicted = self._predicted(X)
        as_kind = as_distribution if kind == "distribution" else as_shares
        shares = as_kind(y, len(predicted), predicted.shape[1], "y")
        objective = masses(kind, shares, as_weights(sample_weight, shares.shape, per_cell=kind == "rates"))
        return -float(objective.loss(logits_of(kind, predicted))) / objective.total

    def __repr__(self) -> str:
        """The head as one would write it, without what is at its default; texts by their shape."""
        parts = [f"{name}={list(np.shape(value))}" for name, value in self._arguments().items() if value is not None]
        defaults = defaults_of(self.config_class)
        parts += [f"{name}={value!r}" for name, value in vars(self.config).items() if value != defaults[name]]
        return f"{type(self).__name__}({', '.join(parts)})"

    def __sklearn_is_fitted__(self) -> bool:
        """Whether `predict` has an answer."""
        return bool(self._state)

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks of estimators: here, one that takes a row of targets per row of X."""
        from sklearn.utils import Tags, TargetTags

        targets = TargetTags(required=True, two_d_labels=True, multi_output=True, single_output=False)
        return Tags(estimator_type=None, target_tags=targets, requires_fit=True)

    def _arguments(self) -> dict[str, Any]:
        """What `__init__` takes beside the options, as it was given."""
        return {}

    def _kind(self) -> ScoreKind | None:
        """What the head as it is configured predicts; None where it may be either."""
        kinds: tuple[ScoreKind, ...] = (self.config.kind,) if hasattr(self.config, "kind") else self.kinds()
        return kinds[0] if len(kinds) == 1 else None

    def _predicted(self, X: Features) -> tuple[ScoreKind, Tensor]:
        """The kind of its prediction, by whether scores sum to one where the head does not say, and the prediction."""
        kind = self._kind() or ("distribution" if is_distribution(self.scores(X)) else "rates")
        return kind, self.predict_distribution(X) if kind == "distribution" else self.predict_rates(X)

    def _checked(self, targets: ArrayLike, rows: int, columns: int | None, name: str) -> Tensor:
        """Targets [N, C] float64 as the head learns them; a head that refuses more extends this."""
        kind = self._kind()
        if kind == "distribution":
            return as_distribution(targets, rows, columns, name)
        shares = as_shares(targets, rows, columns, name)
        if kind == "rates":
            refuse_distributions(shares, name)
        return shares

    def _features(self, X: Features, columns: int | None, name: str, blocks: bool | None = None) -> Tensor | Blocks:
        """Features to fit on: all of them, or in blocks where they are many and the head reads those."""
        if blocks is None:
            blocks = self.reads_blocks and math.prod(getattr(X, "shape", ())) > BIG
        return Blocks.of(X, columns, name) if blocks else as_features(X, columns, name)

    def _per_cell(self) -> bool:
        """Whether `fit` takes weights [N, C]."""
        return self._kind() != "distribution"

    @abstractmethod
    def _state_keys(self) -> tuple[str, ...]:
        """The tensors that a fit leaves behind, by name."""

    def _set_scores(self, X: Features) -> Tensor:
        """The probabilities that thresholds cut."""
        return self.scores(X)

    def _above_cut(self, scores: Tensor, levels: Array | None = None) -> Tensor:
        """How far above its cut each label of rows with these `_set_scores` is, [N, C]; at 0 it is in the set."""
        promise = self.promise_
        if promise is None:
            assert self.thresholds_ is not None
            return scores.double() - self.thresholds_
        table = family_scores(promise.family, scores)
        if levels is None:
            return table - promise.careful(promise.cut)
        return table - torch.from_numpy(promise.cuts(levels, len(table)))

    def _saved(self) -> dict[str, Tensor]:
        """Every tensor that `save` writes, thresholds apart."""
        return dict(self._fitted())

    def _fitted(self) -> dict[str, Tensor]:
        if not self._state:
            raise BadInput(f"this {self.name} head has not been fitted: call fit(X, targets) first")
        return self._state

    def _forget(self) -> None:
        self.report_, self.thresholds_, self.ground_, self._state = {}, None, None, {}


def sets_of(head: Head, X: Features, levels: Array | None) -> Tensor:
    """The sets of a head that has some; levels count where it promises something for each level of a column."""
    by_levels = head.promise_ is not None and bool(head.promise_.levels)
    return head.predict_sets(X, levels=levels) if by_levels else head.predict_sets(X)
