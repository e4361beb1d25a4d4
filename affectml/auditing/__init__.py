"""What in a data set deserves a second look: files, copies, answers, people and labels, each beside what chance gives.

_expect.py   what people said, what is expected of an image's answers, and how odd these are beside that
_checks.py   the checks
_files.py    whether files keep what they promise
_audit.py    all checks in one table, the page, the table as files
_queue.py    the first images back to people, beside controls, and what people said of them since
"""

from typing import TYPE_CHECKING

from affectml._lazy import lazily

if TYPE_CHECKING:
    from affectml.auditing._audit import CHECKS, LEVEL, Audit, audit, listed_tables, write_audit
    from affectml.auditing._files import FilePromise, audit_files
    from affectml.auditing._queue import Again, Queued, queue_audit

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
