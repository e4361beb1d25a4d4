"""Exploring: all images of a data set with what people and runs say of them, to be filtered, searched, mapped and kept.

found = Collection("mydata", ["runs/mydata-001"])
view = View(filters=(Filter("people.entropy", low=0.5),), rates="awe without fear")
found.image_id[found.shown(view)]
"""

from affectml.exploring._collection import Collection, Detail, Near
from affectml.exploring._columns import Column, RunSaid
from affectml.exploring._people import PeopleSaid
from affectml.exploring._view import Filter, View

__all__ = ["Collection", "Column", "Detail", "Filter", "Near", "PeopleSaid", "RunSaid", "View"]
