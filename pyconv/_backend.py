"""The one door to the compiled kernels: ``core`` could be another device's module with the same functions."""

try:
    from pyconv import _core as core
except ImportError as error:
    raise ImportError(
        "pyconv's compiled module pyconv._core is missing. Most likely Python found the source folder instead of "
        "the installed package: run `pip install .` and start Python (or `pytest` rather than `python -m pytest`) "
        f"so that the checkout's root is not on sys.path. ({error})"
    ) from error

__all__ = ["core"]
