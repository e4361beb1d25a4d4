"""From features to a kernel's feature space: rows whose inner products are the kernel's values.

With landmarks Z and R R' = k(Z, Z)^-1, phi(x) = R' k(Z, x). For two landmarks phi(a) . phi(b) is k(a, b), exactly
but for directions that no penalty of the grid would let through; for other rows it is Nystroem's approximation
(Williams & Seeger 2001). With every training row a landmark a linear model on phi with an L2 penalty IS the kernel
machine (representer theorem), so one solver serves linear heads, exact kernel heads and approximate ones.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from affectml.heads.inputs import in_parts

KernelName: TypeAlias = Literal["exponential", "rbf"]

_EIGEN_ROWS = 4_000
_NEGLIGIBLE = 1e-7  # of the total: directions that the weakest penalty of the grid still shrinks to a hundredth
_JITTER = 1e-6  # on the unit diagonal: what keeps the factor finite where two rows are the same
_CHUNK = 4096  # rows of distances at a time


def kernel_of(squared: Tensor, kernel: KernelName, gamma: float, columns: int) -> Tensor:
    """Kernel values from squared distances of standardised features with that many columns.

    rbf: exp(-gamma d^2 / D), smooth. exponential: exp(-gamma d / sqrt(D)), rough (Matern 1/2). Dividing by D
    gives one gamma the same meaning for any number of features: the typical d^2 of two rows is 2 D.
    """
    if kernel == "rbf":
        return (squared * (-gamma / columns)).exp_()
    return squared.sqrt().mul_(-gamma / columns**0.5).exp_()


def squared_distances(rows: Tensor, landmarks: Tensor) -> Tensor:
    """Squared Euclidean distances [N, M], float64.

    Below 1e-11 of the rows' own size they are rounding, whose root would not be small: they count as zero.
    """
    landmarks = landmarks.double()
    norms = landmarks.square().sum(dim=1)
    parts = in_parts(rows, _CHUNK)
    if len(parts) == 1:
        return _distances(rows.double(), landmarks, norms)
    out = torch.empty(len(rows), len(landmarks), dtype=torch.float64)
    for part, into in zip(parts, torch.split(out, _CHUNK), strict=True):
        into.copy_(_distances(part.double(), landmarks, norms))
    return out


def _distances(rows: Tensor, landmarks: Tensor, norms: Tensor) -> Tensor:
    size = norms[None] + rows.square().sum(dim=1, keepdim=True)
    squared = torch.addmm(size, rows, landmarks.T, alpha=-2)
    return torch.where(squared > 1e-11 * size, squared, 0.0)


@dataclass(frozen=True)
class KernelMap:
    """landmarks: [M, D] standardised features; root: [M, R] with root root' = k(Z, Z)^-1 on what was kept.

    table: phi of the landmarks themselves, [M, R]; its columns are orthogonal for up to 4,000 landmarks, which
    makes linear models on it quick to fit, and triangular beyond, where eigenvectors would take minutes.
    """

    kernel: KernelName
    gamma: float
    landmarks: Tensor
    root: Tensor
    table: Tensor

    @classmethod
    def of(
        cls, kernel: KernelName, gamma: float, landmarks: Tensor, squared: Tensor, dtype: torch.dtype = torch.float64
    ) -> "KernelMap":
        """The map for these landmarks; `squared` are their distances to each other.

        dtype: what eigenvectors are found in. float32 takes half the time, leaves more directions out, and is good
        enough to compare widths.
        """
        values = kernel_of(squared.clone(), kernel, gamma, landmarks.shape[1])
        if len(landmarks) <= _EIGEN_ROWS:
            size, direction = torch.linalg.eigh(values.to(dtype))
            kept = size > max(_NEGLIGIBLE, 10 * torch.finfo(dtype).eps) * len(landmarks)
            size, direction = size[kept].double(), direction[:, kept].double()
            return cls(kernel, gamma, landmarks, direction / size.sqrt(), direction * size.sqrt())
        values.diagonal().add_(_JITTER)
        lower = torch.linalg.cholesky(values)
        identity = torch.eye(len(lower), dtype=torch.float64)
        return cls(kernel, gamma, landmarks, torch.linalg.solve_triangular(lower.T, identity, upper=True), lower)

    def features(self, rows: Tensor) -> Tensor:
        """phi of standardised rows [N, D]: [N, R] float32: half the memory, and as good on held-out rows."""
        out = torch.empty(len(rows), self.root.shape[1], dtype=torch.float32)
        for part, into in zip(torch.split(rows, _CHUNK), torch.split(out, _CHUNK), strict=True):
            into.copy_(self.values(part) @ self.root)
        return out

    def values(self, rows: Tensor) -> Tensor:
        """Kernel of rows with the landmarks, [N, M] float64."""
        return kernel_of(squared_distances(rows, self.landmarks), self.kernel, self.gamma, rows.shape[1])

    def coefficients(self, weight: Tensor) -> Tensor:
        """What a weight [R, C] on phi is on kernel values: k(x, Z) @ coefficients = phi(x) @ weight."""
        return self.root @ weight.double()
