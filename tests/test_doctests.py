"""The examples in the docstrings of every module."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import pyconv

MODULES = ["pyconv", *(m.name for m in pkgutil.walk_packages(pyconv.__path__, "pyconv.", onerror=lambda name: None)
                       if not m.name.endswith(("__main__", "._core")))]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        if "pip install pyconv[" not in str(error):
            raise
        pytest.skip(str(error))
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert result.failed == 0, "see the captured output"
