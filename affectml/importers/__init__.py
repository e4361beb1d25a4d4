"""Importers: other people's folders and tables become data set folders."""

from affectml.importers._options import parse_list, parse_mapping
from affectml.importers._summary import ImportSummary
from affectml.importers.abstract import import_abstract
from affectml.importers.artemis import import_artemis
from affectml.importers.artphoto import import_artphoto
from affectml.importers.emoset import import_emoset
from affectml.importers.emotic import import_emotic
from affectml.importers.emotion6 import import_emotion6
from affectml.importers.fi import import_fi
from affectml.importers.findingemo import import_findingemo
from affectml.importers.flickrldl import import_flickrldl
from affectml.importers.folder import import_folder
from affectml.importers.oasis import import_oasis
from affectml.importers.table import import_table
from affectml.importers.twitter1 import import_twitter1
from affectml.importers.twitterldl import import_twitterldl
from affectml.importers.unbiasedemo import import_unbiasedemo
from affectml.importers.webemo import import_webemo

__all__ = [
    "ImportSummary",
    "import_abstract",
    "import_artemis",
    "import_artphoto",
    "import_emoset",
    "import_emotic",
    "import_emotion6",
    "import_fi",
    "import_findingemo",
    "import_flickrldl",
    "import_folder",
    "import_oasis",
    "import_table",
    "import_twitter1",
    "import_twitterldl",
    "import_unbiasedemo",
    "import_webemo",
    "parse_list",
    "parse_mapping",
]
