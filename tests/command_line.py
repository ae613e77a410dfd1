"""The command line, called as a user calls it: through a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys


def pyconv(*args, cwd, env=None, status=0):
    environment = {**os.environ, "PYCONV_POISON": "0", **(env or {})}
    done = subprocess.run([sys.executable, "-m", "pyconv", *map(str, args)], cwd=cwd, env=environment, text=True,
                          capture_output=True, timeout=240, check=False)
    assert done.returncode == status, f"{done.stdout}\n{done.stderr}"
    return done


def document(done):
    """--json: one document on standard output, nothing beside it."""
    assert done.stderr == ""
    return json.loads(done.stdout)


def mistake(*args, cwd, env=None):
    """The one line on standard error of a call that ends with status 2."""
    done = pyconv(*args, cwd=cwd, env=env, status=2)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith("\n")
    return done.stderr
