"""What an operation is called where people read it: in the slide's table and in pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pyconv.nn.watching import Step

#: Operations that move values but compute nothing worth a name.
SILENT = {"view", "reshape", "permute", "expand", "contiguous", "to", "split", "index", "pad", "dropout",
          "channel_dropout", "copy_"}
#: What is said behind the layer whose output it changes.
SUFFIXES = {"batch_norm": "Batch Norm", "instance_norm": "Instance Norm", "group_norm": "Group Norm",
            "layer_norm": "Layer Norm", "relu": "ReLU", "relu6": "ReLU6", "leaky_relu": "Leaky ReLU", "prelu": "PReLU",
            "elu": "ELU", "gelu": "GELU", "silu": "SiLU", "swish": "Swish", "hardswish": "Hardswish", "mish": "Mish",
            "sigmoid": "Sigmoid", "tanh": "Tanh", "softmax": "Softmax", "log_softmax": "Log Softmax",
            "softplus": "Softplus", "threshold": "Threshold"}
#: Operations that join branches.
JOINS = {"add", "sub", "mul", "cat", "maximum", "minimum"}


class Name(NamedTuple):
    """A layer's kind (what colour it gets), and words for it."""

    kind: str  # conv, up, pool, norm, dense or other
    title: str  # Conv 3x3s1, Max Pool 3x3s2, FC
    maps: int | None  # how many it makes, where that is said with the name


def named(step: Step) -> Name | None:
    """The name of an operation that is a layer of its own; None for the others, and for pooling to the size that is there."""
    op, attrs, out = step.op.name, step.ctx.attrs, step.outputs[0].shape
    if op in ("conv", "conv_transpose"):
        taps = step.inputs[1].shape[2:]
        title = f"{'Conv' if op == 'conv' else 'Up-Conv'} {_by(taps)}s{_same(attrs['stride'])}"
        if any(d != 1 for d in attrs["dilation"]):
            title += f"d{_same(attrs['dilation'])}"
        return Name("conv" if op == "conv" else "up", title, out[-len(taps) - 1])
    if op == "locally_connected":
        axes = len(attrs["stride"])
        return Name("conv", f"Local {_by(step.inputs[1].shape[-axes:])}s{_same(attrs['stride'])}", out[-axes - 1])
    if op in ("linear", "matmul"):
        return Name("dense", "FC", out[-1])
    if op in ("max_pool", "avg_pool", "lp_pool"):
        return Name("pool", f"{op.split('_')[0].title()} Pool {_by(attrs['window'])}s{_same(attrs['stride'])}", None)
    if op in ("adaptive_avg_pool", "adaptive_max_pool"):
        if out == step.inputs[0].shape:
            return None
        return Name("pool", f"{op.split('_')[1].title()} Pool to {_by(attrs['output_size'])}", None)
    if op == "mean" and len(out) < len(step.inputs[0].shape):
        return Name("pool", "Global Avg Pool", None)
    if op == "local_response_norm":
        return Name("norm", "Local Response Norm", None)
    if op in ("interpolate", "max_unpool"):
        return Name("up", f"{'Upsample' if op == 'interpolate' else 'Unpool'} to {_by(out[2:])}", None)
    if op == "rearrange":
        return Name("up", "Pixel Shuffle" if out[-1] > step.inputs[0].shape[-1] else "Rearrange", None)
    if op in SILENT or op in SUFFIXES or op in JOINS:
        return None
    return Name("other", op.replace("_", " ").strip().title(), None)


def _by(sizes: Sequence[int]) -> str:
    """3x3; 3 for one axis."""
    return "x".join(map(str, sizes))


def _same(values: Sequence[int]) -> str:
    """2 for (2, 2); 2x1 otherwise."""
    return str(values[0]) if len(set(values)) == 1 else _by(values)
