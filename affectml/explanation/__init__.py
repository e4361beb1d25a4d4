"""Explaining a rate: which parts of an image speak for a label, and whether a map of them is worth believing.

explanation = explain_image("runs/mydata-001", "holiday.jpg", label="joy")
explanation.map; explanation.verdict; explanation.save("holiday.png")
"""

from affectml.explanation._curves import Curve
from affectml.explanation._explain import explain_image
from affectml.explanation._verdict import Verdict
from affectml.explanation.explanation import Explanation

__all__ = ["Curve", "Explanation", "Verdict", "explain_image"]
