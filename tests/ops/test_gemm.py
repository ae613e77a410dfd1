"""The matrix product beyond the table: tile edges, all transposes, any strides."""

from __future__ import annotations

import numpy as np
import pytest

from pyconv._backend import core

EPS = float(np.finfo(np.float32).eps)


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
def test_all_transposes_at_tile_edges(isa, transpose_a, transpose_b):
    rng = np.random.default_rng(0)
    for m in (1, 2, 5, 6, 7, 97):
        for k in (1, 3, 513):
            for n in (1, 7, 8, 9, 15, 17, 63, 64, 65, 130):
                a = rng.standard_normal((k, m) if transpose_a else (m, k)).astype("f")
                b = rng.standard_normal((n, k) if transpose_b else (k, n)).astype("f")
                want = (a.T if transpose_a else a).astype("d") @ (b.T if transpose_b else b).astype("d")
                got = core.gemm(a, b, transpose_a, transpose_b)
                scale = np.abs(a).max() * np.abs(b).max() * k**0.5
                assert np.abs(got - want).max() <= 8 * EPS * scale * (1 + k**0.5)


def test_any_leading_dimension_and_stride(isa):
    rng = np.random.default_rng(0)
    big_a, big_b = rng.standard_normal((40, 50)).astype("f"), rng.standard_normal((50, 90)).astype("f")
    for a in (big_a[:20, 3:33], big_a[::2, :30], big_a[:20, :60:2][:, :25], big_a[::-1, :30], big_a[:20, 29::-1],
              big_a.T[:20, :30], np.broadcast_to(big_a[:1, :30], (20, 30))):
        k = a.shape[1]
        for b in (big_b[:k, 5:75], big_b[:k, ::3], big_b[k - 1 :: -1][:k], big_b[:k, ::-1],
                  np.broadcast_to(big_b[:k, :1], (k, 70))):
            assert np.allclose(core.gemm(a, b), a.astype("d") @ b.astype("d"), rtol=0, atol=1e-4)


# A panel packed by each block of rows, and once for all; thin products in short passes; chunks of the reduction; slivers
# of columns of A; rows 4 KiB apart; past the caches; one panel; short reductions in blocks of rows.
BLOCKS = [(301, 700, 333), (640, 1030, 200), (40, 300, 3600), (64, 2100, 64), (100, 1300, 70), (97, 520, 257), (200, 300, 1024),
          (300, 260, 1024), (1030, 5, 1024), (1030, 8, 1031), (1600, 60, 20), (400, 33, 530), (400, 300, 3), (5, 50, 2500)]


@pytest.mark.parametrize(("m", "k", "n"), BLOCKS)
def test_every_way_to_cut_a_product(isa, m, k, n):
    rng = np.random.default_rng(0)
    a, b, bias = (rng.standard_normal(s).astype("f") for s in ((m, k), (k, n), n))
    at, bt = np.ascontiguousarray(a.T), np.ascontiguousarray(b.T)
    want = a.astype("d") @ b.astype("d")
    limit = 8 * EPS * (1 + k**0.5) * k**0.5 * np.abs(a).max() * np.abs(b).max()
    for got in (core.gemm(a, b), core.gemm(at, b, True, False), core.gemm(a, bt, False, True), core.gemm(at, bt, True, True),
                core.linear(a, bt, bias) - bias):
        assert np.abs(got - want).max() <= limit
    padded = np.full((k, n + 3), np.nan, "f")
    padded[:, 1 : 1 + n] = b
    assert np.abs(core.gemm(a, padded[:, 1 : 1 + n]) - want).max() <= limit


@pytest.mark.parametrize("n", [40, 200])
def test_the_same_row_or_step_again_and_again(isa, n):
    """Strides of zero, on either side."""
    a, b = np.arange(500, dtype="f") % 7, np.arange(n, dtype="f") % 5
    rows, steps = np.broadcast_to(a, (300, 500)), np.broadcast_to(b, (500, n))
    want = np.broadcast_to(a.sum() * b, (300, n))
    assert np.array_equal(core.gemm(rows, steps), want)
    assert np.array_equal(core.gemm(np.broadcast_to(a[:, None], (500, 300)), steps, True, False), want)


@pytest.mark.parametrize(("m", "k", "n"), [*BLOCKS, (96, 70, 700), (13, 300, 400), (700, 1030, 5), (40, 4, 3000)])
def test_same_bits_for_any_thread_count(isa, m, k, n):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((m, k)).astype("f"), rng.standard_normal((k, n)).astype("f")
    at, bt = np.ascontiguousarray(a.T), np.ascontiguousarray(b.T)
    threads = core.get_num_threads()
    try:
        results = []
        for count in (1, 2, 3, 4, 7):
            core.set_num_threads(count)
            results.append([core.gemm(a, b), core.gemm(at, b, True, False), core.gemm(a, bt, False, True),
                            core.gemm(at, bt, True, True)])
    finally:
        core.set_num_threads(threads)
    for result in results:
        assert all(np.array_equal(x, y) for x, y in zip(results[0], result, strict=True))


@pytest.mark.parametrize(("m", "k", "n"), [(196_607, 1, 1), (196_609, 1, 1), (200_001, 2, 1), (262_145, 1, 2),
                                           (1_300_003, 3, 3), (13_000_001, 1, 1)])
def test_rows_by_the_hundred_thousand(m, k, n):
    """A block of rows has a bound, or nothing of the reduction would fit beside them. Whole numbers: exact."""
    a = (np.arange(m * k) % 61).astype("f").reshape(m, k)
    b = np.arange(1, k * n + 1).astype("f").reshape(k, n)
    want = sum(a[:, i : i + 1] * b[i] for i in range(k))
    assert np.array_equal(core.gemm(a, b), want)
    assert np.array_equal(core.gemm(np.ascontiguousarray(a.T), b, True, False), want)


def test_a_stack_of_two_thousand_million_empty_matrices():
    a, b = np.empty((2**31 - 1, 0, 3), "f"), np.empty((2**31 - 1, 3, 0), "f")
    assert core.gemm_batch(a, b).shape == (2**31 - 1, 0, 0)


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33])
def test_few_rows_by_dot_products(isa, m):
    """Around the tiles of the dot products, with lengths around the vector; rows 4 KiB apart, bias, both sides."""
    rng = np.random.default_rng(m)
    for k in (20 * m - 1, 20 * m, 20 * m + 5, 1024):
        for n in (1, 2, 5, 6, 7, 40):
            x, w, bias = (rng.standard_normal(s).astype("f") for s in ((m, k), (n, k), n))
            want = x.astype("d") @ w.T.astype("d")
            limit = 8 * EPS * (1 + k**0.5) * k**0.5 * np.abs(x).max() * np.abs(w).max()
            assert np.abs(core.linear(x, w, bias) - (want + bias)).max() <= limit
            assert np.abs(core.gemm(w, x, False, True) - want.T).max() <= limit
            assert np.abs(core.gemm(w, np.ascontiguousarray(x.T)) - want.T).max() <= limit


@pytest.mark.parametrize("m", [1, 3, 8, 9])
def test_few_rows_times_a_matrix_where_it_lies(isa, m):
    """Depths around the pieces of 16, widths around the vector and the stretch of a task; bias; rows not dense."""
    rng = np.random.default_rng(m)
    for k in (1, 15, 16, 33):
        for n in (5, 64, 130, 1024, 1040, 1049):
            a, big = rng.standard_normal((m, k)).astype("f"), rng.standard_normal((k, n + 7)).astype("f")
            for b in (big[:, 3 : 3 + n], np.ascontiguousarray(big[:, :n])):
                want = a.astype("d") @ b.astype("d")
                assert np.abs(core.gemm(a, b) - want).max() <= 32 * EPS * k**0.5 * np.abs(a).max() * np.abs(b).max()


def test_an_empty_sum_is_zero():
    assert core.gemm(np.ones((2, 0), "f"), np.ones((0, 3), "f")).tolist() == [[0, 0, 0]] * 2
    assert core.linear(np.ones((2, 0), "f"), np.ones((3, 0), "f"), np.float32([1, 2, 3])).tolist() == [[1, 2, 3]] * 2


def test_the_measured_limit_counts_its_multiply_adds(isa):
    lanes = {"scalar": 4, "avx2": 8, "avx512": 16}[isa]
    assert core.multiply_adds(10) == core.get_num_threads() * 10 * 16 * lanes
