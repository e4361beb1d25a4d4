"""What in a data set deserves a second look: files, copies, answers, people and labels, each beside what chance gives.

_surprise.py   how odd an outcome is beside what the same chances give without any error
_said.py       what people said: single answers, counts, or one agreed answer an image
_expect.py     what is expected of an image's answers: images like it, a head that did not see it, the other people
_checks.py     the checks
_audit.py      all of them in one table
_page.py       the page, and the table as files
_queue.py      the first ones back to people, beside controls
_again.py      what people said of those since
"""

from affectml.auditing._again import Again
from affectml.auditing._audit import CHECKS, LEVEL, Audit, audit_dataset
from affectml.auditing._page import write_audit
from affectml.auditing._queue import Queued, queue_audit

__all__ = ["CHECKS", "LEVEL", "Again", "Audit", "Queued", "audit_dataset", "queue_audit", "write_audit"]
