"""The streaming classes as type checkers see them; `python scripts/metrics_stub.py` wrote it."""

from math import nan
from typing import Literal, Unpack

from affectml_metrics import _streaming
from affectml_metrics._inputs import ArrayLike
from affectml_metrics._streaming import Options
from affectml_metrics.functional.calibration import Activation, Norm
from affectml_metrics.functional.disagreement import Correlation, RankTies
from affectml_metrics.functional.information import Parts
from affectml_metrics.functional.labels import Average
from affectml_metrics.functional.logs import Unit
from affectml_metrics.functional.order import Ties
from affectml_metrics.functional.ranking import Gain, Match, PlaceTies
from affectml_metrics.functional.rates import SoftAverage
from affectml_metrics.functional.transport import Ground

class AgreementCorrelation(_streaming.PeoplePairs):
    """Streaming `functional.agreement_correlation`: over the rows of all batches, which it keeps.

    Correlation over pairs of people between how often the predicted two agree and how often the real two do.
    """
    def __init__(self, **more: Unpack[Options]) -> None: ...

class BinomialLogLikelihood(_streaming.VotesMetric):
    """Streaming `functional.binomial_log_likelihood`: its mean over the rows of all batches.

    log P(votes | n people asked, rate preds), the mean over labels, per row: [N] in -inf..0.
    """
    def __init__(self, *, eps: float | None = None, from_logits: bool = False, **more: Unpack[Options]) -> None: ...

class _LikeBrierScore(_streaming.RowMetric):
    """The options that several classes take."""
    def __init__(self, *, from_logits: bool = False, **more: Unpack[Options]) -> None: ...

class BrierScore(_LikeBrierScore):
    """Streaming `functional.brier_score`: its mean over the rows of all batches.

    Sum of squared differences of the shares, per row (Brier's own form: 0..2, not halved, not averaged).
    """

class _LikeCanberraDistance(_streaming.RowMetric):
    """The options that several classes take."""
    def __init__(self, *, normalised: bool = False, from_logits: bool = False, **more: Unpack[Options]) -> None: ...

class CanberraDistance(_LikeCanberraDistance):
    """Streaming `functional.canberra_distance`: its mean over the rows of all batches.

    Sum of |p - t| / (p + t), per row; a label with no share in either counts 0 (as in scipy).
    """

class ChebyshevDistance(_LikeBrierScore):
    """Streaming `functional.chebyshev_distance`: its mean over the rows of all batches.

    The largest absolute difference of any label's share, per row.
    """

class ChiSquaredDistance(_LikeBrierScore):
    """Streaming `functional.chi_squared_distance`: its mean over the rows of all batches.

    Sum of (p - t)^2 / (p + t), the symmetric chi-squared distance, per row; a label without any share counts 0.
    """

class ClarkDistance(_LikeCanberraDistance):
    """Streaming `functional.clark_distance`: its mean over the rows of all batches.

    Root of the summed squares of (p - t) / (p + t), per row; a label with no share in either counts 0.
    """

class CosineSimilarity(_LikeBrierScore):
    """Streaming `functional.cosine_similarity`: its mean over the rows of all batches.

    Cosine of the angle between the two rows.
    """

class CoverageError(_streaming.RowMetric):
    """Streaming `functional.coverage_error`: its mean over the rows of all batches.

    How many of the best labels must be taken to have all right ones, per row; at best |Y|.
    """
    def __init__(self, *, no_labels: float = nan, **more: Unpack[Options]) -> None: ...

class _LikeCrossEntropy(_streaming.RowMetric):
    """The options that several classes take."""
    def __init__(
        self, *, eps: float | None = None, unit: Unit = "nats", from_logits: bool = False, **more: Unpack[Options]
    ) -> None: ...

class CrossEntropy(_LikeCrossEntropy):
    """Streaming `functional.cross_entropy`: its mean over the rows of all batches.

    Cross-entropy of soft labels, -sum target log preds, per row; at least the entropy of the target.
    """

class EarthMoversDistance(_streaming.RowMetric):
    """Streaming `functional.earth_movers_distance`: its mean over the rows of all batches.

    Least total of share x distance that turns the predicted distribution into people's, per row.
    """
    def __init__(self, ground: Ground, *, from_logits: bool = False, **more: Unpack[Options]) -> None: ...

class EntropyCorrelation(_streaming.EntropyPairs):
    """Streaming `functional.entropy_correlation`: over the rows of all batches; it keeps three numbers of each.

    Correlation over rows between the model's entropy and people's: is it unsure where they disagree?
    """
    def __init__(
        self, *, method: Correlation = "pearson", from_logits: bool = False, **more: Unpack[Options]
    ) -> None: ...

class _LikeEntropyError(_streaming.RowMetric):
    """The options that several classes take."""
    def __init__(
        self, *, signed: bool = False, unit: Unit = "nats", from_logits: bool = False, **more: Unpack[Options]
    ) -> None: ...

class EntropyError(_LikeEntropyError):
    """Streaming `functional.entropy_error`: its mean over the rows of all batches.

    How far the model's uncertainty is from people's: |H(preds) - H(target)|, per row.
    """

class EntropySimilarity(_streaming.SumMetric):
    """Streaming `functional.entropy_similarity`: over the rows of all batches; it keeps their sums.

    Cosine over rows between the model's entropies and people's (Uma et al. 2021).
    """
    def __init__(self, *, from_logits: bool = False, **more: Unpack[Options]) -> None: ...

class ErrorRate(_streaming.PeopleMetric):
    """Streaming `functional.error_rate`: its mean over the rows of all batches.

    Share of people's answers to a row that were predicted wrongly, over the people who were asked.
    """
    def __init__(self, **more: Unpack[Options]) -> None: ...

class _LikeExactMatch(_streaming.RowMetric):
    """The options that several classes take."""
    def __init__(self, *, threshold: float | None = None, **more: Unpack[Options]) -> None: ...

class ExactMatch(_LikeExactMatch):
    """Streaming `functional.exact_match`: its mean over the rows of all batches.

    1 where the two sets of a row are the same, 0 elsewhere (subset accuracy); two empty sets are the same.
    """

class HammingLoss(_LikeExactMatch):
    """Streaming `functional.hamming_loss`: its mean over the rows of all batches.

    Share of the C labels on which the two sets of a row differ, in [0, 1].
    """

class HellingerDistance(_LikeBrierScore):
    """Streaming `functional.hellinger_distance`: its mean over the rows of all batches.

    Root of 1 minus the Bhattacharyya coefficient: distance of the rows' square roots over sqrt(2), per row.
    """

class _LikeHumanMassAtK(_streaming.RowMetric):
    """The options that several classes take."""
    def __init__(
        self, k: int = 1, *, ties: Ties = "expected", no_labels: float = nan, **more: Unpack[Options]
    ) -> None: ...

class HumanMassAtK(_LikeHumanMassAtK):
    """Streaming `functional.human_mass_at_k`: its mean over the rows of all batches.

    Share of people's answers that fall on the k best labels, per row; grows with k and is 1 at k = C.
    """

class ICM(_streaming.SumMetric):
    """Streaming `functional.icm`: over the rows of all batches; it keeps their sums.

    Information contrast of predicted and right sets, in bits a row; a label says -log2 of its share of the rows.
    """
    def __init__(
        self,
        num_labels: int,
        *,
        normalised: bool = False,
        average: Parts = "sum",
        threshold: float | None = None,
        **more: Unpack[Options],
    ) -> None: ...

class ICMSoft(_streaming.PairMetric):
    """Streaming `functional.icm_soft`: over the rows of all batches, which it keeps.

    `icm` of shares: a label's share v says -log2 of the chance that an image has v or more, in bits a row.
    """
    def __init__(
        self,
        *,
        normalised: bool = False,
        average: Parts = "sum",
        from_logits: bool = False,
        activation: Activation = "sigmoid",
        **more: Unpack[Options],
    ) -> None: ...

class Intersection(_LikeBrierScore):
    """Streaming `functional.intersection`: its mean over the rows of all batches.

    Shared mass, sum of min(p, t), per row: 1 - `total_variation`.
    """

class _LikeJSDivergence(_streaming.RowMetric):
    """The options that several classes take."""
    def __init__(
        self, *, unit: Unit = "nats", square_root: bool = False, from_logits: bool = False, **more: Unpack[Options]
    ) -> None: ...

class JSDivergence(_LikeJSDivergence):
    """Streaming `functional.js_divergence`: its mean over the rows of all batches.

    Jensen-Shannon divergence: mean KL of the two from their average, per row.
    """

class KLDivergence(_streaming.RowMetric):
    """Streaming `functional.kl_divergence`: its mean over the rows of all batches.

    Kullback-Leibler divergence of the target from the preds, KL(target || preds), per row.
    """
    def __init__(
        self,
        *,
        reverse: bool = False,
        eps: float | None = None,
        unit: Unit = "nats",
        from_logits: bool = False,
        **more: Unpack[Options],
    ) -> None: ...

class _LikeKendallTauB(_streaming.RowMetric):
    """The options that several classes take."""
    def __init__(self, **more: Unpack[Options]) -> None: ...

class KendallTauB(_LikeKendallTauB):
    """Streaming `functional.kendall_tau_b`: its mean over the rows of all batches.

    Kendall's tau-b of the model's ranking and people's, per row: do pairs of labels stand in one order?
    """

class _LikeLabelAUROC(_streaming.PairMetric):
    """The options that several classes take."""
    def __init__(self, *, average: Average = "macro", no_labels: float = nan, **more: Unpack[Options]) -> None: ...

class LabelAUROC(_LikeLabelAUROC):
    """Streaming `functional.label_auroc`: over the rows of all batches, which it keeps.

    Area under the ROC curve of each label over the rows, and its mean over labels.
    """

class LabelCalibrationError(_streaming.PairMetric):
    """Streaming `functional.label_calibration_error`: over the rows of all batches, which it keeps.

    Calibration error of each label over the table, in bins of equal numbers of rows, and its mean over labels.
    """
    def __init__(
        self,
        *,
        bins: int = 15,
        norm: Norm = "l1",
        average: Literal["macro", "none"] = "macro",
        from_logits: bool = False,
        activation: Activation = "sigmoid",
        **more: Unpack[Options],
    ) -> None: ...

class _LikeLabelF1(_streaming.SumMetric):
    """The options that several classes take."""
    def __init__(
        self,
        num_labels: int,
        *,
        average: Average = "macro",
        zero_division: float = 0.0,
        threshold: float | None = None,
        **more: Unpack[Options],
    ) -> None: ...

class LabelF1(_LikeLabelF1):
    """Streaming `functional.label_f1`: over the rows of all batches; it keeps their sums.

    F1 of each label over the table, 2 TP / (2 TP + FP + FN), and its averages, in [0, 1].
    """

class LabelMCC(_LikeLabelF1):
    """Streaming `functional.label_mcc`: over the rows of all batches; it keeps their sums.

    Matthews' correlation of predicted and right, in [-1, 1]; 0 is chance whatever the prevalence.
    """

class LabelPrecision(_LikeLabelF1):
    """Streaming `functional.label_precision`: over the rows of all batches; it keeps their sums.

    Share of the rows with a predicted label on which it is right, TP / (TP + FP), in [0, 1].
    """

class LabelRankingAveragePrecision(_streaming.RowMetric):
    """Streaming `functional.label_ranking_average_precision`: its mean over the rows of all batches.

    For each right label, the share of right ones among it and all labels ranked above it; the mean, per row.
    """
    def __init__(self, *, ties: PlaceTies = "expected", no_labels: float = nan, **more: Unpack[Options]) -> None: ...

class LabelRecall(_LikeLabelF1):
    """Streaming `functional.label_recall`: over the rows of all batches; it keeps their sums.

    Share of the rows with a right label on which it is predicted, TP / (TP + FN), in [0, 1].
    """

class LabelSpecificity(_LikeLabelF1):
    """Streaming `functional.label_specificity`: over the rows of all batches; it keeps their sums.

    Share of the rows without a right label on which it is not predicted, TN / (TN + FP), in [0, 1].
    """

class ManhattanDistance(_LikeBrierScore):
    """Streaming `functional.manhattan_distance`: its mean over the rows of all batches.

    Sum of absolute differences of the shares, per row: twice `total_variation`.
    """

class MeanAveragePrecision(_LikeLabelAUROC):
    """Streaming `functional.mean_average_precision`: over the rows of all batches, which it keeps.

    Average precision of each label over the rows, and its mean over labels.
    """

class NDCG(_streaming.RowMetric):
    """Streaming `functional.ndcg`: its mean over the rows of all batches.

    Normalised discounted cumulative gain of each row: are the labels most people chose ranked first?
    """
    def __init__(
        self,
        k: int | None = None,
        *,
        gain: Gain = "linear",
        ties: Ties = "expected",
        no_labels: float = nan,
        **more: Unpack[Options],
    ) -> None: ...

class NormalisedAbsoluteDistance(_streaming.PeopleMetric):
    """Streaming `functional.normalised_absolute_distance`: its mean over the rows of all batches.

    Absolute distance of the prediction for each person from that person's answer, over `scale`; mean of the asked.
    """
    def __init__(self, scale: float, **more: Unpack[Options]) -> None: ...

class OneError(_streaming.RowMetric):
    """Streaming `functional.one_error`: its mean over the rows of all batches.

    1 where the best label is not a right one, per row: 1 - `top_k_accuracy` at k = 1.
    """
    def __init__(self, *, ties: Ties = "expected", no_labels: float = nan, **more: Unpack[Options]) -> None: ...

class POJSD(_LikeBrierScore):
    """Streaming `functional.po_jsd`: its mean over the rows of all batches.

    Positively oriented Jensen-Shannon divergence, 1 - JSD in bits, per row.
    """

class RankCS(_streaming.RowMetric):
    """Streaming `functional.rank_cs`: its mean over the rows of all batches.

    1 where the model ranks all labels as people do, 0 elsewhere, per row; the mean is RankCS of Baan et al. 2022.
    """
    def __init__(self, *, ties: RankTies = "free", from_logits: bool = False, **more: Unpack[Options]) -> None: ...

class RankingLoss(_streaming.RowMetric):
    """Streaming `functional.ranking_loss`: its mean over the rows of all batches.

    Share of (right, wrong) label pairs in the wrong order, per row.
    """
    def __init__(self, *, tie_cost: float = 0.5, no_labels: float = nan, **more: Unpack[Options]) -> None: ...

class RateBrierScore(_LikeBrierScore):
    """Streaming `functional.rate_brier_score`: its mean over the rows of all batches.

    Squared difference of the rates, the mean over labels, per row: [N] in [0, 1].
    """

class RateCrossEntropy(_LikeCrossEntropy):
    """Streaming `functional.rate_cross_entropy`: its mean over the rows of all batches.

    Binary cross-entropy with soft targets, the mean over labels, per row: [N] in 0..inf.
    """

class RateEntropyCorrelation(_streaming.PairMetric):
    """Streaming `functional.rate_entropy_correlation`: over the rows of all batches, which it keeps.

    Correlation over rows between the model's entropy of a label and people's, and its mean over labels.
    """
    def __init__(
        self,
        *,
        method: Correlation = "pearson",
        average: Literal["macro", "none"] = "macro",
        from_logits: bool = False,
        **more: Unpack[Options],
    ) -> None: ...

class RateEntropyError(_LikeEntropyError):
    """Streaming `functional.rate_entropy_error`: its mean over the rows of all batches.

    How far the model's uncertainty of each label is from people's: `entropy_error` of its (yes, no) pair.
    """

class RateJSDivergence(_LikeJSDivergence):
    """Streaming `functional.rate_js_divergence`: its mean over the rows of all batches.

    Jensen-Shannon divergence of each label's (yes, no) pair, the mean over labels, per row: [N] in 0..log 2.
    """

class RateKLDivergence(_LikeCrossEntropy):
    """Streaming `functional.rate_kl_divergence`: its mean over the rows of all batches.

    KL(target || preds) of each label's (yes, no) pair, the mean over labels, per row: [N] in 0..inf.
    """

class RateManhattan(_LikeBrierScore):
    """Streaming `functional.rate_manhattan`: its mean over the rows of all batches.

    Manhattan distance of each label's (yes, no) pair, 2 |p - t|, the mean over labels, per row: [N] in [0, 2].
    """

class RatePOJSD(_LikeBrierScore):
    """Streaming `functional.rate_po_jsd`: its mean over the rows of all batches.

    `po_jsd` of each label's (yes, no) pair, the mean over labels, per row: its multilabel form.
    """

class RateTotalVariation(_LikeBrierScore):
    """Streaming `functional.rate_total_variation`: its mean over the rows of all batches.

    Total variation of each label's (yes, no) pair, |p - t|, the mean over labels, per row: [N] in [0, 1].
    """

class SemanticSetF1(_streaming.RowMetric):
    """Streaming `functional.semantic_set_f1`: its mean over the rows of all batches.

    F1 that gives partial credit for a label close to a right one, per row.
    """
    def __init__(
        self,
        similarity: ArrayLike,
        *,
        both_empty: float = 1,
        one_empty: float = 0,
        threshold: float | None = None,
        **more: Unpack[Options],
    ) -> None: ...

class _LikeSetF1(_streaming.RowMetric):
    """The options that several classes take."""
    def __init__(
        self, *, both_empty: float = 1, one_empty: float = 0, threshold: float | None = None, **more: Unpack[Options]
    ) -> None: ...

class SetF1(_LikeSetF1):
    """Streaming `functional.set_f1`: its mean over the rows of all batches.

    Example-based F1 of each row: 2 |P and Y| / (|P| + |Y|), in [0, 1].
    """

class SetJaccard(_LikeSetF1):
    """Streaming `functional.set_jaccard`: its mean over the rows of all batches.

    Jaccard index |P and Y| / |P or Y| of each row, in [0, 1]; `set_f1` is 2J / (1 + J).
    """

class SetPrecision(_LikeSetF1):
    """Streaming `functional.set_precision`: its mean over the rows of all batches.

    Share of the predicted labels that are right, |P and Y| / |P|, per row.
    """

class SetRecall(_LikeSetF1):
    """Streaming `functional.set_recall`: its mean over the rows of all batches.

    Share of the right labels that were predicted, |P and Y| / |Y|, per row.
    """

class SetSize(_LikeKendallTauB):
    """Streaming `functional.set_size`: its mean over the rows of all batches.

    Number of right labels |Y| of each row: float64 [N]; its mean belongs beside every "any" score.
    """

class SoftF1(_streaming.SumMetric):
    """Streaming `functional.soft_f1`: over the rows of all batches; it keeps their sums.

    F1 with shared mass in place of hits: 2 sum min(p, t) / sum (p + t), over the table.
    """
    def __init__(
        self,
        num_labels: int,
        *,
        average: SoftAverage = "micro",
        zero_division: float = 0.0,
        from_logits: bool = False,
        **more: Unpack[Options],
    ) -> None: ...

class SquaredCalibrationError(_streaming.PairMetric):
    """Streaming `functional.squared_calibration_error`: over the rows of all batches, which it keeps.

    Squared calibration error of each label over the table without the bias of few rows, and its mean over labels.
    """
    def __init__(
        self,
        *,
        bins: int = 15,
        average: Literal["macro", "none"] = "macro",
        from_logits: bool = False,
        activation: Activation = "sigmoid",
        **more: Unpack[Options],
    ) -> None: ...

class TopKAccuracy(_streaming.RowMetric):
    """Streaming `functional.top_k_accuracy`: its mean over the rows of all batches.

    1 where the k best labels meet the right ones (match="any"), or hold as many as can be (match="all"), per row.
    """
    def __init__(
        self,
        k: int = 1,
        *,
        match: Match = "any",
        ties: Ties = "expected",
        no_labels: float = nan,
        **more: Unpack[Options],
    ) -> None: ...

class TopKChance(_streaming.RowMetric):
    """Streaming `functional.top_k_chance`: its mean over the rows of all batches.

    What `top_k_accuracy` gives a ranking drawn at random, per row.
    """
    def __init__(
        self, k: int = 1, *, match: Match = "any", no_labels: float = nan, **more: Unpack[Options]
    ) -> None: ...

class TopKPrecision(_LikeHumanMassAtK):
    """Streaming `functional.top_k_precision`: its mean over the rows of all batches.

    Share of the k best labels that are right, |top k and Y| / k, per row; at most |Y| / k.
    """

class TopKRecall(_LikeHumanMassAtK):
    """Streaming `functional.top_k_recall`: its mean over the rows of all batches.

    Share of the right labels among the k best, |top k and Y| / |Y|, per row; 1 can need k >= |Y|.
    """

class TotalVariation(_LikeBrierScore):
    """Streaming `functional.total_variation`: its mean over the rows of all batches.

    Half the sum of absolute differences: the share of answers that would have to change, per row.
    """

class WeightedKendallTau(_LikeKendallTauB):
    """Streaming `functional.weighted_kendall_tau`: its mean over the rows of all batches.

    `kendall_tau_b` in which a pair weighs 1 / place + 1 / place of its labels, so the top counts most, per row.
    """
