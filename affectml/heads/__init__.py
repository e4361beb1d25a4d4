"""Heads: small models on frozen embeddings, all behind one interface.

head = SigmoidHead().fit(X, rates, val=(X_val, rates_val)).tune_thresholds(X_val, sets_val)
head.predict_rates(X_new); head.predict_sets(X_new); head.save(folder); load_head(folder)
"""

from affectml.heads._contrastive import ContrastiveConfig, ContrastiveHead
from affectml.heads._material import Material
from affectml.heads._pairs import contrastive_loss
from affectml.heads._prior import PriorHead
from affectml.heads._sigmoid import SigmoidConfig, SigmoidHead
from affectml.heads._softmax import SoftmaxConfig, SoftmaxHead
from affectml.heads._texts import TextHead
from affectml.heads._thresholds import apply_thresholds, choose_thresholds
from affectml.heads._topk import SetHead, TopKConfig, TopKHead
from affectml.heads._votes import vote_correlation, vote_weights
from affectml.heads._zero_shot import ZeroShotConfig, ZeroShotHead
from affectml.heads.auto import AutoConfig, AutoHead
from affectml.heads.base import Head, sets_of
from affectml.heads.build import build_plain, check_plain
from affectml.heads.by_person import ByPersonConfig, ByPersonHead, ImageEffects
from affectml.heads.config import HeadConfig, Wanted
from affectml.heads.ensemble import EnsembleConfig, EnsembleHead
from affectml.heads.inputs import Rows, as_features
from affectml.heads.judged import JudgedTargets, judged_targets
from affectml.heads.kernel import KernelConfig, KernelHead
from affectml.heads.load import head_class, load_head
from affectml.heads.mixed_logit import Normals, PersonAnswers
from affectml.heads.promise import Promise

__all__ = [
    "AutoConfig",
    "AutoHead",
    "ByPersonConfig",
    "ByPersonHead",
    "ContrastiveConfig",
    "ContrastiveHead",
    "EnsembleConfig",
    "EnsembleHead",
    "Head",
    "HeadConfig",
    "ImageEffects",
    "JudgedTargets",
    "KernelConfig",
    "KernelHead",
    "Material",
    "Normals",
    "PersonAnswers",
    "PriorHead",
    "Promise",
    "Rows",
    "SetHead",
    "SigmoidConfig",
    "SigmoidHead",
    "SoftmaxConfig",
    "SoftmaxHead",
    "TextHead",
    "TopKConfig",
    "TopKHead",
    "Wanted",
    "ZeroShotConfig",
    "ZeroShotHead",
    "apply_thresholds",
    "as_features",
    "build_plain",
    "check_plain",
    "choose_thresholds",
    "contrastive_loss",
    "head_class",
    "judged_targets",
    "load_head",
    "sets_of",
    "vote_correlation",
    "vote_weights",
]
