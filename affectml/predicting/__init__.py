"""What a run says of images: an answer each, a table, a file of any size; and what one person would say.

predictor.py    a run that is asked about images, some at a time
features.py     features of images by a run's encoder
predictions.py  the answers as a table
files.py        the answers in a file, which several processes may make together
checks.py       whether answers tell images apart, and whether a promise's ground holds for them
person.py       whose answers they are, where it is not the population
"""

from typing import TYPE_CHECKING

from affectml._lazy import lazily

if TYPE_CHECKING:
    from affectml.predicting.files import PredictionFile, predict_to_file
    from affectml.predicting.person import Person, for_person
    from affectml.predicting.predictions import Predictions
    from affectml.predicting.predictor import Prediction, predict_images

__all__ = [
    "Person",
    "Prediction",
    "PredictionFile",
    "Predictions",
    "for_person",
    "predict_images",
    "predict_to_file",
]
__getattr__ = lazily(__name__)
