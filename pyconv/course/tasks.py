"""What networks are used for, and how they are looked into: attacks, saliency, style, boxes, super-resolution."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from pyconv import explain, vision
from pyconv.course.item import Claim, item
from pyconv.ops.creation import tensor
from pyconv.ops.gemm import linear
from pyconv.ops.reduce import sum


@item("T29", "UCSD, Gradient-based attack: fast gradient sign method")
def _attack(dtype: str) -> Iterator[Claim]:
    weight, x = (tensor(np.array([v], dtype)) for v in ([1, -2, 0.5], [0.2, 0.4, 0.6]))

    def score(picture: Any) -> Any:
        return linear(picture, weight)

    moved = explain.fgsm(score, x, 0, 0.1, targeted=True)
    yield Claim("picture 0.2, 0.4, 0.6 becomes", [[0.3, 0.3, 0.7]], moved, 1e-12)
    yield Claim("score before and after", [-0.3, 0.05], [score(x).item(), score(moved).item()], 1e-12)


@item("T30", "UCSD, Saliency via backprop: absolute value, max over RGB")
def _saliency(dtype: str) -> Iterator[Claim]:
    slopes: Any = tensor(np.array([[[1, -2], [0, 3]], [[-4, 1], [0, 1]], [[2, 1], [0, -5]]], dtype))
    found = explain.saliency(lambda x: sum(x * slopes, (1, 2, 3)).reshape(-1, 1), np.zeros((1, 3, 2, 2), dtype), 0)
    yield Claim("of three channels' gradients", [[[4, 2], [0, 5]]], found)


@item("T31", "Ajou, Neural style transfer: content and style loss")
def _style(dtype: str) -> Iterator[Claim]:
    features, other = np.array([[1, 2, 3, 4], [0, 1, 0, 1]], dtype), np.ones((2, 4), dtype)
    yield Claim("Gram matrix", [[30, 6], [6, 2]], explain.gram_matrix(features))
    yield Claim("content loss", 8, explain.content_loss(features, other))
    yield Claim("style loss as on the slide", 344, explain.style_loss(features, other, "slide"))
    yield Claim("style loss of the paper", 2.6875, explain.style_loss(features, other))


@item("T32", "Ajou, Object detection: overlap of two boxes")
def _overlap(dtype: str) -> Iterator[Claim]:
    a, b = (np.array([v], dtype) for v in ([0, 0, 10, 10], [5, 5, 15, 15]))
    yield Claim("intersection over union", [[0.1428571429]], vision.box_iou(a, b), 5e-11)


@item("T33", "Ajou, R-CNN: linear regression to tighter boxes")
def _regression(dtype: str) -> Iterator[Claim]:
    proposal, truth = (vision.box_convert(np.array([v], dtype), "cxcywh", "xyxy")
                       for v in ([10, 10, 20, 40], [15, 5, 40, 80]))
    targets = vision.encode_boxes(truth, proposal)
    yield Claim("targets of the regression", [[0.25, -0.125, math.log(2), math.log(2)]], targets, 1e-12)
    yield Claim("and back", [[15, 5, 40, 80]],
                vision.box_convert(vision.decode_boxes(targets, proposal), "xyxy", "cxcywh"), 1e-12)


@item("T34", "Ajou, CARN: PSNR")
def _noise(dtype: str) -> Iterator[Claim]:
    zeros = np.zeros((1, 3, 4, 4), dtype)
    yield Claim("8 bits, mean square 100", 28.1308036087, vision.psnr(zeros, zeros + 10, 255), 5e-11)
    yield Claim("range 1, mean square 0.01", 20, vision.psnr(zeros, zeros + np.array(0.1, dtype)), 1e-12)
