"""Suppression of overlaps and pooling of regions, beyond what the table of samples holds: special values, many boxes,
torchvision's own code, pyramids, time."""

from __future__ import annotations

import time

import numpy as np
import peers
import pytest

import pyconv
from pyconv import vision
from pyconv.errors import ShapeError
from pyconv.tensor import Tensor

NAN, INF = float("nan"), float("inf")


def many(rng, n, size=40.0):
    low = rng.uniform(0, 1000, (n, 2))
    return np.concatenate([low, low + rng.uniform(5, size, (n, 2))], 1).astype(np.float32)


def greedy(boxes, scores, threshold):
    """One vector of overlaps per box that stays, in the boxes' own precision."""
    order = np.argsort(-scores, kind="stable")
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = []
    while len(order):
        i, order = order[0], order[1:]
        kept.append(int(i))
        low, high = np.maximum(boxes[i, :2], boxes[order, :2]), np.minimum(boxes[i, 2:], boxes[order, 2:])
        common = np.prod(np.maximum(high - low, 0), 1)
        order = order[~(common / (area[i] + area[order] - common) > threshold)]
    return kept


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [30.0, 300.0, 900.0])
def test_nms_of_many_boxes_is_the_greedy_one(size, dtype, isa, keep_threads):
    rng = np.random.default_rng(0)
    boxes, scores = many(rng, 3000, size).astype(dtype), rng.random(3000).astype(dtype).round(3)
    expected = greedy(boxes, scores, 0.5)
    assert 0 < len(expected) < 3000
    for threads in (1, 2, 3):
        pyconv.runtime.set_num_threads(threads)
        assert vision.nms(boxes, scores, 0.5).tolist() == expected


def test_the_threshold_is_exclusive_to_the_last_bit():
    # Areas 2 and 1, the smaller inside: exactly one half.
    boxes, scores = np.float32([[0, 0, 2, 1], [0, 0, 1, 1]]), np.float32([1, 0])
    assert vision.nms(boxes, scores, 0.5).tolist() == [0, 1]
    assert vision.nms(boxes, scores, np.nextafter(0.5, 0)).tolist() == [0]
    # One third is no float: the float below it is no overlap of more than the double.
    thirds = np.float32([[0, 0, 3, 1], [0, 0, 1, 1]])
    iou = float(np.float32(1) / np.float32(3))
    assert vision.nms(thirds, scores, iou).tolist() == [0, 1]
    assert vision.nms(thirds, scores, np.nextafter(iou, 0)).tolist() == [0]
    assert vision.nms(thirds.astype(float), scores.astype(float), 1 / 3).tolist() == [0, 1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_values_in_nms(dtype):
    ones = np.array([[0, 0, 10, 10]] * 4, dtype)
    nms = vision.nms
    # Equal scores: the first box first, and it takes the others with it.
    assert nms(ones, np.zeros(4, dtype), 0.5).tolist() == [0]
    assert nms(ones, np.array([0.0, -0.0, 1, 1], dtype), 1.0).tolist() == [2, 3, 0, 1]
    assert nms(ones, np.array([1, NAN, INF, NAN], dtype), 1.0).tolist() == [1, 3, 2, 0]
    assert nms(ones, np.array([1, NAN, INF, -INF], dtype), 0.5).tolist() == [1]
    # What overlaps nothing neither takes others with it nor goes itself.
    for bad in ([0, NAN, 10, 10], [NAN, 0, 10, 10], [0, 0, 10, NAN], [0, 0, INF, 10], [-INF, 0, INF, 10], [0, 0, 0, 10],
                [5, 5, 5, 5]):
        boxes = ones.copy()
        boxes[:2] = bad
        assert nms(boxes, np.array([4, 3, 2, 1], dtype), 0.0).tolist() == [0, 1, 2]
        assert nms(boxes, np.array([1, 2, 3, 4], dtype), 0.0).tolist() == [3, 1, 0]
    assert nms(np.zeros((0, 4), dtype), np.zeros(0, dtype), 0.5).tolist() == []


def test_results_are_tensors_or_arrays_as_the_arguments_are():
    boxes, scores = np.float32([[0, 0, 1, 1]]), np.float32([1])
    assert isinstance(vision.nms(boxes, scores, 0.5), np.ndarray)
    kept = vision.batched_nms(Tensor(boxes, requires_grad=True), Tensor(scores), Tensor(np.array([3])), 0.5)
    assert isinstance(kept, Tensor)
    assert (kept.dtype, kept.shape, kept.requires_grad) == (np.int64, (1,), False)
    # The numbers index what they were made from.
    assert Tensor(boxes)[kept].shape == (1, 4)


def test_categories_of_any_integer_dtype():
    boxes, scores = np.float32([[0, 0, 9, 9]] * 3), np.float32([1, 2, 3])
    for dtype in (np.int64, np.int32, np.uint8, np.int16):
        assert vision.batched_nms(boxes, scores, np.array([1, 1, 0], dtype), 0.5).tolist() == [2, 1]
    assert vision.batched_nms(boxes, scores, np.array([-(2**62), 2**62, 2**62]), 0.5).tolist() == [2, 0]


def test_batched_nms_is_nms_per_category():
    rng = np.random.default_rng(1)
    boxes, scores, idxs = many(rng, 2000, 300), rng.random(2000).astype(np.float32), rng.integers(0, 30, 2000)
    kept = np.concatenate([np.flatnonzero(idxs == c)[vision.nms(boxes[idxs == c], scores[idxs == c], 0.3)] for c in range(30)])
    np.testing.assert_array_equal(vision.batched_nms(boxes, scores, idxs, 0.3), kept[np.argsort(-scores[kept], kind="stable")])


# --- regions --------------------------------------------------------------------------------------
@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("ratio", [-1, 0, 1, 2])
def test_roi_align_matches_torchvisions_python(aligned, ratio, torch):
    peers.torchvision()
    from torchvision.ops.roi_align import _roi_align

    rng = np.random.default_rng(2)
    x = rng.standard_normal((2, 5, 14, 17))
    low = rng.uniform(8, 60, (7, 2))  # inside: their Python reads the border where their C++ has zeros
    rois = np.concatenate([rng.integers(0, 2, (7, 1)), low, low + rng.uniform(1, 48, (7, 2))], 1)
    theirs = torch.tensor(x, requires_grad=True)
    expected = _roi_align.__wrapped__(theirs, torch.tensor(rois), 1 / 8, 3, 4, ratio, aligned)
    ours = Tensor(x, requires_grad=True)
    got = vision.roi_align(ours, Tensor(rois), (3, 4), 1 / 8, ratio, aligned)
    np.testing.assert_allclose(got.array, expected.detach().numpy(), rtol=1e-12, atol=1e-13)
    weight = rng.standard_normal(got.shape)
    (got * Tensor(weight)).sum().backward()
    (expected * torch.tensor(weight)).sum().backward()
    np.testing.assert_allclose(ours.grad.array, theirs.grad.numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("pool", [vision.roi_align, vision.roi_pool])
def test_a_list_is_the_rows_with_their_images(pool):
    rng = np.random.default_rng(3)
    x = rng.standard_normal((3, 4, 8, 8)).astype(np.float32)
    boxes = [np.float32([[0, 0, 4, 4], [1, 2, 6, 5]]), np.zeros((0, 4), np.float32), np.float32([[2, 2, 7, 7]])]
    rows = np.float32([[0, 0, 0, 4, 4], [0, 1, 2, 6, 5], [2, 2, 2, 7, 7]])
    np.testing.assert_array_equal(pool(x, boxes, 2), pool(x, rows, 2))
    np.testing.assert_array_equal(pool(Tensor(x), [Tensor(b) for b in boxes], 2).array, pool(x, rows, 2))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("pool", [vision.roi_align, vision.roi_pool])
def test_huge_boxes_take_no_longer_than_the_map_allows(pool, dtype):
    x = Tensor(np.ones((1, 2, 16, 16), dtype), requires_grad=True)
    largest = float(np.finfo(dtype).max)
    started = time.process_time()
    for far in (1e9, 1e30, largest):
        y = pool(x, np.array([[0, -far, -far, far, far], [0, 3, 3, far, far], [0, -far, 2, 5, 5], [0, far, far, -far, -far]],
                             dtype), 7)
        y.sum().backward()
        assert np.isfinite(y.array).all()
    assert time.process_time() - started < 1
    assert np.isfinite(x.grad.array).all()


def test_roi_pool_keeps_nan_and_minus_infinity_and_zeroes_empty_bins():
    for dtype in (np.float32, np.float64):
        x = np.zeros((1, 2, 4, 4), dtype)
        x[0, 0, 1, 1], x[0, 1] = NAN, -INF
        y = vision.roi_pool(x, np.array([[0, 0, 0, 3, 3], [0, 10, 10, 12, 12]], dtype), 2)
        np.testing.assert_array_equal(y[0, 0], [[NAN, 0], [0, 0]])
        assert (y[0, 1] == -INF).all()
        assert (y[1] == 0).all()


def test_regions_of_a_map_of_one_value_are_that_value():
    x = np.full((1, 3, 9, 9), 2.5, np.float32)
    rois = np.float32([[0, 1, 1, 8, 8], [0, 0, 0, 9, 9], [0, 3.3, 2.2, 3.4, 2.3]])
    for aligned in (False, True):
        np.testing.assert_allclose(vision.roi_align(x, rois, 5, 1.0, -1, aligned), 2.5, rtol=1e-6)
    assert (vision.roi_pool(x, rois, 3) == 2.5).all()


def test_meta_tensors_give_shapes():
    with pyconv.device("meta"):
        x, rois = pyconv.zeros(2, 3, 8, 8), pyconv.zeros(5, 5)
    assert vision.roi_align(x, rois, (2, 3)).shape == (5, 3, 2, 3)
    assert vision.roi_pool(x, rois, 7).is_meta


def test_layers():
    x, rois = np.random.default_rng(4).standard_normal((1, 3, 8, 8)).astype(np.float32), np.float32([[0, 1, 1, 60, 50]])
    layer = vision.RoIAlign(3, 0.125, 2, aligned=True)
    np.testing.assert_array_equal(layer(x, rois), vision.roi_align(x, rois, 3, 0.125, 2, True))
    assert repr(layer) == "RoIAlign(output_size=3, spatial_scale=0.125, sampling_ratio=2, aligned=True)"
    pool = vision.RoIPool((2, 3), 0.125)
    np.testing.assert_array_equal(pool(x, rois), vision.roi_pool(x, rois, (2, 3), 0.125))
    assert repr(pool) == "RoIPool(output_size=(2, 3), spatial_scale=0.125)"


# --- pyramids -------------------------------------------------------------------------------------
def pyramid(rng, sizes, channels=5):
    return {str(i): rng.standard_normal((2, channels, h, w)) for i, (h, w) in enumerate(sizes)}


def test_pyramids_as_in_torchvision(torch, monkeypatch):
    peers.torchvision()
    from torchvision.ops import poolers
    from torchvision.ops.roi_align import _roi_align

    monkeypatch.setattr(poolers, "roi_align", lambda x, rois, output_size, spatial_scale, sampling_ratio: _roi_align.__wrapped__(
        x, rois, spatial_scale, *output_size, sampling_ratio, False))
    rng = np.random.default_rng(5)
    maps = {**pyramid(rng, [(64, 80), (32, 40), (16, 20), (8, 10)]), "pool": rng.standard_normal((2, 5, 4, 5))}
    boxes = []
    for count in (9, 4):
        low = rng.uniform(16, 100, (count, 2))
        boxes.append(np.concatenate([low, low + np.exp(rng.uniform(0, 4.8, (count, 2)))], 1))
    boxes[0][0] = [20, 20, 20 + 112, 20 + 112]  # on the border between two levels
    shapes = [(256, 320), (240, 300)]
    theirs = poolers.MultiScaleRoIAlign(["0", "1", "2", "3"], 3, 2)
    inputs = {k: torch.tensor(v, requires_grad=True) for k, v in maps.items()}
    expected = theirs(inputs, [torch.tensor(b) for b in boxes], shapes)
    ours = vision.MultiScaleRoIAlign(["0", "1", "2", "3"], 3, 2)
    tensors = {k: Tensor(v, requires_grad=True) for k, v in maps.items()}
    got = ours(tensors, [Tensor(b) for b in boxes], shapes)
    assert ours.scales == theirs.scales == [0.25, 0.125, 0.0625, 0.03125]
    np.testing.assert_allclose(got.array, expected.detach().numpy(), rtol=1e-12, atol=1e-13)
    weight = rng.standard_normal(got.shape)
    (got * Tensor(weight)).sum().backward()
    (expected * torch.tensor(weight)).sum().backward()
    for name in "0123":
        np.testing.assert_allclose(tensors[name].grad.array, inputs[name].grad.numpy(), rtol=1e-12, atol=1e-12)
    assert tensors["pool"].grad is None
    np.testing.assert_array_equal(ours(maps, boxes, shapes), got.array)


def test_pyramids_without_boxes_and_with_one_map():
    rng = np.random.default_rng(6)
    maps = pyramid(rng, [(16, 16), (8, 8)])
    pool = vision.MultiScaleRoIAlign(["0", "1"], (2, 3), 2)
    assert pool(maps, [np.zeros((0, 4))] * 2, [(64, 64)] * 2).shape == (0, 5, 2, 3)
    flat = np.array([[3.0, 3, 3, 3], [9, 9, 4, 4], [0, 0, 1e30, 1e30]])
    assert pool(maps, [flat, flat], [(64, 64)] * 2).shape == (6, 5, 2, 3)
    single = vision.MultiScaleRoIAlign(["1"], 2, 2)
    boxes = [np.array([[0.0, 0, 30, 40]]), np.zeros((0, 4))]
    np.testing.assert_array_equal(single(maps, boxes, [(64, 64)] * 2), vision.roi_align(maps["1"], boxes, 2, 1 / 8, 2))


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda p, m: p({}, [np.zeros((1, 4))], [(8, 8)]), ValueError, r"\[multi_scale_roi_align\] x has nothing, expected any of 0, 1"),
    (lambda p, m: p(m, [np.zeros((1, 4))], []), ValueError, "image_shapes is empty, expected one"),
    (lambda p, m: p(m, [], [(8, 8)]), ShapeError, "boxes is empty"),
    (lambda p, m: (p(m, [np.zeros((1, 4))], [(8, 8)]), p({"0": m["0"]}, [np.zeros((1, 4))], [(8, 8)])), ValueError,
     "x has 1 of the maps, expected 2 as at the first call"),
    (lambda p, m: p({"0": np.zeros((3, 4))}, [np.zeros((1, 4))], [(8, 8)]), ShapeError, r"a map has shape \(3, 4\)"),
    (lambda p, m: vision.MultiScaleRoIAlign(["0"], "a", 2), TypeError, "output_size is 'a', expected a whole number"),
])
def test_misuse_of_pyramids(call, error, match):
    maps = pyramid(np.random.default_rng(7), [(8, 8), (4, 4)])
    with pytest.raises(error, match=match):
        call(vision.MultiScaleRoIAlign(["0", "1"], 2, 2), maps)
