"""Ctrl-C during a long operation."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

SETUP = """
    import os, signal, threading, time
    import numpy as np
    from pyconv._backend import core

    core.set_num_threads(2)
    # 0.9 trillion multiply-adds: several seconds on two of today's processors.
    big = core.conv_shape("conv2d", (4, 128, 160, 160), (128, 128, 25, 25), (1, 1), (12,) * 4, (1, 1), 1)
    x = np.ones(big.input_shape, np.float32)
    w = np.ones(big.weight_shape, np.float32)
    gy = np.ones(big.output_shape, np.float32)
    a = np.ones((9000, 9000), np.float32)
    # The reference loops: 4 billion multiply-adds in double.
    slow = core.conv_shape("conv2d", (4, 64, 64, 64), (64, 64, 8, 8), (1, 1), (0,) * 4, (1, 1), 1)
    x64 = np.ones(slow.input_shape)
    w64 = np.ones(slow.weight_shape)
    gy64 = np.ones(slow.output_shape)
"""
CALLS = {
    "forward": "core.conv_forward('conv2d', big, x, w)",
    "grad-input": "core.conv_grad_input(big, gy, w)",
    "grad-weight": "core.conv_grad_weight(big, gy, x)",
    "gemm": "core.gemm(a, a, False, False)",
    "reference-forward": "core.conv_forward('conv2d', slow, x64, w64)",
    "reference-grad-input": "core.conv_grad_input(slow, gy64, w64)",
    "reference-grad-weight": "core.conv_grad_weight(slow, gy64, x64)",
}


@pytest.mark.parametrize("name", CALLS)
def test_ctrl_c_returns_at_once_and_the_next_call_works(name: str):
    """Within 0.2 s of the signal; the best of three tries, since other processes may hold the processors."""
    code = textwrap.dedent(SETUP) + textwrap.dedent(f"""
    sent = []

    def press():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    delays = []
    for _ in range(3):
        timer = threading.Timer(0.25, press)
        timer.start()
        try:
            {CALLS[name]}
        except KeyboardInterrupt:
            delays.append(time.perf_counter() - sent[-1])
        else:
            raise SystemExit("the call ended before the signal")
        timer.join()
        if delays[-1] < 0.2:
            break
    assert min(delays) < 0.2, delays
    one = np.ones((3, 3), np.float32)
    assert core.gemm(one, one, False, False).tolist() == [[3.0] * 3] * 3
    print("interrupted")
    """)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert result.stdout == "interrupted\n", result.stderr


def test_a_signal_handler_of_the_user_runs_and_may_go_on():
    code = textwrap.dedent(SETUP) + textwrap.dedent("""
    seen = []
    signal.signal(signal.SIGALRM, lambda *_: seen.append(time.perf_counter()))
    small = core.conv_shape("conv2d", (1, 128, 96, 96), (128, 128, 25, 25), (1, 1), (12,) * 4, (1, 1), 1)
    x, w = x[:1, :, :96, :96], w
    expected = core.conv_forward("conv2d", small, x, w).tobytes()
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    start = time.perf_counter()
    got = core.conv_forward("conv2d", small, x, w).tobytes()
    end = time.perf_counter()
    assert got == expected
    assert seen and start < seen[0] < end, (start, seen, end)
    print("done")
    """)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert result.stdout == "done\n", result.stderr
