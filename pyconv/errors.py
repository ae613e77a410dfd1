"""Exception types. Everything else is a built-in: TypeError for dtypes, IndexError for labels and indices."""


class ShapeError(ValueError, RuntimeError):
    """Shapes that do not fit the operation or each other.

    A ``ValueError`` to numpy's users and a ``RuntimeError`` to PyTorch's, so that either's ``except`` works.
    """


class StateDictError(ValueError, RuntimeError):
    """A state_dict that does not fit the model: missing or unexpected names, wrong shapes or types.

    The text groups many names by layer. ``missing_keys`` and ``unexpected_keys`` list all of them, ``mismatched`` has a
    sentence per name whose shape or type is wrong, ``tried`` the renamings that were tried before.
    """

    missing_keys: list[str]
    unexpected_keys: list[str]
    mismatched: dict[str, str]
    tried: list[str]


class NoDataError(RuntimeError):
    """The values of a meta tensor, which is a shape without memory, were asked for."""
