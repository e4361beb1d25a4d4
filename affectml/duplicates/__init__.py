"""Images that a data set holds more than once: found by pixels, with what embeddings propose."""

from affectml.duplicates.find import Contradiction, Crossing, DuplicateGroup, Duplicates, find_duplicates, same_pixels

__all__ = ["Contradiction", "Crossing", "DuplicateGroup", "Duplicates", "find_duplicates", "same_pixels"]
