"""A forked child computes after its parent did: OpenMP's own threads do not survive a fork."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

PARENT = """
    import numpy as np
    from pyconv._backend import core
    from pyconv.ops.conv import conv2d

    core.set_num_threads(4)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 8, 40, 40)).astype(np.float32)
    w = rng.standard_normal((16, 8, 3, 3)).astype(np.float32)
    expected = conv2d(x, w).tobytes()
"""


def run(body: str) -> None:
    """Two seconds are enough; a deadlock would run into the limit."""
    code = textwrap.dedent(PARENT) + textwrap.dedent(body)
    result = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "same\n"


def test_os_fork():
    run("""
        import os, signal
        child = os.fork()
        if child == 0:
            signal.alarm(30)
            ok = all(conv2d(x, w).tobytes() == expected for _ in range(3))
            os._exit(0 if ok and core.threading_backend() == "std" else 3)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, status
        print("same" if conv2d(x, w).tobytes() == expected else "different")
    """)


def test_child_of_a_child():
    run("""
        import os, signal
        if os.fork() == 0:
            signal.alarm(30)
            conv2d(x, w)
            grandchild = os.fork()
            if grandchild == 0:
                signal.alarm(30)
                os._exit(0 if conv2d(x, w).tobytes() == expected else 3)
            _, status = os.waitpid(grandchild, 0)
            os._exit(os.waitstatus_to_exitcode(status))
        _, status = os.wait()
        print("same" if os.waitstatus_to_exitcode(status) == 0 else "different")
    """)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(method: str, tmp_path):
    script = tmp_path / "pool.py"
    body = """
    import multiprocessing

    def work(x):
        return conv2d(x, w).tobytes()

    if __name__ == "__main__":
        with multiprocessing.get_context("METHOD").Pool(2) as pool:
            results = pool.map_async(work, [x] * 4).get(timeout=60)
        print("same" if results == [expected] * 4 else "different")
    """.replace("METHOD", method)
    script.write_text(textwrap.dedent(PARENT) + textwrap.dedent(body))
    result = subprocess.run([sys.executable, "-W", "ignore", str(script)], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "same\n"


def test_fork_while_another_thread_computes():
    run("""
        import os, signal, threading
        stop = threading.Event()

        def busy():
            while not stop.is_set():
                conv2d(x, w)

        thread = threading.Thread(target=busy)
        thread.start()
        for _ in range(5):
            child = os.fork()
            if child == 0:
                signal.alarm(30)
                os._exit(0 if conv2d(x, w).tobytes() == expected else 3)
            _, status = os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(status) == 0, status
        stop.set()
        thread.join()
        print("same")
    """)
