"""The version, below all that says it."""

__version__ = "0.3.0"
