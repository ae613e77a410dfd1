"""Anchors, the box coder, the matcher and the sampler: torchvision's Python, the paper's numbers, edges, misuse."""

from __future__ import annotations

import numpy as np
import peers
import pytest

import pyconv
from pyconv import vision
from pyconv.errors import ShapeError
from pyconv.tensor import Tensor


@pytest.fixture
def theirs(torch):
    peers.torchvision()
    from torchvision.models.detection import _utils, anchor_utils, image_list

    class Names:
        utils, anchors, images = _utils, anchor_utils, image_list

    return Names


def some_boxes(rng, n, dtype=np.float64):
    low = rng.uniform(-20, 200, (n, 2))
    return np.concatenate([low, low + rng.uniform(1, 150, (n, 2))], 1).astype(dtype)


# --- anchors ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(("sizes", "ratios"), [
    (((128, 256, 512),), ((0.5, 1.0, 2.0),)),
    (((32,), (64,), (128,)), ((0.5, 1.0, 2.0),) * 3),
    (((32, 48), (100,)), ((1.0,), (0.3, 3.0))),
    ((16, 32), (0.5, 1.0, 2.0)),
])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_anchors_as_in_torchvision(sizes, ratios, dtype, theirs, torch):
    ours, other = vision.AnchorGenerator(sizes, ratios), theirs.anchors.AnchorGenerator(sizes, ratios)
    assert ours.num_anchors_per_location() == other.num_anchors_per_location()
    for a, b in zip(ours.cell_anchors, other.cell_anchors, strict=True):
        np.testing.assert_array_equal(a, b.numpy())
    shapes = [(2, 4, 25, 34), (2, 4, 13, 17), (2, 4, 7, 9)][:len(ours.cell_anchors)]
    maps = [np.zeros(s, dtype) for s in shapes]
    got = ours(vision.ImageList(np.zeros((2, 3, 200, 271)), [(200, 271), (180, 90)]), maps)
    want = other(theirs.images.ImageList(torch.zeros(2, 3, 200, 271), [(200, 271), (180, 90)]), [torch.tensor(m) for m in maps])
    assert len(got) == 2
    for a, b in zip(got, want, strict=True):
        assert a.dtype == dtype
        np.testing.assert_array_equal(a.array, b.numpy())


def test_the_papers_nine_anchors():
    expected = [[-84, -40, 99, 55], [-176, -88, 191, 103], [-360, -184, 375, 199], [-56, -56, 71, 71], [-120, -120, 135, 135],
                [-248, -248, 263, 263], [-36, -80, 51, 95], [-80, -168, 95, 183], [-168, -344, 183, 359]]
    np.testing.assert_array_equal(vision.paper_anchors(), expected)
    generator = vision.AnchorGenerator(cell_anchors=[vision.paper_anchors()])
    assert generator.num_anchors_per_location() == [9]
    grid = generator.grid_anchors([(38, 63)], [(16, 16)])[0]
    assert grid.shape == (38 * 63 * 9, 4)
    np.testing.assert_array_equal(grid[(2 * 63 + 5) * 9 + 4], [-120 + 80, -120 + 32, 135 + 80, 135 + 32])
    assert not list(generator.parameters())


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: vision.AnchorGenerator(()), ValueError, r"\[anchor_generator\] sizes or aspect_ratios is empty"),
    (lambda: vision.AnchorGenerator(((1,), (2,)), ((1.0,),)), ValueError, "sizes has 2 maps, aspect_ratios 1"),
    (lambda: vision.AnchorGenerator(((0,),)), ValueError, r"sizes is \(0,\), expected numbers above 0"),
    (lambda: vision.AnchorGenerator(((1,),), ((float("nan"),),)), ValueError, r"aspect_ratios is \(nan,\)"),
    (lambda: vision.paper_anchors(1e308), ValueError, r"\[paper_anchors\] base_size is \(1e\+308,\), expected numbers above 0"),
    (lambda: vision.paper_anchors(ratios=(0,)), ValueError, r"ratios is \(0,\)"),
    (lambda: vision.AnchorGenerator(cell_anchors=[np.zeros((2, 3))]), ShapeError, r"cell_anchors\[0\] has shape \(2, 3\)"),
    (lambda: vision.AnchorGenerator().grid_anchors([(1, 1)] * 2, [(1, 1)] * 2), ValueError, "got 2 maps and 2 strides, expected 1"),
    (lambda: vision.AnchorGenerator()(vision.ImageList(np.zeros((1, 3, 8, 8)), [(8, 8)]), [np.zeros((1, 3, 0, 8))]), ShapeError,
     r"a map has shape \(1, 3, 0, 8\)"),
])
def test_misuse_of_anchors(call, error, match):
    with pytest.raises(error, match=match):
        call()


# --- the coder --------------------------------------------------------------------------------------
@pytest.mark.parametrize("weights", [(1, 1, 1, 1), (10.0, 10.0, 5.0, 5.0)])
def test_codes_as_in_torchvision(weights, theirs, torch):
    rng = np.random.default_rng(0)
    references, proposals = [some_boxes(rng, n) for n in (5, 0, 3)], [some_boxes(rng, n) for n in (5, 0, 3)]
    ours, other = vision.BoxCoder(weights), theirs.utils.BoxCoder(weights)
    got = ours.encode(references, proposals)
    want = other.encode([torch.tensor(b) for b in references], [torch.tensor(b) for b in proposals])
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-12, atol=1e-12)
    # Sizes beyond the clip among them.
    codes = rng.standard_normal((8, 12)) * np.tile(weights, 3) * 3
    decoded = ours.decode(codes, proposals)
    assert decoded.shape == (8, 3, 4)
    np.testing.assert_allclose(decoded, other.decode(torch.tensor(codes), [torch.tensor(b) for b in proposals]).numpy(), rtol=1e-12,
                               atol=1e-10)
    assert (codes.reshape(8, 3, 4)[..., 2:] / weights[2] > ours.bbox_xform_clip).any()
    back = ours.decode(np.concatenate(got), proposals)[:, 0]
    np.testing.assert_allclose(back, np.concatenate(references), rtol=1e-10, atol=1e-10)


def test_codes_of_tensors_have_gradients():
    rng = np.random.default_rng(1)
    boxes, codes = Tensor(some_boxes(rng, 3)), Tensor(rng.standard_normal((3, 8)), requires_grad=True)
    coder = vision.BoxCoder((10, 10, 5, 5))
    assert pyconv.autograd.gradcheck(lambda c: coder.decode(c, [boxes]), (codes,))
    parts = coder.encode([boxes], [Tensor(some_boxes(rng, 3))])
    assert [p.shape for p in parts] == [(3, 4)]
    assert coder.decode(Tensor(np.zeros((0, 8))), [Tensor(np.zeros((0, 4)))]).shape == (0, 2, 4)


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: vision.BoxCoder((1, 1, 1)), ValueError, r"\[box_coder\] weights is \(1, 1, 1\), expected four numbers above 0"),
    (lambda: vision.BoxCoder((1, 1, 0, 1)), ValueError, "weights is"),
    (lambda: vision.BoxCoder((1, 1, 1, 1)).encode([np.zeros((2, 4))], [np.zeros((1, 4))]), ShapeError, r"proposals has \[1\] boxes"),
    (lambda: vision.BoxCoder((1, 1, 1, 1)).decode_single(np.zeros((2, 6)), np.zeros((2, 4))), ShapeError, r"rel_codes has shape \(2, 6\)"),
    (lambda: vision.BoxCoder((1, 1, 1, 1)).decode_single(np.zeros((3, 4)), np.zeros((2, 4))), ShapeError, "expected .boxes, 4"),
])
def test_misuse_of_the_coder(call, error, match):
    with pytest.raises(error, match=match):
        call()


# --- matcher and sampler ----------------------------------------------------------------------------
@pytest.mark.parametrize("low_quality", [False, True])
@pytest.mark.parametrize(("high", "low"), [(0.7, 0.3), (0.5, 0.5), (0.9, 0.0)])
def test_matches_as_in_torchvision(high, low, low_quality, theirs, torch):
    rng = np.random.default_rng(2)
    for objects, boxes in ((1, 1), (1, 30), (6, 1), (7, 200)):
        quality = rng.uniform(0, 1, (objects, boxes)).round(1)  # equal values, and on the thresholds
        quality[rng.random(quality.shape) < 0.3] = 0
        want = theirs.utils.Matcher(high, low, low_quality)(torch.tensor(quality))
        matcher = vision.Matcher(high, low, low_quality)
        np.testing.assert_array_equal(matcher(quality), want.numpy())
        np.testing.assert_array_equal(matcher(Tensor(quality)).array, want.numpy())


def test_empty_boxes_match_nothing():
    quality = np.array([[np.nan, 0.9], [np.nan, np.nan]])
    assert vision.Matcher(0.5, 0.5)(quality).tolist() == [-1, 0]
    for shape, what in (((0, 3), "objects"), ((3, 0), "boxes")):
        with pytest.raises(ValueError, match=f"a picture without {what}"):
            vision.Matcher(0.5, 0.5)(np.zeros(shape))


def test_draws_are_balanced_and_repeatable():
    labels = np.concatenate([np.arange(1, 41), np.zeros(200, int), np.full(30, -1)])
    few = np.concatenate([[5], np.zeros(3, int), [-1]])
    sampler = vision.BalancedPositiveNegativeSampler(64, 0.25, pyconv.Generator().manual_seed(3))
    positive, negative = sampler([labels, Tensor(few)])
    assert (positive[0].sum(), negative[0].sum()) == (16, 48)
    assert positive[0].dtype == np.uint8
    assert (labels[positive[0] == 1] > 0).all()
    assert (labels[negative[0] == 1] == 0).all()
    assert positive[1].array.tolist() == [1, 0, 0, 0, 0]
    assert negative[1].array.tolist() == [0, 1, 1, 1, 0]
    again = vision.BalancedPositiveNegativeSampler(64, 0.25, pyconv.Generator().manual_seed(3))([labels])
    np.testing.assert_array_equal(again[0][0], positive[0])
    # Every positive box is drawn sooner or later.
    hits = sum(sampler([labels])[0][0].astype(int) for _ in range(60))
    assert (hits[:40] > 5).all()
    pyconv.manual_seed(7)
    first = vision.BalancedPositiveNegativeSampler(8, 0.5)([labels])
    pyconv.manual_seed(7)
    np.testing.assert_array_equal(vision.BalancedPositiveNegativeSampler(8, 0.5)([labels])[1][0], first[1][0])


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: vision.Matcher(0.3, 0.7), ValueError, r"\[matcher\] low_threshold is 0.7, expected at most high_threshold=0.3"),
    (lambda: vision.Matcher(0.3, float("nan")), ValueError, "low_threshold is nan"),
    (lambda: vision.Matcher(0.5, 0.5)(np.zeros(3)), ShapeError, r"match_quality_matrix has shape \(3,\)"),
    (lambda: vision.Matcher(0.5, 0.5)([[1.0]]), TypeError, "match_quality_matrix is list"),
    (lambda: vision.BalancedPositiveNegativeSampler(-1, 0.5), ValueError, "batch_size_per_image is -1"),
    (lambda: vision.BalancedPositiveNegativeSampler(1.5, 0.5), TypeError, "batch_size_per_image is 1.5, expected a whole"),
    (lambda: vision.BalancedPositiveNegativeSampler(1, 1.5), ValueError, "positive_fraction is 1.5, expected 0 to 1"),
    (lambda: vision.BalancedPositiveNegativeSampler(1, 0.5)([[1]]), TypeError, "matched_idxs is list"),
])
def test_misuse_of_matcher_and_sampler(call, error, match):
    with pytest.raises(error, match=match):
        call()
