"""Whether a data set is one that everybody can have, so that a model may have been trained on it."""

from affectml.importers import get_importer
from affectml.importers.registry import PUBLISHED


def published_source(source: str) -> str | None:
    """What a published set is called, from dataset.json's source; None for a source that no importer states."""
    for name, line in PUBLISHED.items():
        if get_importer(name).about.source in source:
            return line.partition(":")[0]
    return None
