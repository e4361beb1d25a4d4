"""affectml: several emotions per image, from several people; trained, judged and compared as such."""

__version__ = "0.2.0.dev0"
