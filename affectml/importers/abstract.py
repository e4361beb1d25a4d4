"""Abstract (Machajdik & Hanbury 2010): abstract paintings and how many people voted for each emotion."""

from pathlib import Path

import numpy as np
import pandas as pd

from affectml.errors import BadInput
from affectml.importers._columns import numbers
from affectml.importers._native import (
    MIKELS_WORDS,
    About,
    Found,
    find,
    finish,
    image_table,
    label_of,
    locate,
    native_root,
    need,
    relative_names,
    repeated,
)
from affectml.importers._read import read_table
from affectml.importers._summary import ImportSummary
from affectml.taxonomies import get_taxonomy

_LAYOUT = "ABSTRACT_groundTruth.csv beside or in testImages_abstract"
_ABOUT = About(
    name="abstract",
    construct="evoked",
    question="In our words: which one of the eight emotions fits this painting best?",
    source="Machajdik & Hanbury 2010, Affective Image Classification using Features inspired by Psychology and Art",
)


def import_abstract(
    path: str | Path, out: str | Path, *, name: str | None = None, images: str = "copy", strict: bool = False
) -> ImportSummary:
    """Make a data set of Abstract: `path` holds ABSTRACT_groundTruth.csv and testImages_abstract.

    The target is `distribution` over mikels-8, votes by the rule one_choice; n is their sum. Rows without a vote and
    images that are not there are left out and named. Raises BadInput naming line and column.
    """
    root = native_root(path, out, images)
    taxonomy = get_taxonomy("mikels-8")
    table = read_table(need(root, "ABSTRACT_groundTruth.csv", _LAYOUT), first="image", native=True)
    columns = list(table.frame.columns)
    way_out = "expected a column of image names and one of votes for each of the eight emotions"
    labels = {column: label_of(column, MIKELS_WORDS, f"{table.path}: column", way_out) for column in columns[1:]}
    if sorted(labels.values()) != sorted(taxonomy.labels):
        gone = [label for label in taxonomy.labels if label not in labels.values()]
        raise BadInput(f"{table.path}: {way_out}; missing or doubled: {', '.join(gone or labels)}")
    where = [table.where(row) for row in range(len(table.frame))]
    ids = relative_names(table.frame[columns[0]].tolist(), table.path.parent, where)
    repeated(ids, where, "take one of the two out")
    votes = numbers(table, columns[1:])
    bad = (votes < 0) | (votes != np.round(votes))
    if bad.any():
        row, column = (int(at) for at in np.argwhere(bad)[0])
        raise BadInput(
            f"{where[row]}: {columns[1 + column]}: votes are whole numbers, but received {votes[row, column]:g}"
        )
    folder = find(root, ["testImages_abstract"], folder=True) or table.path.parent
    here = locate(ids, folder, table.path, where, images)
    cast = votes.sum(axis=1) > 0
    content = pd.DataFrame(votes.astype(np.int64), columns=[labels[column] for column in columns[1:]])
    content = content[list(taxonomy.labels)]
    content.insert(0, "n", content.sum(axis=1))
    content.insert(0, "image_id", ids)
    kept = np.flatnonzero(cast)
    table_images = image_table([ids[i] for i in kept], [here.files[i] for i in kept])
    found = Found(table_images, [here.places[i] for i in kept])
    found.skipped["rows in which nobody voted"] = [where[int(row)] for row in np.flatnonzero(~cast)]
    found.skipped["images that no row names"] = here.spare
    found.add(
        "distribution",
        "distribution",
        content[cast],
        taxonomy,
        values="votes",
        vote_rule="one_choice",
        made_by=f"votes in {table.path.name}",
    )
    return finish(found, _ABOUT, out, name=name, images=images, strict=strict, where=str(root))
