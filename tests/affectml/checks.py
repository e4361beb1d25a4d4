"""What many tests check in one way."""

import pytest


def refused(error, says, deed, *given, **more):
    """This deed is refused, with an error in whose text the pattern is found."""
    with pytest.raises(error, match=says):
        deed(*given, **more)
