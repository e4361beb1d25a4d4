"""Every metric as a plain function `(preds, target, ...)`: per row [N], or over the table where it needs one.

Tensors, numpy arrays, nested lists and pandas frames are taken, tensors come back, float64 is kept. Names tell the
direction: `_error`, `_loss`, `_distance` and `_divergence` shrink as predictions improve, and so do `cross_entropy`,
`total_variation`, `brier_score`, `rate_manhattan` and `rate_total_variation`; the others grow.
"""

from affectml_metrics.functional import (
    average_precision,
    calibration,
    disagreement,
    distribution,
    information,
    labels,
    logs,
    people,
    ranking,
    rates,
    sets,
    transport,
)
from affectml_metrics.functional.average_precision import *
from affectml_metrics.functional.calibration import *
from affectml_metrics.functional.disagreement import *
from affectml_metrics.functional.distribution import *
from affectml_metrics.functional.information import *
from affectml_metrics.functional.labels import *
from affectml_metrics.functional.logs import *
from affectml_metrics.functional.people import *
from affectml_metrics.functional.ranking import *
from affectml_metrics.functional.rates import *
from affectml_metrics.functional.sets import *
from affectml_metrics.functional.transport import *

__all__: list[str] = []
__all__ += logs.__all__
__all__ += average_precision.__all__
__all__ += calibration.__all__
__all__ += disagreement.__all__
__all__ += distribution.__all__
__all__ += information.__all__
__all__ += labels.__all__
__all__ += people.__all__
__all__ += ranking.__all__
__all__ += rates.__all__
__all__ += sets.__all__
__all__ += transport.__all__
