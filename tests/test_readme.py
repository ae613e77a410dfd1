"""What the README shows is what happens."""

import re
import shlex
from pathlib import Path

import pytest

from pyconv import cli

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.M | re.S)


def test_the_scripts_run_and_print_what_they_should(capsys):
    training, arrays = blocks("python")
    exec(compile(training, "README.md", "exec"), {})
    accuracy = re.fullmatch(r"accuracy (0\.\d{3})\n", capsys.readouterr().out)
    assert float(accuracy[1]) > 0.95
    exec(compile(arrays, "README.md", "exec"), {})
    assert capsys.readouterr().out == "(1, 8, 224, 224)\n"
    assert training.count("\n") <= 15
    assert arrays.count("\n") == 5


@pytest.mark.parametrize("line", re.findall(r"(?:^\$ |&& |`)(pyconv [a-z].*?)(?:$|`)", TEXT, re.M))
def test_the_commands_exist(line):
    cli.build_parser().parse_args(shlex.split(line)[1:])


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []
