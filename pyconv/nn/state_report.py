"""What is wrong with a state_dict, said so that a person sees the pattern: by layer, not by tensor."""

from __future__ import annotations

from collections.abc import Sequence

from pyconv.errors import StateDictError

_FEW = 4  # names that stand in one line, as PyTorch writes them
_LAYERS = 12  # lines of layers before the rest is only counted


def by_layer(names: Sequence[str]) -> dict[str, list[str]]:
    """Tensor names under the layer that they belong to, in order."""
    found: dict[str, list[str]] = {}
    for name in names:
        layer, _, tensor = name.rpartition(".")
        found.setdefault(layer, []).append(tensor)
    return found


def listed(what: str, names: Sequence[str]) -> list[str]:
    """Lines that list some names: a few in one line, many by layer."""
    if not names:
        return []
    if len(names) <= _FEW:
        return [f"{what} in state_dict: " + ", ".join(f'"{name}"' for name in names) + "."]
    layers = by_layer(names)
    lines = [f"{what} in state_dict: {len(names)} of {len(layers)} layers"]
    lines += [f"    {layer or '(the model itself)'}: {', '.join(tensors)}" for layer, tensors in [*layers.items()][:_LAYERS]]
    if len(layers) > _LAYERS:
        lines.append(f"    and {len(layers) - _LAYERS} more layers")
    return lines


def prefixed(missing: Sequence[str], unexpected: Sequence[str]) -> list[str]:
    """A line, if one and the same beginning of all these names is what keeps the two sides apart."""
    shorter, longer, change = sorted(map(str, missing)), sorted(map(str, unexpected)), "without"
    if shorter and longer and len(shorter[0]) > len(longer[0]):
        shorter, longer, change = longer, shorter, "with"
    if not shorter or len(shorter) != len(longer):
        return []
    prefix = longer[0][: len(longer[0]) - len(shorter[0])]  # a common beginning keeps the order
    if not prefix or any(prefix + a != b for a, b in zip(shorter, longer, strict=True)):
        return []
    return [f'Tried: {change} "{prefix}" at their beginning the unexpected names are the missing ones.']


def error(model: str, missing: Sequence[str], unexpected: Sequence[str], mismatched: dict[str, str],
          tried: Sequence[str] = ()) -> StateDictError:
    """The exception: everything that does not fit, and ``tried``, what was renamed before in vain.

    ``mismatched`` maps a name to the sentence about it. The full lists are attributes of the exception.
    """
    problems = [*listed("Missing key(s)", missing), *listed("Unexpected key(s)", unexpected)]
    problems += [*mismatched.values()][:_LAYERS]
    if len(mismatched) > _LAYERS:
        problems.append(f"and {len(mismatched) - _LAYERS} more names that do not fit")
    if tried:
        problems.append(f"Tried before: {'; '.join(tried)}.")
    else:
        problems += prefixed(missing, unexpected)
    found = StateDictError(f"Error(s) in loading state_dict for {model}:\n\t" + "\n\t".join(problems))
    found.missing_keys, found.unexpected_keys = list(missing), list(unexpected)
    found.mismatched, found.tried = dict(mismatched), list(tried)
    return found
