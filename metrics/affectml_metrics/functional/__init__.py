"""Every measure as a plain function `(preds, target, ...)`: per row [N], or over the table where it needs one.

Tensors, numpy arrays, nested lists and pandas frames are taken, tensors come back, float64 is kept. Names tell the
direction: `_error`, `_loss`, `_distance` and `_divergence` shrink as predictions improve, and so do `cross_entropy`,
`total_variation`, `brier_score` and `rate_manhattan`; the others grow.
"""

from affectml_metrics.functional._logs import entropy
from affectml_metrics.functional.average_precision import label_auroc, mean_average_precision
from affectml_metrics.functional.calibration import label_calibration_error, squared_calibration_error
from affectml_metrics.functional.disagreement import entropy_correlation, entropy_error, rank_cs
from affectml_metrics.functional.distribution import (
    brier_score,
    canberra_distance,
    chebyshev_distance,
    chi_squared_distance,
    clark_distance,
    cosine_similarity,
    cross_entropy,
    hellinger_distance,
    intersection,
    js_divergence,
    kl_divergence,
    total_variation,
)
from affectml_metrics.functional.label_variation import (
    error_rate,
    manhattan_distance,
    normalised_absolute_distance,
    po_jsd,
    rate_po_jsd,
)
from affectml_metrics.functional.labels import label_mcc, label_precision, label_recall, label_specificity
from affectml_metrics.functional.ranking import (
    coverage_error,
    label_ranking_average_precision,
    one_error,
    ranking_loss,
    set_size,
    top_k_accuracy,
    top_k_chance,
    top_k_precision,
    top_k_recall,
)
from affectml_metrics.functional.rates import (
    binomial_log_likelihood,
    rate_brier_score,
    rate_cross_entropy,
    rate_js_divergence,
    rate_manhattan,
    soft_f1,
)
from affectml_metrics.functional.sets import (
    exact_match,
    hamming_loss,
    label_f1,
    semantic_set_f1,
    set_f1,
    set_jaccard,
    set_precision,
    set_recall,
)
from affectml_metrics.functional.soft_ranking import human_mass_at_k, modes, ndcg
from affectml_metrics.functional.transport import earth_movers_distance

__all__ = [
    "binomial_log_likelihood",
    "brier_score",
    "canberra_distance",
    "chebyshev_distance",
    "chi_squared_distance",
    "clark_distance",
    "cosine_similarity",
    "coverage_error",
    "cross_entropy",
    "earth_movers_distance",
    "entropy",
    "entropy_correlation",
    "entropy_error",
    "error_rate",
    "exact_match",
    "hamming_loss",
    "hellinger_distance",
    "human_mass_at_k",
    "intersection",
    "js_divergence",
    "kl_divergence",
    "label_auroc",
    "label_calibration_error",
    "label_f1",
    "label_mcc",
    "label_precision",
    "label_ranking_average_precision",
    "label_recall",
    "label_specificity",
    "manhattan_distance",
    "mean_average_precision",
    "modes",
    "ndcg",
    "normalised_absolute_distance",
    "one_error",
    "po_jsd",
    "rank_cs",
    "ranking_loss",
    "rate_brier_score",
    "rate_cross_entropy",
    "rate_js_divergence",
    "rate_manhattan",
    "rate_po_jsd",
    "semantic_set_f1",
    "set_f1",
    "set_jaccard",
    "set_precision",
    "set_recall",
    "set_size",
    "soft_f1",
    "squared_calibration_error",
    "top_k_accuracy",
    "top_k_chance",
    "top_k_precision",
    "top_k_recall",
    "total_variation",
]
