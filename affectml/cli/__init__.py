"""The command line. Commands parse, call the library and print; they decide nothing.

Only here do errors become exit codes: 2 for what the user can mend, in one line on standard error; 130 after Ctrl-C.
"""

import atexit
import errno
import gc
import os
import sys
import warnings

from affectml.cli._app import app

__all__ = ["app", "main"]

# what the user can do about what the disk refuses
WAYS_OUT = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "free some space, or write elsewhere"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "write elsewhere, or allow it there"),
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG), "name another place"),
}


def main() -> None:
    """Entry point of the `affectml` command."""
    from affectml.errors import command_line

    warnings.formatwarning = _one_line
    _spare_collections()
    try:
        with command_line():
            app()
    except Exception as error:
        if not _users(error):
            raise
        print(f"{type(error).__name__}: {' '.join(_words(error).split())}", file=sys.stderr)
        raise SystemExit(2) from None


def _spare_collections() -> None:
    """Look for garbage less often, and not once more at the end: together a second of torch's million objects."""
    gc.set_threshold(5_000)
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)


def _one_line(message: Warning | str, category: type[Warning], *place: object, **more: object) -> str:
    """A warning as a user reads it: what it says, and not which line of code said it."""
    return f"{'warning' if category is UserWarning else category.__name__}: {message}\n"


def _words(error: Exception) -> str:
    """What went wrong; of the disk's errors the file, the reason and the way out."""
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    place = f"{error.filename}: " if error.filename is not None else ""
    way = WAYS_OUT.get(error.errno)
    return f"{place}{error.strerror or os.strerror(error.errno)}{f'; {way}' if way else ''}"


def _users(error: Exception) -> bool:
    """Whether the user can mend it. Asked only once something went wrong: these imports are not light."""
    from affectml.errors import AffectmlError
    from affectml_annotation import AnnotationError
    from affectml_metrics import MetricInputError

    if isinstance(error, OSError) and error.errno is not None:
        return error.filename is not None or error.errno in WAYS_OUT
    return isinstance(error, AffectmlError | AnnotationError | MetricInputError)
