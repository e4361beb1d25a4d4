"""How a row of the table of metrics becomes a `torchmetrics.Metric`: `metric_class`, and what it builds on.

The class keeps sums and counts of rows, or the rows themselves where their order matters. States are float64 (float32
on a device without it), so any split into batches, `merge_state` and any number of processes gives the value of one
call. Their names carry a digest of what they depend on: a `MetricCollection` shares states between metrics whose states
have equal names and look equal after the first batch, and would otherwise give top-1 and top-3 one value.
"""

import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, TypedDict, Unpack, cast

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from affectml_metrics._domains import Domain
from affectml_metrics._errors import ArgumentError, ShapeError, one_of, whole_number
from affectml_metrics._inputs import ArrayLike, as_tensor, marked, of_indices, pair_asked, row_weights, same, wide
from affectml_metrics.functional.calibration import DOMAINS
from affectml_metrics.functional.disagreement import Correlation, correlation, row_entropies
from affectml_metrics.functional.people import answers_of_people
from affectml_metrics.functional.rows import Sums
from affectml_metrics.spec import MetricSpec


class Options(TypedDict, total=False):
    """What every `torchmetrics.Metric` takes about synchronisation and memory."""

    compute_on_cpu: bool
    dist_sync_on_step: bool
    process_group: Any
    dist_sync_fn: Callable[..., Any] | None
    distributed_available_fn: Callable[..., Any] | None
    sync_on_compute: bool
    compute_with_cache: bool


class AffectMetric(Metric):
    """Base of the streaming metrics: a configuration, and states named after what they depend on."""

    is_differentiable: bool = False
    full_state_update: bool = False
    spec: ClassVar[MetricSpec]
    """The row it was made from; of several that name one class, the first."""

    def __init__(self, config: Mapping[str, object], options: Options) -> None:
        _try_options(self.spec.function, {name: value for name, value in config.items() if name != "num_labels"})
        super().__init__(**options)
        self.config = dict(config)
        self._everywhere: tuple[int, int] | None = None  # rows and skipped ones of all processes, after `compute`
        self._tag = _digest(*self._depends_on())

    def _depends_on(self) -> tuple[str, Mapping[str, object]]:
        """What the states depend on: a name, and options."""
        return type(self).__name__, self.config

    def plot(self, val: Any = None, ax: Any = None) -> Any:
        """Figure and axes of the value, or of `val`: one value of `compute` or `forward`, or a list of them over time.

        By torchmetrics, with a line at the best value where the table of metrics gives a range. Needs matplotlib.
        """
        return self._plot(val, ax)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Add a batch and return its value alone."""
        with self._restored_on_error():
            value = super().forward(*args, **kwargs)
        self._everywhere = None  # it may have been the batch's
        return value

    def _wrap_update(self, update: Callable[..., Any]) -> Callable[..., Any]:
        return self._restored_on_error()(super()._wrap_update(update))

    @contextmanager
    def _restored_on_error(self) -> Iterator[None]:
        """A batch that is refused leaves the metric as it was."""
        before = {name: [*value] if isinstance(value, list) else value for name, value in vars(self).items()}
        try:
            yield
        except BaseException:
            vars(self).update(before)
            raise

    def merge_state(self, incoming_state: dict[str, Any] | Metric) -> None:
        """Add what another metric of this configuration has seen."""
        super().merge_state(incoming_state)
        self._computed = self._everywhere = None  # torchmetrics keeps the value from before

    def reset(self) -> None:
        """Forget all rows."""
        super().reset()
        self._everywhere = None

    def _name(self, name: str) -> str:
        return f"{name}_{self._tag}"

    def _add_sums(self, **sizes: tuple[int, ...]) -> None:
        for name, size in sizes.items():
            self.add_state(self._name(name), torch.zeros(size, dtype=torch.float64), dist_reduce_fx="sum")

    def _state(self, name: str) -> Any:
        return getattr(self, self._name(name))

    def _increase(self, **amounts: Tensor) -> None:
        for name, amount in amounts.items():
            state = self._state(name)
            setattr(self, self._name(name), state + amount.to(dtype=state.dtype, device=state.device))

    def _sync_dist(self, *args: Any, **kwargs: Any) -> None:
        # a process that saw no rows must send nothing in the shape and dtype of the others: so rows are kept flat
        for name, default in self._defaults.items():
            if isinstance(default, list) and not getattr(self, name):
                setattr(self, name, [torch.empty(0, device=self.device, dtype=wide(self.device))])
        super()._sync_dist(*args, **kwargs)

    def _apply(self, fn: Callable[..., Any], exclude_state: Any = "") -> nn.Module:
        try:
            return super()._apply(fn, exclude_state)
        except TypeError as error:  # Apple's MPS has no float64
            if "float64" not in str(error):
                raise
            for name, default in self._defaults.items():
                if isinstance(default, Tensor):
                    self._defaults[name] = default.float()
                    setattr(self, name, getattr(self, name).float())
            return super()._apply(fn, exclude_state)

    def __repr__(self) -> str:
        listed = ", ".join(f"{name}={_brief(value)}" for name, value in self.config.items())
        return f"{type(self).__name__}({listed})"


class RowMetric(AffectMetric):
    """Mean of a row metric over all rows seen; rows on which it is not defined (nan) are left out and counted."""

    def __init__(self, config: Mapping[str, object], options: Options) -> None:
        super().__init__(config, options)
        self._add_sums(total=(), weight=(), rows=(), skipped=())

    def update(self, preds: ArrayLike, target: ArrayLike, weights: ArrayLike | None = None) -> None:
        """Add a batch; both [N, C], as the function of the same name takes them. Raises MetricInputError.

        weights: [N], how often each row counts in the mean; 1 by default.
        """
        tables = (of_indices(as_tensor(target, "target"), preds),) if self.spec.of_target else (preds, target)
        if self.spec.of_target:
            same(as_tensor(preds, "preds"), as_tensor(tables[0], "target"))
        self._add(self.spec.function(*tables, **self.config), weights)

    def compute(self) -> Tensor:
        """Mean over the rows seen, 0-dim float64; nan if there were none."""
        if self._is_synced:  # the states are back to this process's own before anybody can ask
            self._everywhere = self._counts()
        mean: Tensor = self._state("total") / self._state("weight")
        return mean

    @property
    def rows(self) -> int:
        """How many rows the value rests on: all processes' after `compute`, this one's before."""
        return (self._everywhere or self._counts())[0]

    @property
    def skipped(self) -> int:
        """How many rows were not defined, and left out: all processes' after `compute`, this one's before."""
        return (self._everywhere or self._counts())[1]

    def _counts(self) -> tuple[int, int]:
        return int(self._state("rows")), int(self._state("skipped"))

    def _add(self, values: Tensor, weights: ArrayLike | None = None) -> None:
        self._everywhere = None
        undefined = values.isnan()
        skipped = undefined.sum()
        rows = values.numel() - skipped
        w = row_weights(weights, values)
        if w is None:
            total, weight = values.masked_fill(undefined, 0.0).sum(dtype=wide(values.device)), rows
        else:  # a row that weighs nothing adds nothing, infinite or not
            total = (values.to(w.dtype) * w).masked_fill(undefined | (w == 0), 0.0).sum()
            weight = w.masked_fill(undefined, 0.0).sum()
        self._increase(total=total, weight=weight, rows=rows, skipped=skipped)


class VotesMetric(RowMetric):
    """A row metric of the votes of n people."""

    def update(  # type: ignore[override]
        self, preds: ArrayLike, target: ArrayLike, n: ArrayLike, weights: ArrayLike | None = None
    ) -> None:
        """Add a batch: rates [N, C], votes [N, C] as target, people asked [N] or [N, C]. Raises MetricInputError.

        weights: [N], how often each row counts in the mean; 1 by default.
        """
        self._add(self.spec.function(preds, target, n, **self.config), weights)


class PeopleMetric(RowMetric):
    """A row metric of what was predicted for each person, against what that person said."""

    def update(  # type: ignore[override]
        self, preds: ArrayLike, target: ArrayLike, asked: ArrayLike | None = None, weights: ArrayLike | None = None
    ) -> None:
        """Add a batch: answers [N, A] (for `ErrorRate` also [N, A, C]), who was asked [N, A], weights of rows [N]."""
        self._add(self.spec.function(preds, target, asked, **self.config), weights)


class SumMetric(AffectMetric):
    """A figure of sums over all rows, and it keeps these."""

    _sums: ClassVar[Sums]

    def __init__(self, config: Mapping[str, object], options: Options) -> None:
        nothing = torch.zeros(0, whole_number("num_labels", config.get("num_labels", 1), 1))
        super().__init__(config, options)
        self._add_sums(sums=self._sums.of_table(nothing, nothing, **self._of_columns()).shape)

    def _of_columns(self) -> dict[str, Any]:
        """The options that say what is added up; the others say what is made of the sums."""
        taken = inspect.signature(self._sums.columns).parameters
        return {name: value for name, value in self.config.items() if name in taken}

    def _depends_on(self) -> tuple[str, Mapping[str, object]]:
        return self._sums.columns.__name__, {"num_labels": self.config.get("num_labels"), **self._of_columns()}

    def update(self, preds: ArrayLike, target: ArrayLike, weights: ArrayLike | None = None) -> None:
        """Add a batch [N, C], as the function of the same name takes it; weights: [N]. Raises MetricInputError."""
        amounts = self._sums.of_table(preds, target, weights, **self._of_columns())
        if len(amounts) != (known := len(self._state("sums"))):
            labels = cast(int, self.config["num_labels"])
            raise ShapeError(
                f"preds and target: expected {labels} labels (num_labels={labels}), "
                f"but received {len(amounts) * labels // known}"
            )
        self._increase(sums=amounts)

    def compute(self) -> Tensor:
        """The figure, 0-dim float64, or [C] with average="none"; nan where no row was seen."""
        of_sums = self.config.keys() - {"num_labels", *self._of_columns()}
        return self._sums.statistic(self._state("sums")[None], **{name: self.config[name] for name in of_sums})[0]


class PairMetric(AffectMetric):
    """A metric that needs the ranking of all rows: keeps preds and target, so memory grows with the rows."""

    def __init__(self, config: Mapping[str, object], options: Options) -> None:
        super().__init__(config, options)
        self.add_state(self._name("rows"), [], dist_reduce_fx="cat")  # preds, target and weight of each
        self.add_state(self._name("labels"), torch.zeros((), dtype=torch.int64), dist_reduce_fx="max")

    def merge_state(self, incoming_state: dict[str, Any] | Metric) -> None:
        """Add what another metric of this configuration has seen. Raises ShapeError for another number of labels."""
        name, known = self._name("labels"), int(self._state("labels"))
        other = incoming_state.get(name, 0) if isinstance(incoming_state, dict) else getattr(incoming_state, name, 0)
        if known and int(other) not in (0, known):
            raise ShapeError(f"merge_state: expected {known} labels, as here, but received {int(other)}")
        super().merge_state(incoming_state)

    def _domains(self) -> tuple[Domain, Domain]:
        if self.spec.kinds == ("ranking",):
            return "scores", "labels"
        return DOMAINS[self.config.get("activation", "sigmoid") if self.config["from_logits"] else None], "rates"

    def _depends_on(self) -> tuple[str, Mapping[str, object]]:
        return "_".join(self._domains()), {}

    def update(self, preds: ArrayLike, target: ArrayLike, weights: ArrayLike | None = None) -> None:
        """Keep a batch; both [N, C], as the function of the same name takes them. Raises MetricInputError.

        weights: [N], how often each row counts; 1 by default.
        """
        p, t = self._checked(preds, target)
        w = row_weights(weights, p)
        known = int(self._state("labels"))
        if known not in (0, p.shape[1]):
            raise ShapeError(f"preds and target: expected {known} labels as before, but received {p.shape[1]}")
        setattr(self, self._name("labels"), torch.full_like(self._state("labels"), p.shape[1]))
        columns = (p, t, torch.ones_like(p[:, :1]) if w is None else w[:, None])
        kept = [x.detach().to(device=self.device, dtype=wide(self.device)) for x in columns]
        self._state("rows").append(torch.cat(kept, dim=1).flatten())

    def compute(self) -> Tensor:
        """The metric over all rows seen, float64; nan if there were none."""
        labels = int(self._state("labels"))
        if not labels:
            return torch.full((), torch.nan, dtype=wide(self.device), device=self.device)
        rows = dim_zero_cat(self._state("rows")).reshape(-1, 2 * labels + 1)
        return self._of_kept(rows[:, :labels], rows[:, labels:-1], rows[:, -1])

    def _checked(self, preds: ArrayLike, target: ArrayLike) -> tuple[Tensor, Tensor]:
        """What is kept of a batch, [N, C] each."""
        p, t, asked = pair_asked(preds, target, *self._domains())
        return p, marked(t, asked)

    def _of_kept(self, preds: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        """The metric of all that was kept."""
        return self.spec.function(preds, target, weights=weights, **self.config)


class EntropyPairs(PairMetric):
    """A correlation of entropies: keeps the model's entropy, people's and a weight for every row."""

    def _depends_on(self) -> tuple[str, Mapping[str, object]]:
        return "entropies", {"from_logits": self.config["from_logits"]}

    def _checked(self, preds: ArrayLike, target: ArrayLike) -> tuple[Tensor, Tensor]:
        x, y = row_entropies(preds, target, cast(bool, self.config["from_logits"]))
        return x[:, None], y[:, None]

    def _of_kept(self, preds: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        return correlation(preds[:, 0], target[:, 0], cast(Correlation, self.config["method"]), weights)


class PeoplePairs(PairMetric):
    """A metric over the table of people's answers; it keeps all of them."""

    def _depends_on(self) -> tuple[str, Mapping[str, object]]:
        return "answers", {}

    def update(  # type: ignore[override]
        self, preds: ArrayLike, target: ArrayLike, asked: ArrayLike | None = None, weights: ArrayLike | None = None
    ) -> None:
        """Add a batch: answers [N, A], who was asked [N, A], weights of rows [N]. Raises MetricInputError."""
        p, t, there = (x[..., 0] for x in answers_of_people(preds, target, asked))
        super().update(p, t.masked_fill(~there, torch.nan), weights)

    def _checked(self, preds: ArrayLike, target: ArrayLike) -> tuple[Tensor, Tensor]:
        return as_tensor(preds, "preds"), as_tensor(target, "target")

    def _of_kept(self, preds: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        return self.spec.function(preds, target, ~target.isnan(), weights=weights)


def metric_class(spec: MetricSpec, module: str) -> type[AffectMetric]:
    """The streaming class of a row: it takes the options of the row's function, and `Options` besides."""
    base, kept = _base_of(spec)
    function = inspect.signature(spec.function)
    options = [option for name, option in function.parameters.items() if name not in _TABLES]
    needed = [option.replace(kind=_BY_PLACE) for option in options if option.default is option.empty]
    if spec.sums is not None and spec.sums.counts is not None:
        needed = [inspect.Parameter("num_labels", _BY_PLACE, annotation=int)]
    options = [*needed, *(option for option in options if option.default is not option.empty)]
    rest = inspect.Parameter("more", inspect.Parameter.VAR_KEYWORD, annotation=Unpack[Options])
    called = inspect.Signature([*options, rest])

    def __init__(self: AffectMetric, *args: Any, **kwargs: Any) -> None:
        bound = called.bind(*args, **kwargs)
        bound.apply_defaults()
        config = bound.arguments
        more = config.pop("more")
        for name in config.keys() & {"ground", "similarity"}:
            config[name] = config[name] if isinstance(config[name], str) else as_tensor(config[name], name)
        super(metric_class, self).__init__(config, more)  # type: ignore[arg-type]

    itself = inspect.Parameter("self", _BY_PLACE)
    __init__.__signature__ = inspect.Signature([itself, *options, rest], return_annotation=None)  # type: ignore[attr-defined]
    __init__.__qualname__, __init__.__module__ = f"{spec.cls}.__init__", module
    what, _, _ = inspect.cleandoc(spec.function.__doc__ or "").partition("\n\n")
    metric_class = type(
        spec.cls,
        (base,),
        {
            "__doc__": f"Streaming `functional.{spec.function.__name__}`: {kept}.\n\n{what}",
            "__module__": module,
            "__init__": __init__,
            "spec": spec,
            **({"_sums": spec.sums} if spec.sums else {}),
            "higher_is_better": {"higher": True, "lower": False, "": None}[spec.better],
            "plot_lower_bound": spec.bounds()[0],
            "plot_upper_bound": spec.bounds()[1],
        },
    )
    return metric_class


_TABLES = ("preds", "target", "votes", "n", "asked", "weights")  # arguments of `update`, no options
_BY_PLACE = inspect.Parameter.POSITIONAL_OR_KEYWORD


def _base_of(spec: MetricSpec) -> tuple[type[AffectMetric], str]:
    """What its class builds on, and what that makes of many batches."""
    of_people = "perspectives" in spec.kinds
    if spec.over == "rows":
        base = PeopleMetric if of_people else VotesMetric if "votes" in spec.needs else RowMetric
        return base, "its mean over the rows of all batches"
    if spec.sums is not None:
        return SumMetric, "over the rows of all batches; it keeps their sums"
    if spec.kinds == ("distribution",):
        return EntropyPairs, "over the rows of all batches; it keeps three numbers of each"
    return PeoplePairs if of_people else PairMetric, "over the rows of all batches, which it keeps"


def _try_options(function: Callable[..., Tensor], config: Mapping[str, object]) -> None:
    """Raise ArgumentError for an option that `function` refuses, by trying it on a table without rows."""
    parameters = inspect.signature(function).parameters
    for name, parameter in parameters.items():
        if isinstance(parameter.default, bool):
            one_of(name, config.get(name, parameter.default), (True, False))
    labels = 1
    if config.get("k") is not None:
        labels = whole_number("k", config["k"], 1)  # how many labels there are shows with the first batch
    for name in ("ground", "similarity"):
        if isinstance(matrix := config.get(name), Tensor):
            if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
                raise ShapeError(f"{name}: expected [C, C], but received shape {list(matrix.shape)}")
            labels = len(matrix)
    empty = torch.zeros(0, labels)
    tables = {"preds": empty, "target": empty, "votes": empty, "n": empty[:, 0]}
    try:
        function(**{name: table for name, table in tables.items() if name in parameters}, **config)
    except TypeError as error:
        listed = ", ".join(f"{name}={_brief(value)}" for name, value in config.items())
        raise ArgumentError(f"options: expected numbers and names that fit, but received {listed} ({error})") from None


def _digest(name: str, config: Mapping[str, object]) -> str:
    seen = hashlib.blake2b(name.encode(), digest_size=6)
    for key, value in sorted(config.items()):
        seen.update(f"|{key}={value.tolist() if isinstance(value, Tensor) else value!r}".encode())
    return f"{name}_{seen.hexdigest()}"


def _brief(value: object) -> str:
    return f"tensor{list(value.shape)}" if isinstance(value, Tensor) else repr(value)
