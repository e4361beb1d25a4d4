"""head.json and head.safetensors: a fitted head on disk, with neither data nor encoder in it.

head.json: schema, head (its name), config, report, and the sha256 of the tensors, so that files of two heads
are never read as one.
"""

from pathlib import Path
from typing import Any

from torch import Tensor

from affectml._files import read_json, replacing, sha256, write_json
from affectml.errors import BadRun, did_you_mean

SCHEMA = 1
GROUND = "promise_ground"  # the tensor of `Head.ground_`, which every head may have
_KEYS = {"schema": int, "head": str, "config": dict, "report": dict, "tensors_sha256": str}


def write_head(
    folder: Path, name: str, config: dict[str, Any], report: dict[str, Any], tensors: dict[str, Tensor]
) -> None:
    """Write both files; head.json last, as it vouches for the other."""
    from safetensors.torch import save

    path = folder / "head.safetensors"
    content = save({key: tensor.contiguous() for key, tensor in sorted(tensors.items())})
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    values = {"schema": SCHEMA, "head": name, "config": config, "report": report}
    write_json(folder / "head.json", {**values, "tensors_sha256": sha256(path)})


def read_head(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Content of head.json and the tensors; raises BadRun for whatever cannot be trusted."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    described, path = folder / "head.json", folder / "head.safetensors"
    for file in (described, path):
        if not file.is_file():
            raise BadRun(f"{folder}: no {file.name} there, so no head can be read from it")
    content = read_json(described, BadRun)
    if not isinstance(content, dict):
        raise BadRun(f"{described}: expected a JSON object, got {type(content).__name__}")
    if (schema := content.get("schema")) != SCHEMA:
        way = "use the version that wrote it, or train again"
        raise BadRun(f"{described}: schema {schema!r}, but this affectml reads {SCHEMA}: {way}")
    for key in content:
        if key not in _KEYS:
            raise BadRun(f"{described}: unknown key {key!r}{did_you_mean(key, _KEYS)}")
    for key, wanted in _KEYS.items():
        if not isinstance(content.get(key), wanted):
            raise BadRun(f"{described}: key {key!r} is missing or not of type {wanted.__name__}")
    if sha256(path) != content["tensors_sha256"]:
        raise BadRun(f"{path}: not the file that {described.name} was written with; train again")
    try:
        return content, load(path.read_bytes())
    except SafetensorError as error:
        raise BadRun(f"{path}: not a safetensors file ({error})") from None
