"""What in a data set deserves a second look: files, copies, answers, people and labels, each beside what chance gives.

_files.py    whether the files of a data set, a run or a store keep what they promise
_expect.py   what people said, what is expected of an image's answers, and how odd these are beside that
_checks.py   the checks
_audit.py    all of them in one table, and what people said since of the images that an earlier audit queued
_page.py     the page, the table as files, and the first images back to people, beside controls
"""

from typing import TYPE_CHECKING

from affectml._lazy import lazily

if TYPE_CHECKING:
    from affectml.auditing._audit import CHECKS, LEVEL, Again, Audit, audit
    from affectml.auditing._files import FilePromise, audit_files
    from affectml.auditing._page import Queued, listed_tables, queue_audit, write_audit

__all__ = [
    "CHECKS",
    "LEVEL",
    "Again",
    "Audit",
    "FilePromise",
    "Queued",
    "audit",
    "audit_files",
    "listed_tables",
    "queue_audit",
    "write_audit",
]
__getattr__ = lazily(__name__)
