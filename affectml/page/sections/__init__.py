"""The sections of a page, in the order in which they are read.

A section is a function that takes a Page and returns a Section, or None where there are no rows for it. Adding one
takes the function and its name here.
"""

from affectml.page.section import Part
from affectml.page.sections.labels import bias, instead, labels
from affectml.page.sections.overview import images, overview
from affectml.page.sections.parts import by_person, disagreement, findings, made, subgroups
from affectml.page.sections.scores import data_sets, differences, every_score, levels, places, promise, reliability

OPEN: tuple[Part, ...] = (overview, labels, disagreement, instead, images)
_JUDGED: tuple[Part, ...] = (every_score, differences, findings, promise, by_person, bias, subgroups, levels)
FOLDED = (*_JUDGED, reliability, places, data_sets, made)
ONCE: tuple[Part, ...] = (overview, data_sets, made)  # on a page of several data sets
