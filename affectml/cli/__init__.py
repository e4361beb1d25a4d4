"""The command line. Commands parse, call the library and print; they decide nothing.

Only here do errors become exit codes: 2 for what the user can mend, in one line on standard error.
"""

import errno
import sys
import warnings

from affectml.cli._app import app

__all__ = ["app", "main"]

# what a path named by the user, or the disk, does not allow
DISK = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR,
    errno.ENAMETOOLONG,
)  # fmt: skip


def main() -> None:
    """Entry point of the `affectml` command."""
    from affectml.errors import command_line

    warnings.formatwarning = _one_line
    try:
        with command_line():
            app()
    except Exception as error:
        if not _users(error):
            raise
        print(f"{type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(2) from None


def _one_line(message: Warning | str, category: type[Warning], *place: object, **more: object) -> str:
    """A warning as a user reads it: what it says, and not which line of code said it."""
    return f"{'warning' if category is UserWarning else category.__name__}: {message}\n"


def _users(error: Exception) -> bool:
    """Whether the user can mend it. Asked only once something went wrong: these imports are not light."""
    from affectml.errors import AffectmlError
    from affectml_annotation import AnnotationError
    from affectml_metrics import MetricInputError

    if isinstance(error, OSError) and error.errno in DISK:
        return True
    return isinstance(error, AffectmlError | AnnotationError | MetricInputError)
