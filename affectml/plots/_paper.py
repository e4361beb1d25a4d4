"""Pictures as files, drawn by matplotlib."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectml._files import replacing, try_file
from affectml.errors import BadInput

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def picture_path(path: Path, image: str, label: str) -> Path:
    """The file to draw into: `path`, or IMAGE-LABEL.png in it where it is a folder or has no ending.

    Raises:
        BadInput: for another ending, and for a file that exists or cannot be written.
    """
    if path.is_dir() or not path.suffix:
        name = re.sub(r"[^\w.-]+", "-", f"{Path(image).stem}-{label}").strip("-.") or "picture"
        path = path / f"{name}.png"
    if path.suffix.lower() not in (".png", ".svg"):
        raise BadInput(f"{path}: expected a .png or .svg file, or a folder")
    try_file(path)
    return path


@contextmanager
def paper(
    paths: Sequence[Path], size: tuple[float, float], *, dpi: int, style: Mapping[str, Any] | None = None
) -> "Iterator[Figure]":
    """An empty figure, written into each of `paths` in the format of its ending; the same marks give the same bytes.

    size: in inches. style: matplotlib's settings beside ours. Names are drawn as they are, a $ as a $.
    """
    # The object-oriented interface: pyplot would touch the user's backend and open figures.
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ours: Any = {"svg.hashsalt": "affectml", "svg.fonttype": "none", "text.parse_math": False, "font.size": 8}
    with rc_context(ours | dict(style or {})):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        for path in paths:
            kind = path.suffix[1:].lower()
            metadata = {"Date": None} if kind == "svg" else {"Software": None}
            with replacing(path) as temporary:
                figure.savefig(temporary, format=kind, dpi=dpi, metadata=metadata)
