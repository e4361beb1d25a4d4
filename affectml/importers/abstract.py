"""Abstract (Machajdik & Hanbury 2010): abstract paintings and how many people voted for each emotion."""

from itertools import compress

import numpy as np

from affectml.errors import BadInput
from affectml.importers.columns import numbers
from affectml.importers.draft import Draft, Source, draft, image_table, published, vote_table
from affectml.importers.find import find, locate, need, relative_names, repeated
from affectml.importers.labels import MIKELS_WORDS, label_of
from affectml.importers.read import read_table
from affectml.importers.registry import importer
from affectml.taxonomies import get_taxonomy


@importer("abstract", published("abstract"))
def abstract(source: Source) -> Draft:
    """Abstract (Machajdik & Hanbury 2010): PATH holds ABSTRACT_groundTruth.csv and testImages_abstract.

    The target is `distribution` over mikels-8, votes by the rule one_choice; n is their sum. Rows without a vote and
    images that are not there are left out and named.
    """
    root, taxonomy = source.path, get_taxonomy("mikels-8")
    layout = "ABSTRACT_groundTruth.csv beside or in testImages_abstract"
    table = read_table(need(root, "ABSTRACT_groundTruth.csv", layout), first="image")
    columns = list(table.frame.columns)
    way_out = "expected a column of image names and one of votes for each of the eight emotions"
    labels = [label_of(column, MIKELS_WORDS, f"{table.path}: column", way_out) for column in columns[1:]]
    if sorted(labels) != sorted(taxonomy.labels):
        gone = [label for label in taxonomy.labels if label not in labels]
        raise BadInput(f"{table.path}: {way_out}; missing or doubled: {', '.join(gone or columns[1:])}")
    where = table.places()
    ids = relative_names(table.frame[columns[0]].tolist(), table.path.parent, where)
    repeated(ids, where, "take one of the two out")
    votes = numbers(table, columns[1:])
    table.refuse((votes < 0) | (votes != np.round(votes)), columns[1:], votes, "votes are whole numbers")
    folder = find(root, ["testImages_abstract"], folder=True) or table.path.parent
    here = locate(ids, folder, table.path, where, source.images)
    cast = votes.sum(axis=1) > 0
    images = image_table(ids, here.files)[cast].reset_index(drop=True)
    result = draft(source, images, list(compress(here.places, cast)))
    result.skipped["rows in which nobody voted"] = list(compress(where, ~cast))
    result.skipped["images that no row names"] = here.spare
    target = vote_table(ids, votes[:, [labels.index(label) for label in taxonomy.labels]], taxonomy)[cast]
    entry = {"values": "votes", "vote_rule": "one_choice", "made_by": f"votes in {table.path.name}"}
    result.add("distribution", "distribution", target, taxonomy, **entry)
    return result
