"""From arrays of people's answers beside embeddings to targets."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import compress

from affectml.data.schema import Construct, Kind, VoteRule
from affectml.errors import BadInput, option
from affectml.importers._arrays import Arrays
from affectml.importers._spec import SomeTaxonomy
from affectml.importers._values import measure, people_columns
from affectml.importers.draft import Labels
from affectml.importers.labels import LabelPlan, plan_labels
from affectml.taxonomies import Taxonomy

# The kind of target that each array makes; votes show by themselves which. What says most comes first.
_KIND_OF: dict[str, Kind | None] = {"votes": None, "shares": "distribution", "rates": "rates", "sets": "sets"}


@dataclass(frozen=True)
class Naming:
    """How labels are to be called: the taxonomy and the mapping that the user gave, and the data set's name.

    own: the taxonomy of the data set that is joined to.
    """

    taxonomy: SomeTaxonomy
    mapping: Mapping[str, str]
    name: str
    own: Taxonomy | None = None

    def plan(self, found: Mapping[str, str], where: str, counts: Mapping[str, int] | None = None) -> LabelPlan:
        """The plan of the labels found; of the mapping, what renames one of them. See `plan_labels`."""
        renamed = {raw: label for raw, label in self.mapping.items() if raw in found}
        return plan_labels(found, renamed, self.taxonomy, where=where, name=self.name, counts=counts, own=self.own)

    def check(self, arrays: Arrays) -> None:
        """Raise BadInput where there are no labels to name, or where one that is renamed is not there."""
        words = dict.fromkeys([*(arrays.label or ()), *(name for names in arrays.columns.values() for name in names)])
        if not words and (self.taxonomy is not None or self.mapping):
            nothing = "no labels in it, so there is nothing for a taxonomy or a mapping to name"
            raise BadInput(f"{arrays.labels_in}: {nothing}")
        if unknown := [raw for raw in self.mapping if raw not in words]:
            plan_labels(dict.fromkeys(words, ""), {unknown[0]: ""}, None, where=str(arrays.labels_in), name=self.name)


def people_said(arrays: Arrays, naming: Naming, vote_rule: VoteRule | None, about: Mapping[str, Construct]) -> Labels:
    """A target of each array of answers, called by its kind; where two make one kind, of that which says more.

    about: the construct, where it is not the same for all that the file says.
    Raises BadInput naming array, row and label of the first number that cannot be.
    """
    result = Labels()
    if vote_rule is not None and not {"votes", "shares", "rates"} & arrays.answers.keys():
        raise BadInput(f"{arrays.path}: {option('vote_rule')} is for shares, rates and votes; it has none")
    for key, kind in _KIND_OF.items():
        if key not in arrays.answers:
            continue
        table, names = arrays.answers[key], arrays.columns[key]
        plan = naming.plan({name: f"{table.path}: {key}, column {name!r}" for name in names}, f"{table.path}: {key}")
        asked = "n" if "n" in table.frame.columns else None
        votes = key == "votes"  # all else is of shares: n beside it says how many people, and changes no number
        counted = table if votes else replace(table, frame=table.frame[names])
        measured = measure(counted, tuple(names), plan, asked if votes else None, kind, vote_rule, are_votes=votes)
        if measured.kind in result.targets:
            result.notes.append(f"{key} left out: votes are there, which say the same and more")
            continue
        content = measured.table
        if key in ("shares", "rates") and len(table.frame.columns) > len(names):
            content = content.join(people_columns(table, tuple(names), asked, plan))
        content.insert(0, "image_id", arrays.ids)
        if not measured.keep.all():
            result.skipped["rows in which nobody voted"] = list(compress(table.places(), ~measured.keep))
        result.notes += [f"{key}: {measured.note}", *plan.notes]
        result.warnings += plan.warnings
        said = {"values": measured.values, "vote_rule": measured.vote_rule, "made_by": f"{key} of {table.path.name}"}
        result.add(measured.kind, measured.kind, content[measured.keep], plan.taxonomy, **said, **about)
    return result
