"""What a command is about, opened before anything heavy is loaded: a mistyped name is said at once."""

from collections.abc import Iterable
from pathlib import Path


def there(*, datasets: Iterable[Path] = (), runs: Iterable[Path] = ()) -> None:
    """Raise BadDataset or BadRun for the first folder that is none."""
    from affectml.data import Dataset
    from affectml.runs import RunFolder

    for folder in runs:
        RunFolder.open(folder)
    for folder in datasets:
        Dataset.open(folder)
