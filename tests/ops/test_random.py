"""The generator: published vectors, kernels against the readable version, statistics, state; dropout."""

from __future__ import annotations

import numpy as np
import pytest

import pyconv as pc
from pyconv._backend import core
from pyconv.ops.random import dropout, dropout2d

#: Philox 4x32-10 of Random123's kat_vectors (Salmon et al. 2011): counter, key, output.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0),
     (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_known_answers(counter, key, expected):
    assert tuple(core.philox(counter, key)) == expected


@pytest.mark.parametrize("position", [0, 1, 2**28 - 1, 2**59])
def test_kernels_draw_what_the_cipher_says(isa, position):
    """Word w of counter c of a group is its draw number 16 w + c; also across the 32-bit carry of the counter."""
    seed, stream, count = 0x123456789ABCDEF0, 0xFEDCBA9876543210, 150
    got = core.random_words(count, seed, stream, position)
    for i in range(count):
        group, place = position + i // 64, i % 64
        index = 16 * group + place % 16
        words = core.philox([index & 0xFFFFFFFF, index >> 32, stream & 0xFFFFFFFF, stream >> 32],
                            [seed & 0xFFFFFFFF, seed >> 32])
        assert got[i] == words[place // 16]


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 1000, 40_000])
def test_same_draws_for_all_threads_and_instruction_sets(isa, threads, n):
    """Against the digests of one thread and the scalar kernels, computed here once."""
    def draws():
        pc.manual_seed(7)
        return [t.numpy().tobytes() for t in (pc.rand(n), pc.randn(n), pc.randn(n, dtype=pc.float64),
                                              pc.randint(0, 100, (n,)), dropout(pc.ones(n), 0.3))]

    got = draws()
    core.use_isa("scalar")
    core.set_num_threads(1)
    assert got == draws()


def test_shorter_draws_are_a_prefix():
    for n in (1, 17, 64, 100):
        assert (pc.manual_seed(3) and pc.randn(n)).tolist() == (pc.manual_seed(3) and pc.randn(1000)).tolist()[:n]


def test_float32_normals_agree_with_double_precision(isa):
    """Box and Muller of the same words in float64. |z| is at most 5.8 and its relative error some eps, but where
    sin or cos is near 0 only the absolute error of the angle counts: 2 pi * 2^-24 of it, times the radius."""
    pc.manual_seed(1)
    z = pc.randn(64_000).numpy().reshape(-1, 2, 2, 16)
    pc.manual_seed(1)
    words = core.random_words(64_000, 1, 0, 0).reshape(-1, 2, 2, 16) >> 8
    u1, turn = (words[:, :, 0] + 1) / 2.0**24, 2 * np.pi * words[:, :, 1] / 2.0**24
    radius = np.sqrt(-2 * np.log(u1))
    expected = np.stack([radius * np.cos(turn), radius * np.sin(turn)], 2)
    # Near u1 = 1 the logarithm's own rounding counts: an absolute eps there gives sqrt(2 eps) at most.
    allowed = 8 * 2.0**-24 * (1 + np.abs(expected)) + 4 * 2.0**-24 * radius[:, :, None]
    assert (np.abs(z - expected) <= allowed).all()


@pytest.mark.parametrize("dtype", [pc.float32, pc.float64])
def test_statistics(dtype):
    """Means and variances of a million draws, at six standard errors."""
    n = 1_000_000
    pc.manual_seed(11)
    u, z = pc.rand(n, dtype=dtype).numpy().astype(np.float64), pc.randn(n, dtype=dtype).numpy().astype(np.float64)
    assert abs(u.mean() - 0.5) < 6 / np.sqrt(12 * n)
    assert abs(z.mean()) < 6 / np.sqrt(n)
    assert abs(z.var() - 1) < 6 * np.sqrt(2 / n)
    assert abs((z**4).mean() - 3) < 6 * np.sqrt(96 / n)
    assert abs((z[:-1] * z[1:]).mean()) < 6 / np.sqrt(n)
    assert u.min() >= 0
    assert u.max() < 1
    counts = np.histogram(u, 100, (0, 1))[0]
    assert ((counts - n / 100) ** 2 / (n / 100)).sum() < 99 + 6 * np.sqrt(2 * 99)


def test_integers_cover_their_range_evenly():
    pc.manual_seed(0)
    k = pc.randint(-3, 4, (70_000,)).numpy()
    values, counts = np.unique(k, return_counts=True)
    assert values.tolist() == list(range(-3, 4))
    assert (np.abs(counts - 10_000) < 6 * np.sqrt(10_000)).all()
    assert pc.randint(2**62, 2**63 - 1, (50,)).numpy().min() >= 2**62
    assert pc.randint(5, (3,)).dtype == pc.int64
    assert pc.randint(5, (3,), dtype=pc.uint8).dtype == pc.uint8


def test_permutations():
    pc.manual_seed(0)
    a, b = pc.randperm(1000).numpy(), pc.randperm(1000).numpy()
    assert sorted(a.tolist()) == list(range(1000))
    assert (a != b).any()
    firsts = [pc.randperm(5)[0].item() for _ in range(2000)]
    assert (np.abs(np.bincount(firsts, minlength=5) - 400) < 6 * np.sqrt(400)).all()
    assert pc.randperm(0).shape == (0,)
    assert pc.randperm(1).tolist() == [0]


def test_generator_state_and_streams():
    g = pc.Generator().manual_seed(5)
    pc.randn(10, generator=g)
    state = g.get_state()
    a = pc.rand(100, generator=g).tolist()
    other = pc.Generator()
    other.set_state(state)
    assert pc.rand(100, generator=other).tolist() == a
    assert g.initial_seed() == 5
    assert pc.rand(100, generator=pc.Generator(stream=1).manual_seed(5)).tolist() != \
        pc.rand(100, generator=pc.Generator(stream=2).manual_seed(5)).tolist()
    assert pc.manual_seed(-1).initial_seed() == 2**64 - 1
    assert g.seed() == g.initial_seed()
    kept = pc.get_rng_state()
    first = pc.rand(3).tolist()
    pc.set_rng_state(kept)
    assert pc.rand(3).tolist() == first


def test_consecutive_draws_differ():
    pc.manual_seed(0)
    assert pc.rand(64).tolist() != pc.rand(64).tolist()
    assert pc.rand(33, dtype=pc.float64).tolist() != pc.rand(33, dtype=pc.float64).tolist()


def test_in_place_draws():
    x = pc.zeros(2, 3, 4, 5)
    version = x._version[0]
    assert x.uniform_(2, 3) is x
    assert x._version[0] > version
    assert (x.numpy() >= 2).all()
    assert (x.numpy() < 3).all()
    w = pc.zeros(1000, requires_grad=True)
    with pc.no_grad():
        w.normal_(10, 0.1)
    assert abs(w.detach().numpy().mean() - 10) < 0.05


def test_bernoulli():
    pc.manual_seed(0)
    p = pc.full((10_000,), 0.25)
    assert abs(pc.bernoulli(p).numpy().mean() - 0.25) < 6 * np.sqrt(0.25 * 0.75 / 10_000)
    assert pc.bernoulli(pc.tensor([0.0, 1.0])).tolist() == [0, 1]


def test_dropout_keeps_the_expectation_and_its_mask():
    pc.manual_seed(0)
    x = pc.ones(100_000, requires_grad=True)
    y = dropout(x, 0.2)
    kept = y.detach().numpy() != 0
    assert abs(kept.mean() - 0.8) < 6 * np.sqrt(0.16 / 1e5)
    assert set(np.unique(y.detach().numpy())) == {0, np.float32(1.25)}
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())


def test_dropout_zeroes_what_is_not_finite():
    y = dropout(pc.full((500,), float("nan")), 1.0)
    assert (y.numpy() == 0).all()


def test_dropout_outside_training_and_with_p_0_is_its_input():
    x = pc.ones(3)
    assert dropout(x, 0.5, training=False) is x
    assert dropout(x, 0.0) is x


def test_dropout_has_the_same_mask_in_both_types_and_orders():
    a = np.ones((2, 5, 3, 4))
    masks = []
    for x in (pc.tensor(a), pc.tensor(a.astype(np.float32)), pc.from_numpy(np.ascontiguousarray(a[::-1])[::-1])):
        pc.manual_seed(9)
        masks.append(dropout(x, 0.5).numpy() != 0)
    assert (masks[0] == masks[1]).all()
    assert (masks[0] == masks[2]).all()


def test_channel_dropout_drops_whole_channels():
    pc.manual_seed(0)
    y = dropout2d(pc.ones(50, 20, 3, 4), 0.5).numpy()
    per_channel = y.reshape(50, 20, -1)
    assert (per_channel.max(-1) == per_channel.min(-1)).all()
    assert abs((per_channel[..., 0] != 0).mean() - 0.5) < 6 * np.sqrt(0.25 / 1000)


@pytest.mark.parametrize("function", [dropout, dropout2d])
def test_dropout_in_place(function):
    x = pc.ones(2, 8, 3, requires_grad=True)
    y = x * 1
    pc.manual_seed(0)
    assert function(y, 0.5, inplace=True) is y
    pc.manual_seed(0)
    np.testing.assert_array_equal(y.detach().numpy(), function(x, 0.5).detach().numpy())
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())


def test_meta_draws_take_no_memory():
    assert pc.randn(10**6, 10**3, device="meta").shape == (10**6, 10**3)
    assert pc.rand_like(pc.zeros(2, device="meta")).is_meta
    assert dropout(pc.zeros(10**5, 10**5, device="meta"), 0.5).shape == (10**5, 10**5)
