"""pyconv: convolutional networks for people who have a CPU."""

from pyconv import ops as _ops  # noqa: F401  (hangs the operations on Tensor)
from pyconv._backend import core as _core
from pyconv.tensor import Tensor

__version__ = _core.__version__
__all__ = ["Tensor", "__version__"]
