"""Look inside: what a convolution and a backward pass do, step by step."""

from pyconv.explain.backward_trace import BackwardTrace, trace_backward
from pyconv.explain.conv_trace import ConvTrace, Gather, Scatter, trace_conv

__all__ = ["BackwardTrace", "ConvTrace", "Gather", "Scatter", "trace_backward", "trace_conv"]
