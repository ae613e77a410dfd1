"""A convolution as a sparse matrix, and the flipped convolution: what textbooks draw, next to what networks compute."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv.errors import ShapeError
from pyconv.ops.arguments import whole
from pyconv.ops.conv import Conv, Padding, Size, conv2d, pair_paddings, per_axis
from pyconv.ops.indexing import index_select
from pyconv.tensor import FLOATS, Array, Tensor

#: More entries than this are refused: with their column numbers they would take over a gigabyte.
MAX_ENTRIES = 2**26


class ConvMatrix:
    """A sparse matrix by rows (CSR): row i holds ``data[indptr[i]:indptr[i + 1]]`` in the columns ``indices[...]``.

    ``F @ vector`` multiplies, ``F.T`` is the transposed matrix, `toarray` and `toscipy` convert. ``nnz`` counts the
    stored entries, filter values of 0 included.
    """

    def __init__(self, indptr: Array, indices: Array, data: Array, shape: tuple[int, int]) -> None:
        self.indptr = indptr
        self.indices = indices
        self.data = data
        self.shape = shape

    @property
    def nnz(self) -> int:
        """How many entries are stored."""
        return len(self.data)

    @property
    def dtype(self) -> np.dtype:
        """That of the entries, the weight's."""
        return self.data.dtype

    def _rows(self) -> Array:
        return np.repeat(np.arange(self.shape[0]), np.diff(self.indptr))

    @property
    def T(self) -> ConvMatrix:
        """The transposed matrix, by rows as well."""
        order = np.argsort(self.indices, kind="stable")
        counts = np.bincount(self.indices, minlength=self.shape[1])
        return ConvMatrix(np.concatenate([[0], np.cumsum(counts)]), self._rows()[order], self.data[order],
                          (self.shape[1], self.shape[0]))

    def __matmul__(self, vector: Any) -> Array:
        """The product with a vector, each sum in float64 and in the order of the columns."""
        x = vector.array if isinstance(vector, Tensor) else np.asarray(vector)
        if x.shape != (self.shape[1],):
            raise ShapeError(f"[ConvMatrix] vector has shape {x.shape}, expected ({self.shape[1]},)")
        products = self.data.astype(np.float64) * x[self.indices]
        sums = np.bincount(self._rows(), weights=products, minlength=self.shape[0])
        return sums.astype(np.result_type(self.data, x))

    def toarray(self) -> Array:
        """All elements, zeros included. An image of 64x64 makes 134 MB of it: for looking at small ones."""
        dense = np.zeros(self.shape, self.dtype)
        dense[self._rows(), self.indices] = self.data
        return dense

    def toscipy(self) -> Any:
        """A ``scipy.sparse.csr_array``. Raises ImportError where SciPy is not installed."""
        try:
            from scipy.sparse import csr_array
        except ImportError:
            raise ImportError("[ConvMatrix] toscipy needs SciPy: pip install pyconv[demo]") from None
        return csr_array((self.data, self.indices, self.indptr), shape=self.shape)

    def __repr__(self) -> str:
        return f"ConvMatrix({self.shape[0]}x{self.shape[1]}, {self.nnz} entries, {self.dtype})"


def conv_matrix(weight: Any, input_size: Any, stride: Size = 1, padding: Padding = 0, dilation: Size = 1,
                groups: int = 1) -> ConvMatrix:
    """The sparse matrix F of a convolution: ``F @ x.ravel() == conv2d(x, weight, ...).ravel()`` for an image x.

    Rows are outputs (k, i, j), columns inputs (c, y, x), the last index running fastest. Taps that fall on padding
    have no entry. The transposed matrix is the transposed convolution, which is also the gradient:
    ``F.T @ y.ravel() == conv_transpose2d(y, weight, ...).ravel()``.

    Args:
        weight: (K, C/groups, R, S), float32 or float64.
        input_size: (C, H, W) of one image.
        stride, padding, dilation, groups: as for `conv2d`.

    Returns:
        A `ConvMatrix` of shape (K·OH·OW, C·H·W) with ``indptr``, ``indices`` (ascending in each row), ``data``.

    Raises:
        ShapeError: sizes that do not fit; TypeError: dtypes; ValueError: other bad arguments, and a matrix of more
        than 2^26 entries.

    Source: Dumoulin & Visin, A guide to convolution arithmetic for deep learning, 2016, section 4.1.

    >>> import numpy as np
    >>> filter = np.array([[[[2.0, 0, 1], [0, 1, 2], [1, 0, 2]]]])
    >>> F = conv_matrix(filter, (1, 4, 4))
    >>> F
    ConvMatrix(4x16, 36 entries, float64)
    >>> F.toarray()[0].astype(int)
    array([2, 0, 1, 0, 0, 1, 2, 0, 1, 0, 2, 0, 0, 0, 0, 0])
    >>> F @ np.array([1, 2, 3, 0,  0, 1, 2, 3,  3, 0, 1, 2,  2, 3, 0, 1])
    array([15., 16.,  6., 15.])
    """
    op = "conv_matrix"
    if not isinstance(weight, (Tensor, np.ndarray)):
        raise TypeError(f"[{op}] weight is {type(weight).__name__}, expected a Tensor or a numpy array")
    values = weight.array if isinstance(weight, Tensor) else weight
    if values.dtype not in FLOATS:
        raise TypeError(f"[{op}] weight has dtype {values.dtype}, expected float32 or float64")
    if values.ndim != 4:
        raise ShapeError(f"[{op}] weight has shape {values.shape}, expected 4 axes")
    if not isinstance(input_size, (tuple, list)) or len(input_size) != 3:
        raise ValueError(f"[{op}] input_size is {input_size!r}, expected (channels, height, width)")
    image = tuple(whole(n, op, "input_size") for n in input_size)
    record = Conv.infer([(1, *image), values.shape, None], op=op, stride=per_axis(stride, 2, op, "stride"),
                        padding=pair_paddings(padding, 2, op), dilation=per_axis(dilation, 2, op, "dilation"),
                        groups=whole(groups, op, "groups"))
    if record.macs > MAX_ENTRIES:
        raise ValueError(f"[{op}] the matrix would have {record.macs} entries, expected at most {MAX_ENTRIES}")
    _, filters, *out = record.core.output_shape
    per_group, taps = values.shape[1], values.shape[2:]
    # Where each output's taps read: one array per axis, with the axes (k, i, j, c, r, s).
    first = (np.arange(filters) // (filters // groups) * per_group).reshape(-1, 1, 1, 1, 1, 1)
    channels = first + np.arange(per_group).reshape(-1, 1, 1)
    low = record.core.pad_lo
    steps, gaps = per_axis(stride, 2, op, "stride"), per_axis(dilation, 2, op, "dilation")
    rows, columns = ((np.arange(out[a]) * steps[a] - low[a])[:, None] + np.arange(taps[a]) * gaps[a] for a in (0, 1))
    rows = rows.reshape(1, out[0], 1, 1, taps[0], 1)
    columns = columns.reshape(1, 1, out[1], 1, 1, taps[1])
    inside = (rows >= 0) & (rows < image[1]) & (columns >= 0) & (columns < image[2])
    everywhere = (filters, *out, per_group, *taps)
    kept = np.broadcast_to(inside, everywhere)
    indices = np.broadcast_to((channels * image[1] + rows) * image[2] + columns, everywhere)[kept]
    data = np.broadcast_to(values[:, None, None], everywhere)[kept]
    counts = np.count_nonzero(kept.reshape(filters * out[0] * out[1], -1), axis=1)
    return ConvMatrix(np.concatenate([[0], np.cumsum(counts)]), indices, data,
                      (filters * out[0] * out[1], image[0] * image[1] * image[2]))


def convolve2d(input: Any, weight: Any, mode: str = "full") -> Any:
    """The convolution of signal processing: the filter is flipped in both directions before it slides.

    (x * w)[i, j] = Σ_{r,s} x[i − r, j − s] w[r, s]. `conv2d`, like every framework's, is the cross-correlation
    without the flip; for a filter that equals its own rotation by 180 degrees both are the same.

    Args:
        input: (H, W), (C, H, W) or (N, C, H, W), float32 or float64.
        weight: (R, S) for an input of two axes, else (K, C, R, S).
        mode: "full" (every overlap, H + R − 1), "same" (the input's size, the middle of "full") or "valid" (complete
            overlaps only, H − R + 1).

    Returns:
        The values of ``scipy.signal.convolve2d(input, weight, mode)`` for inputs of two axes; else the same per image
        and filter, summed over the channels. Gradients flow to both operands.

    Raises:
        ShapeError: shapes that do not fit; TypeError: dtypes; ValueError: another mode.

    >>> import numpy as np
    >>> image = np.array([[1.0, 2, 3, 0], [0, 1, 2, 3], [3, 0, 1, 2], [2, 3, 0, 1]])
    >>> filter = np.array([[2.0, 0, 1], [0, 1, 2], [1, 0, 2]])
    >>> convolve2d(image, filter, "valid")
    array([[11., 12.],
           [10., 11.]])
    """
    op = "convolve2d"
    for value, argument in ((input, "input"), (weight, "weight")):
        if not isinstance(value, (Tensor, np.ndarray)):
            raise TypeError(f"[{op}] {argument} is {type(value).__name__}, expected a Tensor or a numpy array")
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"[{op}] mode is {mode!r}, expected 'full', 'same' or 'valid'")
    plain = input.ndim == 2
    if weight.ndim != (2 if plain else 4) or input.ndim not in (2, 3, 4):
        raise ShapeError(f"[{op}] input has shape {tuple(input.shape)} and weight {tuple(weight.shape)}, expected 2 "
                         "axes each, or 3 or 4 and 4")
    x, w = (input.reshape(1, 1, *input.shape), weight.reshape(1, 1, *weight.shape)) if plain else (input, weight)
    taps = w.shape[2:]
    padding = {"full": [(n - 1, n - 1) for n in taps], "same": [(n // 2, (n - 1) // 2) for n in taps],
               "valid": [(0, 0), (0, 0)]}[mode]
    y = conv2d(x, _flipped(w), padding=padding if min(taps) else 0)  # conv2d refuses an empty filter in its own words
    return y.reshape(y.shape[2:]) if plain else y


def _flipped(weight: Any) -> Any:
    """The last two axes backwards."""
    if isinstance(weight, np.ndarray):
        return weight[..., ::-1, ::-1]
    for axis in (2, 3):
        weight = index_select(weight, axis, Tensor(np.arange(weight.shape[axis])[::-1].copy()))
    return weight
