"""What was found, shown: tables for the terminal and the page, and the page itself, all from an `Evaluation`.

tables.py     figures as tables of plain cells: the terminal and the page print the same ones
section.py    what a section is: a heading, a sentence, pictures, images, tables; what a page shows beside figures
sections/     the page's sections, in the order in which they are read
words.py      what several sections say
write.py      the page, and tables as files
"""

from affectml.page.section import Section, Shown
from affectml.page.tables import Table, brief
from affectml.page.write import WRITERS, in_words, write_page, write_report

__all__ = ["WRITERS", "Section", "Shown", "Table", "brief", "in_words", "write_page", "write_report"]
