"""What was found, shown: tables for the terminal and the page, and the page itself, all from an `Evaluation`.

tables.py     figures as tables of plain cells: the terminal and the page print the same ones
section.py    what a section is: a heading, a sentence, pictures, images, tables; what a page shows beside figures
sections/     the page's sections, in the order of SECTIONS
write.py      the page, and tables as files
"""

from affectml.page.section import Card, Cards, Drawing, Section, Shown, drawing
from affectml.page.tables import Table, brief, differences_table, matrix, scores_table
from affectml.page.write import in_words, sections, write_page, write_report, write_tables

__all__ = [
    "Card",
    "Cards",
    "Drawing",
    "Section",
    "Shown",
    "Table",
    "brief",
    "differences_table",
    "drawing",
    "in_words",
    "matrix",
    "scores_table",
    "sections",
    "write_page",
    "write_report",
    "write_tables",
]
