"""What in a data set deserves a second look: files, copies, answers, people and labels, each beside what chance gives.

_expect.py   what people said, what is expected of an image's answers, and how odd these are beside that
_checks.py   the checks
_files.py    whether files keep what they promise
_audit.py    all checks in one table, the page, the table as files
"""

from typing import TYPE_CHECKING

from affectml._lazy import lazily

if TYPE_CHECKING:
    from affectml.auditing._audit import CHECKS, LEVEL, Audit, audit, listed_tables, write_audit
    from affectml.auditing._files import FilePromise, audit_files

__all__ = ["CHECKS", "LEVEL", "Audit", "FilePromise", "audit", "audit_files", "listed_tables", "write_audit"]
__getattr__ = lazily(__name__)
