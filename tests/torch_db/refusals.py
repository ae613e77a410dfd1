"""What of PyTorch's sample calls we refuse or answer differently, and why. Nothing else may fail, and all of this must."""

from __future__ import annotations

from torch_db.table import Row

_FORMAT = "the layout in memory is ours to choose: rank 4 and 5 are channels-last whatever is asked for"
_EPS = "with a negative eps the root of a variance may be NaN"
_DECIMALS = "rounding to digits is not supported"
_ROUNDED = "rounded quotients are not supported"
_BOUNDS = "in place, only numbers: the tensor's own values would have to be kept"
_DRAWS = "a mean or deviation per element is not supported"

ROWS = [
    Row("arange", "function", 1, TypeError, "[arange] start is False, expected a number", "a bool is no number"),
    Row("clamp", "inplace", 7, TypeError, "expected a number; clamp takes tensors", _BOUNDS),
    Row("clamp_min", "inplace", 5, TypeError, "expected a number; clamp takes tensors", _BOUNDS),
    Row("clamp_max", "inplace", 5, TypeError, "expected a number; clamp takes tensors", _BOUNDS),
    Row("div.trunc_rounding", "function", 9, ValueError, "[div] rounding_mode is 'trunc', only None", _ROUNDED),
    Row("div.floor_rounding", "function", 9, ValueError, "[div] rounding_mode is 'floor', only None", _ROUNDED),
    Row("div.trunc_rounding", "inplace", 5, TypeError, "unexpected keyword argument 'rounding_mode'", _ROUNDED),
    Row("div.floor_rounding", "inplace", 5, TypeError, "unexpected keyword argument 'rounding_mode'", _ROUNDED),
    Row("round.decimals_0", "inplace", 3, TypeError, "unexpected keyword argument 'decimals'", _DECIMALS),
    Row("round.decimals_3", "inplace", 3, TypeError, "unexpected keyword argument 'decimals'", _DECIMALS),
    Row("round.decimals_neg_3", "inplace", 3, TypeError, "unexpected keyword argument 'decimals'", _DECIMALS),
    Row("round.decimals_3", "function", 3, ValueError, "[round] decimals is 3, only 0 is supported", _DECIMALS),
    Row("round.decimals_neg_3", "function", 3, ValueError, "[round] decimals is -3, only 0 is supported", _DECIMALS),
    Row("to", "method", 12, ValueError, "[to] memory_format is", _FORMAT),
    *[Row(name, "method", 3, ValueError, "[to] memory_format is", _FORMAT)
      for name in ("bool", "byte", "double", "float", "int", "long")],
    Row("randint", "function", 6, TypeError, "expected int64, int32 or uint8", "whole numbers are drawn as whole numbers"),
    Row("normal", "function", 5, TypeError, "[normal] size is None, expected a shape", _DRAWS),
    Row("normal.number_mean", "function", 1, TypeError, "[normal] size is None, expected a shape", _DRAWS),
    Row("normal.number_mean", "function", 1, ValueError, "[normal] layout is", "there is one layout, it has no name"),
    Row("bernoulli", "function", 4, AssertionError, "output 0: requires_grad is False",
        "draws do not depend on their probabilities by any slope; PyTorch's gradient is always zero"),
    Row("nn.functional.batch_norm", "function", 2, ValueError, "expected (batch, channels)",
        "the samples have one axis of size 0: there are no channels to normalise"),
    Row("nn.functional.group_norm", "function", 4, ValueError, "eps is -0.5", _EPS),
    Row("nn.functional.layer_norm", "function", 1, ValueError, "eps is -0.5", _EPS),
    Row("nn.functional.rms_norm", "function", 1, ValueError, "eps is -0.5", _EPS),
    Row("nn.functional.normalize", "function", 2, ValueError, "expected a number above 0", "no norm for p of 0 and below"),
    Row("nn.functional.pairwise_distance", "function", 1, ValueError, "[pairwise_distance] p is -1",
        "no norm for p of 0 and below"),
    Row("nn.functional.hardsigmoid", "function", 1, AssertionError, "gradient 0",
        "PyTorch's slope in float64 is 1/6 rounded to float32", "float64"),
]

_NUMBER = "a number stands for a tensor in elementwise calls"
#: Calls that PyTorch refuses and we do not: which of an entry's, and why.
ACCEPTED: dict[str, tuple[tuple[int, ...], str]] = {
    **dict.fromkeys(("eq", "ge", "gt", "le", "lt", "ne"), ((0,), _NUMBER)),
    **dict.fromkeys(("logical_and", "logical_or", "logical_xor", "maximum", "minimum"), ((0, 1), _NUMBER)),
    **dict.fromkeys(("max", "min"), ((1,), _NUMBER)),
    "cat": ((0, 8), "out may share memory with an operand; in the second call PyTorch has resized it before it raises"),
    "nn.CircularPad1d": ((0,), "padding is of the last axes, any number of others may come before"),
}

_NORM = "normalised by a deviation near the square root of eps, what remains of a gradient is far below its terms"
_ELU = "the slope follows from the result, y + alpha, and cancels where y is near -alpha"
#: Gradients whose terms cancel: the largest derivative of a term. Errors count relative to it, where that is more than
#: the gradient itself.
CANCELLING: dict[str, tuple[float, str]] = {
    "masked_select": (1, "the gradient of an operand of one element adds up all cotangents"),
    "nn.functional.batch_norm": (1, _NORM),
    "nn.functional.group_norm": (1, _NORM),
    "nn.functional.layer_norm": (316, _NORM + ": up to 1 / sqrt(1e-5)"),
    "nn.functional.elu": (1, _ELU),
    "nn.functional.celu": (1, _ELU),
    "nn.functional.selu": (1.76, _ELU),
    "nn.SELU": (1.76, _ELU),
}
