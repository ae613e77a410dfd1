"""Elementwise operations of two operands, and `where`; see `pyconv.ops.elementwise`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pyconv._backend import core
from pyconv.ops.arguments import only
from pyconv.ops.operands import ARRAYS, BOOL, broadcast, fit
from pyconv.ops.out import into, takes_out
from pyconv.ops.unary import Square
from pyconv.pending import Pending
from pyconv.tensor import FLOATS, Array, Context, Op, Record, apply


class Binary(Op):
    """y = f(a, b); an operand that is a number is None among the inputs and the attribute ``number``."""

    dtypes: ClassVar[tuple[Any, ...] | None] = None
    tries_types = True

    @classmethod
    def infer(cls, shapes: Sequence[Any], **attrs: Any) -> Record:
        a, b = shapes
        return Record((b if a is None else a if b is None else broadcast(cls.name, a, b),), cls.dtypes, 0, (a, b))

    @classmethod
    def forward(cls, ctx: Context, a: Any, b: Any, number: Any = None, out: Any = None) -> Array:
        y = core.binary(cls.name, number if a is None else a, number if b is None else b, ctx.channels_last, out)
        if True in ctx.needs:
            ctx.extra = (None if a is None else a.dtype, None if b is None else b.dtype)
            cls.keep(ctx, a, b, y)
        return y

    @classmethod
    def keep(cls, ctx: Context, a: Any, b: Any, y: Array) -> None:
        """Save what `gradients` needs."""

    @classmethod
    def backward(cls, ctx: Context, gy: Array) -> tuple[Any, Any]:
        shapes, dtypes, needs = ctx.record.core, ctx.extra, ctx.needs
        return (fit(cls.grad_a(ctx, gy), shapes[0], dtypes[0]) if needs[0] else None,
                fit(cls.grad_b(ctx, gy), shapes[1], dtypes[1]) if needs[1] else None)

    @classmethod
    def grad_a(cls, ctx: Context, gy: Array) -> Array:
        """The gradient of a, before broadcasting is undone."""
        raise NotImplementedError

    @classmethod
    def grad_b(cls, ctx: Context, gy: Array) -> Array:
        """The gradient of b, before broadcasting is undone."""
        raise NotImplementedError


def _or_number(ctx: Context, saved: Any) -> Any:
    return ctx.attrs["number"] if saved is None else saved


class Add(Binary):
    name = "add"
    takes_pending = True

    @classmethod
    def forward(cls, ctx, a, b, number=None, out=None):
        if isinstance(b, Pending):
            a, b = (b, a.array) if isinstance(a, Pending) else (b, a)
        if not isinstance(a, Pending):
            return super().forward(ctx, a, b, number, out)
        if b is None or out is not None or b.shape != a.shape or b.dtype != a.dtype:
            return super().forward(ctx, a.array, b, number, out)
        if True in ctx.needs:
            ctx.extra = a.dtype, b.dtype
        return a.values(residual=b)

    @classmethod
    def grad_a(cls, ctx, gy):
        return gy

    @classmethod
    def grad_b(cls, ctx, gy):
        return gy


class Sub(Add):
    name = "sub"
    takes_pending = False

    @classmethod
    def grad_b(cls, ctx, gy):
        return core.unary("neg", gy, True)


class Mul(Binary):
    name = "mul"

    @classmethod
    def keep(cls, ctx, a, b, y):
        ctx.save(a if ctx.needs[1] else None, b if ctx.needs[0] else None)

    @classmethod
    def grad_a(cls, ctx, gy):
        return core.binary("mul", gy, _or_number(ctx, ctx.saved[1]), True)

    @classmethod
    def grad_b(cls, ctx, gy):
        return core.binary("mul", gy, _or_number(ctx, ctx.saved[0]), True)


class Div(Binary):
    name = "div"

    @classmethod
    def keep(cls, ctx, a, b, y):
        ctx.save(y if ctx.needs[1] else None, b)

    @classmethod
    def grad_a(cls, ctx, gy):
        return core.binary("div", gy, _or_number(ctx, ctx.saved[1]), True)

    @classmethod
    def grad_b(cls, ctx, gy):
        return core.ternary("div_grad", gy, ctx.saved[0], ctx.saved[1], True)


class Pow(Binary):
    name = "pow"

    @classmethod
    def keep(cls, ctx, a, b, y):
        ctx.save(a, b)

    @classmethod
    def grad_a(cls, ctx, gy):
        a, b = ctx.saved
        return core.ternary("pow_grad_base", gy, a, _or_number(ctx, b), True)

    @classmethod
    def grad_b(cls, ctx, gy):
        a, b = ctx.saved
        return core.ternary("pow_grad_exponent", gy, _or_number(ctx, a), b, True)


class Maximum(Binary):
    name = "maximum"

    @classmethod
    def keep(cls, ctx, a, b, y):
        ctx.save(a, b)

    @classmethod
    def grad_a(cls, ctx, gy):
        return core.ternary(cls.name + "_grad", gy, _or_number(ctx, ctx.saved[0]), _or_number(ctx, ctx.saved[1]), True)

    @classmethod
    def grad_b(cls, ctx, gy):
        return core.ternary(cls.name + "_grad", gy, _or_number(ctx, ctx.saved[1]), _or_number(ctx, ctx.saved[0]), True)


class Minimum(Maximum):
    name = "minimum"


class _Compare(Binary):
    dtypes = (BOOL,)


class Eq(_Compare):
    name = "eq"


class Ne(_Compare):
    name = "ne"


class Lt(_Compare):
    name = "lt"


class Le(_Compare):
    name = "le"


class Gt(_Compare):
    name = "gt"


class Ge(_Compare):
    name = "ge"


class LogicalAnd(_Compare):
    name = "logical_and"


class LogicalOr(_Compare):
    name = "logical_or"


class LogicalXor(_Compare):
    name = "logical_xor"


class Where(Op):
    """y = a where condition, else b."""

    name = "where"

    @staticmethod
    def infer(shapes, number_a=None, number_b=None):
        a, b, condition = shapes
        y = condition
        for shape in (a, b):
            if shape is not None:
                y = broadcast("where", y, shape)
        return Record((y,), None, 0, (a, b))

    @staticmethod
    def forward(ctx, a, b, condition, number_a=None, number_b=None):
        ctx.save(condition)
        ctx.extra = (None if a is None else a.dtype, None if b is None else b.dtype)
        return core.ternary("where", condition, number_a if a is None else a, number_b if b is None else b,
                            ctx.channels_last)

    @staticmethod
    def backward(ctx, gy):
        condition, = ctx.saved
        shapes, dtypes, needs = ctx.record.core, ctx.extra, ctx.needs
        return (fit(core.ternary("where", condition, gy, 0, True), shapes[0], dtypes[0]) if needs[0] else None,
                fit(core.ternary("where", condition, 0, gy, True), shapes[1], dtypes[1]) if needs[1] else None,
                None)


def _two(op: type[Binary], a: Any, b: Any, out: Any = None) -> Any:
    if out is not None:
        if isinstance(a, ARRAYS):
            return into(op, out, a, b) if isinstance(b, ARRAYS) else into(op, out, a, None, number=b)
        return into(op, out, None, b, number=a)
    if isinstance(b, ARRAYS):
        return apply(op, a, b) if isinstance(a, ARRAYS) else apply(op, None, b, number=a)
    return apply(op, a, None, number=b)


def times(x: Any, alpha: Any) -> Any:
    """x * alpha; x itself for 1."""
    return x if isinstance(alpha, (int, float)) and alpha == 1 else x * alpha


def add(a: Any, b: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """a + alpha b."""
    return _two(Add, a, times(b, alpha), out)


def sub(a: Any, b: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """a - alpha b."""
    return _two(Sub, a, times(b, alpha), out)


def mul(a: Any, b: Any, *, out: Any = None) -> Any:
    """a * b, element by element."""
    return _two(Mul, a, b, out)


def div(a: Any, b: Any, *, rounding_mode: None = None, out: Any = None) -> Any:
    """a / b; whole numbers give float32. ``rounding_mode`` other than None raises ValueError."""
    only("div", rounding_mode=(rounding_mode, None))
    return _two(Div, a, b, out)


def pow(a: Any, b: Any, *, out: Any = None) -> Any:
    """a to the power of b."""
    if isinstance(b, (int, float)) and b == 2 and isinstance(a, ARRAYS) and a.dtype in FLOATS:
        return apply(Square, a) if out is None else into(Square, out, a)
    return _two(Pow, a, b, out)


def minimum(a: Any, b: Any, *, out: Any = None) -> Any:
    """The smaller of a and b; NaN if either is. A gradient is halved at a tie."""
    return _two(Minimum, a, b, out)


def maximum(a: Any, b: Any, *, out: Any = None) -> Any:
    """The larger of a and b; NaN if either is. A gradient is halved at a tie."""
    return _two(Maximum, a, b, out)


def eq(a: Any, b: Any, *, out: Any = None) -> Any:
    """a == b, bool."""
    return _two(Eq, a, b, out)


def ne(a: Any, b: Any, *, out: Any = None) -> Any:
    """a != b, bool."""
    return _two(Ne, a, b, out)


def lt(a: Any, b: Any, *, out: Any = None) -> Any:
    """a < b, bool."""
    return _two(Lt, a, b, out)


def le(a: Any, b: Any, *, out: Any = None) -> Any:
    """a <= b, bool."""
    return _two(Le, a, b, out)


def gt(a: Any, b: Any, *, out: Any = None) -> Any:
    """a > b, bool."""
    return _two(Gt, a, b, out)


def ge(a: Any, b: Any, *, out: Any = None) -> Any:
    """a >= b, bool."""
    return _two(Ge, a, b, out)


def logical_and(a: Any, b: Any, *, out: Any = None) -> Any:
    """Whether both are non-zero, bool."""
    return _two(LogicalAnd, a, b, out)


def logical_or(a: Any, b: Any, *, out: Any = None) -> Any:
    """Whether either is non-zero, bool."""
    return _two(LogicalOr, a, b, out)


def logical_xor(a: Any, b: Any, *, out: Any = None) -> Any:
    """Whether exactly one is non-zero, bool."""
    return _two(LogicalXor, a, b, out)


@takes_out
def where(condition: Any, a: Any, b: Any) -> Any:
    """a where the bool ``condition`` holds, else b."""
    number_a = None if isinstance(a, ARRAYS) else a
    number_b = None if isinstance(b, ARRAYS) else b
    return apply(Where, None if number_a is not None else a, None if number_b is not None else b, condition,
                 number_a=number_a, number_b=number_b)
