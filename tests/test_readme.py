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
    training, arrays, gradients, transfer, _ = blocks("python")
    exec(compile(training, "README.md", "exec"), {})
    accuracy = re.fullmatch(r"accuracy (0\.\d{3})\n", capsys.readouterr().out)
    assert float(accuracy[1]) > 0.95
    exec(compile(arrays, "README.md", "exec"), {})
    assert capsys.readouterr().out == "(1, 8, 224, 224)\n"
    exec(compile(gradients, "README.md", "exec"), {})
    assert float(capsys.readouterr().out) < 0.01
    exec(compile(transfer, "README.md", "exec"), {})
    assert capsys.readouterr().out == "2,565 of 11,179,077 learn\n"
    assert training.count("\n") <= 15
    assert arrays.count("\n") == 5


def test_a_pytorch_model_is_accelerated_in_three_lines(torch, capsys):
    script = blocks("python")[4]
    nn = torch.nn
    names = {"model": nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3))}
    exec(compile(script, "README.md", "exec"), names)
    assert capsys.readouterr().out.startswith("4 of 5 layers run on pyconv\n")
    names["model"](torch.ones(1, 1, 8, 8)).sum().backward()
    assert [row.calls for row in names["handle"].report()] == [1, 0, 1, 0, 1]  # this ReLU is small
    assert script.count("\n") == 3


@pytest.mark.parametrize("line", re.findall(r"(?:^\$ |&& |`)(pyconv [a-z].*?)(?:$|`)", TEXT, re.M))
def test_the_commands_exist(line):
    cli.build_parser().parse_args(shlex.split(line)[1:])


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []
