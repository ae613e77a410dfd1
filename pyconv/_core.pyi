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

# --- conv ---

# --- gemm ---

# --- elementwise ---

# --- reduce ---

# --- layout ---

# --- pool ---

# --- norm ---

# --- softmax ---

# --- random ---

# --- optim ---

