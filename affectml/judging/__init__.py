"""What systems answer of images, as tables: whoever answers (a head, the prior, a model elsewhere) is judged from one.

It needs neither torch nor a head, so that whatever reads what a run said reads it from here.
"""

from affectml.judging.answers import SystemAnswers, read_answers

__all__ = ["SystemAnswers", "read_answers"]
