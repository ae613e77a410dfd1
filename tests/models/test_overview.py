"""The overview of `pyconv.models` names every file, and every network's file has what a reader looks for."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import pyconv
from pyconv import models

FOLDER = Path(models.__file__).parent


def test_the_overview_names_every_file():
    files = {path.stem for path in FOLDER.iterdir() if not path.stem.startswith("_")}
    assert files - set(re.findall(r"\w+", models.__doc__)) == set()


def test_files_are_read_in_one_sitting():
    lengths = {str(path): len(path.read_text().splitlines()) for path in FOLDER.rglob("*.py")}
    assert {path: n for path, n in lengths.items() if n > 300} == {}


@pytest.mark.parametrize("name", models.list_models())
def test_a_networks_file_has_its_source_and_its_parameters(name):
    with pyconv.device("meta"):
        model = models.create_model(name)
    file = sys.modules[getattr(models, name).__module__]
    assert re.search(r"^Sources?: ", file.__doc__, re.M)
    assert f"{sum(p.numel() for p in model.parameters()):,}" in file.__doc__
    assert name in file.__all__
    assert getattr(models, name).__doc__
    channels, height, width = model.input_size
    assert min(channels, height, width) >= 1


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.stem)
def test_tables_keep_to_their_columns(path):
    border = None
    for line in path.read_text().splitlines():
        if re.fullmatch(r"=+(  =+)+", line):
            assert border in (None, line)
            border = line
        elif not line.strip():
            border = None
        elif border is not None:
            assert not any(line[gap.start():gap.end()].strip() for gap in re.finditer("  ", border)), line
