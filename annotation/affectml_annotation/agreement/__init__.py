"""How well people agree: over sets, labels, numbers, annotators and groups of annotators."""

from affectml_annotation.agreement.alpha import Alpha, krippendorff_alpha
from affectml_annotation.agreement.by_person import annotator_report, group_agreement, pairwise_agreement
from affectml_annotation.agreement.distances import distance_table, set_distances
from affectml_annotation.agreement.group_test import GroupComparison, compare_groups, pooled_words
from affectml_annotation.agreement.intervals import Interval
from affectml_annotation.agreement.nominal import NominalAgreement, label_agreement, nominal_agreement
from affectml_annotation.agreement.report import AgreementReport, agreement_report

__all__ = [
    "AgreementReport",
    "Alpha",
    "GroupComparison",
    "Interval",
    "NominalAgreement",
    "agreement_report",
    "annotator_report",
    "compare_groups",
    "distance_table",
    "group_agreement",
    "krippendorff_alpha",
    "label_agreement",
    "nominal_agreement",
    "pairwise_agreement",
    "pooled_words",
    "set_distances",
]
