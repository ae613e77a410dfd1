"""Where in a model an exception was raised: the layer path that errors carry on their way out."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from pyconv.anomaly import Layers

if TYPE_CHECKING:
    from pyconv.nn.module import Module


class _Calls(threading.local):
    """The calls under way in this thread."""

    error: Exception | None = None  # the exception on its way out ...
    chain: tuple[Module, ...] = ()  # ... and the modules that it has left, innermost first

    def __init__(self) -> None:  # runs once per thread
        self.stack: list[Module] = []  # the modules being called, one inside the other


calls = _Calls()


def left(module: Module, error: Exception) -> Exception | None:
    """Note that ``error`` leaves ``module``; at the outermost one, what to raise in its place (None: itself).

    The path is assembled once, at the root, because only there all of it is known.
    """
    calls.chain = (*calls.chain, module) if calls.error is error else (module,)
    calls.error = error
    if len(calls.stack) > 1:
        return None
    chain, calls.error, calls.chain = calls.chain, None, ()
    if len(chain) == 1:  # raised by the outermost module itself: no path to tell
        return None
    return _with_text(error, named(chain[::-1]))


def named(chain: tuple[Module, ...]) -> str:
    """``features.3 (Conv2d)`` for modules called one inside the other, outermost first; that one has no path."""
    kind = type(chain[-1]).__name__
    return f"{_path(chain[::-1])} ({kind})" if len(chain) > 1 else kind


def _path(chain: tuple[Module, ...]) -> str:
    """The dotted path from the last module of ``chain`` to its first."""
    parts = []
    for child, parent in zip(chain[-2::-1], chain[:0:-1], strict=True):
        # The child may sit deeper than one level: forward may call self.block.conv(x).
        parts.append(next((name for name, module in parent.named_modules() if module is child and name), "?"))
    return ".".join(parts)


def _with_text(error: Exception, where: str) -> Exception | None:
    """An exception of the same type whose message starts with ``where``.

    An exception whose constructor is not that of a plain message gets a note instead, and None is returned.
    """
    if len(error.args) == 1 and isinstance(error.args[0], str) and not isinstance(error, StopIteration):
        text = f"{where}: {error.args[0]}"
        try:
            renamed = type(error)(text)
            if type(renamed) is type(error) and text in str(renamed):
                vars(renamed).update(vars(error))
                return renamed
        except Exception:
            pass  # a stranger's constructor may do anything
    with contextlib.suppress(Exception):
        error.add_note(f"in {where}")
    return None


Layers.under_way = lambda: tuple(calls.stack)
Layers.path = named
