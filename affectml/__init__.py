"""affectml: several emotions per image, from several people; trained, judged and compared as such."""

__version__ = "0.1.0"
