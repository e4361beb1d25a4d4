"""Heads: small models on frozen embeddings, all behind one interface.

head = SigmoidHead().fit(X, rates, val=(X_val, rates_val)).tune_thresholds(X_val, sets_val)
head.predict_rates(X_new); head.predict_sets(X_new); head.save(folder); load_head(folder)
"""

from affectml.heads.auto import AutoHead
from affectml.heads.base import Head
from affectml.heads.baselines import PriorHead, TextHead, ZeroShotHead
from affectml.heads.by_person import ByPersonHead
from affectml.heads.config import HeadConfig
from affectml.heads.contrastive import ContrastiveHead, contrastive_loss
from affectml.heads.ensemble import EnsembleHead
from affectml.heads.inputs import Material, Rows, as_features
from affectml.heads.kernel import KernelHead
from affectml.heads.mixed_logit import ImageEffects, Normals, PersonAnswers
from affectml.heads.neural import SigmoidHead, SoftmaxHead
from affectml.heads.promise import Promise
from affectml.heads.registry import load_head
from affectml.heads.thresholds import apply_thresholds, choose_thresholds
from affectml.heads.topk import SetHead, TopKHead

__all__ = [
    "AutoHead",
    "ByPersonHead",
    "ContrastiveHead",
    "EnsembleHead",
    "Head",
    "HeadConfig",
    "ImageEffects",
    "KernelHead",
    "Material",
    "Normals",
    "PersonAnswers",
    "PriorHead",
    "Promise",
    "Rows",
    "SetHead",
    "SigmoidHead",
    "SoftmaxHead",
    "TextHead",
    "TopKHead",
    "ZeroShotHead",
    "apply_thresholds",
    "as_features",
    "choose_thresholds",
    "contrastive_loss",
    "load_head",
]
