"""LeGrad for open_clip's vision transformers, through any head: what attention to each patch does for a label.

Source: Bousselham, Boggust, Chaybouti, Strobelt & Kuehne 2024, "LeGrad", over all layers, with the mean over all tokens
as each layer's image feature, as the authors' code has it. In the place of their text feature stands the direction in
which the head's log-odds of a label grow fastest at the image.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from affectml.explanation._tower import Rates, Tower, log_odds

_STEP = 1e-5  # of the features' norm: in float64, errors are near 1e-7 of the gradient


def why_not(visual: Any) -> str | None:
    """Why this image tower has no LeGrad map; None where it has one."""
    from open_clip.transformer import ResidualAttentionBlock, VisionTransformer

    if not isinstance(visual, VisionTransformer):
        return f"its image tower is a {type(visual).__name__}, not a vision transformer of open_clip's own"
    if visual.attn_pool is not None:
        return "its image tower pools by attention"
    blocks = visual.transformer.resblocks
    if not all(isinstance(block, ResidualAttentionBlock) and block.attn._qkv_same_embed_dim for block in blocks):
        return "its image tower has blocks of another kind than CLIP's"
    return None


def head_gradient(rates: Rates, features: Tensor, column: int) -> Tensor:
    """Gradient of a label's log-odds by an image's features, by central differences in float64.

    It takes any head, kernels and averages too: none has to say what its derivative is.

    Args:
        rates: features [N, D] -> rates or shares [N, C].
        features: the image's, [D].
        column: the label's.

    Returns:
        [D] float64: 0 where the rate does not move, as the prior's, or that of a vote of neighbours.
    """
    z = features.double()
    step = _STEP * float(z.norm().clamp(min=1e-12))
    moved = step * torch.eye(len(z), dtype=torch.float64)
    found = log_odds(rates(torch.cat([z + moved, z - moved]))[:, column])
    return (found[: len(z)] - found[len(z) :]) / (2 * step)


def legrad(tower: Tower, pixels: Tensor, direction: Tensor) -> Tensor:
    """Mean over layers, heads and tokens of what more attention to each patch would do for `direction`, where positive.

    Args:
        tower: one for which `why_not` is None.
        pixels: one preprocessed image, [3, H, W].
        direction: [D], in the features' space.

    Returns:
        [h, w] float32 of at least 0, one value for each patch of the tower.
    """
    visual = tower.visual
    towards = tower.on_device(direction.float())
    with torch.no_grad():
        x = visual._embeds(tower.on_device(pixels[None]))
    total = torch.zeros(x.shape[1] - 1, device=x.device)
    for block in visual.transformer.resblocks:
        attention, x = _block(block, x)
        feature = tower.scaled(visual.ln_post(x.mean(dim=1)) @ visual.proj)
        (gradient,) = torch.autograd.grad((feature[0] * towards).sum(), attention)
        total += gradient[0].clamp(min=0).mean(dim=(0, 1))[1:]  # [heads, from, to]; the class token is no patch
        x = x.detach()
    return (total / len(visual.transformer.resblocks)).reshape(visual.grid_size).cpu()


def _block(block: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """A ResidualAttentionBlock with its attention [N, heads, L, L] as a leaf, and what comes out, [N, L, W]."""
    heads, (rows, tokens, width) = block.attn.num_heads, x.shape
    with torch.no_grad():
        projected = linear(block.ln_1(x), block.attn.in_proj_weight, block.attn.in_proj_bias)
        q, k, v = (
            part.reshape(rows, tokens, heads, -1).transpose(1, 2) for part in projected.chunk(3, dim=-1)
        )  # fmt: skip
        attention = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(dim=-1)
    attention.requires_grad_()
    seen = (attention @ v).transpose(1, 2).reshape(rows, tokens, width)
    x = x + block.ls_1(block.attn.out_proj(seen))
    return attention, x + block.ls_2(block.mlp(block.ln_2(x)))
