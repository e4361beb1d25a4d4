"""What a run shows: tables for the terminal and the page, and the page itself."""

from affectml.report.page import write_report
from affectml.report.tables import Table, main_table, people_table, per_label_table, tau_table

__all__ = ["Table", "main_table", "people_table", "per_label_table", "tau_table", "write_report"]
