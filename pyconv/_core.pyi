"""Types of the compiled module; a test compares this file with it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

__version__: str
sanitizers: str

# --- runtime ---
def isa() -> str: ...
def available_isas() -> list[str]: ...
def use_isa(name: str) -> None: ...
def algorithm_choice() -> str: ...
def use_algorithm(name: str) -> None: ...
def get_num_threads() -> int: ...
def set_num_threads(n: int) -> None: ...
def threading_backend() -> str: ...
def default_threads(cgroup_root: str) -> dict[str, Any]: ...
def memory_stats() -> dict[str, int]: ...
def reset_peak() -> None: ...
def empty_cache() -> None: ...
def poison() -> bool: ...
def set_poison(on: bool) -> None: ...

# --- array ---
def empty(shape: Sequence[int], dtype: np.dtype[Any], channels_last: bool) -> Array: ...
def owns(array: Array) -> bool: ...

# --- conv ---
class ConvShape:
    @property
    def input_shape(self) -> tuple[int, ...]: ...
    @property
    def weight_shape(self) -> tuple[int, ...]: ...
    @property
    def output_shape(self) -> tuple[int, ...]: ...
    @property
    def stride(self) -> tuple[int, ...]: ...
    @property
    def dilation(self) -> tuple[int, ...]: ...
    @property
    def pad_lo(self) -> tuple[int, ...]: ...
    @property
    def pad_hi(self) -> tuple[int, ...]: ...
    @property
    def groups(self) -> int: ...
    @property
    def macs(self) -> int: ...
    def plan(self, pass_: str = "forward", mode: str = "train") -> dict[str, Any]: ...

def conv_shape(
    op: str,
    x: Sequence[int],
    weight: Sequence[int],
    stride: Sequence[int],
    padding: str | Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> ConvShape: ...
def conv_transpose_shape(
    op: str,
    x: Sequence[int],
    weight: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    output_padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> ConvShape: ...
class KeptFilter:
    def __init__(self, weight: Array) -> None: ...
    @property
    def weight(self) -> Array: ...
    @property
    def bytes(self) -> int: ...
    def __deepcopy__(self, memo: dict[int, object]) -> KeptFilter: ...

def conv_forward(
    op: str,
    shape: ConvShape,
    x: Array,
    weight: Array | KeptFilter,
    bias: Array | None = None,
    residual: Array | None = None,
    relu: bool = False,
    mask: Array | None = None,
) -> Array: ...
def conv_forward_statistics(shape: ConvShape, x: Array, weight: Array, shift: Array) -> tuple[Array, Array, Array]: ...
def conv_grad_input(
    shape: ConvShape, gy: Array, weight: Array | KeptFilter, residual: Array | None = None, mask: Array | None = None
) -> Array: ...
def conv_transpose_forward(
    op: str, shape: ConvShape, x: Array, weight: Array | KeptFilter, bias: Array | None = None
) -> Array: ...
def conv_grad_weight(shape: ConvShape, gy: Array, x: Array) -> Array: ...
def conv_grad_bias(shape: ConvShape, gy: Array) -> Array: ...

# --- gemm ---
def gemm(a: Array, b: Array, transpose_a: bool = False, transpose_b: bool = False) -> Array: ...
def gemm_batch(a: Array, b: Array) -> Array: ...
def linear(x: Array, weight: Array, bias: Array | None) -> Array: ...
def multiply_adds(steps: int) -> int: ...

# --- elementwise ---
def unary(
    name: str,
    x: Array | float,
    channels_last: bool,
    out: Array | None = None,
    min: float | None = None,
    max: float | None = None,
) -> Array: ...
def binary(
    name: str,
    a: Array | float,
    b: Array | float,
    channels_last: bool,
    out: Array | None = None,
    min: float = ...,
    max: float = ...,
) -> Array: ...
def ternary(
    name: str, a: Array | float, b: Array | float, c: Array | float, channels_last: bool, out: Array | None = None
) -> Array: ...
def accumulate(dst: Array, src: Array) -> None: ...
def assign(dst: Array, src: Array | float) -> None: ...
def all_finite(x: Array) -> bool: ...

# --- activation ---
def activation_forward(
    name: str, x: Array, params: Sequence[float], channels_last: bool, out: Array | None = None
) -> Array: ...
def activation_backward(
    name: str, gy: Array, saved: Array, params: Sequence[float], channels_last: bool
) -> Array: ...
def parametric_forward(name: str, x: Array, weight: Array, channels_last: bool) -> Array: ...
def parametric_backward(
    name: str, x: Array, weight: Array, gy: Array, want_gx: bool, channels_last: bool
) -> tuple[Array | None, Array]: ...
def parametric_channels(name: str, x: Sequence[int], weight: Sequence[int]) -> int: ...

# --- pointwise_loss ---
def pointwise_loss_forward(
    name: str, input: Array, target: Array, params: Sequence[float], channels_last: bool
) -> Array: ...
def pointwise_loss_sum(name: str, input: Array, target: Array, params: Sequence[float]) -> float: ...
def pointwise_loss_backward(
    name: str, gradient: Array | None, scale: float, input: Array, target: Array, params: Sequence[float]
) -> Array: ...

# --- reduce ---
def reduce(
    name: str, x: Array, axes: Sequence[int] | None, keepdim: bool, channels_last: bool, correction: float = 1.0
) -> Array: ...
def sum_to_shape(x: Array, shape: Sequence[int], channels_last: bool) -> Array: ...
def put_along_axis(gy: Array, index: Array, shape: Sequence[int], axis: int, channels_last: bool) -> Array: ...

# --- layout ---
def full(shape: Sequence[int], dtype: np.dtype[Any], value: Any, channels_last: bool) -> Array: ...
def copy(x: Array, channels_last: bool) -> Array: ...
def cast(x: Array, dtype: np.dtype[Any], channels_last: bool) -> Array: ...
def arange(dtype: np.dtype[Any], start: float, step: float, count: int) -> Array: ...
def concat(arrays: Sequence[Array], axis: int, channels_last: bool) -> Array: ...
def pad(x: Array, lo: Sequence[int], hi: Sequence[int], mode: str, value: float, channels_last: bool) -> Array: ...
def pad_grad(
    gy: Array, shape: Sequence[int], lo: Sequence[int], hi: Sequence[int], mode: str, channels_last: bool
) -> Array: ...
def gather(x: Array, axes: Sequence[int], indices: Sequence[Array], position: int, channels_last: bool) -> Array: ...
def scatter(x: Array, axes: Sequence[int], indices: Sequence[Array], values: Array, accumulate: bool) -> None: ...
def one_hot(index: Array, classes: int, channels_last: bool) -> Array: ...
def reshaped(x: Array, shape: Sequence[int]) -> Array | None: ...
def expanded(x: Array, shape: Sequence[int]) -> Array: ...

# --- pool ---
class PoolShape:
    @property
    def input_shape(self) -> tuple[int, ...]: ...
    @property
    def output_shape(self) -> tuple[int, ...]: ...
    @property
    def taps(self) -> int: ...

def pool_shape(
    op: str,
    x: Sequence[int],
    window: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
) -> PoolShape: ...
def adaptive_pool_shape(op: str, x: Sequence[int], output: Sequence[int]) -> PoolShape: ...
def max_pool_forward(
    op: str, shape: PoolShape, x: Array, want_taps: bool, channels_last: bool
) -> tuple[Array, Array | None]: ...
def max_pool_backward(op: str, shape: PoolShape, gy: Array, taps: Array, channels_last: bool) -> Array: ...
def max_pool_indices(op: str, shape: PoolShape, taps: Array, like: Array, channels_last: bool) -> Array: ...
def average_pool_forward(
    op: str, shape: PoolShape, x: Array, count_padding: bool, divisor: int, channels_last: bool
) -> Array: ...
def average_pool_backward(
    op: str, shape: PoolShape, gy: Array, count_padding: bool, divisor: int, channels_last: bool
) -> Array: ...
def max_unpool_forward(op: str, x: Array, indices: Array, output_size: Sequence[int], channels_last: bool) -> Array: ...
def max_unpool_backward(op: str, gy: Array, indices: Array, spatial: int, channels_last: bool) -> Array: ...

# --- resample ---
class ResampleShape:
    @property
    def input_shape(self) -> tuple[int, ...]: ...
    @property
    def output_shape(self) -> tuple[int, ...]: ...

def resample_shape(
    op: str,
    x: Sequence[int],
    output: Sequence[int],
    mode: str,
    align_corners: bool,
    antialias: bool,
    factors: Sequence[float],
) -> ResampleShape: ...
def resample_forward(op: str, shape: ResampleShape, x: Array, channels_last: bool) -> Array: ...
def resample_backward(op: str, shape: ResampleShape, gy: Array, channels_last: bool) -> Array: ...

class GridShape:
    @property
    def input_shape(self) -> tuple[int, ...]: ...
    @property
    def output_shape(self) -> tuple[int, ...]: ...

def grid_shape(x: Sequence[int], grid: Sequence[int], mode: str, padding: str, align_corners: bool) -> GridShape: ...
def grid_sample_forward(shape: GridShape, x: Array, grid: Array, channels_last: bool) -> Array: ...
def grid_sample_grad_input(shape: GridShape, gy: Array, grid: Array) -> Array: ...
def grid_sample_grad_grid(shape: GridShape, gy: Array, x: Array, grid: Array) -> Array: ...

# --- unfold ---
class UnfoldShape:
    @property
    def input_shape(self) -> tuple[int, ...]: ...
    @property
    def output_shape(self) -> tuple[int, ...]: ...

def unfold_shape(
    op: str,
    x: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> UnfoldShape: ...
def unfold(op: str, shape: UnfoldShape, x: Array) -> Array: ...
def fold(op: str, shape: UnfoldShape, columns: Array, channels_last: bool) -> Array: ...

# --- local_conv ---
class LocalShape:
    @property
    def input_shape(self) -> tuple[int, ...]: ...
    @property
    def weight_shape(self) -> tuple[int, ...]: ...
    @property
    def bias_shape(self) -> tuple[int, ...]: ...
    @property
    def output_shape(self) -> tuple[int, ...]: ...
    @property
    def macs(self) -> int: ...

def local_shape(
    op: str, x: Sequence[int], weight: Sequence[int], stride: Sequence[int], padding: Sequence[int]
) -> LocalShape: ...
def local_conv_forward(shape: LocalShape, x: Array, weight: Array, bias: Array | None = None) -> Array: ...
def local_conv_grad_input(shape: LocalShape, gy: Array, weight: Array) -> Array: ...
def local_conv_grad_weight(shape: LocalShape, gy: Array, x: Array) -> Array: ...

# --- norm ---
class NormShape:
    @property
    def input_shape(self) -> tuple[int, ...]: ...
    @property
    def rows(self) -> int: ...

def batch_norm_shape(
    x: Sequence[int],
    running_mean: Sequence[int] | None,
    running_var: Sequence[int] | None,
    weight: Sequence[int] | None,
    bias: Sequence[int] | None,
    training: bool,
) -> NormShape: ...
def batch_norm_forward(
    shape: NormShape,
    x: Array,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Array | None,
    bias: Array | None,
    training: bool,
    momentum: float,
    eps: float,
    channels_last: bool,
) -> tuple[Array, Array]: ...
def batch_norm_backward(
    shape: NormShape,
    x: Array,
    gy: Array,
    saved: Array,
    weight: Array | None,
    relu: Array | None,
    training: bool,
    want_gx: bool,
    channels_last: bool,
    prior: Array | None = None,
) -> tuple[Array | None, Array, Array]: ...
def batch_norm_factors(
    shape: NormShape,
    x: Array,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Array | None,
    bias: Array | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Array, Array]: ...
def batch_norm_map(shape: NormShape, x: Array, factors: Array, residual: Array | None, relu: bool) -> Array: ...

# --- group_norm ---
class GroupNormShape:
    @property
    def input_shape(self) -> tuple[int, ...]: ...
    @property
    def rows(self) -> int: ...
    @property
    def length(self) -> int: ...

def group_norm_shape(
    op: str, x: Sequence[int], groups: int, weight: Sequence[int] | None, bias: Sequence[int] | None
) -> GroupNormShape: ...
def instance_norm_shape(
    op: str, x: Sequence[int], weight: Sequence[int] | None, bias: Sequence[int] | None
) -> GroupNormShape: ...
def layer_norm_shape(
    op: str, x: Sequence[int], normalized: Sequence[int], weight: Sequence[int] | None, bias: Sequence[int] | None
) -> GroupNormShape: ...
def group_norm_forward(
    op: str,
    shape: GroupNormShape,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    centered: bool,
    channels_last: bool,
) -> tuple[Array, Array]: ...
def group_norm_backward(
    op: str,
    shape: GroupNormShape,
    x: Array,
    gy: Array,
    statistics: Array,
    weight: Array | None,
    centered: bool,
    want_gx: bool,
    channels_last: bool,
) -> tuple[Array | None, Array, Array]: ...

# --- lrn ---
class LrnShape:
    @property
    def input_shape(self) -> tuple[int, ...]: ...

def lrn_shape(x: Sequence[int], size: int) -> LrnShape: ...
def lrn_forward(shape: LrnShape, x: Array, scale: float, beta: float, k: float, channels_last: bool) -> Array: ...
def lrn_backward(
    shape: LrnShape, x: Array, gy: Array, scale: float, beta: float, k: float, channels_last: bool
) -> Array: ...

# --- softmax ---
def softmax_axis(op: str, shape: Sequence[int], dim: int) -> int: ...
def softmax_forward(x: Array, dim: int, logarithm: bool, channels_last: bool) -> Array: ...
def softmax_backward(y: Array, gy: Array, dim: int, logarithm: bool, channels_last: bool) -> Array: ...
def class_loss_shape(
    op: str, x: Sequence[int], target: Sequence[int], weight: Sequence[int] | None, soft: bool
) -> tuple[int, ...]: ...
def cross_entropy_forward(
    x: Array,
    target: Array,
    weight: Array | None,
    ignore_index: int,
    label_smoothing: float,
    reduction: str,
    want_slopes: bool,
) -> tuple[Array, Array | None, float]: ...
def cross_entropy_backward(
    slopes: Array, gy: Array, scale: float, shape: Sequence[int], channels_last: bool
) -> Array: ...
def nll_forward(
    x: Array, target: Array, weight: Array | None, ignore_index: int, reduction: str
) -> tuple[Array, float]: ...
def nll_backward(
    target: Array,
    weight: Array | None,
    gy: Array,
    ignore_index: int,
    scale: float,
    shape: Sequence[int],
    channels_last: bool,
) -> Array: ...

# --- random ---
random_group: int

def philox(counter: Sequence[int], key: Sequence[int]) -> list[int]: ...
def random_words(count: int, seed: int, stream: int, position: int) -> Array: ...
def random_uniform(
    shape: Sequence[int],
    dtype: np.dtype[Any],
    low: float,
    high: float,
    seed: int,
    stream: int,
    position: int,
    channels_last: bool,
) -> Array: ...
def random_normal(
    shape: Sequence[int],
    dtype: np.dtype[Any],
    mean: float,
    deviation: float,
    seed: int,
    stream: int,
    position: int,
    channels_last: bool,
) -> Array: ...
def random_integers(
    shape: Sequence[int],
    dtype: np.dtype[Any],
    low: int,
    high: int,
    seed: int,
    stream: int,
    position: int,
    channels_last: bool,
) -> Array: ...
def random_permutation(n: int, seed: int, stream: int, position: int) -> Array: ...
def dropout(x: Array, keep: float, seed: int, stream: int, position: int, channels_last: bool) -> Array: ...

# --- optim ---
def sgd_step(
    params: list[Array],
    grads: list[Array],
    momentum_buffers: list[Array],
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
    first: bool,
) -> None: ...
def adam_step(
    params: list[Array],
    grads: list[Array],
    exp_avgs: list[Array],
    exp_avg_sqs: list[Array],
    max_exp_avg_sqs: list[Array],
    steps: list[int],
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    amsgrad: bool,
    maximize: bool,
) -> None: ...
def adagrad_step(
    params: list[Array],
    grads: list[Array],
    sums: list[Array],
    steps: list[int],
    lr: float,
    lr_decay: float,
    weight_decay: float,
    eps: float,
    maximize: bool,
) -> None: ...
def adadelta_step(
    params: list[Array],
    grads: list[Array],
    square_avgs: list[Array],
    acc_deltas: list[Array],
    lr: float,
    rho: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None: ...
def rmsprop_step(
    params: list[Array],
    grads: list[Array],
    square_avgs: list[Array],
    grad_avgs: list[Array],
    momentum_buffers: list[Array],
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    centered: bool,
    maximize: bool,
) -> None: ...

# --- regions ---
def graph_segments(op: str, image: Array, scale: float, min_size: int) -> tuple[Array, int]: ...
def nms(op: str, boxes: Array, scores: Array, categories: Array | None, threshold: float) -> Array: ...

class RoiShape:
    @property
    def output_shape(self) -> tuple[int, ...]: ...

def roi_shape(
    op: str,
    x: Sequence[int],
    boxes: Sequence[int],
    output_size: Sequence[int],
    scale: float,
    sampling: int,
    aligned: bool,
) -> RoiShape: ...
def roi_align_forward(shape: RoiShape, x: Array, boxes: Array, channels_last: bool) -> Array: ...
def roi_align_backward(shape: RoiShape, gy: Array, boxes: Array) -> Array: ...
def roi_pool_forward(
    shape: RoiShape, x: Array, boxes: Array, want_winners: bool, channels_last: bool
) -> tuple[Array, Array | None]: ...
def roi_pool_backward(shape: RoiShape, gy: Array, boxes: Array, winners: Array) -> Array: ...
