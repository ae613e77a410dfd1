"""Look inside: what a convolution and a backward pass do, which pixels matter, how networks are fooled."""

from pyconv.explain.backward_trace import BackwardTrace, trace_backward
from pyconv.explain.conv_trace import ConvTrace, Gather, Scatter, trace_conv
from pyconv.explain.gradients import fgsm, saliency
from pyconv.explain.style import content_loss, gram_matrix, style_loss

__all__ = [
    "BackwardTrace", "ConvTrace", "Gather", "Scatter", "content_loss", "fgsm", "gram_matrix", "saliency", "style_loss",
    "trace_backward", "trace_conv",
]
