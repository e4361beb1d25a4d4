"""The label store: who was asked what, what they said, and nothing lost."""

from affectml_annotation.store.claims import Claim
from affectml_annotation.store.label_store import LabelStore
from affectml_annotation.store.reading import Progress
from affectml_annotation.store.submits import Answer, Receipt
from affectml_annotation.study.file import Task

__all__ = ["Answer", "Claim", "LabelStore", "Progress", "Receipt", "Task"]
