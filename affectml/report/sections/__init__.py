"""The sections of report.html, in the order in which they are read.

A section is a module with one function that takes a ReportData and returns a Section, or None where these data do not
hold what it shows. Adding one takes the module and its line in SECTIONS.
"""

from affectml.report.section import Part
from affectml.report.sections.by_person import by_person
from affectml.report.sections.disagreement import asked, entropy
from affectml.report.sections.galleries import galleries
from affectml.report.sections.learning import learning
from affectml.report.sections.overview import overview
from affectml.report.sections.per_label import per_label
from affectml.report.sections.promise import promise
from affectml.report.sections.reliability import reliability
from affectml.report.sections.run import footprint, run
from affectml.report.sections.sets import co_occurrence, confusion
from affectml.report.sections.split import split
from affectml.report.sections.subgroups import subgroups
from affectml.report.sections.systems import levels, systems
from affectml.report.sections.thresholds import thresholds

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
