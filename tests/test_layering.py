"""Who may know whom: the include and import rules, looked up in the sources.

A rule is a function of a file's path and text that returns what it objects to; each is first shown a violation.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CSRC = ROOT / "csrc"
PACKAGE = ROOT / "pyconv"


# --- C++ ------------------------------------------------------------------------------------------
#: For files matching the pattern (the first match counts): what their own includes may begin with or be.
INCLUDES = {
    "core/*": ["core/"],
    "kernels/vec_*.h": [],
    "kernels/bodies.inl.h": ["kernels/*.inl.h"],
    "kernels/*.inl.h": ["kernels/*.h"],
    "kernels/select.*": ["kernels/select.h", "kernels/table.h", "core/"],
    "kernels/*.cpp": ["kernels/table.h", "kernels/vec_*.h", "kernels/bodies.inl.h"],
    "kernels/*.h": ["kernels/*.h", "core/op_codes.h"],  # plain enums, shared with the reference loops
    "ops/*": ["ops/", "core/", "kernels/*.h", "ref/"],  # ref/: where a driver sends float64
    "ref/*": ["ref/", "core/", "kernels/random.h"],  # the plain struct that says where in a sequence
    "bindings/*": ["bindings/", "ops/", "ref/", "core/", "kernels/select.h"],
}
#: Where a pattern may stand, and nowhere else.
ONLY_IN = {
    r"pybind11": ["bindings/*"],
    r"#\s*pragma omp|omp\.h|\bomp_\w+\(": ["core/parallel.cpp"],
    r"std::(j?thread|async)\b(?!::id)": ["core/thread_pool.cpp", "core/threads_default.cpp"],
    r"\b_mm\d*_\w+|\b__m(128|256|512)|[xi]mmintrin\.h": [
        "kernels/vec_*.h", "kernels/math.inl.h", "kernels/avx2.cpp", "kernels/avx512.cpp", "core/fpenv.cpp"],
    r"\bcpuid\b|xgetbv": ["kernels/select.cpp"],
    r"\bgetenv\b": ["core/*", "kernels/select.cpp"],
}
NEVER_IN_KERNELS = r"\b(throw|printf|malloc|new|delete)\b|\bstd::|\bstatic\s+(?!const|inline)\w+\s*\w*\s*[=;]"


def code(text: str) -> str:
    """The text without comments and strings of messages."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    return re.sub(r"//[^\n]*", "", text)


def include_errors(path: str, text: str) -> list[str]:
    allowed = next(rule for pattern, rule in INCLUDES.items() if fnmatch(path, pattern))
    found = []
    for name in re.findall(r'#\s*include\s+"([^"]+)"', text):
        inner = name.endswith(".inl.h") or "/vec_" in name
        fits = any(name.startswith(a) if a.endswith("/") else fnmatch(name, a) for a in allowed)
        if not fits or (inner and not path.startswith("kernels/")):
            found.append(f"{path} includes {name}")
    if path.startswith("kernels/") and path.endswith(".h"):
        found += [f"{path} includes <{name}>" for name in re.findall(r"#\s*include\s+<([^>]+)>", text)
                  if name != "stdint.h" and path != "kernels/select.h"]
    return found


def pattern_errors(path: str, text: str) -> list[str]:
    found = [f"{path}: {match.group(0)!r} belongs in {', '.join(places)}"
             for pattern, places in ONLY_IN.items() if not any(fnmatch(path, place) for place in places)
             for match in re.finditer(pattern, code(text))]
    if path.endswith(".inl.h"):
        found += [f"{path}: {match.group(0)!r} in a kernel" for match in re.finditer(NEVER_IN_KERNELS, code(text))]
    return found


# --- Python ---------------------------------------------------------------------------------------
#: Rooms from the top down. A module imports from its own row or from those below it.
ROWS = [
    {"cli", "__main__"},
    {"commands"},
    {"course"},
    {"train", "explain", "models", "interop"},
    {"nn", "optim", "data", "vision", "io"},
    {"ops"},
    {"autograd", "function", "anomaly", "grad_mode", "tape", "pending", "random", "recompute", "tensor"},
    {"runtime", "errors", "device", "_backend", "_core"},
]
KNOW_THE_BACKEND = {"ops", "optim", "interop", "vision", "random", "runtime", "tensor", "pending", "tape"}
BLAS = {"matmul", "dot", "einsum", "tensordot", "inner", "vdot", "linalg"}
ARITHMETIC = {"exp", "log", "sqrt", "power", "tanh", "sum", "mean", "var", "std", "cumsum", "max", "min", "argmax",
              "argmin", "add", "subtract", "multiply", "divide", "maximum", "minimum", "pad", "concatenate", "stack",
              "repeat", "tile", "clip"}


def row(room: str) -> int:
    return next(i for i, rooms in enumerate(ROWS) if room in rooms)


def imported_rooms(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "pyconv":
                    yield [*alias.name.split("."), ""][1]
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "pyconv":
            inside = node.module.split(".")[1:]
            yield from [inside[0]] if inside else [alias.name for alias in node.names]


def room_of(path: str) -> str:
    return path.split("/")[0].removesuffix(".py")


def import_errors(path: str, text: str) -> list[str]:
    room, found = room_of(path), []
    known = set().union(*ROWS)
    if room not in known:
        return [f"{path}: the room {room!r} stands in no row"]
    for target in imported_rooms(ast.parse(text)):
        if target not in known:
            found.append(f"{path} imports pyconv's top level ({target or 'pyconv'}), expected the room itself")
        elif row(target) < row(room):
            found.append(f"{path} imports {target}, which stands above it")
        elif target == "_core" and room != "_backend":
            found.append(f"{path} imports _core past _backend")
        elif target == "_backend" and room not in KNOW_THE_BACKEND:
            found.append(f"{path} imports _backend")
    return found


def numpy_errors(path: str, text: str) -> list[str]:
    """BLAS nowhere in the package; in ops and optim no arithmetic of numpy's at all."""
    forbidden = BLAS | (ARITHMETIC if room_of(path) in ("ops", "optim", "tape", "tensor") else set())
    return [f"{path}:{node.lineno} uses np.{node.attr}" for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "np"
            and node.attr in forbidden]


# --- the tests ------------------------------------------------------------------------------------
def sources(root: Path, *patterns: str) -> list[tuple[str, str]]:
    files = sorted(p for pattern in patterns for p in root.rglob(pattern))
    assert files, f"no sources below {root}"
    return [(p.relative_to(root).as_posix(), p.read_text()) for p in files]


Rule = Callable[[str, str], list[str]]


@pytest.mark.parametrize("rule", [include_errors, pattern_errors])
def test_cpp_sources_keep_the_rules(rule: Rule):
    assert [e for path, text in sources(CSRC, "*.h", "*.cpp") for e in rule(path, text)] == []


@pytest.mark.parametrize("rule", [import_errors, numpy_errors])
def test_python_sources_keep_the_rules(rule: Rule):
    files = [(path, text) for path, text in sources(PACKAGE, "*.py") if path != "__init__.py"]
    assert [e for path, text in files for e in rule(path, text)] == []


@pytest.mark.parametrize(("rule", "path", "text"), [
    (include_errors, "core/view.cpp", '#include "ops/gemm.h"'),
    (include_errors, "ref/conv.cpp", '#include "kernels/select.h"'),
    (include_errors, "ops/gemm/gemm.cpp", '#include "bindings/arrays.h"'),
    (include_errors, "ops/gemm/gemm.cpp", '#include "kernels/gemm.inl.h"'),
    (include_errors, "kernels/gemm.inl.h", '#include "core/shape.h"'),
    (include_errors, "kernels/gemm.h", "#include <vector>"),
    (include_errors, "bindings/conv.cpp", '#include "kernels/gemm.h"'),
    (pattern_errors, "ops/gemm/gemm.cpp", "#include <pybind11/numpy.h>"),
    (pattern_errors, "ops/gemm/gemm.cpp", "#pragma omp parallel for"),
    (pattern_errors, "ops/gemm/gemm.cpp", "std::thread worker;"),
    (pattern_errors, "ops/pool.cpp", "__m256 v = _mm256_setzero_ps();"),
    (pattern_errors, "ops/conv/plan.cpp", 'std::getenv("X")'),
    (pattern_errors, "kernels/pool.inl.h", "throw 1;"),
    (pattern_errors, "kernels/pool.inl.h", "std::max(a, b)"),
    (pattern_errors, "kernels/pool.inl.h", "static int calls = 0;"),
    (import_errors, "ops/conv.py", "from pyconv.nn import Module"),
    (import_errors, "ops/conv.py", "from pyconv import nn"),
    (import_errors, "ops/conv.py", "import pyconv"),
    (import_errors, "tensor.py", "def f():\n    from pyconv.ops import conv"),
    (import_errors, "ops/conv.py", "from pyconv._core import conv_forward"),
    (import_errors, "nn/conv.py", "from pyconv._backend import core"),
    (import_errors, "attic/old.py", ""),
    (numpy_errors, "ops/gemm.py", "np.matmul(a, b)"),
    (numpy_errors, "nn/linear.py", "np.einsum('ij,jk', a, b)"),
    (numpy_errors, "ops/softmax.py", "np.exp(x)"),
])
def test_rules_object_to_violations(rule: Rule, path: str, text: str):
    assert rule(path, text)


def test_comments_are_no_code():
    assert pattern_errors("kernels/pool.inl.h", "// never throw, no std:: here\n/* new */ int f();") == []
