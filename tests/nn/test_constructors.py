"""Layers' constructors: names, defaults, reprs and state as PyTorch's; hostile arguments."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest

import pyconv
from pyconv import nn

LAYERS = [
    ("Conv1d", (4, 6, 3), {}),
    ("Conv2d", (4, 6, 3), {}),
    ("Conv2d", (4, 6, (3, 5)), {"stride": 2, "padding": (1, 2), "dilation": 2, "groups": 2, "bias": False}),
    ("Conv2d", (4, 6, 3), {"padding": "same"}),
    ("Conv3d", (4, 6, (1, 2, 3)), {"padding": "valid"}),
    ("ConvTranspose1d", (4, 6, 3), {}),
    ("ConvTranspose2d", (4, 6, (3, 5)), {"stride": 2, "padding": (1, 2), "dilation": 2, "groups": 2, "bias": False}),
    ("ConvTranspose2d", (4, 6, 3, 2, 1, 1), {}),
    ("ConvTranspose3d", (4, 6, (1, 2, 3)), {"output_padding": (0, 0, 1), "stride": 2}),
    ("Conv2d", (4, 6, 3), {"padding": 1, "padding_mode": "reflect"}),
    ("Conv1d", (4, 6, 3), {"padding": "same", "padding_mode": "circular", "bias": False}),
    ("Linear", (5, 7), {}),
    ("Linear", (5, 7, False), {}),
    ("MaxPool1d", (2,), {}),
    ("MaxPool2d", (3, 2, 1), {"ceil_mode": True}),
    ("MaxPool3d", ((1, 2, 2),), {}),
    ("AvgPool1d", (2,), {}),
    ("AvgPool2d", (3, 2), {}),
    ("AvgPool3d", (2,), {"divisor_override": 3}),
    ("AdaptiveAvgPool1d", (3,), {}),
    ("AdaptiveAvgPool2d", ((1, None),), {}),
    ("AdaptiveAvgPool3d", (2,), {}),
    ("AdaptiveMaxPool1d", (3,), {}),
    ("AdaptiveMaxPool2d", ((2, 3),), {}),
    ("AdaptiveMaxPool3d", (2,), {}),
    ("LPPool1d", (2, 3), {}),
    ("LPPool2d", (1.5, (2, 3), 2), {"ceil_mode": True}),
    ("LPPool3d", (2, 2), {}),
    ("MaxUnpool1d", (2,), {}),
    ("MaxUnpool2d", ((3, 2), 2, 1), {}),
    ("MaxUnpool3d", (2,), {"stride": (1, 2, 3)}),
    ("Upsample", (), {"scale_factor": 2, "mode": "bilinear", "align_corners": True}),
    ("Upsample", ((4, 5),), {}),
    ("Upsample", (), {"scale_factor": (2, 1.5), "recompute_scale_factor": True}),
    ("UpsamplingNearest2d", (), {"scale_factor": 3}),
    ("UpsamplingBilinear2d", (4,), {}),
    *((f"{kind}Pad{axes}d", (tuple(range(1, 2 * axes + 1)) if axes == 2 else 1,), {})
      for kind in ("Zero", "Reflection", "Replication", "Circular") for axes in (1, 2, 3)),
    ("ConstantPad1d", (1, 0.5), {}),
    ("ConstantPad2d", ((1, 0, -1, 2), 3), {}),
    ("ConstantPad3d", (2, -1.0), {}),
    ("Unfold", (3,), {"padding": (1, 0)}),
    ("Fold", ((4, 5), 2), {"stride": 2}),
    ("PixelShuffle", (2,), {}),
    ("PixelUnshuffle", (3,), {}),
    ("ChannelShuffle", (2,), {}),
    ("CosineSimilarity", (), {"dim": 2}),
    ("PairwiseDistance", (3,), {"keepdim": True}),
    ("BatchNorm1d", (4,), {}),
    ("BatchNorm2d", (4,), {"eps": 1e-3, "momentum": None}),
    ("BatchNorm2d", (4,), {"affine": False}),
    ("BatchNorm2d", (4,), {"bias": False}),
    ("BatchNorm3d", (4,), {"track_running_stats": False}),
    ("GroupNorm", (2, 4), {}),
    ("GroupNorm", (2, 4, 1e-3, False), {}),
    ("GroupNorm", (2, 4), {"bias": False}),
    ("InstanceNorm1d", (4,), {}),
    ("InstanceNorm2d", (4,), {"affine": True}),
    ("InstanceNorm2d", (4,), {"affine": True, "bias": False}),
    ("InstanceNorm2d", (4,), {"track_running_stats": True, "momentum": 0.2}),
    ("InstanceNorm3d", (4, 1e-3, 0.1, True, True), {}),
    ("LayerNorm", (4,), {}),
    ("LayerNorm", ([3, 4],), {"elementwise_affine": False}),
    ("LayerNorm", ((3, 4), 1e-3), {"bias": False}),
    ("RMSNorm", (4,), {}),
    ("RMSNorm", ([3, 4], 1e-3), {"elementwise_affine": False}),
    ("LocalResponseNorm", (5,), {}),
    ("LocalResponseNorm", (3, 1e-3, 0.5, 2), {}),
    ("ReLU", (), {}),
    ("ReLU", (True,), {}),
    ("ReLU6", (), {}),
    ("ReLU6", (True,), {}),
    ("LeakyReLU", (), {}),
    ("LeakyReLU", (0.2, True), {}),
    ("LeakyReLU", (1,), {}),
    ("PReLU", (), {}),
    ("PReLU", (3, 0.1), {}),
    ("ELU", (0.5,), {}),
    ("ELU", (), {"inplace": True}),
    ("SELU", (True,), {}),
    ("CELU", (2.0, True), {}),
    ("GELU", (), {}),
    ("GELU", ("tanh",), {}),
    ("SiLU", (True,), {}),
    ("Hardswish", (True,), {}),
    ("Hardsigmoid", (), {}),
    ("Hardtanh", (), {}),
    ("Hardtanh", (-2, 3, True), {}),
    ("Softplus", (), {}),
    ("Softplus", (2, 10.0), {}),
    ("Softsign", (), {}),
    ("LogSigmoid", (), {}),
    ("Mish", (True,), {}),
    ("Threshold", (0.1, 20), {}),
    ("Tanhshrink", (), {}),
    ("Hardshrink", (), {}),
    ("Softshrink", (0.3,), {}),
    ("Softmin", (1,), {}),
    ("Softmax2d", (), {}),
    ("Sigmoid", (), {}),
    ("Tanh", (), {}),
    ("Softmax", (1,), {}),
    ("LogSoftmax", (-1,), {}),
    ("Dropout", (0.25,), {}),
    ("Dropout1d", (), {}),
    ("Dropout2d", (), {"inplace": True}),
    ("Dropout3d", (), {}),
    ("CrossEntropyLoss", (), {"label_smoothing": 0.1}),
    ("NLLLoss", (), {}),
    ("MSELoss", (), {"reduction": "sum"}),
    ("L1Loss", (), {}),
    ("SmoothL1Loss", (), {"beta": 0.5}),
    ("HuberLoss", (), {"delta": 2.0}),
    ("BCELoss", (), {}),
    ("BCEWithLogitsLoss", (), {}),
    ("KLDivLoss", (), {"reduction": "batchmean", "log_target": True}),
    ("Flatten", (), {}),
    ("Identity", (), {}),
]


def names(case):
    return f"{case[0]}-{len(case[1])}-{'-'.join(case[2])}"


@pytest.mark.parametrize("case", LAYERS, ids=names)
def test_as_in_torch(case):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    name, args, kwargs = case
    ours, theirs = getattr(nn, name)(*args, **kwargs), getattr(torch.nn, name)(*args, **kwargs)
    assert repr(ours) == repr(theirs)
    state, expected = ours.state_dict(), theirs.state_dict()
    assert {k: tuple(v.shape) for k, v in state.items()} == {k: tuple(v.shape) for k, v in expected.items()}
    assert list(state) == list(expected)
    assert {k: v.array.dtype.name for k, v in state.items()} == {k: v.numpy().dtype.name for k, v in expected.items()}
    assert {k: v.requires_grad for k, v in ours.named_parameters()} == {
        k: v.requires_grad for k, v in theirs.named_parameters()}


@pytest.mark.parametrize("name", sorted({case[0] for case in LAYERS} | {"Module", "Sequential"}))
def test_signatures_as_in_torch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")

    def signature(kind):
        return [(p.name, p.default, p.kind) for p in inspect.signature(kind).parameters.values()]

    ours, theirs = signature(getattr(nn, name)), signature(getattr(torch.nn, name))
    # Where PyTorch writes *args, **kwargs it takes no argument in fact.
    variable = ("VAR_POSITIONAL", "VAR_KEYWORD")
    own = {"LocalResponseNorm": ("alpha_mode",)}.get(name, ())  # by name alone, behind PyTorch's arguments
    assert [p for p in ours if p[2].name not in variable and p[0] not in own] == [p for p in theirs if p[2].name not in variable]


@pytest.mark.parametrize("name", ["calculate_gain", "uniform_", "normal_", "constant_", "zeros_", "ones_",
                                  "xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_"])
def test_signatures_of_init_as_in_torch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    ours, theirs = (inspect.signature(getattr(m.init, name)).parameters for m in (nn, torch.nn))
    assert [(p.name, p.default) for p in ours.values()] == [(p.name, p.default) for p in theirs.values()]


# --- what can never work --------------------------------------------------------------------------
HUGE = 2**62
HOSTILE = [
    (lambda: nn.Conv2d(0, 1, 1), ValueError, r"\[Conv2d\] in_channels is 0, expected at least 1"),
    (lambda: nn.Conv2d(-3, 1, 1), ValueError, r"in_channels is -3, expected at least 1"),
    (lambda: nn.Conv2d(2.0, 1, 1), TypeError, r"in_channels is 2.0, expected a whole number"),
    (lambda: nn.Conv2d(True, 1, 1), TypeError, r"in_channels is True, expected a whole number"),
    (lambda: nn.Conv2d("3", 1, 1), TypeError, r"in_channels is '3', expected a whole number"),
    (lambda: nn.Conv2d(None, 1, 1), TypeError, r"in_channels is None"),
    (lambda: nn.Conv2d(1, 0, 1), ValueError, r"out_channels is 0, expected at least 1"),
    (lambda: nn.Conv2d(1, 1, 0), ValueError, r"kernel_size is 0, expected at least 1"),
    (lambda: nn.Conv2d(1, 1, (3, 3, 3)), ValueError, r"kernel_size has 3 entries, expected one number or 2"),
    (lambda: nn.Conv1d(1, 1, ()), ValueError, r"\[Conv1d\] kernel_size has 0 entries, expected one number or 1"),
    (lambda: nn.Conv3d(1, 1, (1, "2", 3)), TypeError, r"\[Conv3d\] kernel_size is '2'"),
    (lambda: nn.Conv2d(1, 1, 1, stride=0), ValueError, r"stride is 0, expected at least 1"),
    (lambda: nn.Conv2d(1, 1, 1, stride=-1), ValueError, r"stride is -1"),
    (lambda: nn.Conv2d(1, 1, 1, stride=2**63), ValueError, r"stride is 9223372036854775808, .* less than 2\*\*63"),
    (lambda: nn.Conv2d(1, 1, 1, padding=-1), ValueError, r"padding is -1, expected at least 0"),
    (lambda: nn.Conv2d(1, 1, 1, padding="full"), ValueError, r"padding is 'full', expected 'same', 'valid' or numbers"),
    (lambda: nn.Conv2d(1, 1, 3, padding="same", stride=2), ValueError, r"padding='same' needs stride 1, got \(2, 2\)"),
    (lambda: nn.Conv2d(1, 1, 1, padding=((1, 2), (3,))), ValueError, r"padding has 1 entries, expected .* 2"),
    (lambda: nn.Conv2d(1, 1, 1, padding=0.5), TypeError, r"padding is 0.5, expected a whole number"),
    (lambda: nn.Conv2d(1, 1, 1, dilation=0), ValueError, r"dilation is 0, expected at least 1"),
    (lambda: nn.Conv2d(1, 1, 1, groups=0), ValueError, r"groups is 0, expected at least 1"),
    (lambda: nn.Conv2d(3, 4, 1, groups=2), ValueError, r"in_channels is 3, expected a multiple of groups=2"),
    (lambda: nn.Conv2d(4, 3, 1, groups=2), ValueError, r"out_channels is 3, expected a multiple of groups=2"),
    (lambda: nn.Conv2d(1, 1, 1, bias=0.5), TypeError, r"bias is 0.5, expected True or False"),
    (lambda: nn.Conv2d(1, 1, 1, padding_mode="mirror"), ValueError, r"padding_mode is 'mirror', expected one of zeros"),
    (lambda: nn.Conv2d(1, 1, 1, padding_mode=None), ValueError, r"\[Conv2d\] padding_mode is None, expected one of"),
    (lambda: nn.ConvTranspose2d(1, 1, 1, padding="same"), TypeError, r"\[ConvTranspose2d\] padding is 'same', expected"),
    (lambda: nn.ConvTranspose2d(1, 1, 1, output_padding=-1), ValueError, r"output_padding is -1, expected at least 0"),
    (lambda: nn.ConvTranspose2d(1, 1, 1, padding_mode="reflect"), ValueError, r"padding_mode='reflect' is not"),
    (lambda: nn.ConvTranspose1d(3, 4, 1, groups=2), ValueError, r"in_channels is 3, expected a multiple of groups=2"),
    (lambda: nn.Conv2d(1, 1, 1, device="cuda"), ValueError, r"\[Conv2d\] device is 'cuda', expected 'cpu' or 'meta'"),
    (lambda: nn.Conv2d(1, 1, 1, dtype="float16"), TypeError, r"\[Conv2d\] dtype is 'float16', expected float32"),
    (lambda: nn.Conv2d(1, 1, 1, dtype=np.int64), TypeError, r"expected float32 or float64"),
    (lambda: nn.Conv2d(1, 1, 1, dtype="nonsense"), TypeError, r"dtype is 'nonsense', expected float32 or float64"),
    (lambda: nn.Conv2d(HUGE, HUGE, 3), ValueError, r"a parameter of shape \(.*\) is too large for any memory"),
    (lambda: nn.Conv2d(1, 1, HUGE), ValueError, r"too large for any memory"),
    (lambda: nn.Linear(-1, 1), ValueError, r"\[Linear\] in_features is -1, expected at least 0"),
    (lambda: nn.Linear(1, 1.5), TypeError, r"\[Linear\] out_features is 1.5, expected a whole number"),
    (lambda: nn.Linear(HUGE, HUGE), ValueError, r"\[Linear\] a parameter of shape"),
    (lambda: nn.Linear(1, 1, bias=None), TypeError, r"\[Linear\] bias is None, expected True or False"),
    (lambda: nn.MaxPool2d(0), ValueError, r"\[MaxPool2d\] kernel_size is 0, expected at least 1"),
    (lambda: nn.MaxPool2d(2, stride=0), ValueError, r"\[MaxPool2d\] stride is 0"),
    (lambda: nn.MaxPool2d(2, padding=2), ValueError, r"padding is 2, expected at most half of kernel_size=2"),
    (lambda: nn.MaxPool2d(HUGE, padding=HUGE), ValueError, r"padding is \d+, expected at most half"),
    (lambda: nn.MaxPool2d((2, 2, 2)), ValueError, r"kernel_size has 3 entries, expected one number or 2"),
    (lambda: nn.MaxPool1d(2, dilation=0), ValueError, r"\[MaxPool1d\] dilation is 0"),
    (lambda: nn.MaxPool3d(2, ceil_mode=1), TypeError, r"\[MaxPool3d\] ceil_mode is 1, expected True or False"),
    (lambda: nn.AvgPool2d(2, divisor_override=0), ValueError,
     r"\[AvgPool2d\] divisor_override is 0, expected at least 1"),
    (lambda: nn.AvgPool2d("2"), TypeError, r"\[AvgPool2d\] kernel_size is '2'"),
    (lambda: nn.AvgPool2d(2, count_include_pad=2), TypeError, r"count_include_pad is 2"),
    (lambda: nn.LPPool2d(0, 2), ValueError, r"\[LPPool2d\] norm_type is 0, expected a number other than 0"),
    (lambda: nn.LPPool2d(2, 0), ValueError, r"\[LPPool2d\] kernel_size is 0, expected at least 1"),
    (lambda: nn.MaxUnpool2d(2, 0), ValueError, r"\[MaxUnpool2d\] stride is 0, expected at least 1"),
    (lambda: nn.MaxUnpool2d((2, 2, 2)), ValueError, r"kernel_size has 3 entries, expected one number or 2"),
    (lambda: nn.Upsample(scale_factor=0), ValueError, r"\[Upsample\] scale_factor is 0, expected a positive number"),
    (lambda: nn.Upsample(scale_factor=float("nan")), ValueError, r"\[Upsample\] scale_factor is nan, expected a number"),
    (lambda: nn.Upsample(scale_factor="2"), TypeError, r"\[Upsample\] scale_factor is '2', expected a number"),
    (lambda: nn.Upsample(size=0), ValueError, r"\[Upsample\] size is 0, expected at least 1"),
    (lambda: nn.Upsample(2, mode="cubic"), ValueError, r"\[Upsample\] mode is 'cubic', expected one of nearest"),
    (lambda: nn.Upsample(2, align_corners=1), TypeError, r"\[Upsample\] align_corners is 1, expected True or False"),
    (lambda: nn.ZeroPad2d((1, 2)), ValueError, r"\[ZeroPad2d\] padding has 2 entries, expected one number or 4"),
    (lambda: nn.ReflectionPad1d(1.0), TypeError, r"\[ReflectionPad1d\] padding is 1.0, expected a whole number"),
    (lambda: nn.CircularPad3d(2**70), ValueError, r"\[CircularPad3d\] padding is \d+, expected at least"),
    (lambda: nn.ConstantPad2d(1, "0"), TypeError, r"\[ConstantPad2d\] value is '0', expected a number"),
    (lambda: nn.Unfold(0), ValueError, r"\[Unfold\] kernel_size is 0, expected at least 1"),
    (lambda: nn.Fold(0, 2), ValueError, r"\[Fold\] output_size is 0, expected at least 1"),
    (lambda: nn.PixelShuffle(0), ValueError, r"\[PixelShuffle\] upscale_factor is 0, expected at least 1"),
    (lambda: nn.CosineSimilarity(eps=-1), ValueError, r"\[CosineSimilarity\] eps is -1.0, expected a number from 0"),
    (lambda: nn.PairwiseDistance("2"), TypeError, r"\[PairwiseDistance\] p is '2', expected a number"),
    (lambda: nn.ChannelShuffle(1.5), TypeError, r"\[ChannelShuffle\] groups is 1.5, expected a whole number"),
    (lambda: nn.LocallyConnected2d(0, 1, 4, 3), ValueError, r"\[LocallyConnected2d\] in_channels is 0, expected at least"),
    (lambda: nn.LocallyConnected2d(1, 1, 0, 3), ValueError, r"\[LocallyConnected2d\] input_size is 0, expected at least 1"),
    (lambda: nn.LocallyConnected2d(1, 1, (4, 4, 4), 3), ValueError, r"input_size has 3 entries, expected one number or 2"),
    (lambda: nn.LocallyConnected2d(1, 1, 2, 3), ValueError, r"kernel_size is \(3, 3\), expected at most input_size=\(2, 2\)"),
    (lambda: nn.LocallyConnected2d(HUGE, 1, HUGE, 1), ValueError, r"\[LocallyConnected2d\] a parameter of shape"),
    (lambda: nn.LocallyConnected1d(1, 1, 4, 3, bias=1), TypeError, r"\[LocallyConnected1d\] bias is 1, expected True"),
    (lambda: nn.AdaptiveAvgPool2d(-1), ValueError, r"\[AdaptiveAvgPool2d\] output_size is -1, expected at least 0"),
    (lambda: nn.AdaptiveAvgPool2d((1, 2, 3)), ValueError, r"output_size has 3 entries, expected one number or 2"),
    (lambda: nn.AdaptiveMaxPool2d(1, return_indices="no"), TypeError,
     r"return_indices is 'no', expected True or False"),
    (lambda: nn.BatchNorm2d(0), ValueError, r"\[BatchNorm2d\] num_features is 0, expected at least 1"),
    (lambda: nn.BatchNorm2d(3, eps=-1.0), ValueError, r"eps is -1.0, expected a number from 0 to inf"),
    (lambda: nn.BatchNorm2d(3, eps=float("nan")), ValueError, r"eps is nan, expected a number"),
    (lambda: nn.BatchNorm2d(3, eps="small"), TypeError, r"eps is 'small', expected a number"),
    (lambda: nn.BatchNorm2d(3, momentum=2), ValueError, r"momentum is 2.0, expected a number from 0 to 1"),
    (lambda: nn.BatchNorm2d(3, affine=1), TypeError, r"affine is 1, expected True or False"),
    (lambda: nn.BatchNorm1d(HUGE), ValueError, r"\[BatchNorm1d\] a parameter of shape"),
    (lambda: nn.BatchNorm2d(3)(pyconv.zeros(2, 3, 4)), ValueError,
     r"\[BatchNorm2d\] input has 3 axes \(2x3x4\), expected 4"),
    (lambda: nn.BatchNorm1d(3)(pyconv.zeros(3)), ValueError,
     r"\[BatchNorm1d\] input has 1 axes \(3\), expected 2 or 3"),
    (lambda: nn.GroupNorm(0, 4), ValueError, r"\[GroupNorm\] num_groups is 0, expected at least 1"),
    (lambda: nn.GroupNorm(3, 4), ValueError, r"\[GroupNorm\] num_channels is 4, expected a multiple of num_groups=3"),
    (lambda: nn.GroupNorm(2, 4.0), TypeError, r"\[GroupNorm\] num_channels is 4.0, expected a whole number"),
    (lambda: nn.GroupNorm(2, 4, eps=-1), ValueError, r"\[GroupNorm\] eps is -1.0, expected a number from 0"),
    (lambda: nn.GroupNorm(2, 4, affine=1), TypeError, r"\[GroupNorm\] affine is 1, expected True or False"),
    (lambda: nn.GroupNorm(2, 4, bias=1), TypeError, r"\[GroupNorm\] bias is 1, expected True or False"),
    (lambda: nn.GroupNorm(1, HUGE), ValueError, r"\[GroupNorm\] a parameter of shape"),
    (lambda: nn.GroupNorm(2, 4)(pyconv.zeros(2, 6, 3)), ValueError,
     r"\[GroupNorm\] input has shape 2x6x3, expected \(batch, 4, ...\)"),
    (lambda: nn.InstanceNorm2d(0), ValueError, r"\[InstanceNorm2d\] num_features is 0, expected at least 1"),
    (lambda: nn.InstanceNorm2d(4)(pyconv.zeros(2, 4)), ValueError,
     r"\[InstanceNorm2d\] input has shape 2x4, expected \(batch, 4, ...\) with 4 axes, or 3 without the batch"),
    (lambda: nn.InstanceNorm1d(4)(pyconv.zeros(2, 3, 5)), ValueError, r"\[InstanceNorm1d\] input has shape 2x3x5"),
    (lambda: nn.LayerNorm(-1), ValueError, r"\[LayerNorm\] normalized_shape is -1, expected at least 0"),
    (lambda: nn.LayerNorm(4.0), TypeError, r"\[LayerNorm\] normalized_shape is 4.0, expected a size or a tuple"),
    (lambda: nn.LayerNorm([]), TypeError, r"\[LayerNorm\] normalized_shape is \[\], expected a size"),
    (lambda: nn.LayerNorm((4, "5")), TypeError, r"\[LayerNorm\] normalized_shape is '5', expected a whole number"),
    (lambda: nn.LayerNorm(4, eps="a"), TypeError, r"\[LayerNorm\] eps is 'a', expected a number"),
    (lambda: nn.LayerNorm(4, elementwise_affine=0), TypeError, r"\[LayerNorm\] elementwise_affine is 0, expected True"),
    (lambda: nn.LayerNorm(4, bias=None), TypeError, r"\[LayerNorm\] bias is None, expected True or False"),
    (lambda: nn.LayerNorm((HUGE, HUGE)), ValueError, r"\[LayerNorm\] a parameter of shape"),
    (lambda: nn.RMSNorm(4, eps=-1), ValueError, r"\[RMSNorm\] eps is -1.0, expected a number from 0"),
    (lambda: nn.RMSNorm("4"), TypeError, r"\[RMSNorm\] normalized_shape is '4', expected a size"),
    (lambda: nn.LocalResponseNorm(0), ValueError, r"\[LocalResponseNorm\] size is 0, expected at least 1"),
    (lambda: nn.LocalResponseNorm(5, "a"), TypeError, r"\[LocalResponseNorm\] alpha is 'a', expected a number"),
    (lambda: nn.LocalResponseNorm(5, alpha_mode="tf"), ValueError, r"alpha_mode is 'tf', expected 'torch' or 'paper'"),
    (lambda: nn.LocalContrastNorm(8), ValueError, r"\[LocalContrastNorm\] kernel_size is 8, expected an odd number"),
    (lambda: nn.LocalContrastNorm(9, sigma=0), ValueError, r"\[LocalContrastNorm\] sigma is 0, expected a finite"),
    (lambda: nn.Dropout(1.5), ValueError, r"\[Dropout\] p is 1.5, expected a number from 0 to 1"),
    (lambda: nn.Dropout(float("nan")), ValueError, r"p is nan"),
    (lambda: nn.Dropout2d("0.5"), TypeError, r"\[Dropout2d\] p is '0.5', expected a number"),
    (lambda: nn.Dropout(0.5, "yes"), TypeError, r"\[Dropout\] inplace is 'yes', expected True or False"),
    (lambda: nn.ReLU("yes"), TypeError, r"\[ReLU\] inplace is 'yes', expected True or False"),
    (lambda: nn.ReLU6(0), TypeError, r"\[ReLU6\] inplace is 0, expected True or False"),
    (lambda: nn.LeakyReLU("0.1"), TypeError, r"\[LeakyReLU\] negative_slope is '0.1', expected a number"),
    (lambda: nn.LeakyReLU(float("nan")), ValueError, r"\[LeakyReLU\] negative_slope is nan"),
    (lambda: nn.ELU(None), TypeError, r"\[ELU\] alpha is None, expected a number"),
    (lambda: nn.CELU(0), ValueError, r"\[CELU\] alpha is 0, expected another number"),
    (lambda: nn.CELU("1"), TypeError, r"\[CELU\] alpha is '1', expected a number"),
    (lambda: nn.GELU("exact"), ValueError, r"\[GELU\] approximate is 'exact', expected 'none' or 'tanh'"),
    (lambda: nn.PReLU(0), ValueError, r"\[PReLU\] num_parameters is 0, expected at least 1"),
    (lambda: nn.PReLU(2, "a"), TypeError, r"\[PReLU\] init is 'a', expected a number"),
    (lambda: nn.PReLU(HUGE), ValueError, r"\[PReLU\] a parameter of shape"),
    (lambda: nn.PReLU(3)(pyconv.zeros(2, 4)), ValueError, r"\[prelu\] weight has 3 numbers but x has 4 channels"),
    (lambda: nn.Swish("1"), TypeError, r"\[Swish\] beta is '1', expected a number"),
    (lambda: nn.Swish(1.0, 1), TypeError, r"\[Swish\] learnable is 1, expected True or False"),
    (lambda: nn.Hardtanh(1, 1), ValueError, r"\[Hardtanh\] min_val is 1, expected less than max_val=1"),
    (lambda: nn.Hardtanh(min_value=-2), ValueError, r"\[Hardtanh\] min_value=-2 is not supported, expected None"),
    (lambda: nn.Hardtanh(max_value=2), ValueError, r"\[Hardtanh\] max_value=2 is not supported, expected None"),
    (lambda: nn.Softplus(0), ValueError, r"\[Softplus\] beta is 0, expected another number"),
    (lambda: nn.Softplus(threshold="a"), TypeError, r"\[Softplus\] threshold is 'a', expected a number"),
    (lambda: nn.Threshold(1, None), TypeError, r"\[Threshold\] value is None, expected a number"),
    (lambda: nn.Threshold([1], 2), TypeError, r"\[Threshold\] threshold is \[1\], expected a number"),
    (lambda: nn.Softshrink(-1), ValueError, r"\[Softshrink\] lambd is -1, expected at least 0"),
    (lambda: nn.Hardshrink("a"), TypeError, r"\[Hardshrink\] lambd is 'a', expected a number"),
    (lambda: nn.Softmin("1"), TypeError, r"\[Softmin\] dim is '1', expected a whole number"),
    (lambda: nn.Softmax2d()(pyconv.zeros(2, 3)), ValueError, r"\[Softmax2d\] input has 2 axes, expected 3 or 4"),
    (lambda: nn.Softmax(1.0), TypeError, r"\[Softmax\] dim is 1.0, expected a whole number"),
    (lambda: nn.CrossEntropyLoss(reduction="avg"), ValueError,
     r"reduction is 'avg', expected one of 'none', 'mean', 'sum'$"),
    (lambda: nn.CrossEntropyLoss(label_smoothing=1.1), ValueError, r"label_smoothing is 1.1, expected .* from 0 to 1"),
    (lambda: nn.CrossEntropyLoss(size_average=True), ValueError, r"size_average=True is not supported, expected None"),
    (lambda: nn.CrossEntropyLoss(weight=[1, 2]), TypeError, r"weight is list, expected a Tensor or None"),
    (lambda: nn.NLLLoss(ignore_index=0.5), TypeError, r"\[NLLLoss\] ignore_index is 0.5"),
    (lambda: nn.HuberLoss(delta=0), ValueError, r"delta is 0.0, expected a number above 0"),
    (lambda: nn.SmoothL1Loss(beta=-1), ValueError, r"beta is -1.0, expected a number from 0"),
    (lambda: nn.MSELoss(reduce=False), ValueError, r"\[MSELoss\] reduce=False is not supported"),
]


@pytest.mark.parametrize(("build", "error", "match"), HOSTILE, ids=[match for _, _, match in HOSTILE])
def test_hostile_arguments(build, error, match):
    with pytest.raises(error, match=match):
        build()


# --- initial values -------------------------------------------------------------------------------
def deviations(values, mean, std):
    """How many standard errors the sample's mean and standard deviation are away (both about 1 for a fair draw)."""
    n = values.size
    return abs(values.mean() - mean) / (std / math.sqrt(n)), abs(values.std() - std) / (std / math.sqrt(2 * n))


def check_uniform(values, bound):
    values = values.astype(np.float64)
    assert np.abs(values).max() <= bound
    assert np.abs(values).max() > 0.99 * bound
    assert max(deviations(values, 0, bound / math.sqrt(3))) < 5


def check_normal(values, std):
    values = values.astype(np.float64)
    assert max(deviations(values, 0, std)) < 5
    # The share within one standard deviation tells a normal from a uniform distribution (0.577).
    assert abs((np.abs(values) < std).mean() - 0.6827) < 5 * math.sqrt(0.22 / values.size)


@pytest.fixture(autouse=True)
def seed():
    pyconv.manual_seed(3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layers_start_as_in_torch(dtype):
    conv = nn.Conv2d(32, 64, 3, groups=2, dtype=dtype)
    check_uniform(conv.weight.array, 1 / math.sqrt(16 * 9))
    assert np.abs(conv.bias.array).max() <= 1 / math.sqrt(16 * 9)
    assert np.ptp(conv.bias.array) > 0.1
    up = nn.ConvTranspose2d(64, 32, 3, groups=2, dtype=dtype)
    check_uniform(up.weight.array, 1 / math.sqrt(16 * 9))
    assert 0.05 < np.abs(up.bias.array).max() <= 1 / math.sqrt(16 * 9)
    linear = nn.Linear(100, 200, dtype=dtype)
    check_uniform(linear.weight.array, 0.1)
    assert 0.08 < np.abs(linear.bias.array).max() <= 0.1
    norm = nn.BatchNorm2d(5, dtype=dtype)
    expected = {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1, "num_batches_tracked": 0}
    for name, value in expected.items():
        assert (norm.state_dict()[name].array == value).all()
    assert conv.weight.dtype == linear.weight.dtype == norm.weight.dtype == norm.running_var.dtype == dtype


def test_initialisers():
    weight = nn.Parameter(pyconv.empty(64, 32, 3, 3))
    assert nn.init.uniform_(weight, 2, 4) is weight
    check_uniform(weight.array - 3, 1)
    check_normal(nn.init.normal_(weight, 5, 2).array - 5, 2)
    check_uniform(nn.init.kaiming_uniform_(weight).array, math.sqrt(6 / (32 * 9)))
    check_uniform(nn.init.kaiming_uniform_(weight, 1, "fan_out").array, math.sqrt(3 / (64 * 9)))
    check_normal(nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu").array, math.sqrt(2 / (64 * 9)))
    check_uniform(nn.init.xavier_uniform_(weight, 2).array, 2 * math.sqrt(6 / (96 * 9)))
    check_normal(nn.init.xavier_normal_(weight).array, math.sqrt(2 / (96 * 9)))
    assert (nn.init.constant_(weight, 7).array == 7).all()
    assert (nn.init.zeros_(weight).array == 0).all()
    assert (nn.init.ones_(weight).array == 1).all()
    assert weight.is_leaf
    assert weight.requires_grad


def test_calculate_gain_as_in_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for name in ("linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert nn.init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert nn.init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain("leaky_relu", 0.3)


@pytest.mark.parametrize(
    ("action", "error", "match"),
    [
        (lambda: nn.init.kaiming_uniform_(pyconv.zeros(3)), ValueError, r"shape \(3,\), expected at least two axes"),
        (lambda: nn.init.kaiming_normal_(pyconv.zeros(3, 3), mode="fan"), ValueError, r"mode is 'fan', expected"),
        (lambda: nn.init.xavier_uniform_(np.zeros((3, 3))), TypeError, r"tensor is ndarray, expected a Tensor"),
        (lambda: nn.init.calculate_gain("gelu"), ValueError, r"nonlinearity is 'gelu', expected one of linear"),
        (lambda: nn.init.calculate_gain("leaky_relu", "a"), ValueError, r"param is 'a', expected the slope"),
        (lambda: nn.init.uniform_(pyconv.zeros(3), 1, 0), ValueError, r"interval is from 1 to 0"),
        (lambda: nn.init.normal_(pyconv.zeros(3), 0, -1), ValueError, r"std -1, expected finite numbers"),
        (lambda: nn.init.uniform_(pyconv.zeros(3, dtype=pyconv.int64)), TypeError, r"dtype int64, expected float32"),
    ],
)
def test_misuse_of_initialisers(action, error, match):
    with pytest.raises(error, match=match):
        action()


def test_the_seed_alone_decides(threads):
    pyconv.manual_seed(11)
    first = nn.Sequential(nn.Conv2d(3, 50, 5), nn.Linear(300, 300))
    before = pyconv.get_rng_state()
    pyconv.manual_seed(11)
    nn.Conv2d(3, 50, 5, device="meta")  # uses up nothing
    second = nn.Sequential(nn.Conv2d(3, 50, 5), nn.Linear(300, 300))
    assert pyconv.get_rng_state() == before
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        np.testing.assert_array_equal(a.array, b.array)
    digest = sum(int(p.array.view(np.uint32).astype(np.uint64).sum()) for p in first.parameters())
    assert digest == DIGESTS.setdefault("digest", digest)  # the same for every thread count


DIGESTS: dict[str, int] = {}


def test_meta_layers_cost_no_memory():
    layer = nn.Linear(40_000, 40_000, device="meta")
    assert layer.weight.is_meta
    assert layer.weight.requires_grad
    assert nn.Conv2d(HUGE, 2, 3, device="meta").weight.shape == (2, HUGE, 3, 3)
    assert nn.BatchNorm2d(4, device="meta").running_mean.is_meta
