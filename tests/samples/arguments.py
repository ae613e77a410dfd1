"""Hostile arguments of functions that belong to no family of their own: what is no Tensor, numbers that do not fit."""

from samples import Hostile

_T = (TypeError,)
HOSTILE = [
    *(Hostile(op, "no-tensor", f"pc.{op}(0.5)", _T, rf"\[{op}\] input is float, expected a Tensor to change in place")
      for op in ("relu_", "sigmoid_", "tanh_")),
    Hostile("detach", "no-tensor", "pc.detach(None)", _T, r"\[detach\] x is NoneType, expected a Tensor"),
    Hostile("zeros_like", "no-tensor", "pc.zeros_like(0)", _T, r"\[zeros_like\] input is int, expected a Tensor or"),
    Hostile("full_like", "no-tensor", "pc.full_like([], 1)", _T, r"\[full_like\] input is list, expected a Tensor or"),
    Hostile("masked_select", "no-tensor", "pc.masked_select([2], (1,))", _T, r"\[masked_select\] x is list, expected a Tensor"),
    Hostile("fill_", "half", "i(3).fill_(0.5)", (ValueError,), r"\[assign\] src is 0.5, expected a whole number for dtype int64"),
    Hostile("fill_", "nan", "i(3).fill_(float('nan'))", (ValueError,), r"\[assign\] src is nan, expected a whole number"),
    Hostile("fill_", "huge-float", "i(3).fill_(1e300)", (ValueError,), r"\[assign\] src is 1\d+, which does not fit int64"),
    Hostile("normalize", "power-of-eps", "F.normalize(x(3, 4), p=2**31, eps=50.0)", (ValueError,),
            r"\[normalize\] eps is 50.0, whose power 2147483648 exceeds float64"),
]
