"""Names of tensors in files from elsewhere, and what our networks call them.

`fit` brings a state_dict to a model's names step by step and keeps a step only if more names fit after it. Names that are
torchvision's already fit; what remains:

===============================  =====================================================================================
Where the file is from           What is done
===============================  =====================================================================================
training scripts                 the weights are taken out of ``state_dict``, ``model``, ``net``, ``params`` ...
DataParallel, compile            ``module.`` and ``_orig_mod.`` go, also in the middle (``features.module.0.weight``)
torchvision's DenseNet files     ``denselayer1.norm.1`` becomes ``denselayer1.norm1``
torchvision's detection files    of the first version: ``inner_blocks.0.weight`` becomes ``inner_blocks.0.0.weight``,
                                 ``rpn.head.conv.weight`` ``rpn.head.conv.0.0.weight``, ``mask_fcn1`` ``0.0``
timm's VGG                       ``pre_logits.fc1``, ``pre_logits.fc2``, ``head.fc`` become ``classifier.0``, ``3``, ``6``
VDSR                             ``features.0``, ``2`` ... become ``input``, ``residual_layer.0.conv`` ...
Caffe                            ``conv1_1 ... fc8`` of VGG become ``features.0 ... classifier.6``, those of Faster R-CNN
                                 ``backbone.features.0 ... roi_heads.box_predictor``; ``inception_3a/1x1`` of GoogLeNet
                                 becomes ``inception_3a.conv1x1``
any                              names that differ only in ``/``, ``.``, ``_``, ``-`` are taken for each other
any                              a linear layer's weight (k, c h w) and a convolution's (k, c, h, w) become each other
===============================  =====================================================================================

Caffe's and our linear layers flatten in the same order (channel, row, column). What a network from Caffe wants as its
input is another matter: mostly blue, green, red from 0 to 255 less a mean; see `pyconv.models.preprocessing_of`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from pyconv import nn
from pyconv.errors import StateDictError
from pyconv.nn import state_report
from pyconv.tensor import Tensor

State = dict[str, Any]
#: Dictionaries that training scripts put weights into.
WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "params", "params_ema", "weights",
            "state_dict_ema", "model_ema", "ema", "generator")
_DEEPEST = 4  # a model in a state_dict in a checkpoint
#: Heads that only training uses: a file may have them where the model does not, and the other way round.
AUXILIARY = ("aux1", "aux2", "AuxLogits", "aux_classifier", "loss1", "loss2")

_TIMM_VGG = {"pre_logits.fc1.": "classifier.0.", "pre_logits.fc2.": "classifier.3.", "head.fc.": "classifier.6."}
_VGG_DEPTHS = {8: (1, 1, 2, 2, 2), 10: (2, 2, 2, 2, 2), 13: (2, 2, 3, 3, 3), 16: (2, 2, 4, 4, 4)}
#: Caffe's layers of Faster R-CNN behind the convolutions of VGG-16.
_CAFFE_FASTER = {"rpn_conv/3x3": "rpn.head.conv.0.0", "rpn_cls_score": "rpn.head.cls_logits",
                 "rpn_bbox_pred": "rpn.head.bbox_pred", "fc6": "roi_heads.box_head.fc6", "fc7": "roi_heads.box_head.fc7",
                 "cls_score": "roi_heads.box_predictor.cls_score", "bbox_pred": "roi_heads.box_predictor.bbox_pred"}
_PATTERNS = (
    ("denselayer's norm.1 to norm1", r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2."),
    ("pyramid's blocks.0 to blocks.0.0", r"((?:inner|layer)_blocks\.\d+)\.(weight|bias)$", r"\1.0.\2"),
    ("rpn.head.conv to rpn.head.conv.0.0", r"(rpn\.head\.conv)\.(weight|bias)$", r"\1.0.0.\2"),
)


class Fitted(NamedTuple):
    """A state_dict in a model's names."""

    state: State
    steps: list[str]  # what was done, in words
    left_out: list[str]  # names of the file that no layer of the model asks for, and that do no harm


def fit(model: nn.Module, state: Mapping[str, Any]) -> Fitted:
    """Bring a state_dict, nested or not, to the names and shapes of ``model``; it may still not fit after that.

    The model may be on the meta device. Values are not copied. Raises TypeError for what is no mapping.

    >>> import numpy as np
    >>> from pyconv import nn
    >>> found = fit(nn.Linear(2, 1), {"state_dict.module.weight": np.ones((1, 2)), "state_dict.module.bias": np.ones(1)})
    >>> sorted(found.state), found.steps
    (['bias', 'weight'], ['took "state_dict."', 'removed "module."'])
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"[load_weights] state is {type(state).__name__}, expected a mapping of names to tensors")
    targets = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    flat = dict(_flat(state))
    best: tuple[int, State, list[str], str] | None = None
    for prefix, words in _unwrappings(flat):
        current, steps = _inside(flat, prefix), list(words)
        for more, change in _changes(targets):
            changed = change(current)
            if len(changed) == len(current) and _score(changed, targets) > _score(current, targets):
                current = changed
                steps.append(more)
        score = _score(current, targets)
        if best is None or score > best[0]:
            best = score, current, steps, prefix
    assert best is not None  # the first way to unwrap is not to
    _, current, steps, prefix = best
    current, reshaped = _reshape(current, targets)
    steps += [f"reshaped {', '.join(reshaped)}"] if reshaped else []
    unused = {name for name in current if name not in targets and (_is_auxiliary(name) or name.endswith("num_batches_tracked"))}
    left_out = [*(name for name in flat if not name.startswith(prefix)), *sorted(unused)]
    return Fitted({name: value for name, value in current.items() if name not in unused}, steps, left_out)


def check(model: nn.Module, fitted: Fitted) -> None:
    """Whether names and shapes fit; the model may be on the meta device. Raises StateDictError as `load_fitted` does."""
    own = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    excused = _excused(own, fitted)
    missing = [name for name in own if name not in fitted.state and name not in excused
               and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in fitted.state if name not in own]
    mismatched = {
        name: f"size mismatch for {name}: {list(value.shape)} in the file, {list(own[name])} in the model."
        for name, value in fitted.state.items() if name in own and tuple(value.shape) != own[name]}
    if missing or unexpected or mismatched:
        raise state_report.error(type(model).__name__, missing, unexpected, mismatched, fitted.steps or _NONE)


def load_fitted(model: nn.Module, fitted: Fitted) -> None:
    """Load: strictly, but for auxiliary heads that only one side has; they keep what the model had.

    Raises StateDictError, whose text says which renamings were made before; the model is then as it was.
    """
    own = model.state_dict()
    kept = {name: own[name] for name in _excused(own, fitted)}
    try:
        model.load_state_dict({**fitted.state, **kept})
    except StateDictError as error:
        raise state_report.error(type(model).__name__, error.missing_keys, error.unexpected_keys, error.mismatched,
                                 fitted.steps or _NONE) from None


#: What an error says when no step helped.
_NONE = ["no renaming that is known made more names fit"]


def _is_auxiliary(name: str) -> bool:
    return name.split(".")[0] in AUXILIARY


def _excused(own: Mapping[str, Any], fitted: Fitted) -> list[str]:
    """The tensors of auxiliary heads that the file lacks altogether."""
    if any(_is_auxiliary(name) for name in fitted.state):
        return []
    return [name for name in own if _is_auxiliary(name)]


# --- the steps ------------------------------------------------------------------------------------
def _flat(state: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Names and tensors of nested dictionaries; what is neither is left out of checkpoints, but kept at the top."""
    for name, value in state.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif not prefix or hasattr(value, "shape"):
            yield f"{prefix}{name}", value


def _unwrappings(state: State) -> Iterator[tuple[str, list[str]]]:
    """Prefixes to take the weights from: none, those of known dictionaries, and these within each other."""
    level: list[tuple[str, list[str]]] = [("", [])]
    for _ in range(_DEEPEST):
        yield from level
        level = [(f"{prefix}{wrapper}.", [*words, f'took "{wrapper}."']) for prefix, words in level for wrapper in WRAPPERS
                 if any(name.startswith(f"{prefix}{wrapper}.") for name in state)]


def _changes(targets: dict[str, Any]) -> Iterator[tuple[str, Callable[[State], State]]]:
    """Steps in the order in which they are tried, in words and as functions."""
    yield 'removed "module."', lambda s: _renamed(s, lambda name: re.sub(r"(^|\.)(?:(?:module|_orig_mod)\.)+", r"\1", name))
    for words, pattern, by in _PATTERNS:
        yield f"renamed {words}", partial(_substituted, pattern=pattern, by=by)
    yield "renamed mask_fcn1 to 0.0", lambda s: _renamed(
        s, lambda name: re.sub(r"mask_fcn(\d+)\.", lambda m: f"{int(m[1]) - 1}.0.", name))
    yield "renamed Caffe's layer/1x1 to layer.conv1x1", lambda s: _renamed(
        s, lambda name: re.sub(r"/(\d?)", lambda m: f".conv{m[1]}" if m[1] else ".", name))
    yield "renamed timm's heads", lambda s: _renamed(s, _timm_vgg)
    yield "renamed VDSR's features", lambda s: _renamed(s, _vdsr)
    yield "renamed Caffe's layers of VGG", lambda s: _caffe_vgg(s, targets)
    yield "compared names without their separators", lambda s: _same_letters(s, targets)


def _score(state: State, targets: dict[str, Any]) -> int:
    return sum(name in targets for name in state)


def _inside(state: State, prefix: str) -> State:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _renamed(state: State, rename: Callable[[str], str]) -> State:
    return {rename(name): value for name, value in state.items()}


def _substituted(state: State, pattern: str, by: str) -> State:
    return _renamed(state, lambda name: re.sub(pattern, by, name))


def _timm_vgg(name: str) -> str:
    return next((by + name.removeprefix(old) for old, by in _TIMM_VGG.items() if name.startswith(old)), name)


def _vdsr(name: str) -> str:
    """``features.{2 i}`` of twenty convolutions with a ReLU behind each but the last."""
    match = re.fullmatch(r"features\.(\d+)\.(weight|bias)", name)
    if match is None or int(match[1]) % 2:
        return name
    i = int(match[1]) // 2
    layer = "input" if i == 0 else "output" if i == 19 else f"residual_layer.{i - 1}.conv"
    return f"{layer}.{match[2]}"


def _caffe_vgg(state: State, targets: dict[str, Any]) -> State:
    """VGG's layers by Caffe's names; the network's convolutions are the targets of rank 4, in order."""
    convolutions = [name.removesuffix(".weight") for name, shape in targets.items()
                    if name.removeprefix("backbone.").startswith("features.") and len(shape) == 4]
    depths = _VGG_DEPTHS.get(len(convolutions))
    if depths is None:
        return state
    names = [f"conv{block + 1}_{i + 1}" for block, depth in enumerate(depths) for i in range(depth)]
    table = dict(zip(names, convolutions, strict=True))
    if "rpn.head.cls_logits.weight" in targets:
        table |= _CAFFE_FASTER
    else:
        table |= {"fc6": "classifier.0", "fc7": "classifier.3", "fc8": "classifier.6"}

    def rename(name: str) -> str:
        layer, _, tensor = name.rpartition(".")
        return f"{table.get(layer, layer)}.{tensor}"

    return _renamed(state, rename)


def _same_letters(state: State, targets: dict[str, Any]) -> State:
    """Names that are equal but for ``/``, ``.``, ``_`` and ``-``, where that is unambiguous."""
    def letters(name: str) -> str:
        return re.sub(r"[/._\-]", "", name).lower()

    table: dict[str, str | None] = {}
    for name in targets:
        table[letters(name)] = None if letters(name) in table else name
    return _renamed(state, lambda name: name if name in targets else table.get(letters(name)) or name)


def _reshape(state: State, targets: dict[str, Any]) -> tuple[State, list[str]]:
    """Matrices and convolutions over the whole map are the same numbers in the same order."""
    found, reshaped = dict(state), []
    for name, value in state.items():
        shape, own = tuple(getattr(value, "shape", ())), targets.get(name)
        if own is None or shape == tuple(own) or {len(shape), len(own)} != {2, 4}:
            continue
        if shape[0] == own[0] and math.prod(shape) == math.prod(own):
            array = value.array if isinstance(value, Tensor) else np.asarray(value)
            found[name] = Tensor(np.ascontiguousarray(array).reshape(own))
            reshaped.append(name)
    return found, reshaped
