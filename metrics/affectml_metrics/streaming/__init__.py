"""The streaming classes: each wraps the function of the same name for `torchmetrics`."""

from affectml_metrics.streaming import distribution, information, label_variation, labels, ranking, rates, sets
from affectml_metrics.streaming.distribution import *
from affectml_metrics.streaming.information import *
from affectml_metrics.streaming.label_variation import *
from affectml_metrics.streaming.labels import *
from affectml_metrics.streaming.ranking import *
from affectml_metrics.streaming.rates import *
from affectml_metrics.streaming.sets import *

__all__: list[str] = []
__all__ += distribution.__all__
__all__ += information.__all__
__all__ += label_variation.__all__
__all__ += labels.__all__
__all__ += ranking.__all__
__all__ += rates.__all__
__all__ += sets.__all__
