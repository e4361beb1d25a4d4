"""Occlusion: how far a label's log-odds fall when a part of the image is covered. It needs no gradient and no ViT.

Source: Zeiler & Fergus 2014, with patches that do not overlap.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from affectml.explanation._tower import Rates, Tower, log_odds

_MOST = 8  # cells a side: 64 covered images for each filling


def occlusion(
    tower: Tower, rates: Rates, pixels: Tensor, filled: Mapping[str, Tensor], grid: tuple[int, int]
) -> Tensor:
    """What each cell of a grid is worth to each label: positive where covering it makes the label less likely.

    Each filling's map of a label is divided by its largest absolute value before the mean over fillings is taken, so
    that one which changes little has its say. A map that is 0 everywhere stays so.

    Args:
        tower: what embeds.
        rates: features [N, D] -> rates or shares [N, C].
        pixels: one preprocessed image, [3, H, W].
        filled: the image wholly covered, [3, H, W], by the filling's name.
        grid: rows and columns of cells.

    Returns:
        [C, h, w] float64.
    """
    whole = log_odds(rates(tower.features(pixels[None])))
    maps = []
    for filling in filled.values():
        covered = torch.stack([torch.where(cell, filling, pixels) for cell in cells(pixels.shape[1:], grid)])
        fall = (whole - log_odds(rates(tower.features(covered)))).T
        maps.append(fall / fall.abs().amax(dim=1, keepdim=True).clamp(min=1e-12))
    return torch.stack(maps).mean(dim=0).reshape(-1, *grid)


def cells(size: torch.Size | tuple[int, int], grid: tuple[int, int]) -> list[Tensor]:
    """The cells of a grid as masks [H, W], row by row; they cover every pixel once."""
    rows, columns = (torch.arange(n) * parts // n for n, parts in zip(size, grid, strict=True))
    return [(rows == i)[:, None] & (columns == j)[None] for i in range(grid[0]) for j in range(grid[1])]


def grid_of(tower: Tower, size: tuple[int, int]) -> tuple[int, int]:
    """At most 8 cells a side, along the tower's patches where it has them: every, every second, ... of them."""
    patches = getattr(tower.visual, "grid_size", None) or tuple(max(1, n // 8) for n in size)
    return (_side(patches[0]), _side(patches[1]))


def _side(patches: int) -> int:
    whole = [n for n in range(1, _MOST + 1) if patches % n == 0]
    return whole[-1] if whole[-1] > _MOST // 2 or patches <= _MOST else _MOST
