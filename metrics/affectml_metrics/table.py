"""The one table of metrics: what each is called, which way is better, what it takes, its conventions, where it shows.

`score`, the streaming classes, affectml's evaluation and reports, and the tables of docs/metrics.md are derived from
it. `python scripts/metrics_page.py docs/metrics.md` writes those tables between their markers.
"""

import re
import warnings
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import groupby
from threading import RLock

from affectml_metrics import functional as F
from affectml_metrics._errors import ArgumentError, MetricInputError, one_of
from affectml_metrics.plugins import load_plugin, plugins
from affectml_metrics.spec import BETTER, KINDS, Better, Figure, Given, Kind, MetricSpec, Place

GROUP = "affectml.metrics"  # of entry points


_SCORE: tuple[Place, ...] = ("score",)
_REPORT: tuple[Place, ...] = ("score", "report")
_BRIEF: tuple[Place, ...] = ("score", "report", "brief")
_HEADLINE: tuple[Place, ...] = ("score", "report", "brief", "headline")
_EXACT = {"eps": None}  # a predicted 0 is taken at its word

_sets = partial(
    MetricSpec, kinds=("sets",), better="higher", options={"both_empty": 1.0, "one_empty": 0.0}, range="0..1"
)
_label_f1 = partial(
    MetricSpec, function=F.label_f1, kinds=("sets",), better="higher", over="table", shown=_SCORE,
    sums=F.labels.sums_of(F.labels.f1), cls="LabelF1", range="0..1",
)  # fmt: skip
_label = partial(
    MetricSpec, kinds=("sets",), better="higher", over="table", shown=_SCORE, options={"average": "macro"}, range="0..1"
)
_contrast = partial(
    MetricSpec, better="higher", over="table", shown=_SCORE, range="−∞..∞", source="Amigó & Delgado 2022"
)
_top = partial(
    MetricSpec, kinds=("ranking",), better="higher", options={"ties": "expected"}, needs=("k",), shown=_SCORE,
    range="0..1",
)  # fmt: skip
_ranking = partial(MetricSpec, kinds=("ranking",), better="higher", shown=_SCORE, range="0..1")
_soft_ranking = partial(_ranking, needs=("shares",), targets=("rates", "distribution"), range="−1..1")
_shares = partial(MetricSpec, kinds=("distribution",), better="lower", shown=_SCORE)
_rates = partial(MetricSpec, kinds=("rates",), better="lower")
_people = partial(MetricSpec, kinds=("perspectives",), better="lower", shown=_SCORE)
_ONE = ("distribution", "single")  # a single label is a distribution with all its mass in one place

# The order is the one that people read in: the first tables of a report follow it.
ROWS = (
    _top("top_{k}_accuracy", F.top_k_accuracy, shown=(*_HEADLINE, "people"), right="modes", cls="TopKAccuracy",
         formula="1 if the top k meets Y", worked="(1 + 1/2 + 1) / 3"),
    _top("top_{k}_chance", F.top_k_chance, better="", options={}, of_target=True, cls="TopKChance",
         formula="what `top_{k}_accuracy` gives a random ranking: 1 − C(C−|Y|, k)/C(C, k)", source="hypergeometric",
         worked="(5/6 + 3/6 + 1) / 3"),
    _top("top_{k}_accuracy_all", F.top_k_accuracy, options={"match": "all", "ties": "expected"}, cls="TopKAccuracy",
         formula="1 if the top k holds min(k, |Y|) of Y", worked="(0 + 1/2 + 1) / 3"),
    _top("top_{k}_recall", F.top_k_recall, cls="TopKRecall", formula="|top k ∩ Y| / |Y|",
         worked="(1/2 + 1/2 + 2/3) / 3"),
    _top("top_{k}_precision", F.top_k_precision, cls="TopKPrecision", formula="|top k ∩ Y| / k",
         worked="(1/2 + 1/4 + 1) / 3"),
    _sets("set_f1_judgements", F.set_f1, needs=("judgements",), shown=(*_HEADLINE[1:], "people"), cls="SetF1",
          formula="`set_f1` against each person's own set, the mean over the people of an image",
          source="Godbole & Sarawagi 2004", worked="(4/5 + 2/4 + 2/4 + 1 + 0) / 5"),
    _sets("set_f1", F.set_f1, shown=(*_HEADLINE, "people"), cls="SetF1", formula="2·|P∩Y| / (|P|+|Y|), a row",
          source="Godbole & Sarawagi 2004", worked="(4/5 + 2/4 + 2/4 + 1 + 0) / 5"),
    _sets("set_precision", F.set_precision, shown=(*_REPORT, "people"), cls="SetPrecision", formula="|P∩Y| / |P|",
          source="Godbole & Sarawagi 2004", worked="(2/2 + 1/2 + 1/3 + 1 + 0) / 5"),
    _sets("set_recall", F.set_recall, shown=(*_REPORT, "people"), cls="SetRecall", formula="|P∩Y| / |Y|",
          source="Godbole & Sarawagi 2004", worked="(2/3 + 1/2 + 1/1 + 1 + 0) / 5"),
    _sets("set_jaccard", F.set_jaccard, cls="SetJaccard", formula="|P∩Y| / |P∪Y|; F1 = 2J/(1+J)",
          source="Jaccard 1912", worked="(2/3 + 1/3 + 1/3 + 1 + 0) / 5"),
    _sets("exact_match", F.exact_match, options={}, cls="ExactMatch", formula="1 if P = Y", range="0 or 1",
          source="Zhang & Zhou 2014", worked="(0 + 0 + 0 + 1 + 0) / 5"),
    _sets("hamming_loss", F.hamming_loss, better="lower", options={}, cls="HammingLoss",
          formula="share of the C labels on which P and Y differ", source="Schapire & Singer 2000",
          worked="(1/3 + 2/3 + 2/3 + 0 + 1/3) / 5"),
    _sets("semantic_set_f1", F.semantic_set_f1, needs=("similarity",), shown=_SCORE, cls="SemanticSetF1",
          formula="harmonic mean of precision (mean similarity of each predicted label to the nearest right one) and "
          "recall (the other way)", source="Chochlakis et al. 2025",
          worked="(2*1*2.2 / (3*1 + 2.2) + 2*.75*.75 / (.75 + .75) + 2*.5*1 / (.5 + 1) + 1 + 0) / 5"),
    _label_f1("label_f1_macro", options={"average": "macro"}, shown=_HEADLINE, targets=("sets", "rates", "single"),
              formula="2·TP / (2·TP+FP+FN) a label, over the table; the mean of the labels' F1",
              source="Opitz & Burst 2019 on the two macro F1", worked="(4/5 + 2/5 + 2/4) / 3"),
    _label_f1("label_f1_micro", options={"average": "micro"}, formula="the same with TP, FP and FN summed over labels",
              worked="2*4 / (7 + 7)"),
    _label_f1("label_f1_weighted", options={"average": "weighted"},
              formula="the labels' F1, weighted by how often each is right",
              worked="(2 * 4/5 + 3 * 2/5 + 2 * 2/4) / 7"),
    _label("label_precision_macro", F.label_precision, sums=F.labels.sums_of(F.labels.precision), cls="LabelPrecision",
           formula="TP / (TP+FP) a label, over the table; the mean over labels", worked="(2/3 + 1/2 + 1/2) / 3"),
    _label("label_recall_macro", F.label_recall, sums=F.labels.sums_of(F.labels.recall), cls="LabelRecall",
           formula="TP / (TP+FN) a label; the mean over labels", worked="(2/2 + 1/3 + 1/2) / 3"),
    _label("label_specificity_macro", F.label_specificity, sums=F.labels.sums_of(F.labels.specificity),
           cls="LabelSpecificity", formula="TN / (TN+FP) a label; the mean over labels",
           worked="(2/3 + 1/2 + 2/3) / 3"),
    _label("label_mcc_macro", F.label_mcc, sums=F.labels.sums_of(F.labels.mcc), cls="LabelMCC", range="−1..1",
           formula="correlation of predicted and right, a label; the mean over labels", source="Matthews 1975",
           worked="((5*2 - 3*2) / sqrt(3*2 * 2*3) + (5*1 - 2*3) / sqrt(2*3 * 3*2) + (5*1 - 2*2) / sqrt(2*3 * 2*3)) / "
           "3"),
    _contrast("icm", F.icm, kinds=("sets",), sums=F.information.CONTRAST, cls="ICM",
              formula="Σ over labels of −log₂(share of rows with it in Y)·(hits − misses − false), a row, in bits",
              worked="(1*log2(5/2) - 2*log2(5/3) - 1*log2(5/2)) / 5"),
    _contrast("icm_norm", F.icm, kinds=("sets",), options={"normalised": True}, sums=F.information.CONTRAST, cls="ICM",
              formula="(`icm` + best) / (2·best), at least 0; best: that of Y itself", range="0..1",
              worked="(1 - 2*log2(5/3) / (4*log2(5/2) + 3*log2(5/3))) / 2"),
    _ranking("set_size", F.set_size, better="", of_target=True, cls="SetSize", formula="|Y|", range="0..C",
             worked="(2 + 1 + 3 + 0) / 4"),
    _ranking("label_ranking_average_precision", F.label_ranking_average_precision, options={"ties": "expected"},
             shown=(*_BRIEF, "people"), cls="LabelRankingAveragePrecision",
             formula="mean over c in Y of |{y in Y: rank(y) ≤ rank(c)}| / rank(c)", source="Schapire & Singer 2000",
             worked="((1/2 + 2/4) / 2 + (1/2 + 1/3) / 2 + (1/1 + 2/2 + 3/3) / 3) / 3"),
    _ranking("coverage_error", F.coverage_error, better="lower", shown=_BRIEF, targets=("single_positive",),
             cls="CoverageError", formula="the largest rank of a right label, ties counted; at best |Y|", range="1..C",
             source="Tsoumakas et al. 2010", worked="(4 + 3 + 3) / 3"),
    _ranking("ranking_loss", F.ranking_loss, better="lower", options={"tie_cost": 0.5}, shown=_BRIEF,
             targets=("single_positive",), cls="RankingLoss",
             formula="share of (right, wrong) pairs in the wrong order; nan if Y is empty or full",
             source="Zhang & Zhou 2014", worked="(3/4 + (1 + .5) / 3 + 0/3) / 3"),
    _ranking("one_error", F.one_error, better="lower", options={"ties": "expected"}, cls="OneError",
             formula="1 if the first label is not in Y", source="Schapire & Singer 2000", worked="(1 + 1 + 0) / 3"),
    _ranking("ndcg", F.ndcg, options={"ties": "expected"}, needs=("shares?",), cls="NDCG",
             formula="Σ gain/log₂(place+1) over the ideal; target soft", source="Järvelin & Kekäläinen 2002",
             worked="((1 + 5/log2(3) + 1/2 + 3/log2(5)) / (5 + 3/log2(3) + 1/2 + 1/log2(5)) + (1 + 2/log2(3) + 2/2) "
             "/ (3 + 1/log2(3) + 1/2) + 1) / 3"),
    _ranking("human_mass_at_{k}", F.human_mass_at_k, options={"ties": "expected"}, needs=("k", "shares"),
             cls="HumanMassAtK", formula="people's share on the top k; target soft", range="0..1, 1 at k = C",
             worked="((1 + 5) / 10 + (1 + (1 + 3) / 2) / 5 + (3 + 5) / 10) / 3"),
    _soft_ranking("kendall_tau_b", F.kendall_tau_b, shown=_REPORT, cls="KendallTauB",
                  formula="(pairs in one order − in opposite ones) / √(untied pairs of preds · of people); target soft",
                  source="Kendall 1945", worked="(-1/sqrt(6*5) + 2/sqrt(5*5) + 1) / 3"),
    _soft_ranking("weighted_kendall_tau", F.weighted_kendall_tau, cls="WeightedKendallTau",
                  formula="the same, a pair weighing 1/place + 1/place; the mean of places by preds and by people",
                  source="Vigna 2015",
                  worked="((-21/sqrt(75*59) - 2/sqrt(75*68)) / 2 + 13/sqrt(65*59) + 1) / 3"),
    _ranking("mean_average_precision", F.mean_average_precision, over="table", cls="MeanAveragePrecision",
             prepared=F.average_precision.prepared_ranking,
             formula="per label Σ (recall step)·precision over rows, mean over labels; too high of few positives",
             source="Everingham et al. 2010",
             worked="(1/2 * 1/2 + 1/2 * 2/4 + 1/2 * 1/1 + 1/2 * 2/3 + 1/2 * 1/1 + 1/2 * 2/4) / 3"),
    _ranking("label_auroc_macro", F.label_auroc, over="table", options={"average": "macro"}, cls="LabelAUROC",
             prepared=partial(F.average_precision.prepared_ranking, area=True),
             formula="chance that a row with the label has a higher score than one without; the mean over labels",
             source="Hanley & McNeil 1982", worked="((1 + .5 + .5 + 0) / 4 + (1 + .5 + 2) / 4 + (0 + 2) / 4) / 3"),
    _rates("rate_cross_entropy", F.rate_cross_entropy, options=_EXACT, shown=(*_HEADLINE, "people"),
           cls="RateCrossEntropy", formula="mean of −p·log q − (1−p)·log(1−q)", range="0..∞", source="Good 1952",
           worked="-(.25*log(.2) + 1.75*log(.8) + 1.5*log(.6) + .5*log(.4) + 2*log(.5) + 1.75*log(.9) + .25*log(.1)) "
           "/ 8"),
    _rates("rate_brier_score", F.rate_brier_score, shown=(*_REPORT, "people"), cls="RateBrierScore",
           formula="mean of (p−q)²", range="0..1", source="Brier 1950",
           worked="(.05**2 + .2**2 + .1**2 + .4**2 + 0 + .1**2 + .25**2 + .15**2) / 8"),
    _rates("rate_manhattan", F.rate_manhattan, shown=(*_REPORT, "people"), cls="RateManhattan",
           formula="mean of 2·|p−q|, the distance of the (yes, no) pairs", range="0..2",
           source="Leonardelli et al. 2025", worked="2 * (.05 + .2 + .1 + .4 + 0 + .1 + .25 + .15) / 8"),
    _rates("rate_total_variation", F.rate_total_variation, shown=_SCORE, cls="RateTotalVariation",
           formula="mean of |p−q|, half of `rate_manhattan`", range="0..1", source="Baan et al. 2022",
           worked="(.05 + .2 + .1 + .4 + 0 + .1 + .25 + .15) / 8"),
    _rates("rate_kl_divergence", F.rate_kl_divergence, options=_EXACT, shown=_SCORE, cls="RateKLDivergence",
           formula="mean KL(p‖q) of the (yes, no) pairs", range="0..∞", source="Kullback & Leibler 1951",
           worked="(.25*log(.25/.2) + .75*log(.75/.8) + log(1/.8) + .5*log(.5/.6) + .5*log(.5/.4) + log(1/.6) + "
           "log(1/.9) + .25*log(.25/.5) + .75*log(.75/.5) + .75*log(.75/.9) + .25*log(.25/.1)) / 8"),
    _rates("rate_entropy_error", F.rate_entropy_error, shown=_REPORT, cls="RateEntropyError",
           formula="mean of |H(q, 1−q) − H(p, 1−p)|", range="0..log 2", source="Baan et al. 2022",
           worked="(H(.25, .75) - H(.2, .8) + H(.2, .8) + H(.5, .5) - H(.6, .4) + H(.6, .4) + 0 + H(.9, .1) + "
           "H(.5, .5) - H(.25, .75) + H(.75, .25) - H(.9, .1)) / 8"),
    _rates("rate_entropy_correlation", F.rate_entropy_correlation, better="higher", over="table",
           options={"method": "pearson", "average": "macro"}, shown=_SCORE, cls="RateEntropyCorrelation",
           prepared=F.disagreement.prepared_rate_correlation, range="−1..1", source="Kurniawan et al. 2025",
           formula="by label Pearson's r over rows of H(q, 1−q) and H(p, 1−p); the mean over labels",
           worked="(correlation([H(.2, .8), H(.2, .8), H(.6, .4), H(.6, .4)], [H(.25, .75), 0, H(.5, .5), 0]) + "
           "correlation([H(.5, .5), H(.9, .1), H(.5, .5), H(.9, .1)], [H(.5, .5), 0, H(.25, .75), H(.75, .25)])) / 2"),
    _rates("rate_js_divergence", F.rate_js_divergence, shown=_SCORE, cls="RateJSDivergence",
           formula="mean JSD of the (yes, no) pairs", range="0..log 2", source="Lin 1991",
           worked="(J(.2, .25) + J(.2, 0) + J(.6, .5) + J(.6, 1) + J(.5, .5) + J(.9, 1) + J(.5, .25) + J(.9, .75)) / "
           "8"),
    _rates("rate_po_jsd", F.rate_po_jsd, better="higher", shown=_SCORE, cls="RatePOJSD",
           formula="1 − mean JSD of the (yes, no) pairs, in bits", range="0..1", source="Kurniawan et al. 2025",
           worked="1 - (J(.2, .25) + J(.2, 0) + J(.6, .5) + J(.6, 1) + J(.9, 1) + J(.5, .25) + J(.9, .75)) / 8 / "
           "log(2)"),
    _rates("binomial_log_likelihood", F.binomial_log_likelihood, better="higher", options=_EXACT, needs=("votes",),
           shown=_SCORE, cls="BinomialLogLikelihood", formula="mean of log Binomial(votes; n, q)", range="−∞..0",
           worked="log(4*.2*.8**3 * .8**4 * 6*.6**2*.4**2 * .6**4 * 6*.5**4 * .9**4 * 4*.5**4 * 4*.9**3*.1) / 8"),
    _rates("soft_f1_micro", F.soft_f1, better="higher", over="table", options={"average": "micro"}, shown=_SCORE,
           sums=F.rates.SOFT_F1, cls="SoftF1", range="0..1",
           formula="2·Σmin(p, q) / Σ(p+q) over the table (soft micro F1)",
           source="Harju & Mesaros 2023; Kurniawan et al. 2025", worked="2 * (1.3 + 2.4) / (1.6 + 1.75 + 2.8 + 2.5)"),
    _rates("soft_f1_macro", F.soft_f1, better="higher", over="table", options={"average": "macro"}, shown=_SCORE,
           sums=F.rates.SOFT_F1, cls="SoftF1", formula="the same by label, and the mean over labels", range="0..1",
           source="Harju & Mesaros 2023", worked="(2*1.3 / (1.6 + 1.75) + 2*2.4 / (2.8 + 2.5)) / 2"),
    _contrast("icm_soft", F.icm_soft, kinds=("rates", "distribution"), cls="ICMSoft",
              shown=(),  # its interval takes 201 passes of logarithms, forty times what all the others take
              formula="2·IC(q) + 2·IC(p) − 3·IC(max(q, p)), IC the sum over labels of −log₂ P(share ≥ v), normal by "
              "label", worked="(I(.2, .4375, .3125) - I(.25, .4375, .3125) + 2*I(.5, .4375, .3125) + "
              "I(.6, .4375, .3125) - I(1, .4375, .3125) + 2*I(.25, .625, .25) + 2*I(.75, .625, .25) + "
              "I(.9, .625, .25) - I(1, .625, .25)) / 4"),
    _contrast("icm_soft_norm", F.icm_soft, kinds=("rates", "distribution"), options={"normalised": True},
              cls="ICMSoft", shown=(), formula="(`icm_soft` + best) / (2·best), at least 0; best: that of p itself",
              range="0..1, but in far tails",
              worked="(1 + (I(.2, .4375, .3125) - I(.25, .4375, .3125) + 2*I(.5, .4375, .3125) + "
              "I(.6, .4375, .3125) - I(1, .4375, .3125) + 2*I(.25, .625, .25) + 2*I(.75, .625, .25) + "
              "I(.9, .625, .25) - I(1, .625, .25)) / (I(.25, .4375, .3125) + I(.5, .4375, .3125) + "
              "I(1, .4375, .3125) + I(.25, .625, .25) + I(.5, .625, .25) + I(.75, .625, .25) + I(1, .625, .25))) / 2"),
    _shares("kl_divergence", F.kl_divergence, options=_EXACT, shown=_HEADLINE, cls="KLDivergence",
            formula="KL(p‖q) = Σ p·log(p/q)", range="0..∞", source="Kullback & Leibler 1951",
            worked="(.25*log(.25/.5) + .75*log(.75/.25) + .2*log(.2/.1) + .2*log(.2/.3) + log(.5/.25)) / 3"),
    _shares("cross_entropy", F.cross_entropy, options=_EXACT, shown=_HEADLINE, targets=_ONE, cls="CrossEntropy",
            formula="−Σ p·log q = H(p) + KL", range="H(p)..∞", source="Good 1952",
            worked="-(.25*log(.5) + .75*log(.25) + .2*log(.1) + .2*log(.2) + .2*log(.3) + .4*log(.4) + log(.25)) / 3"),
    _shares("total_variation", F.total_variation, shown=_BRIEF, cls="TotalVariation", formula="½·Σ|p−q| (DistCE)",
            range="0..1", source="Baan et al. 2022",
            worked="(1/2 * (.25 + .5 + .25) + 1/2 * (.1 + .1) + 1/2 * 4*.25) / 3"),
    _shares("js_divergence", F.js_divergence, shown=_REPORT, cls="JSDivergence",
            formula="H((p+q)/2) − (H(p)+H(q))/2", range="0..log 2", source="Lin 1991",
            worked="(H(3/8, 1/2, 1/8) + H(.15, .2, .25, .4) + H(3/8, 3/8, 1/8, 1/8) - (sum(x) + sum(y)) / 2) / 3"),
    _shares("po_jsd", F.po_jsd, better="higher", cls="POJSD", formula="1 − JSD in bits", range="0..1",
            source="Kurniawan et al. 2025",
            worked="1 - (H(3/8, 1/2, 1/8) + H(.15, .2, .25, .4) + H(3/8, 3/8, 1/8, 1/8) - (sum(x) + sum(y)) / 2) / 3 "
            "/ log(2)"),
    _shares("manhattan_distance", F.manhattan_distance, cls="ManhattanDistance", formula="Σ|p−q| = 2·TV",
            range="0..2", source="Leonardelli et al. 2025", worked="(.25 + .5 + .25 + .1 + .1 + 4*.25) / 3"),
    _shares("brier_score", F.brier_score, shown=_REPORT, targets=_ONE, cls="BrierScore",
            formula="Σ(p−q)²; neither halved nor averaged", range="0..2", source="Brier 1950",
            worked="(.25**2 + .5**2 + .25**2 + .1**2 + .1**2 + 4*.25**2) / 3"),
    _shares("entropy_error", F.entropy_error, shown=_REPORT, cls="EntropyError",
            formula="|H(q) − H(p)|; with its sign it is EntCE", range="0..log C", source="Baan et al. 2022",
            worked="(abs(x[0] - y[0]) + abs(x[1] - y[1]) + abs(x[2] - y[2])) / 3"),
    _shares("earth_movers_distance", F.earth_movers_distance, needs=("ground",), shown=_BRIEF,
            cls="EarthMoversDistance", formula="least Σ share·distance that turns q into p",
            range="unit of the distance", source="Rubner et al. 2000",
            worked="(.25 + .25 + 0 + .1 + .1 + 0 + .25 + .5 + .25) / 3"),
    _shares("chebyshev_distance", F.chebyshev_distance, cls="ChebyshevDistance", formula="max|p−q|", range="0..1",
            source="Geng 2016", worked="(.5 + .1 + .25) / 3"),
    _shares("chi_squared_distance", F.chi_squared_distance, shown=_REPORT, cls="ChiSquaredDistance",
            formula="Σ(p−q)²/(p+q), 0/0 = 0", range="0..2", source="Puzicha et al. 1997",
            worked="(.25**2/.75 + .5**2/1 + .25**2/.25 + .1**2/.3 + .1**2/.5 + 2 * .25**2/.75 + 2 * .25**2/.25) / 3"),
    _shares("clark_distance", F.clark_distance, cls="ClarkDistance", formula="√Σ((p−q)/(p+q))², 0/0 = 0",
            range="0..√C", source="Geng 2016", worked="(sqrt(1/9 + 1/4 + 1) + sqrt(1/9 + 1/25) + sqrt(2/9 + 2)) / 3"),
    _shares("canberra_distance", F.canberra_distance, cls="CanberraDistance", formula="Σ|p−q|/(p+q), 0/0 = 0",
            range="0..C", source="Lance & Williams 1967", worked="(1/3 + 1/2 + 1 + 1/3 + 1/5 + 2/3 + 2) / 3"),
    _shares("cosine_similarity", F.cosine_similarity, better="higher", cls="CosineSimilarity",
            formula="p·q / (‖p‖‖q‖)", range="0..1", source="Geng 2016",
            worked="((1/8 + 3/16) / sqrt(3/8 * 10/16) + .28 / sqrt(.3 * .28) + (1/4) / sqrt(1/4 * 1/2)) / 3"),
    _shares("intersection", F.intersection, better="higher", cls="Intersection", formula="Σ min(p, q) = 1 − TV",
            range="0..1", source="Swain & Ballard 1991", worked="(.25 + .25 + .1 + .2 + .2 + .4 + .25 + .25) / 3"),
    _shares("hellinger_distance", F.hellinger_distance, cls="HellingerDistance", formula="√(½·Σ(√p−√q)²)",
            range="0..1", source="Hellinger 1909",
            worked="(sqrt(1 - sqrt(1/8) - sqrt(3/16)) + sqrt(1 - sqrt(.02) - .2 - sqrt(.06) - .4) + sqrt(1 - "
            "2*sqrt(1/8))) / 3"),
    _shares("rank_cs", F.rank_cs, better="higher", options={"ties": "free"}, cls="RankCS",
            formula="1 if q orders all labels as p does; people's ties are free", range="0 or 1",
            source="Baan et al. 2022", worked="(0 + 1 + 0) / 3"),
    _shares("entropy_correlation", F.entropy_correlation, better="higher", over="table",
            options={"method": "pearson"}, prepared=F.disagreement.prepared_entropy_correlation,
            cls="EntropyCorrelation", formula="Pearson's r of the entropies over rows", range="−1..1",
            source="Uma et al. 2021", worked="correlation(x, y)"),
    _shares("entropy_similarity", F.entropy_similarity, better="higher", over="table", sums=F.disagreement.SIMILARITY,
            cls="EntropySimilarity", formula="cosine of the entropies over rows", range="0..1",
            source="Uma et al. 2021", worked="(x[0]*y[0] + x[1]*y[1] + x[2]*y[2]) / (hypot(*x) * hypot(*y))"),
    _shares("label_calibration_error", F.label_calibration_error, kinds=("rates", "distribution"), over="table",
            shown=(), cls="LabelCalibrationError",  # biased upwards, so no interval is honest
            formula="per label, over bins of equal numbers of rows: Σ (rows in bin / N)·|mean q − mean p|; the mean "
            "over labels", range="0..1", source="Nguyen & O'Connor 2015; Nixon et al. 2019",
            worked="((.5*.075 + .5*.15) + (.5*.125 + .5*.025)) / 2"),
    _shares("squared_calibration_error", F.squared_calibration_error, kinds=("rates", "distribution"), over="table",
            prepared=F.calibration.debiased_calibration, cls="SquaredCalibrationError",
            formula="in the same bins: Σ (rows in bin / N)·((mean q − mean p)² − variance of q − p in the bin / its "
            "rows); the mean over labels", range="−1..1", source="Bröcker 2012; Kumar, Liang & Ma 2019",
            worked="(.075**2 - .125**2 + .15**2 - .25**2 + .125**2 - .125**2 + .025**2 - .125**2) / 4"),
    _people("error_rate", F.error_rate, cls="ErrorRate", range="0..1", source="Leonardelli et al. 2025",
            formula="share of the people asked whose answer was not predicted", worked="(2/3 + 1/2) / 2"),
    _people("normalised_absolute_distance", F.normalised_absolute_distance, needs=("scale",),
            cls="NormalisedAbsoluteDistance", formula="mean of |p−q| / scale over the people asked", range="0..∞",
            source="Leonardelli et al. 2025", worked="((0 + 1 + 2) / 3 / 3 + (2 + 0) / 2 / 3) / 2"),
    _people("agreement_correlation", F.agreement_correlation, better="higher", over="table",
            shown=(),  # people are in many pairs, so an interval over rows would be too narrow
            cls="AgreementCorrelation", range="−1..1", worked="correlation([0, 0, 1], [0, 1, 0])",
            formula="Pearson's r over pairs of people of the shares of rows on which the two said the same, predicted "
            "and real"),
)  # fmt: skip

_table: dict[str, MetricSpec] = {spec.name: spec for spec in ROWS}


_unread = [GROUP]
_reading = RLock()


def _known() -> dict[str, MetricSpec]:
    """The table, with what installed packages bring, which is read once; what cannot be used is a warning."""
    with _reading:  # another thread waits until all is read
        while _unread:
            for name in plugins(group := _unread.pop()):
                wanted, ours = f"a MetricSpec named {name!r}", find(name.replace("{k}", "1")) is not None
                try:
                    register_metric(load_plugin(group, name, partial(_is_spec, name), wanted, ours=ours))
                except MetricInputError as error:
                    warnings.warn(f"{error}; it is left out", stacklevel=3)
    return _table


def _is_spec(name: str, entry: object) -> bool:
    return isinstance(entry, MetricSpec) and entry.name == name and callable(entry.function)


def specs(kind: Kind | None = None, place: Place | None = None) -> Iterator[MetricSpec]:
    """The rows of the table in reading order: of one kind, shown in one place, or all."""
    for spec in tuple(_known().values()):
        if (kind is None or kind in spec.kinds) and (place is None or place in spec.shown):
            yield spec


def figures(kind: Kind, given: Given, labels: int, place: Place = "score") -> list[Figure]:
    """Every metric of a kind that is shown in a place and whose needs are met, in the order of the table.

    Metrics that take k come once for each k of at most `labels`, those of one k together.
    """
    out = []
    for by_k, group in groupby(specs(kind, place), key=lambda spec: "k" in spec.needs):
        some = [spec for spec in group if given.meets(spec)]
        for k in [k for k in dict.fromkeys(given.k) if k <= labels] if by_k else [None]:
            out += [Figure(spec.named(k), spec, kind, given, _options(spec, given, k)) for spec in some]
    return out


def _options(spec: MetricSpec, given: Given, k: int | None) -> dict[str, object]:
    ground = "circle" if given.wheel else given.ground
    needed = {"k": k, "similarity": given.similarity, "ground": ground, "scale": given.scale}
    taken = {"eps": given.eps, "asked": given.asked}
    return {
        **spec.options,
        **{need: needed[need] for need in spec.needs if need in needed},
        **{name: value for name, value in taken.items() if value is not None and spec.takes(name)},
    }


def find(name: str) -> MetricSpec | None:
    """The row behind a name as reports have it ("top_3_accuracy"), None where there is none."""
    table = _known()
    if name in table:
        return table[name]
    for spec in table.values():
        pattern = re.escape(spec.name).replace(re.escape("{k}"), r"[1-9]\d*")
        if "k" in spec.needs and re.fullmatch(pattern, name):
            return spec
    return None


def better(name: str) -> Better:
    """Which way is better: "higher", "lower", or "" for figures that only give context and for unknown names."""
    spec = find(name)
    return "" if spec is None else spec.better


def rules_of(names: Iterable[str]) -> dict[str, str]:
    """The conventions behind figures of these names, in words, by the option that sets them."""
    known = [spec for name in names if (spec := find(name)) is not None]
    return {option: text for spec in known for option, text in spec.rules().items()}


def shown(names: Iterable[str], place: Place) -> list[str]:
    """Those of the names that a place shows, each once, in reading order; headlines have the smallest k only."""
    known = {name: spec for name in names if (spec := find(name)) is not None and place in spec.shown}
    order = list(_known())
    ranked = sorted(known, key=lambda name: (order.index(known[name].name), len(name), name))
    if place != "headline":
        return ranked
    return list({known[name].name: name for name in reversed(ranked)}.values())[::-1]


class Registration:
    """A metric from elsewhere, in the table until `remove`, or until the `with` block of this ends."""

    def __init__(self, spec: MetricSpec) -> None:
        self.spec = spec

    def remove(self) -> None:
        """Take it out of the table again; once is enough."""
        if _table.get(self.spec.name) is self.spec:
            del _table[self.spec.name]

    def __enter__(self) -> MetricSpec:
        return self.spec

    def __exit__(self, *error: object) -> None:
        self.remove()


def register_metric(spec: MetricSpec) -> Registration:
    """Add a metric of your own to the table: it is then in `score`, in affectml's evaluation and in its reports.

    Its function takes `(preds, target)` [N, C], checked and of the kinds it names, and returns [N], or with
    over="table" takes `weights=` [N] too and returns a 0-dim tensor; with "k" among its needs it takes `k=`. Raises
    ArgumentError for a name that is taken, and where the row contradicts itself.

    >>> from affectml_metrics import MetricSpec, register_metric, score
    >>> def worst(preds, target):
    ...     return (preds - target).abs().amax(-1)
    >>> with register_metric(MetricSpec("worst_rate", worst, kinds=("rates",), better="lower")):
    ...     table = score([[0.5, 0.5]], [[0.0, 0.4]], "rates")
    >>> float(table.set_index("metric").loc["worst_rate", "value"])
    0.5
    """
    if not re.fullmatch(r"[a-z]\w*(\{k\})?\w*", spec.name):
        raise ArgumentError(f"name: expected a name such as top_{{k}}_accuracy, but received {spec.name!r}")
    if find(spec.name.format(k=1)) is not None:
        raise ArgumentError(f"name: a metric {spec.name!r} is in the table already; choose another name")
    if ("{k}" in spec.name) != ("k" in spec.needs):
        raise ArgumentError(f"needs: expected 'k' exactly where the name has {{k}}, but received {spec.name!r}")
    one_of("better", spec.better, BETTER)
    for kind in spec.kinds:
        one_of("kinds", kind, KINDS)
    if spec.over == "table" and not spec.takes("weights"):
        raise ArgumentError(f"function: expected an argument `weights` over the table, but {spec.name} has none")
    _table[spec.name] = spec
    return Registration(spec)
