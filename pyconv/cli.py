"""The command line: ``pyconv COMMAND``. A command is a module of `pyconv.commands`.

A result that holds a true ``failed`` makes the exit status 1: the command ran, and what it checked is not so.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Any, NoReturn

from pyconv.commands import Interrupted, UserError

COMMANDS = ("train", "predict", "evaluate", "summary", "export", "convert", "weights", "bench", "doctor", "selftest")


class _Parser(argparse.ArgumentParser):
    """argparse, but a mistake is one line, and names what was probably meant."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {' '.join(message.split())} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = _Parser(
        prog="pyconv", description="Convolutional networks for people who have a CPU.",
        epilog="example: pyconv train --model lenet5 --data digits", allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"pyconv {metadata.version('pyconv')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    for name in COMMANDS:
        module = importlib.import_module(f"pyconv.commands.{name}")
        command = commands.add_parser(
            module.NAME, help=module.HELP, description=module.HELP[0].upper() + module.HELP[1:] + ".",
            epilog=f"example: {module.EXAMPLE}", allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter)
        module.add_arguments(command)
        command.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
        command.set_defaults(module=module)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, 1 for a check that failed, 2 for a user's mistake, 130 after Ctrl-C."""
    try:
        args = build_parser().parse_args(arguments)
        result = args.module.run(args)
        _print(args, result)
    except UserError as error:
        return _fail(args.command, str(error), 2)
    except Interrupted as error:
        return _fail(args.command, str(error), 130)
    except KeyboardInterrupt:
        return _fail("", "interrupted", 130)
    except BrokenPipeError:  # the reader of our output (head, less) has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ValueError as error:
        if not str(error).startswith("["):
            raise
        return _fail(args.command, str(error), 2)  # the library's own words about a value, such as that of PYCONV_ISA
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(args.command, f"{where}{(error.strerror or str(error)).lower()}", 2)
    except ImportError as error:
        if "pip install" not in str(error):
            raise
        return _fail(args.command, str(error), 2)
    return 1 if result.get("failed") else 0


def _print(args: argparse.Namespace, result: dict[str, Any]) -> None:
    if args.json:
        print(json.dumps(result, allow_nan=False))
    else:
        args.module.show(result, args)
    sys.stdout.flush()


def _fail(command: str, message: str, status: int) -> int:
    name = f"pyconv {command}".strip()
    print(f"{name}: {' '.join(message.split())}", file=sys.stderr)
    return status
