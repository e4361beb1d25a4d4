"""check: the command around `affectml.checking.check`, and around `labels check` for a label database."""

from dataclasses import asdict
from typing import Annotated

import typer

from affectml._options import Argument, Help
from affectml.cli import labels
from affectml.cli._command import Json
from affectml.cli._print import print_json


def check(
    place: Annotated[str, Argument("A data set, a run, a store of embeddings, a label database or a backup.")],
    images: Annotated[bool, Help("Of a data set, read every image file, besides looking whether it is there.")] = False,
    json: Json = False,
) -> None:
    """Check that files keep what they promise; exit code 1, and what to do about it, where they do not.

    Nothing is written.
    """
    from affectml.checking import check as look
    from affectml_annotation.store.label_store import is_database

    if is_database(place):
        labels.check(place, json=json)
    found = look(place, images=images)
    wrong = [each for each in found if each.wrong]
    if json:
        print_json({"place": place, "promises": [asdict(each) for each in found]})
    else:
        for each in found:
            print(f"{'WRONG' if each.wrong else 'kept '}  {each.promise}", *each.wrong, sep="\n         ")
        print(f"{place}: {len(found) - len(wrong)} of {len(found)} promises are kept")
    raise typer.Exit(1 if wrong else 0)
