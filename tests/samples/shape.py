"""Views, copies, joining, padding, indexing."""

from __future__ import annotations

import numpy as np

import pyconv as pc
from pyconv.ops import indexing, join
from pyconv.ops.creation import one_hot
from samples import Hostile, Sample, normal


def _torch(name):
    def call(*args, **kwargs):
        import torch

        return getattr(torch, name)(*args, **kwargs)

    return call


def _torch_pad(x, pad, mode="constant", value=None):
    import torch

    return torch.nn.functional.pad(x, pad, mode, value)


def _view(name, case, function, *shapes):
    """A function that means the same on our tensors and on torch's."""
    return Sample(name, case, function, normal(*shapes), torch=function)


def _assigned(key, value=None):
    def function(x, *values):
        y = x * 1
        y[key] = values[0] if values else value
        return y

    return function


def _index(case, key, size=(4, 5, 6)):
    return _view("index", case, lambda x: x[key], size)


MASK = np.array([True, False, True, True])

SAMPLES = [
    _view("reshape", "merge", lambda x: x.reshape(6, -1), (2, 3, 4)),
    _view("reshape", "split", lambda x: x.reshape(2, 3, 2, 2), (6, 4)),
    _view("reshape", "copy-to-rank-4", lambda x: x.transpose(0, 1).reshape(2, 3, 2, 2), (4, 6)),
    _view("reshape", "scalar", lambda x: x.reshape(()), (1,)),
    _view("flatten", "from-1", lambda x: x.flatten(1), (2, 3, 5, 4)),
    _view("permute", "rank-4", lambda x: x.permute(0, 2, 3, 1) * 2, (2, 3, 4, 5)),
    _view("transpose", "ends", lambda x: x.transpose(0, -1), (2, 3, 4)),
    _view("T", "rank-2", lambda x: x.T, (3, 4)),
    _view("squeeze", "all", lambda x: x.squeeze(), (1, 3, 1, 2)),
    _view("squeeze", "one", lambda x: x.squeeze(0), (1, 3, 1)),
    _view("unsqueeze", "middle", lambda x: x.unsqueeze(1), (3, 2)),
    _view("expand", "rows", lambda x: x.expand(4, -1, 5), (3, 1)),
    _view("chunk", "uneven", lambda x: x.chunk(3, 1), (2, 7)),
    _view("split", "sizes", lambda x: x.split([1, 4, 2], 1), (2, 7, 3)),
    _view("split", "only-one-used", lambda x: x.split(2)[1], (5, 3)),
    _view("unbind", "axis-1", lambda x: x.unbind(1), (2, 3)),
    _view("clone", "rank-3", lambda x: x.clone(), (2, 3, 4)),
    _view("contiguous", "transposed", lambda x: x.T.contiguous(), (17, 33)),
    Sample("cat", "axis-1", lambda *x, **k: join.cat(x, **k), normal((2, 3, 4, 5), (2, 1, 4, 5), (2, 7, 4, 5)),
           {"dim": 1}, torch=lambda *x, **k: _torch("cat")(x, **k)),
    Sample("cat", "axis-0-with-empty", lambda *x, **k: join.cat(x, **k), normal((2, 3), (0, 3), (1, 3)), {"dim": 0},
           torch=lambda *x, **k: _torch("cat")(x, **k)),
    Sample("cat", "nothing-first", lambda *x, **k: join.cat(x, **k), normal((0,), (2, 3), (2, 1)), {"dim": 1},
           torch=lambda *x, **k: _torch("cat")(x, **k)),
    Sample("stack", "last", lambda *x, **k: join.stack(x, **k), normal((2, 3), (2, 3)), {"dim": -1},
           torch=lambda *x, **k: _torch("stack")(x, **k)),
    *[Sample("pad", f"{mode}-rank-{len(size)}", join.pad, normal(size), {"pad": pad, "mode": mode, **extra},
             torch=_torch_pad)
      for mode, size, pad, extra in (
          ("constant", (2, 3, 4, 5), (1, 2, 3, 0), {"value": 1.5}), ("constant", (3, 5), (-1, 2, 1, -2), {}),
          ("constant", (2, 17, 3), (0, 0, 5, 0), {}), ("reflect", (2, 3, 4, 5), (4, 3, 3, 1), {}),
          ("replicate", (2, 3, 4, 5), (1, 7, 0, 2), {}), ("circular", (2, 3, 4, 5), (5, 2, 3, 4), {}),
          ("reflect", (2, 3, 6), (2, 5), {}), ("reflect", (2, 6), (-1, 5), {}), ("replicate", (2, 4, 3), (3, -2, -1, 2), {}),
          ("circular", (1, 2, 3, 5, 4), (-1, 2, 3, -2, 0, 1), {}), ("replicate", (1, 2, 3, 4, 2), (1, 1, 2, 0, 0, 3), {}))],
    _index("int", 1), _index("negative-int", (slice(None), -2)), _index("slice", slice(1, 3)),
    _index("steps", (slice(None, None, 3), slice(1, None, 2), slice(0, 5, 4))), _index("ellipsis", (..., 0)),
    _index("new-axis", (0, None, slice(1, 2))), _index("all-ints", (1, 2, 3)),
    _index("empty-slice", (slice(2, 1), slice(None))),
    _index("list", ([2, 0, 2],)), _index("list-last", (..., [5, 0, 0])), _index("two-lists", ([0, 3], [4, 4])),
    _index("lists-apart", ([0, 3], slice(None), [5, 5])), _index("int-and-list", (1, slice(None), [0, 2, 2])),
    _index("rank-4", (slice(None), [1, 1, 0]), (2, 3, 4, 5)),
    Sample("index_select", "axis-1", indexing.index_select, lambda r: [r.standard_normal((3, 4, 2))],
           {"dim": 1, "index": np.array([3, 0, 3])}),
    Sample("masked_select", "broadcast", indexing.masked_select, normal((5, 1)),
           {"mask": np.array([True, False, True])}),
    Sample("setitem", "number", _assigned((slice(1, 3), 0), 2.5), normal((4, 5))),
    Sample("setitem", "row", _assigned((slice(None), [0, 2, 1])), normal((4, 5), (3,))),
    Sample("setitem", "slice", _assigned((slice(None, None, 2),)), normal((4, 5), (2, 1))),
    Sample("setitem", "mask", _assigned(MASK), normal((4, 5), (3, 5))),
    Sample("setitem", "lists-apart", _assigned(([0, 3], slice(None), [1, 2])), normal((4, 2, 3), (2, 2))),
    Sample("getitem", "mask", lambda x: x[MASK], normal((4, 5))),
    Sample("getitem", "mask-2d", lambda x: x[np.outer(MASK, MASK)], normal((4, 4, 2))),
    Sample("to", "float64-and-back", lambda x: x.double().float() if x.dtype == pc.float32 else x.clone(),
           normal((3, 4))),
    Sample("one_hot", "classes", one_hot, lambda r: [r.integers(0, 5, (2, 3))],
           {"num_classes": 6}, gradients=False,
           torch=lambda x, **k: __import__("torch").nn.functional.one_hot(x, **k)),
]


BIG = 2**62
_SHAPE, _INDEX, _TYPE, _VALUE = (pc.ShapeError,), (IndexError,), (TypeError,), (ValueError,)


def _rows(op, *rows):
    return [Hostile(op, case, call, raises, match) for case, call, raises, match in rows]


HOSTILE = [
    *_rows(
        "reshape",
        ("count", "x(2, 3).reshape(7)", _SHAPE, r"\[reshape\] shape \(7,\) does not fit x.*6 elements"),
        ("two-unknown", "x(6).reshape(-1, -1)", _SHAPE, "more than one -1"),
        ("negative", "x(6).reshape(-2, 3)", _SHAPE, "negative size"),
        ("unknown-of-zero", "x(0).reshape(0, -1)", _SHAPE, "-1 could be any size"),
        ("not-divisible", "x(7).reshape(2, -1)", _SHAPE, "does not fit x"),
        ("huge", f"x(6).reshape({BIG}, {BIG})", _SHAPE, "does not fit x"),
        ("huge-and-zero", f"x(0).reshape(0, {BIG})", _SHAPE, "limit of"),
        ("nine-axes", "x(1).reshape(1, 1, 1, 1, 1, 1, 1, 1, 1)", _SHAPE, "9 axes, expected at most 8"),
        ("float", "x(6).reshape(2.0, 3)", _TYPE, "shape is 2.0, expected a whole number"),
        ("text", "x(6).reshape('6')", _TYPE, "expected a whole number"),
        ("bool", "x(1).reshape(True)", _TYPE, "shape is True"),
        ("view-dtype", "x(2).view(pc.int32)", _TYPE, r"\[view\] shape is dtype"),
        ("permute-twice", "x(2, 3).permute(0, 0)", _SHAPE, "name each of the 2 axes once"),
        ("permute-few", "x(2, 3).permute(0)", _SHAPE, "name each of the 2 axes once"),
        ("permute-range", "x(2, 3).permute(0, 2)", _INDEX, "dims is 2, expected -2 to 1"),
        ("transpose-range", f"x(2, 3).transpose(0, {BIG})", _INDEX, "dim1 is"),
        ("squeeze-range", "x(2, 3).squeeze(5)", _INDEX, "dim is 5, expected -2 to 1"),
        ("unsqueeze-range", "x(2, 3).unsqueeze(-4)", _INDEX, "dim is -4, expected -3 to 2"),
        ("unsqueeze-ninth", "x(1, 1, 1, 1, 1, 1, 1, 1).unsqueeze(0)", _SHAPE, "8 axes"),
        ("expand-size", "x(2, 3).expand(4, 3)", _SHAPE, "size 2, which cannot become 4"),
        ("expand-few", "x(2, 3).expand(3)", _SHAPE, "has 1 axes, x has 2"),
        ("expand-new-unknown", "x(3).expand(-1, 3)", _SHAPE, "negative size"),
        ("expand-huge", f"x(1).expand({BIG})", _SHAPE, "limit of"),
        ("flatten-order", "x(2, 3, 4).flatten(2, 1)", _SHAPE, "start_dim is 2, expected at most end_dim"),
        ("flatten-range", "x(2, 3).flatten(3)", _INDEX, "start_dim is 3"),
        ("flatten-type", "pc.flatten([1.0, 2.0])", _TYPE, "x is list, expected a Tensor"),
        ("split-zero", "x(4).split(0)", _VALUE, "is 0, expected at least 1"),
        ("split-sum", "x(4).split([1, 2])", _SHAPE, "do not add up to the 4"),
        ("split-negative", "x(4).split([5, -1])", _SHAPE, "do not add up"),
        ("chunk-zero", "x(4).chunk(0)", _VALUE, "chunks is 0, expected at least 1"),
        ("contiguous-format", "x(4).contiguous(memory_format='nhwc')", _VALUE, "memory_format is 'nhwc'"),
        ("contiguous-rank", "x(4).contiguous(memory_format=pc.channels_last)", _SHAPE, "needs 4 axes, x has 1"),
        ("clone-format", "x(4).clone(memory_format=pc.channels_last)", _VALUE, "memory_format is"),
        ("to-dtype", "x(4).to('complex64')", (TypeError, ValueError), "expected"),
        ("to-device", "x(4).to('cuda')", _VALUE, r"\[device\] type is 'cuda'"),
        ("to-float16", "x(4).to(np.float16)", _TYPE, "dtype is .*float16"),
        ("to-from-meta", "pc.zeros(2, device='meta').to('cpu')", (RuntimeError,), "meta tensor of shape"),
    ),
    *_rows(
        "index",
        ("int-high", "x(2, 3)[2]", _INDEX, "index 2 is out of range for axis 0 of size 2"),
        ("int-low", "x(2, 3)[0, -4]", _INDEX, "index -4 is out of range for axis 1 of size 3"),
        ("int-huge", f"x(2, 3)[{BIG**2}]", _INDEX, "out of range for axis 0"),
        ("many", "x(2, 3)[0, 0, 0]", _INDEX, "names 3 axes, x has 2"),
        ("two-ellipses", "x(2, 3)[..., ...]", _INDEX, "more than one Ellipsis"),
        ("step-zero", "x(4)[::0]", _VALUE, "step 0, expected at least 1"),
        ("step-negative", "x(4)[::-1]", _VALUE, "step -1, expected at least 1"),
        ("slice-float", "x(4)[0.5:]", _TYPE, "something else than whole numbers"),
        ("float", "x(4)[0.5]", _TYPE, "holds float, expected whole numbers"),
        ("text", "x(4)['a']", _TYPE, "holds str"),
        ("bool", "x(4)[True]", _TYPE, "holds True"),
        ("list-high", "x(2, 3)[[0, 2]]", _INDEX, "index 2 is out of range for axis 0 of size 2"),
        ("list-low", "x(2, 3)[:, [0, -4]]", _INDEX, "index -4 is out of range for axis 1 of size 3"),
        ("list-huge", f"x(2, 3)[[0, {2**63 - 1}]]", _INDEX, "out of range for axis 0"),
        ("float-tensor", "x(4)[x(2)]", _TYPE, "an index has dtype float32"),
        ("float-list", "x(4)[[0.0]]", _TYPE, "an index has dtype float64"),
        ("ragged-list", "x(4)[[[0], [1, 2]]]", _TYPE, "list that is not rectangular"),
        ("no-broadcast", "x(4, 4)[[0, 1], [0, 1, 2]]", _SHAPE, "do not broadcast"),
        ("mask-shape", "x(4)[np.ones(3, bool)]", _INDEX, r"bool index of shape \(3,\) does not fit"),
        ("mask-rank", "x(4)[np.ones((4, 1), bool)]", _INDEX, "names 2 axes, x has 1"),
        ("mask-scalar", "x(4)[np.array(True)]", _TYPE, "bool without axes"),
        ("empty-axis", "x(0, 3)[[0]]", _INDEX, "out of range for axis 0 of size 0"),
        ("scalar", "x()[0]", _INDEX, "names 1 axes, x has 0"),
        ("result-rank", "x(2, 2)[np.zeros((1,) * 8, int)]", _SHAPE, "9 axes, expected at most 8"),
        ("select-range", "pc.index_select(x(4), 1, i(2))", _INDEX, "dim is 1"),
        ("select-scalar", "pc.index_select(x(), 0, i(2))", _SHAPE, r"index has 2 entries, expected 1"),
        ("masked-dtype", "pc.masked_select(x(4), i(4))", _TYPE, r"mask has dtype int64, expected bool"),
        ("masked-list", "pc.masked_select(x(2), [True, False])", _TYPE, "mask is list, expected a Tensor"),
        ("masked-shape", "pc.masked_select(x(4), x(3) > 0)", _SHAPE, "shapes 4 and 3 do not broadcast"),
        ("select-rank", "pc.index_select(x(4), 0, i(2, 2))", _TYPE, "no 1-D tensor"),
        ("set-shape", "x(2, 3).__setitem__(0, x(4))", _SHAPE, "does not broadcast|do not broadcast"),
        ("set-list-shape", "x(4, 3).__setitem__([0, 1], x(3, 3))", _SHAPE, "do(es)? not broadcast"),
        ("set-type", "x(2, 3).__setitem__(0, 'a')", _TYPE, r"\[setitem\] x is str|numpy array"),
        ("set-range", "x(2, 3).__setitem__([5], 0)", _INDEX, "index 5 is out of range for axis 0"),
        ("set-whole", "i(2).__setitem__(0, 0.5)", _VALUE, "expected a whole number"),
        ("set-huge", f"i(2).__setitem__(0, {BIG * 4})", _VALUE, "within the type's range"),
        ("set-leaf", "pc.ones(2, requires_grad=True).__setitem__(0, 1)", (RuntimeError,), "leaf that requires a grad"),
        ("set-expanded", "x(1).expand(4).__setitem__(slice(4), 1)", _VALUE, "share"),
        ("set-read-only", "pc.from_numpy(np.broadcast_to(np.float32(1), 3)).__setitem__(0, 1)", _VALUE, "read-only"),
        ("set-read-only-list", "pc.from_numpy(np.broadcast_to(np.float32(1), 3)).__setitem__([0], 1)", _VALUE,
         "read-only"),
    ),
    *_rows(
        "cat",
        ("empty", "pc.cat([])", _VALUE, "tensors is empty"),
        ("tensor", "pc.cat(x(2, 2))", _TYPE, "tensors is Tensor, expected a list"),
        ("number-inside", "pc.cat([x(2), 1])", _TYPE, r"tensors\[1\] is int"),
        ("none-inside", "pc.cat([None, x(2)])", _TYPE, r"tensors\[0\] is NoneType"),
        ("dim-high", "pc.cat([x(2), x(2)], 1)", _INDEX, "dim is 1, expected -1 to 0"),
        ("dim-low", "pc.cat([x(2), x(2)], -2)", _INDEX, "dim is -2"),
        ("dim-float", "pc.cat([x(2), x(2)], 0.0)", _TYPE, "dim is 0.0"),
        ("dim-huge", f"pc.cat([x(2)], {BIG**3})", _INDEX, "dim is"),
        ("other-axis", "pc.cat([x(2, 3), x(2, 4)])", _SHAPE, r"tensor 1 has shape \(2, 4\), which differs"),
        ("rank", "pc.cat([x(2, 3), x(2)])", _SHAPE, r"tensor 1 has shape \(2,\)"),
        ("no-axes", "pc.cat([x(), x()])", _SHAPE, "no axes and cannot be concatenated"),
        ("arrays-shape", "pc.cat([a(2, 3), a(3, 2)], 1)", _SHAPE, "tensor 1 has shape"),
        ("float16", "pc.cat([x(2), np.ones(2, np.float16)])", _TYPE, r"tensors\[1\] has dtype float16"),
        ("complex", "pc.cat([np.ones(2, complex)])", _TYPE, "has dtype complex128"),
        ("big-endian", "pc.cat([np.ones(2, '>f4')])", _TYPE, "has dtype|dtype"),
        ("text", "pc.cat('ab')", _TYPE, r"tensors\[0\] is str"),
        ("dict", "pc.cat({})", _TYPE, "tensors is dict"),
        ("huge", "pc.cat([np.broadcast_to(np.float32(0), (2**31 - 1, 1))] * 4)", (pc.ShapeError, MemoryError), "limit of"),
        ("stack-shape", "pc.stack([x(2), x(3)])", _SHAPE, r"tensors\[1\] has shape \(3,\), expected that of the first"),
        ("stack-empty", "pc.stack([])", _VALUE, "tensors is empty"),
        ("stack-dim", "pc.stack([x(2)], 2)", _INDEX, "dim is 2, expected -2 to 1"),
        ("stack-type", "pc.stack([x(2), [1.0, 2.0]])", _TYPE, r"tensors\[1\] is list"),
        ("stack-rank", "pc.stack([x(1, 1, 1, 1, 1, 1, 1, 1)])", _SHAPE, "8 axes"),
    ),
    *_rows(
        "pad",
        ("odd", "pc.ops.join.pad(x(2, 3), (1, 2, 3))", _VALUE, "3 entries, expected pairs"),
        ("many", "pc.ops.join.pad(x(2), (1, 1, 1, 1))", _SHAPE, "names 2 axes, x has 1"),
        ("mode", "pc.ops.join.pad(x(2), (1, 1), mode='edge')", _VALUE, "mode is 'edge'"),
        ("mode-none", "pc.ops.join.pad(x(2), (1, 1), mode=None)", _VALUE, "mode is None"),
        ("crop-all", "pc.ops.join.pad(x(2), (-2, -1))", _SHAPE, "more would be cropped"),
        ("crop-start", "pc.ops.join.pad(x(2), (-3, 5))", _SHAPE, "more would be cropped"),
        ("crop-huge", f"pc.ops.join.pad(x(2), (-{BIG}, 0))", _SHAPE, "more would be cropped"),
        ("huge", f"pc.ops.join.pad(x(2), ({BIG}, 0))", _SHAPE, "limit of"),
        ("huge-sum", f"pc.ops.join.pad(x(2), ({2**63 - 1}, {2**63 - 1}))", (ValueError,), "overflow|limit|64 bits"),
        ("beyond-64-bits", f"pc.ops.join.pad(x(2), ({2**70}, 0))", (ValueError,), "64 bits"),
        ("huge-reflect", f"pc.ops.join.pad(x(2), ({BIG}, 0), mode='reflect')", _SHAPE, "reflect reaches at most 1"),
        ("huge-replicate", f"pc.ops.join.pad(x(2), ({BIG}, 0), mode='replicate')", _SHAPE, "limit of"),
        ("reflect-size", "pc.ops.join.pad(x(1, 3), (3, 0), mode='reflect')", _SHAPE, "reflect reaches at most 2"),
        ("circular-size", "pc.ops.join.pad(x(1, 3), (4, 0), mode='circular')", _SHAPE, "circular reaches at most 3"),
        ("reflect-crop-all", "pc.ops.join.pad(x(1, 3), (-3, -1), mode='reflect')", _SHAPE, "more would be cropped"),
        ("circular-crop-then-size", "pc.ops.join.pad(x(1, 3), (-1, 3), mode='circular')", _SHAPE, "circular reaches at most 2"),
        ("replicate-empty", "pc.ops.join.pad(x(1, 0), (1, 0), mode='replicate')", _SHAPE, "of size 0"),
        ("float", "pc.ops.join.pad(x(2), (1.0, 0))", _TYPE, "pad is 1.0"),
        ("text", "pc.ops.join.pad(x(2), 'ab')", _TYPE, "expected a whole number"),
        ("value-text", "pc.ops.join.pad(x(2), (1, 1), value='a')", _TYPE, "value is 'a', expected a number"),
        ("value-whole", "pc.ops.join.pad(i(2), (1, 1), value=0.5)", _VALUE, "value is 0.5, expected a whole number"),
        ("value-nan-whole", "pc.ops.join.pad(i(2), (1, 1), value=float('nan'))", _VALUE, "value is nan"),
        ("value-range", "pc.ops.join.pad(i(2).byte(), (1, 1), value=256)", _VALUE, "within the type's range"),
        ("value-unused", "pc.ops.join.pad(x(3), (1, 1), mode='reflect', value=1.0)", _VALUE, "mode 'reflect' has no use"),
        ("list", "pc.ops.join.pad([1.0], (1, 1))", _TYPE, "x is list"),
    ),
    *_rows(
        "creation",
        ("negative", "pc.zeros(2, -1)", _SHAPE, "negative size"),
        ("huge", f"pc.zeros({BIG})", _SHAPE, "limit of"),
        ("huge-product", "pc.ones(2**31 - 1, 2**31 - 1, 2**31 - 1)", _SHAPE, "overflow|bytes"),
        ("too-much", "pc.zeros(2**30, 2**10)", (MemoryError,), ""),
        ("nine-axes", "pc.zeros(1, 1, 1, 1, 1, 1, 1, 1, 1)", _SHAPE, "9 entries, expected at most 8"),
        ("float-size", "pc.zeros(2.5)", _TYPE, "shape is 2.5"),
        ("dtype", "pc.zeros(2, dtype='float16')", _TYPE, "dtype is 'float16'"),
        ("dtype-text", "pc.zeros(2, dtype='nonsense')", _TYPE, "dtype is 'nonsense'"),
        ("device", "pc.zeros(2, device='cuda:0')", _VALUE, "type is 'cuda:0'"),
        ("grad-of-ints", "pc.zeros(2, dtype=pc.int64, requires_grad=True)", (RuntimeError,), "only float32 and float64"),
        ("out", "pc.zeros(2, out=x(2))", _VALUE, "out is"),
        ("full-range", "pc.full((2,), 300, dtype=pc.uint8)", _VALUE, "within the type's range"),
        ("full-nan", "pc.full((2,), float('nan'), dtype=pc.int32)", _VALUE, "fill_value|value is nan"),
        ("full-fraction", "pc.full((2,), 1.5, dtype=pc.int64)", _VALUE, "expected a whole number"),
        ("full-text", "pc.full((2,), 'a')", _TYPE, "expected a number"),
        ("arange-step", "pc.arange(0, 5, 0)", _VALUE, "step is 0"),
        ("arange-direction", "pc.arange(0, 5, -1)", _VALUE, "does not lead from 0 to 5"),
        ("arange-nan", "pc.arange(float('nan'))", _VALUE, "expected a finite number"),
        ("arange-inf", "pc.arange(0, float('inf'))", _VALUE, "expected a finite number"),
        ("arange-huge", f"pc.arange({BIG})", (pc.ShapeError, ValueError), "limit of|memory"),
        ("arange-range", "pc.arange(0, 300, dtype=pc.uint8)", _VALUE, "do not fit dtype uint8"),
        ("arange-tiny-step", "pc.arange(0.0, 1.0, 1e-300)", _VALUE, "more than memory holds|limit"),
        ("tensor-ragged", "pc.tensor([[1], [2, 3]])", _VALUE, "no rectangular array"),
        ("tensor-text", "pc.tensor('abc')", _TYPE, "expected numbers"),
        ("tensor-none", "pc.tensor(None)", _TYPE, "expected numbers"),
        ("tensor-huge", f"pc.tensor([{BIG * 4}])", _TYPE, "expected numbers"),
        ("tensor-complex", "pc.tensor(1j)", _TYPE, "expected numbers"),
        ("from-list", "pc.from_numpy([1.0])", _TYPE, "array is list, expected a numpy array"),
        ("from-float16", "pc.from_numpy(np.ones(2, np.float16))", _TYPE, "dtype"),
        ("from-big-endian", "pc.from_numpy(np.ones(2, '>f4'))", _TYPE, "dtype"),
        ("from-objects", "pc.from_numpy(np.array([None]))", _TYPE, "dtype"),
        ("dlpack", "pc.from_dlpack([1.0])", _TYPE, "no __dlpack__"),
        ("one-hot-range", "pc.ops.creation.one_hot(i(2) + 3, 3)", _INDEX, "index 3 is out of range for 3 classes"),
        ("one-hot-negative", "pc.ops.creation.one_hot(i(2) - 1, 3)", _INDEX, "index -1 is out of range"),
        ("one-hot-dtype", "pc.ops.creation.one_hot(x(2), 3)", _TYPE, "dtype float32, expected int64"),
        ("one-hot-empty", "pc.ops.creation.one_hot(i(0))", _SHAPE, "tensor is empty"),
        ("one-hot-classes", "pc.ops.creation.one_hot(i(2), 0)", _VALUE, "num_classes is 0"),
    ),
]
