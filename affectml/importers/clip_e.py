"""The weights that CLIP-E's authors published (Bustos et al. 2023) become a run.

They are Keras 2 `save_weights` files: `clip-e_25cat.hdf5`, `_6cat`, `_binary` (layers `img_fc1`, `preds`) and
`_contrastive` (`img_fc1`, `img_fc2`). Keras numbers the models it wraps layers in, so layers are found by their names
at any depth. The image features they were trained on are CLIP's before normalisation: a run of these weights embeds
images that way.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml._files import need_file, new_folder, sha256, write_json
from affectml.data import check_new
from affectml.encoders import EncoderIdentity
from affectml.errors import BadInput, few
from affectml.heads import ContrastiveHead, Head, SoftmaxHead
from affectml.runs import RunFolder, RunInfo, TrainConfig, surroundings
from affectml.runs.schema import DataInfo, EncoderInfo, HeadInfo, SplitInfo
from affectml.taxonomies import Taxonomy, get_taxonomy

ENCODER = "ViT-B-32-quickgelu:openai"
TEMPERATURE = 0.075  # the contrastive model's, in training
_MOST_WEIGHTS = 20_000_000  # of one layer: the published ones have 262,144
# Outputs of the published models and the labels they stand for, in the order of the authors' notebooks.
PUBLISHED: dict[int, tuple[str, tuple[str, ...]]] = {
    25: ("parrott-25", get_taxonomy("parrott-25").labels),  # WEBEmo's ids 0-24
    6: ("parrott-6", ("anger", "fear", "joy", "love", "sadness", "surprise")),
    1: ("parrott-2", ("negative", "positive")),
}


class Dense(NamedTuple):
    """A layer's kernel [into, out] and bias [out]."""

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]


def import_clip_e(file: str | Path, out: str | Path) -> RunFolder:
    """Write the run folder `out` from a weights file, which h5py reads without Keras.

    The run predicts from features alone: `load_head(out).scores(X)`, X [N, 512] being CLIP ViT-B/32 image features
    before normalisation.

    Args:
        file: the weights.
        out: the run folder to write; it must not exist yet.

    Raises:
        BadInput: naming the file and what was found in it: no HDF5, another architecture, or shapes that do not fit.
    """
    file, out = Path(file), Path(out)
    check_new(out)
    layers = read_dense(file, ("img_fc1", "preds", "img_fc2"))
    if "img_fc1" not in layers or len(layers) != 2:
        raise BadInput(
            f"{file}: expected the layers img_fc1 and preds (cross-entropy) or img_fc1 and img_fc2 (contrastive), "
            f"found {', '.join(layers)}; expected CLIP-E's weights as Keras 2 writes them"
        )
    first, contrastive = layers["img_fc1"], "img_fc2" in layers
    last = layers["img_fc2" if contrastive else "preds"]
    if (gives := len(first.bias)) != (takes := len(last.kernel)):
        raise BadInput(f"{file}: img_fc1 gives {gives} values and the next layer takes {takes}")
    config: dict[str, Any] = {"hidden": gives}
    more: dict[str, Tensor] = {}
    if contrastive:
        taxonomy = get_taxonomy("parrott-25")
        more["scale"] = torch.tensor(1 / TEMPERATURE, dtype=torch.float64)
        config["temperature"] = TEMPERATURE
    else:
        taxonomy, last = _in_order(file, last)
    weights = {"weight1": first.kernel.T, "bias1": first.bias, "weight2": last.kernel.T, "bias2": last.bias}
    tensors = {name: torch.tensor(values, dtype=torch.float64) for name, values in weights.items()} | more
    report = {"imported": file.name, "sha256": sha256(file)}
    head = (ContrastiveHead if contrastive else SoftmaxHead).from_saved(config, report, tensors)
    with new_folder(out) as folder:
        head.save(folder)
        write_json(folder / "run.json", _info(file, out, taxonomy, head, len(first.kernel)).to_json())
    return RunFolder.open(out)


def read_dense(file: Path, names: Sequence[str]) -> dict[str, Dense]:
    """The Dense layers of a Keras 2 weights file, wherever they lie in it.

    Args:
        file: the weights.
        names: the layers to look for.

    Returns:
        Those of them that are there, by name.

    Raises:
        BadInput: if the file is not HDF5, a layer is incomplete or there twice, or values are not finite.
    """
    need_file(file)
    weights: dict[str, Any] = {}
    found: dict[str, dict[str, NDArray[np.float32]]] = {}
    try:
        with h5py.File(file, "r") as handle:
            # visititems stops at the first answer that is not None
            handle.visititems(lambda path, node: weights.update({path: node} if isinstance(node, h5py.Dataset) else {}))
            for path, node in weights.items():
                *above, weight = path.split("/")
                part = weight.partition(":")[0]
                # Keras numbers a second layer of one name, and may wrap layers in groups of its own
                inside = [re.sub(r"_\d+$", "", group) for group in above]
                layer = next((name for name in reversed(inside) if name in names), None)
                if layer is None or "optimizer_weights" in above or part not in ("kernel", "bias"):
                    continue
                if node.dtype.kind not in "fiu" or node.size > _MOST_WEIGHTS:
                    raise BadInput(
                        f"{file}: {path}: expected up to {_MOST_WEIGHTS:,} numbers, found {node.size:,} of {node.dtype}"
                    )
                if part in found.setdefault(layer, {}):
                    raise BadInput(f"{file}: layer {layer} is there twice; expected one model's weights")
                found[layer][part] = np.asarray(node, dtype=np.float32)
    except BadInput:
        raise
    except Exception as error:  # h5py raises many kinds for a damaged file
        raise BadInput(f"{file}: not a readable HDF5 file ({error})") from None
    if not found:
        have = few(list(weights), 6) or "no weights"
        raise BadInput(f"{file}: expected layers named {', '.join(names)}, as Keras 2 writes them, found {have}")
    for layer, parts in found.items():
        shapes = {part: values.shape for part, values in parts.items()}
        if shapes.keys() != {"kernel", "bias"} or len(shapes["kernel"]) != 2 or shapes["bias"] != shapes["kernel"][1:]:
            have = ", ".join(f"{part} {list(shape)}" for part, shape in sorted(shapes.items()))
            expected = "a Dense layer's kernel [into, out] and bias [out]"
            raise BadInput(f"{file}: layer {layer}: expected {expected}, found {have}")
        if not all(np.isfinite(values).all() for values in parts.values()):
            raise BadInput(f"{file}: layer {layer} has values that are not finite; fetch the file again")
    return {layer: Dense(**parts) for layer, parts in found.items()}


def _in_order(file: Path, last: Dense) -> tuple[Taxonomy, Dense]:
    """The labels, and the layer in their order; one sigmoid output becomes two, the first with logit zero."""
    outputs = len(last.bias)
    if outputs not in PUBLISHED:
        raise BadInput(f"{file}: {outputs} outputs, but the published models have {', '.join(map(str, PUBLISHED))}")
    taxonomy, order = get_taxonomy(PUBLISHED[outputs][0]), PUBLISHED[outputs][1]
    if outputs == 1:
        last = Dense(np.pad(last.kernel, ((0, 0), (1, 0))), np.pad(last.bias, (1, 0)))
    column = [order.index(label) for label in taxonomy.labels]
    return taxonomy, Dense(last.kernel[:, column], last.bias[column])


def _info(file: Path, out: Path, taxonomy: Taxonomy, head: Head, features: int) -> RunInfo:
    """run.json of a run that nobody trained here."""
    identity = EncoderIdentity(
        architecture=ENCODER.partition(":")[0],
        weights_sha256=None,  # the authors took Hugging Face's copy: any file of the same weights will do
        activation="quickgelu",
        preprocessing={},
        precision="fp32",
        normalised=False,
        dim=features,
        has_text=True,
    )
    return RunInfo(
        command=f"affectml import clip-e {file} {out}",
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        config=TrainConfig(head=head.name),
        data=DataInfo(name="WEBEmo", construct="query", kind="single"),
        taxonomy=taxonomy.to_dict(),
        encoder=EncoderInfo(specs=[ENCODER], identity=identity.to_json()),
        split=SplitInfo(notes=["trained elsewhere, on WEBEmo's train list (Bustos et al. 2023)"]),
        head=HeadInfo(name=head.name, report=head.report_),
        **surroundings(),
    )
