"""What was found, shown: tables for the terminal and the page, and the page itself, all from an `Evaluation`.

tables.py     figures as tables of plain cells: the terminal and the page print the same ones
section.py    what a section is: a heading, a sentence, pictures, images, tables; the page that sections read
sections/     the page's sections, in the order in which they are read
write.py      the page, and what to know before any figure
"""

from affectml.page.section import Section, Shown
from affectml.page.tables import Table, brief
from affectml.page.write import WRITERS, terminal_lines, write_page, write_report

__all__ = ["WRITERS", "Section", "Shown", "Table", "brief", "terminal_lines", "write_page", "write_report"]
