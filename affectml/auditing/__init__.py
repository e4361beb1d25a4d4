"""What in a data set deserves a second look: files, copies, answers, people and labels, each beside what chance gives.

_files.py      whether the files of a data set, a run or a store keep what they promise
_surprise.py   how odd an outcome is beside what the same chances give without any error
_said.py       what people said: single answers, counts, or one agreed answer an image
_expect.py     what is expected of an image's answers: images like it, a head that did not see it, the other people
_checks.py     the checks
_audit.py      all of them in one table
_page.py       the page, and the table as files
_queue.py      the first ones back to people, beside controls, and what people said of those since
"""

from typing import TYPE_CHECKING

from affectml._lazy import lazily

if TYPE_CHECKING:
    from affectml.auditing._audit import CHECKS, LEVEL, Audit, audit
    from affectml.auditing._files import FilePromise, audit_files
    from affectml.auditing._page import listed_tables, write_audit
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
