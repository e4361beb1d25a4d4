"""Answers of any system, such as a vision-language model's: asked for as batch requests, read back, and judged."""

from typing import TYPE_CHECKING

from affectml._lazy import lazily

if TYPE_CHECKING:
    from affectml.answers._ask import Asked, ask
    from affectml.answers._config import AskConfig, JudgeConfig
    from affectml.answers._gaps import Gap
    from affectml.answers._judge import judge_answers, named
    from affectml.answers._result import AsEmpty, JudgedAnswers, JudgedSystem
    from affectml.judging.bias import LabelBias

__all__ = [
    "AsEmpty",
    "AskConfig",
    "Asked",
    "Gap",
    "JudgeConfig",
    "JudgedAnswers",
    "JudgedSystem",
    "LabelBias",
    "ask",
    "judge_answers",
    "named",
]
__getattr__ = lazily(__name__)
