"""The instructions of pickles, as far as files of weights need them, read one by one and never executed.

A pickle is a program for a small machine with a stack. `run` is such a machine without the dangerous half: it builds
dictionaries, lists, tuples, texts and numbers. A global (the name of a class or function) becomes whatever the caller's
table holds for it, calls become what the caller's ``reduce`` makes of them; nothing is imported, no name is looked up.
Instructions that only other programs' pickles hold are refused by name, and so is work that no real file asks for.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from pyconv.io.source import short

MAX_STEPS = 200_000  # of small files; about thirty instructions make a tensor
BYTES_PER_STEP = 64  # larger files may have one more instruction for so many bytes
MAX_INTEGER = 10  # bytes; the largest number in files of weights is PyTorch's magic one
MAX_TEXT = 10_000
MAX_TEXTS = 8 << 20  # bytes of all texts together

#: The instructions that are refused; the rest of the 256 are none.
REFUSED = {
    b"0": "POP", b"1": "POP_MARK", b"2": "DUP", b"F": "FLOAT", b"I": "INT", b"L": "LONG", b"P": "PERSID", b"S": "STRING",
    b"V": "UNICODE", b"d": "DICT", b"i": "INST", b"l": "LIST", b"o": "OBJ", b"g": "GET", b"p": "PUT", b"B": "BINBYTES",
    b"C": "SHORT_BINBYTES", b"\x81": "NEWOBJ", b"\x82": "EXT1", b"\x83": "EXT2", b"\x84": "EXT4", b"\x8b": "LONG4",
    b"\x8d": "BINUNICODE8", b"\x8e": "BINBYTES8", b"\x8f": "EMPTY_SET", b"\x90": "ADDITEMS", b"\x91": "FROZENSET",
    b"\x92": "NEWOBJ_EX", b"\x96": "BYTEARRAY8", b"\x97": "NEXT_BUFFER", b"\x98": "READONLY_BUFFER",
}


class PickleError(ValueError):
    """What is wrong with a pickle; the caller adds which file."""


def is_key(value: Any) -> bool:
    """What dictionaries may be keyed by: nothing whose hash or comparison takes long, or that collides by design."""
    return value.__class__ is str or (value.__class__ is int and abs(value) < 2**60) or value.__class__ is bool


class Mark:
    """The sign on the stack that an instruction for many items collects from."""


_MARK = Mark()


class _Machine:
    def __init__(self, data: bytes, at: int, find: Callable[[str, str], Any], reduce: Callable[[Any, Any], Any],
                 build: Callable[[Any, Any], None], persistent: Callable[[Any], Any]) -> None:
        self.data, self.at = data, at
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.texts = 0
        self.find, self.reduce, self.build, self.persistent = find, reduce, build, persistent

    # --- bytes ----------------------------------------------------------------------------------
    def take(self, length: int) -> bytes:
        if self.at + length > len(self.data):
            raise PickleError(f"the pickle ends in the middle of an instruction at byte {self.at}")
        self.at += length
        return self.data[self.at - length:self.at]

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self, length: int) -> str:
        if not 0 <= length <= MAX_TEXT:
            raise PickleError(f"a text of {length} bytes at byte {self.at} of the pickle, expected at most {MAX_TEXT}")
        self.texts += length
        if self.texts > MAX_TEXTS:
            raise PickleError(f"texts of more than {MAX_TEXTS} bytes in the pickle")
        raw = self.take(length)
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise PickleError(f"the text {short(repr(raw))} in the pickle is not UTF-8") from None

    def line(self) -> str:
        end = self.data.find(b"\n", self.at, self.at + MAX_TEXT)
        if end < 0:
            raise PickleError(f"a name without an end at byte {self.at} of the pickle")
        text = self.text(end - self.at)
        self.at += 1
        return text

    # --- stack ----------------------------------------------------------------------------------
    def pop(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise PickleError(f"the pickle takes from an empty stack at byte {self.at}")
        return self.stack.pop()

    def pop_many(self) -> list[Any]:
        """Everything above the last mark, and the mark."""
        for at in range(len(self.stack) - 1, -1, -1):
            if self.stack[at] is _MARK:
                items = self.stack[at + 1:]
                del self.stack[at:]
                return items
        raise PickleError(f"the pickle collects from a mark that it never set, at byte {self.at}")

    def top(self, kind: type) -> Any:
        if not self.stack or self.stack[-1].__class__ is not kind:
            raise PickleError(f"the pickle adds to something that is no {kind.__name__}, at byte {self.at}")
        return self.stack[-1]

    def memoize(self, index: int) -> None:
        if not self.stack or self.stack[-1] is _MARK:
            raise PickleError(f"the pickle remembers the top of an empty stack at byte {self.at}")
        self.memo[index] = self.stack[-1]

    def recall(self, index: int) -> None:
        if index not in self.memo:
            raise PickleError(f"the pickle recalls number {index}, which it never remembered, at byte {self.at}")
        self.stack.append(self.memo[index])

    def set_items(self, items: list[Any]) -> None:
        target = self.top(dict)
        if len(items) % 2:
            raise PickleError(f"the pickle sets a key without a value at byte {self.at}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not is_key(key):
                raise PickleError(f"a key of type {type(key).__name__} in the pickle, expected a text or a small integer")
            target[key] = value

    # --- instructions ---------------------------------------------------------------------------
    def step(self, code: bytes) -> bool:
        """One instruction; False after the last."""
        push = self.stack.append
        if code == b"h":
            self.recall(self.take(1)[0])
        elif code == b"q":
            self.memoize(self.take(1)[0])
        elif code == b"K":
            push(self.take(1)[0])
        elif code == b"j":
            self.recall(self.number("<I"))
        elif code == b"r":
            self.memoize(self.number("<I"))
        elif code == b"(":
            push(_MARK)
        elif code == b"t":
            push(tuple(self.pop_many()))
        elif code in b"\x85\x86\x87":
            items = [self.pop() for _ in range(code[0] - 0x84)]
            push(tuple(items[::-1]))
        elif code == b"R":
            arguments = self.pop()
            function = self.pop()
            if arguments.__class__ is not tuple:
                raise PickleError(f"a call without a tuple of arguments at byte {self.at} of the pickle")
            push(self.reduce(function, arguments))
        elif code == b"X":
            push(self.text(self.number("<I")))
        elif code == b"c":
            push(self.find(self.line(), self.line()))
        elif code == b"Q":
            push(self.persistent(self.pop()))
        elif code == b"M":
            push(self.number("<H"))
        elif code == b"J":
            push(self.number("<i"))
        elif code == b")":
            push(())
        elif code == b"}":
            push({})
        elif code == b"]":
            push([])
        elif code == b"s":
            value = self.pop()
            key = self.pop()
            self.set_items([key, value])
        elif code == b"u":
            self.set_items(self.pop_many())
        elif code == b"a":
            value = self.pop()
            self.top(list).append(value)
        elif code == b"e":
            values = self.pop_many()
            self.top(list).extend(values)
        elif code in b"\x88\x89":
            push(code == b"\x88")
        elif code == b"N":
            push(None)
        elif code == b"G":
            push(self.number(">d"))
        elif code == b"b":
            state = self.pop()
            if not self.stack:
                raise PickleError(f"the pickle takes from an empty stack at byte {self.at}")
            self.build(self.stack[-1], state)
        elif code == b".":
            return False
        else:
            self.rare(code)
        return True

    def rare(self, code: bytes) -> None:
        """What other protocols than PyTorch's own write, and what is refused."""
        push = self.stack.append
        if code == b"\x80":
            if (version := self.take(1)[0]) > 5:
                raise PickleError(f"the pickle has protocol {version}, expected at most 5")
        elif code == b"\x95":
            self.number("<Q")  # a frame: its content follows
        elif code == b"\x94":
            self.memoize(len(self.memo))
        elif code == b"\x8c" or code == b"U":
            push(self.text(self.take(1)[0]))
        elif code == b"T":
            push(self.text(self.number("<i")))
        elif code == b"\x8a":
            if (length := self.take(1)[0]) > MAX_INTEGER:
                raise PickleError(f"an integer of {length} bytes in the pickle, expected at most {MAX_INTEGER}")
            push(int.from_bytes(self.take(length), "little", signed=True))
        elif code == b"\x93":
            name = self.pop()
            module = self.pop()
            if module.__class__ is not str or name.__class__ is not str:
                raise PickleError(f"a global without a name at byte {self.at} of the pickle")
            push(self.find(module, name))
        elif code == b"i":
            self.find(self.line(), self.line())
            raise PickleError("the pickle holds the instruction INST, which no file of weights needs")
        elif code in REFUSED:
            raise PickleError(f"the pickle holds the instruction {REFUSED[code]}, which no file of weights needs")
        else:
            raise PickleError(f"byte {self.at - 1} of the pickle is {code!r}, which is no instruction")


def run(data: bytes, at: int, file_size: int, find: Callable[[str, str], Any], reduce: Callable[[Any, Any], Any],
        build: Callable[[Any, Any], None], persistent: Callable[[Any], Any]) -> tuple[Any, int]:
    """What the pickle at byte ``at`` of ``data`` describes, and where it ends. Raises PickleError.

    ``find(module, name)`` gives the value of a global or raises; ``reduce(function, arguments)`` the value of a call;
    ``build(target, state)`` may take notice of an object's attributes; ``persistent(id)`` the value of an outside object.
    """
    machine = _Machine(data, at, find, reduce, build, persistent)
    limit = MAX_STEPS + file_size // BYTES_PER_STEP
    for _ in range(limit):
        if not machine.step(machine.take(1)):
            result = machine.pop()
            if machine.stack:
                raise PickleError(f"the pickle leaves {len(machine.stack)} values over")
            return result, machine.at
    raise PickleError(f"the pickle has more than {limit:,} instructions, expected the tensors of one network")
