"""A training loop needs as much memory in its thousandth step as in its tenth."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pyconv
from pyconv import nn, optim, runtime

PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def test_a_thousand_steps_take_no_more_memory_than_ten():
    pyconv.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.1),
                          nn.Flatten(), nn.Linear(8 * 36, 10))
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    images, labels = pyconv.randn(16, 1, 12, 12), pyconv.randint(0, 10, (16,))

    def steps(count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()

    gc.disable()  # what a step leaves behind must go by itself, without the cycle collector
    try:
        steps(10)
        runtime.reset_peak()
        steps(10)
        ten, before = runtime.memory(), resident()
        runtime.reset_peak()
        steps(1000)
        thousand, after = runtime.memory(), resident()
    finally:
        gc.enable()
    assert thousand["peak_bytes"] == ten["peak_bytes"]
    assert thousand["current_bytes"] == ten["current_bytes"]
    assert after - before < 2 << 20, f"{(after - before) / 2**20:.1f} MiB more after 1,000 steps"
