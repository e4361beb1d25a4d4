"""The streaming classes: each wraps the function of the same name for `torchmetrics`.

They are made from the rows of the table; `streaming.pyi` says the same to type checkers and editors.

>>> from torchmetrics import MetricCollection
>>> from affectml_metrics.streaming import SetSize, TopKAccuracy
>>> metrics = MetricCollection({"top_1": TopKAccuracy(1), "top_2": TopKAccuracy(2), "size": SetSize()})
>>> metrics.update([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3]], [[0, 1, 0], [0, 1, 1]])
>>> {name: float(value) for name, value in metrics.compute().items()}
{'size': 1.5, 'top_1': 0.5, 'top_2': 1.0}
"""

from affectml_metrics._streaming import metric_class
from affectml_metrics.table import ROWS

_first = {spec.cls: spec for spec in reversed(ROWS)}  # of several rows of one class
__all__ = sorted(_first)
globals().update({name: metric_class(spec, __name__) for name, spec in _first.items()})
