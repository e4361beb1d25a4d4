"""What a run shows: tables for the terminal and the page, and the page itself.

sections/     the page's sections, a module each, in the order of SECTIONS
section.py    what a section is: a heading, a sentence, pictures, images, tables
data.py       what sections are made from
page.py       the page, and tables as files
again.py      a run read back, to make its report again
tables.py     tables as plain cells: the terminal and the page print the same ones
"""

from affectml.page.again import WRITERS, read_again, report_run
from affectml.page.data import ReportData
from affectml.page.section import Section
from affectml.page.tables import Table, main_table, people_table, per_label_table, tau_table
from affectml.page.write import sections, write_page, write_report, write_tables

__all__ = [
    "WRITERS",
    "ReportData",
    "Section",
    "Table",
    "main_table",
    "people_table",
    "per_label_table",
    "read_again",
    "report_run",
    "sections",
    "tau_table",
    "write_page",
    "write_report",
    "write_tables",
]
