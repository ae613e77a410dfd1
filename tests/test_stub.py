"""The typed stub lists exactly what the compiled module has, with the same parameter names."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import pyconv
from pyconv._backend import core

STUB = ast.parse((Path(pyconv.__file__).parent / "_core.pyi").read_text())
FUNCTIONS = {node.name: node for node in STUB.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
VALUES = {node.target.id for node in STUB.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)}
CALLABLE = sorted(name for name in dir(core) if not name.startswith("_") and callable(getattr(core, name)))


def parameters(signature: str) -> list[str]:
    """Parameter names of a line such as "f(x: list[int], n: int = 3) -> None", pybind11's first line of a docstring."""
    inside, depth, parts = "", 0, []
    for char in signature[signature.index("(") + 1:]:
        if char == ")" and depth == 0:
            break
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            parts.append(inside)
            inside = ""
        else:
            inside += char
    parts.append(inside)
    return [re.split(r"[:=]", part)[0].strip() for part in parts if part.strip() not in ("", "*", "/")]


def test_the_stub_lists_the_functions_of_the_module():
    assert sorted(FUNCTIONS) == CALLABLE


def test_the_stub_lists_the_values_of_the_module():
    values = {name for name in dir(core) if not callable(getattr(core, name)) and not name.startswith("_")}
    assert values | {"__version__"} == VALUES


@pytest.mark.parametrize("name", [n for n in CALLABLE if isinstance(FUNCTIONS.get(n), ast.FunctionDef)])
def test_parameters(name: str):
    node = FUNCTIONS[name]
    stub = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    assert parameters(getattr(core, name).__doc__.splitlines()[0]) == stub


def test_reading_a_signature():
    line = "f(a: dict[str, int], b: tuple[int, ...] = (1, 2), *, c: str | None = None) -> int"
    assert parameters(line) == ["a", "b", "c"]
