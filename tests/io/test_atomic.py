"""atomic_write: the old file or the new one, never a torn one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from pyconv.io import atomic_write, load_safetensors, save_safetensors


def leftovers(folder):
    return [name for name in os.listdir(folder) if name.endswith(".tmp")]


def fail(_, error):
    raise error


def test_new_file_appears_only_at_the_end(tmp_path):
    path = tmp_path / "a.bin"
    with atomic_write(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error), atomic_write(path, "w") as file:
        fail(file.write("new"), error)
    assert path.read_text() == "old"
    assert leftovers(tmp_path) == []


def test_text_and_permissions(tmp_path):
    path = tmp_path / "a.csv"
    with atomic_write(str(path), "w", newline="") as file:
        file.write("é\r\n")
    assert path.read_bytes() == "é\r\n".encode()
    fresh = tmp_path / "b"
    fresh.touch()
    assert path.stat().st_mode == fresh.stat().st_mode
    path.chmod(0o600)
    with atomic_write(path) as file:
        file.write(b"")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "a")
    with atomic_write(tmp_path / "link") as file:
        file.write(b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "a").read_bytes() == b"x"


def test_misuse(tmp_path):
    with pytest.raises(ValueError, match=r"mode is 'a', expected 'wb' or 'w'"), atomic_write(tmp_path / "a", "a"):
        pass
    with pytest.raises(ValueError, match=r"exists and is not a regular file"), atomic_write(tmp_path):
        pass
    with pytest.raises(ValueError, match=r"/dev/null exists and is not"), atomic_write("/dev/null"):
        pass
    with pytest.raises(FileNotFoundError, match=r"missing/a.bin"), atomic_write(tmp_path / "missing" / "a.bin"):
        pass


def test_a_full_disk_leaves_the_old_file(tmp_path):
    """A limit on file sizes makes write fail in the middle, as a full disk would."""
    path = tmp_path / "weights.safetensors"
    save_safetensors({"a": np.arange(3.0)}, path)
    script = textwrap.dedent("""
        import resource, sys
        import numpy as np
        from pyconv.io import save_safetensors
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            save_safetensors({"a": np.zeros(1_000_000)}, sys.argv[1])
        except OSError as error:
            print(error.strerror)
    """)
    run = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert run.stdout == "File too large\n"
    assert os.listdir(tmp_path) == [path.name]
    assert load_safetensors(path)["a"].array.tolist() == [0, 1, 2]


def test_an_error_of_the_disk_while_flushing(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def broken(handle):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match=r"Input/output error"), atomic_write(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"old"
    assert leftovers(tmp_path) == []


def kill_while_saving(path, attempts):
    """A process that saves in a loop is killed at many different moments; the file always loads."""
    script = textwrap.dedent("""
        import sys
        import numpy as np
        from pyconv.io import save_safetensors
        for round in range(10**6):
            value = np.full(300_000, round, np.float32)
            save_safetensors({"a": value, "b": value}, sys.argv[1])
            print(round, flush=True)
    """)
    for attempt in range(attempts):
        process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
        process.stdout.readline()  # the first save is through
        time.sleep(0.0037 * (attempt % 20))
        process.send_signal(signal.SIGKILL)
        process.stdout.close()
        process.wait()
        loaded = load_safetensors(path)
        a, b = loaded["a"].array, loaded["b"].array
        assert a.shape == b.shape == (300_000,)
        assert (a == a[0]).all()
        assert (b == a[0]).all()


def test_kill_during_save_leaves_an_old_or_new_file(tmp_path):
    kill_while_saving(tmp_path / "weights.safetensors", 8)


@pytest.mark.full
def test_kill_during_save_many_times(tmp_path):
    kill_while_saving(tmp_path / "weights.safetensors", 400)
