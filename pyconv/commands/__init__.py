"""The commands of the command line, one module each.

A module has ``NAME``, ``HELP``, ``EXAMPLE``, ``add_arguments(parser)``, ``run(args) -> dict`` (what ``--json`` prints)
and ``show(result, args)`` (the same for people). ``run`` raises `UserError` for what the user can put right.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake of the user: one clear line, exit status 2."""


class Interrupted(Exception):
    """Ctrl-C after which something is left to say: the line to print before exit status 130."""


def choose(what: str, name: str, known: Iterable[str]) -> str:
    """``name`` if it is known; otherwise a UserError that suggests what was meant."""
    names = sorted(known)
    if name in names:
        return name
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}"
    raise UserError(f"unknown {what} {name!r}: {hint}")
