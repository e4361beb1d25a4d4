"""Answers of any system, such as a vision-language model's: asked for as batch requests, read back, and judged."""

from typing import TYPE_CHECKING

from affectml._lazy import lazily

if TYPE_CHECKING:
    from affectml.answers._ask import AskConfig, Asked, ask
    from affectml.answers._judge import JudgeConfig, judge_answers
    from affectml.answers._reply import REASONS, Reply, parse_reply
    from affectml.answers._result import AsEmpty, Gap, JudgedAnswers
    from affectml.answers._words import Words
    from affectml.evaluation.bias import LabelBias, holm, label_bias

__all__ = [
    "REASONS",
    "AsEmpty",
    "AskConfig",
    "Asked",
    "Gap",
    "JudgeConfig",
    "JudgedAnswers",
    "LabelBias",
    "Reply",
    "Words",
    "ask",
    "holm",
    "judge_answers",
    "label_bias",
    "parse_reply",
]


__getattr__ = lazily(
    __name__,
    {
        "affectml.answers._ask": ("AskConfig", "Asked", "ask"),
        "affectml.answers._judge": ("JudgeConfig", "judge_answers"),
        "affectml.answers._reply": ("REASONS", "Reply", "parse_reply"),
        "affectml.answers._result": ("AsEmpty", "Gap", "JudgedAnswers"),
        "affectml.answers._words": ("Words",),
        "affectml.evaluation.bias": ("LabelBias", "holm", "label_bias"),
    },
)
