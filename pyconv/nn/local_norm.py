"""Layers that normalise by what is near: across channels, or in the image."""

from __future__ import annotations

from typing import Any

from pyconv.nn import functional
from pyconv.nn.activation_pieces import real
from pyconv.nn.arguments import whole
from pyconv.nn.contrast import check_window
from pyconv.nn.module import Module


class LocalResponseNorm(Module):
    """``x / (k + a * sum of x^2 over size channels)^beta``, see `functional.local_response_norm`.

    Args:
        size: channels of the window, at least 1: size // 2 before a channel and (size - 1) // 2 after it.
        alpha, beta, k: AlexNet has alpha=1e-4, beta=0.75, k=2 with a size of 5.
        alpha_mode: "torch": a is alpha / size, as in PyTorch and Caffe; "paper": a is alpha, as in the source:
            Krizhevsky, Sutskever and Hinton, 2012.

    >>> from pyconv import nn
    >>> nn.LocalResponseNorm(5, k=2.0, alpha_mode="paper")
    LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=2.0, alpha_mode='paper')
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0, *,
                 alpha_mode: str = "torch") -> None:
        super().__init__()
        layer = "LocalResponseNorm"
        self.size = whole(layer, "size", size, 1)
        self.alpha, self.beta, self.k = real(layer, "alpha", alpha), real(layer, "beta", beta), real(layer, "k", k)
        if alpha_mode not in ("torch", "paper"):
            raise ValueError(f"[{layer}] alpha_mode is {alpha_mode!r}, expected 'torch' or 'paper'")
        self.alpha_mode = alpha_mode

    def forward(self, input: Any) -> Any:
        """(N, C, spatial...) to the same shape."""
        return functional.local_response_norm(input, self.size, self.alpha, self.beta, self.k,
                                              alpha_mode=self.alpha_mode)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        mode = "" if self.alpha_mode == "torch" else f", alpha_mode={self.alpha_mode!r}"
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}{mode}"


class LocalContrastNorm(Module):
    """Subtracts a local mean, divides by a local deviation; see `functional.local_contrast_norm`.

    Args:
        kernel_size: of the Gaussian window, odd.
        sigma: its width in pixels, a quarter of kernel_size by default.
        eps: the least deviation.

    Source: Jarrett et al., What is the best multi-stage architecture for object recognition?, 2009.

    >>> from pyconv import nn
    >>> nn.LocalContrastNorm(7)
    LocalContrastNorm(7, sigma=1.75, eps=0.0001)
    """

    def __init__(self, kernel_size: int = 9, sigma: float | None = None, eps: float = 1e-4) -> None:
        super().__init__()
        self.kernel_size, self.sigma, self.eps = check_window("LocalContrastNorm", kernel_size, sigma, eps)

    def forward(self, input: Any) -> Any:
        """(N, C, H, W) to the same shape."""
        return functional.local_contrast_norm(input, self.kernel_size, self.sigma, self.eps)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"{self.kernel_size}, sigma={self.sigma}, eps={self.eps}"
