"""Bridges to other packages, each of which is an extra: imported when it is first asked for."""

from __future__ import annotations

import importlib
from typing import Any

_ROOMS = ("onnx", "torch")


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"pyconv.interop.{name}")
    raise AttributeError(f"module 'pyconv.interop' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOMS])
