"""What the standard says of an operator: attributes, inputs, outputs, types; in a form that is quick to check."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from pyconv.interop.onnx.proto import BY_WORD, OnnxError, defs, shown

SINGLE, OPTIONAL, VARIADIC = "single", "optional", "variadic"


class Formal(NamedTuple):
    """An input of an operator."""

    name: str
    option: str
    group: str | None  # inputs of one group share their dtype
    dtypes: frozenset  # that the standard allows and we have


class Attribute(NamedTuple):
    """An attribute of an operator."""

    type: int  # as in AttributeProto
    required: bool
    default: Any  # an AttributeProto, or None


class Schema(NamedTuple):
    """An operator in one version."""

    since: int
    inputs: tuple[Formal, ...]
    min_input: int
    max_input: int
    min_output: int
    max_output: int
    attributes: dict[str, Attribute]
    outputs: tuple[str, ...]  # their groups

    def formal(self, i: int) -> Formal:
        """The description of input ``i``; the last one stands for all that follow."""
        return self.inputs[min(i, len(self.inputs) - 1)]


@functools.lru_cache(maxsize=4096)
def schema_of(op: str, opset: int) -> Schema:
    """The schema of an operator of the default domain. Raises OnnxError for one that is not there."""
    try:
        found = defs.get_schema(op, opset, "")
    except defs.SchemaError:
        raise OnnxError(f"[onnx] operator {shown(op)} does not exist in opset {opset}") from None
    if found.deprecated:
        raise OnnxError(f"[onnx] operator {shown(op)} was taken out of the standard before opset {opset}")
    constraints = {c.type_param_str: c.allowed_type_strs for c in found.type_constraints}
    formals = tuple(_formal(i, constraints) for i in found.inputs)
    attributes = {
        name: Attribute(_kind(a.type), a.required,
                        a.default_value if a.default_value.name else None)
        for name, a in found.attributes.items()}
    return Schema(found.since_version, formals, found.min_input, found.max_input, found.min_output, found.max_output,
                  attributes, tuple(o.type_str for o in found.outputs))


def _kind(word: Any) -> int:
    """The number of an attribute's type, which versions of onnx give as an enumeration or as a number."""
    return int(getattr(word, "value", word))


def _formal(formal: Any, constraints: dict[str, Any]) -> Formal:
    words = constraints.get(formal.type_str, [formal.type_str])
    option = formal.option.name.lower()
    group = formal.type_str if formal.type_str in constraints and formal.is_homogeneous else None
    return Formal(formal.name, option, group, frozenset(BY_WORD[w] for w in words if w in BY_WORD))
