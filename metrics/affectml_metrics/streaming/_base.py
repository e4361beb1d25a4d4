"""How a function becomes a `torchmetrics.Metric`: sums and counts of rows, or the rows themselves where order
matters.

States are float64 (float32 on a device without it), so any split into batches, `merge_state` and any number of
processes gives the value of one call. Their names carry a digest of what they depend on: a `MetricCollection` shares
states between metrics whose states have equal names and look equal after the first batch, and would otherwise give
top-1 and top-3 one value. By default that is the class and its whole configuration; classes that keep the same states
whatever they make of them name a common family, and the options that do change the states.
"""

import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypedDict, Unpack, cast

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from affectml_metrics._arguments import one_of, whole_number
from affectml_metrics._errors import ArgumentError, ShapeError
from affectml_metrics._inputs import ArrayLike, as_tensor, of_indices, row_weights, wide
from affectml_metrics.functional.logs import Unit
from affectml_metrics.table import ROWS


class MetricOptions(TypedDict, total=False):
    """What every `torchmetrics.Metric` takes about synchronisation and memory."""

    compute_on_cpu: bool
    dist_sync_on_step: bool
    process_group: Any
    dist_sync_fn: Callable[..., Any] | None
    distributed_available_fn: Callable[..., Any] | None
    sync_on_compute: bool
    compute_with_cache: bool


class AffectMetric(Metric):
    """Base of the streaming metrics: a configuration, and states named after it.

    A class that the table of metrics names takes its direction and its function from there.
    """

    is_differentiable: bool = False
    full_state_update: bool = False
    _function: ClassVar[Callable[..., Tensor]]
    _family: ClassVar[str] = ""
    _depends_on: ClassVar[tuple[str, ...] | None] = None
    _tables: ClassVar[int] = 2  # what update takes: preds and target, and with 3 the number of people asked

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        spec = next((spec for spec in ROWS if spec.cls == cls.__name__), None)
        if spec is not None and cls.__module__.startswith(__package__):
            cls.higher_is_better = {"higher": True, "lower": False, "": None}[spec.better]
            cls.plot_lower_bound, cls.plot_upper_bound = spec.bounds()
            cls._function = staticmethod(_of_target(spec.function) if spec.of_target else spec.function)

    def __init__(self, config: Mapping[str, object], options: MetricOptions) -> None:
        try_options(type(self)._function, {k: v for k, v in config.items() if k != "num_labels"}, self._tables)
        super().__init__(**options)
        self.config = dict(config)
        keys = self.config if self._depends_on is None else self._depends_on
        self._tag = _digest(self._family or type(self).__name__, {key: self.config[key] for key in keys})

    def plot(self, val: Any = None, ax: Any = None) -> Any:
        """Figure and axes of the value, or of `val`: one value of `compute` or `forward`, or a list of them over time.

        By torchmetrics, with a line at the best value where the table of metrics gives a range. Needs matplotlib.
        """
        return self._plot(val, ax)

    def _add_sum(self, name: str, *shape: int) -> None:
        self.add_state(self._name(name), torch.zeros(shape, dtype=torch.float64), dist_reduce_fx="sum")

    def _name(self, name: str) -> str:
        return f"{name}_{self._tag}"

    def _sum(self, name: str) -> Tensor:
        return cast(Tensor, getattr(self, self._name(name)))

    def _increase(self, name: str, amount: Tensor) -> None:
        state = self._sum(name)
        setattr(self, self._name(name), state + amount.to(dtype=state.dtype, device=state.device))

    def _append(self, name: str, rows: Tensor) -> None:
        flat = rows.detach().flatten()
        getattr(self, self._name(name)).append(flat.to(device=self.device, dtype=wide(self.device)))

    def _rows(self, name: str) -> Tensor | None:
        state = getattr(self, self._name(name))
        if isinstance(state, list) and not state:
            return None
        return dim_zero_cat(state)

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

    def __init__(self, config: Mapping[str, object], options: MetricOptions) -> None:
        super().__init__(config, options)
        self._everywhere: tuple[int, int] | None = None
        for name in ("total", "weight", "rows", "skipped"):
            self._add_sum(name)

    def update(self, preds: ArrayLike, target: ArrayLike, weights: ArrayLike | None = None) -> None:
        """Add a batch; both [N, C], as the function of the same name takes them. Raises MetricInputError.

        weights: [N], how often each row counts in the mean; 1 by default.
        """
        self._add(type(self)._function(preds, target, **self.config), weights)

    def compute(self) -> Tensor:
        """Mean over the rows seen, 0-dim float64; nan if there were none."""
        if self._is_synced:  # the states are back to this process's own before anybody can ask
            self._everywhere = self._counts()
        return self._sum("total") / self._sum("weight")

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Add a batch and return its value alone."""
        value = super().forward(*args, **kwargs)
        self._everywhere = None  # it may have been the batch's
        return value

    def merge_state(self, incoming_state: dict[str, Any] | Metric) -> None:
        """Add what another metric of this configuration has seen."""
        super().merge_state(incoming_state)
        self._everywhere = None

    def reset(self) -> None:
        """Forget all rows."""
        super().reset()
        self._everywhere = None

    @property
    def rows(self) -> int:
        """How many rows the value rests on: all processes' after `compute`, this one's before."""
        return (self._everywhere or self._counts())[0]

    @property
    def skipped(self) -> int:
        """How many rows were not defined, and left out: all processes' after `compute`, this one's before."""
        return (self._everywhere or self._counts())[1]

    def _counts(self) -> tuple[int, int]:
        return int(self._sum("rows")), int(self._sum("skipped"))

    def _add(self, values: Tensor, weights: ArrayLike | None = None) -> None:
        self._everywhere = None
        undefined = values.isnan()
        missing = undefined.sum()
        w = row_weights(weights, values)
        if w is None:
            self._increase("total", values.masked_fill(undefined, 0.0).sum(dtype=wide(values.device)))
            self._increase("weight", values.numel() - missing)
        else:  # a row that weighs nothing adds nothing, infinite or not
            self._increase("total", (values.to(w.dtype) * w).masked_fill(undefined | (w == 0), 0.0).sum())
            self._increase("weight", w.masked_fill(undefined, 0.0).sum())
        self._increase("skipped", missing)
        self._increase("rows", values.numel() - missing)


class SoftMetric(RowMetric):
    """A row metric of shares or rates whose one option is to take raw outputs as preds."""

    def __init__(self, *, from_logits: bool = False, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"from_logits": from_logits}, options)


class CrossEntropyMetric(RowMetric):
    """A row metric that may be infinite."""

    def __init__(
        self,
        *,
        eps: float | None = None,
        unit: Unit = "nats",
        from_logits: bool = False,
        **options: Unpack[MetricOptions],
    ) -> None:
        super().__init__({"eps": eps, "unit": unit, "from_logits": from_logits}, options)


class JensenShannonMetric(RowMetric):
    """A row metric whose root is a distance."""

    def __init__(
        self,
        *,
        unit: Unit = "nats",
        square_root: bool = False,
        from_logits: bool = False,
        **options: Unpack[MetricOptions],
    ) -> None:
        super().__init__({"unit": unit, "square_root": square_root, "from_logits": from_logits}, options)


class EntropyErrorMetric(RowMetric):
    """A row metric of how far entropies are apart."""

    def __init__(
        self, *, signed: bool = False, unit: Unit = "nats", from_logits: bool = False, **options: Unpack[MetricOptions]
    ) -> None:
        super().__init__({"signed": signed, "unit": unit, "from_logits": from_logits}, options)


class PairMetric(AffectMetric):
    """A metric that needs the ranking of all rows: keeps preds and target, so memory grows with the rows."""

    def __init__(self, config: Mapping[str, object], options: MetricOptions) -> None:
        super().__init__(config, options)
        for name in ("preds", "target", "weights"):
            self.add_state(self._name(name), [], dist_reduce_fx="cat")
        self.add_state(self._name("labels"), torch.zeros((), dtype=torch.int64), dist_reduce_fx="max")

    def update(self, preds: ArrayLike, target: ArrayLike, weights: ArrayLike | None = None) -> None:
        """Keep a batch; both [N, C], as the function of the same name takes them. Raises MetricInputError.

        weights: [N], how often each row counts; 1 by default.
        """
        p, t = self._checked(preds, target)
        w = row_weights(weights, p)
        known = int(self._sum("labels"))
        if known not in (0, p.shape[1]):
            raise ShapeError(f"preds and target: expected {known} labels as before, but received {p.shape[1]}")
        setattr(self, self._name("labels"), torch.full_like(self._sum("labels"), p.shape[1]))
        self._append("preds", p)
        self._append("target", t)
        self._append("weights", torch.ones_like(p[:, 0]) if w is None else w)

    def compute(self) -> Tensor:
        """The metric over all rows seen, float64; nan if there were none."""
        preds, target, labels = self._rows("preds"), self._rows("target"), int(self._sum("labels"))
        if preds is None or target is None or not labels:
            return torch.full((), torch.nan, dtype=wide(self.device), device=self.device)
        return self._figure(preds.reshape(-1, labels), target.reshape(-1, labels), self._rows("weights"))

    def _checked(self, preds: ArrayLike, target: ArrayLike) -> tuple[Tensor, Tensor]:
        """What is kept of a batch, [N, C] each."""
        raise NotImplementedError

    def _figure(self, preds: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
        """The metric of all that was kept."""
        return type(self)._function(preds, target, weights=weights, **self.config)


class LabelSums(AffectMetric):
    """A figure of sums over all rows, a few for each label."""

    _sums: ClassVar[tuple[str, ...]]

    def __init__(self, config: Mapping[str, object], options: MetricOptions) -> None:
        super().__init__(config, options)
        for name in self._sums:
            self._add_sum(name, whole_number("num_labels", config["num_labels"], 1))  # known before the first batch

    def _add(self, sums: Sequence[Tensor]) -> None:
        labels = len(self._sum(self._sums[0]))
        if len(sums[0]) != labels:
            raise ShapeError(
                f"preds and target: expected {labels} labels (num_labels={labels}), but received {len(sums[0])}"
            )
        for name, amount in zip(self._sums, sums, strict=True):
            self._increase(name, amount)

    def _added(self) -> Iterator[Tensor]:
        return map(self._sum, self._sums)


def _of_target(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda preds, target, **config: function(of_indices(as_tensor(target, "target"), preds), **config)


def try_options(function: Callable[..., Tensor], config: Mapping[str, object], tables: int) -> None:
    """Raise ArgumentError for an option that `function` refuses, by trying it on a table without rows."""
    for name, parameter in inspect.signature(function).parameters.items():
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
    try:
        function(*(empty if i < 2 else empty[:, 0] for i in range(tables)), **config)
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
