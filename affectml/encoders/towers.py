"""Image towers: one model's, in the precisions that can run it."""

import copy
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectml.encoders.threads import fast_bfloat16

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class TorchTower:
    """open_clip's model in the precision that it was loaded in; in fp32 without what no image's features need."""

    def __init__(self, model: Any, precision: str, device: str) -> None:
        import open_clip
        import torch

        self.precision = precision
        self._model, self._device = model, device
        self._encode = (spared(model) if precision == "fp32" else model).encode_image
        self.pixel_type = open_clip.get_input_dtype(precision) or torch.float32

    def __call__(self, pixels: "Tensor") -> "Tensor":
        """Features [N, D] of preprocessed pixels."""
        features: Tensor = self._encode(pixels.to(self._device, self.pixel_type))
        return features

    def converted(self, precision: str) -> "TorchTower":
        """The same model with its image tower in pure_bf16 or pure_fp16, as open_clip would have loaded it."""
        import open_clip

        tower = in_dtype(self._model, open_clip.get_input_dtype(precision))
        return TorchTower(tower, precision, self._device)


def in_dtype(model: Any, dtype: "torch.dtype") -> Any:
    """open_clip's model with its image tower in `dtype`; weights that are in it already are shared, not copied."""
    import torch

    parts = {id(part): torch.nn.Parameter(part.to(dtype), requires_grad=False) for part in model.visual.parameters()}
    twin = copy.copy(model)
    twin._modules = {**model._modules, "visual": copy.deepcopy(model.visual, parts).to(dtype)}
    return twin


def spared(model: Any) -> Any:
    """A model of the same weights, and of the same image features but for rounding, that spares a CPU some work.

    Where the first token alone is taken of an open_clip vision transformer, its last block computes that token alone,
    and QuickGELU, x sigmoid(1.702 x) (Hendrycks and Gimpel, 2016), works in place as silu(1.702 x) / 1.702: ViT-B/32 is
    1.2 times as fast for it in fp32. For inference alone. Any other model comes back as it is.
    """
    import torch
    from open_clip.transformer import QuickGELU, ResidualAttentionBlock, VisionTransformer
    from torch.nn.functional import silu

    visual = model.visual
    if type(visual) is not VisionTransformer or visual.pool_type != "tok" or visual.attn_pool is not None:
        return model
    whole, blocks = visual.output_tokens or not visual.transformer.batch_first, visual.transformer.resblocks
    if whole or any(type(block) is not ResidualAttentionBlock for block in blocks):
        return model

    class FirstToken(torch.nn.Module):
        def __init__(self, block: Any) -> None:
            super().__init__()
            self.block = block

        def forward(self, tokens: "Tensor", attn_mask: None = None) -> "Tensor":
            block, seen = self.block, self.block.ln_1(tokens)
            first = tokens[:, :1] + block.ls_1(block.attn(seen[:, :1], seen, seen, need_weights=False)[0])
            result: Tensor = first + block.ls_2(block.mlp(block.ln_2(first)))
            return result

    class InPlace(torch.nn.Module):
        def forward(self, x: "Tensor") -> "Tensor":
            return silu(x.mul_(1.702), inplace=True).div_(1.702)

    shared = {id(part): part for part in (*visual.parameters(), *visual.buffers())}
    twin = copy.copy(model)
    twin._modules = {**model._modules, "visual": copy.deepcopy(visual, shared)}
    blocks = twin.visual.transformer.resblocks
    for block in blocks:
        if isinstance(block.mlp.gelu, QuickGELU):
            block.mlp.gelu = InPlace()
    blocks[-1] = FirstToken(blocks[-1])
    return twin


def mapped_model(create: "Callable[[str], tuple[Any, Any, int]]", weights: Path) -> "tuple[Any, Any, int] | None":
    """What `create` makes, a model and what goes with it, with weights that stay in their file until they are needed.

    They are the same numbers, and the system may drop their pages and read them again. None where a model cannot be had
    so: its weights are no .safetensors, or not one for one what the file holds.

    create: makes it on the device that it is given.
    """
    import torch

    if weights.suffix != ".safetensors":
        return None
    with suppress(Exception), warnings.catch_warnings():  # whatever it is, loading all of it says so in words
        warnings.simplefilter("ignore")  # of each weight, that it was not copied
        from safetensors.torch import load_file

        with torch.device("meta"):  # shapes alone, which open_clip compares with the file's
            made = create("meta")
        model, there = made[0], load_file(weights)
        kept = {name: part.dtype for name, part in model.state_dict().items()}
        model.load_state_dict({name: part.to(kept[name]) for name, part in there.items()}, assign=True)
        if [name for name, part in model.named_buffers() if part.is_meta] == ["attn_mask"]:  # CLIP's, which no file has
            model.attn_mask = torch.full_like(model.attn_mask, -torch.inf, device="cpu").triu(1)
            return made
    return None


def without_padding(model: Any, tokens: "Tensor") -> "tuple[Any, Tensor]":
    """A model and tokens that give the same text features, but for rounding, without what follows the longest text.

    In a model like CLIP's no token sees a later one and the last of a text is what is taken, while most of a short
    text's 77 tokens are padding. Any other model comes back as it is, with its tokens.
    """
    import open_clip
    import torch

    if type(model) is not open_clip.CLIP or model.attn_mask is None or model.text_pool_type != "argmax":
        return model, tokens
    length = int(tokens.argmax(dim=-1).max()) + 1
    twin = copy.copy(model)
    twin._parameters, twin._buffers = dict(model._parameters), dict(model._buffers)
    places = model.positional_embedding.detach()[:length]
    twin._parameters["positional_embedding"] = torch.nn.Parameter(places, requires_grad=False)
    twin._buffers["attn_mask"] = model.attn_mask[:length, :length]
    return twin, tokens[:, :length]


def natural_precision(device: str) -> str:
    """What images are embedded in unless told otherwise: bf16 where there are instructions for it, fp16 on other GPUs.

    What the machine is decides, and neither a time nor how busy it is, so that it is the same on any day. fp32 else,
    and on Apple's GPUs.
    """
    import torch

    if device.startswith("cuda"):
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "bf16" if device == "cpu" and fast_bfloat16() else "fp32"
