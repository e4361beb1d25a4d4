"""Reading any head back."""

from pathlib import Path

from affectml.errors import AffectmlError, BadRun, did_you_mean
from affectml.heads._auto import AutoHead
from affectml.heads._base import Head
from affectml.heads._blend import EnsembleHead
from affectml.heads._contrastive import ContrastiveHead
from affectml.heads._dirichlet import DirichletHead
from affectml.heads._kernel import KernelHead
from affectml.heads._prior import PriorHead
from affectml.heads._saving import read_head
from affectml.heads._sigmoid import SigmoidHead
from affectml.heads._softmax import SoftmaxHead
from affectml.heads._topk import TopKHead
from affectml.heads._zero_shot import ZeroShotHead

_CLASSES: tuple[type[Head], ...] = (
    PriorHead,
    SoftmaxHead,
    SigmoidHead,
    TopKHead,
    DirichletHead,
    KernelHead,
    EnsembleHead,
    AutoHead,
    ContrastiveHead,
    ZeroShotHead,
)
HEADS: dict[str, type[Head]] = {head.name: head for head in _CLASSES}


def load_head(folder: Path | str) -> Head:
    """The head that `save` wrote into `folder` (a run folder, say), ready to predict.

    Needs neither the data nor the encoder it was trained with. Raises BadRun for files that are missing, of a
    newer version, of an unknown head or option, or that do not belong together.
    """
    folder = Path(folder)
    content, tensors = read_head(folder)
    name = content["head"]
    if name not in HEADS:
        raise BadRun(f"{folder / 'head.json'}: no head {name!r}{did_you_mean(name, HEADS)}")
    try:
        return HEADS[name].from_saved(content["config"], content["report"], tensors)
    except KeyError as error:
        raise BadRun(f"{folder / 'head.safetensors'}: no tensor {error}, which a {name} head needs") from None
    except (AffectmlError, TypeError) as error:
        raise BadRun(f"{folder / 'head.json'}: {error}") from None
