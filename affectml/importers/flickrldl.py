"""FlickrLDL (Yang, Sun & Sun 2017): images from Flickr with the votes of several people each."""

from affectml.importers._ldl import Order, read_ldl
from affectml.importers.draft import Draft, Source, published
from affectml.importers.registry import importer


@importer("flickrldl", published("flickrldl"))
def flickrldl(source: Source, *, columns: Order = None) -> Draft:
    """FlickrLDL (Yang, Sun & Sun 2017): PATH holds {train,test}_ground_truth.txt and a folder images.

    The target is `distribution` over mikels-8, votes as counts. The order of the columns is the header's, or
    `columns`, since published readers disagree on it. Either of the two files is enough; with both, they are the split.
    """
    return read_ldl(source, columns)
