"""The sections of report.html, in the order in which they are read.

A section is a module with one function that takes a ReportData and returns a Section, or None where these data do not
hold what it shows. Adding one takes the module and its line in SECTIONS.
"""

from affectml.page.section import Part
from affectml.page.sections.by_person import by_person
from affectml.page.sections.disagreement import asked, entropy
from affectml.page.sections.galleries import galleries
from affectml.page.sections.learning import learning
from affectml.page.sections.overview import overview
from affectml.page.sections.per_label import per_label
from affectml.page.sections.promise import promise
from affectml.page.sections.reliability import reliability
from affectml.page.sections.run import footprint, run
from affectml.page.sections.sets import co_occurrence, confusion
from affectml.page.sections.split import split
from affectml.page.sections.subgroups import subgroups
from affectml.page.sections.systems import levels, systems
from affectml.page.sections.thresholds import thresholds

SECTIONS: tuple[Part, ...] = (
    overview,
    per_label,
    promise,
    by_person,
    confusion,
    co_occurrence,
    galleries,
    reliability,
    thresholds,
    entropy,
    asked,
    learning,
    systems,
    levels,
    subgroups,
    split,
    footprint,
    run,
)
"""In the order of the page: what matters first, then pictures, then what whoever repeats it needs."""
