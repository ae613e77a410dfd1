// Dot products of rows: linear layers on a few rows at the speed at which memory delivers the weight.
#include <algorithm>

#include "core/arena.h"
#include "core/checked.h"
#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/gemm/products.h"

namespace pyconv {
namespace {

// Floats of the larger matrix per task: they stay in the second-level cache while all few rows pass by.
constexpr int64_t kTaskFloats = 1 << 16;
// Longer rows are multiplied in pieces, so that an interrupt is noticed.
constexpr int64_t kPiece = 1 << 18;

// Rows a multiple of 1 KiB apart compete for the same places in the first-level cache (8 of 32 rows of 36
// KiB: half the speed): such rows are brought a cache line further apart each.
View apart(const View& few, Scratch<float>& memory, int64_t ld) {
  if (ld == 0) return few;
  View v = few;
  for (int64_t i = 0; i < few.shape[0]; ++i)
    std::copy_n(few.as<float>() + i * few.strides[0], few.shape[1], memory.data() + i * ld);
  v.data = memory.data();
  v.strides[0] = ld;
  return v;
}

}  // namespace

void gemm_dots(const View& a, const View& b, const float* bias, float* c) {
  const int64_t m = a.shape[0], k = a.shape[1], n = b.shape[0];
  // The kernel's `few` rows pass by each of the `many`.
  const bool swapped = n < m;
  const View &given = swapped ? b : a, &many = swapped ? a : b;
  const bool spread = given.shape[0] > 2 && given.strides[0] % 256 == 0;
  const int64_t ld = spread ? round_up(k, 16) + 16 : 0;
  Scratch<float> memory(given.shape[0] * ld);
  const View few = apart(given, memory, ld);
  const int64_t rows = many.shape[0];
  const int64_t grain = std::max<int64_t>(12, kTaskFloats / k / 12 * 12);
  parallel_ranges(rows, grain, [&](int64_t begin, int64_t end) {
    DotArgs g{};
    g.few_rows = few.shape[0];
    g.few_stride = few.strides[0];
    g.many_rows = end - begin;
    g.many_stride = many.strides[0];
    g.c_few = swapped ? 1 : n;
    g.c_many = swapped ? n : 1;
    g.c = c + begin * g.c_many;
    for (int64_t k0 = 0; k0 < k; k0 += kPiece) {
      poll_interrupt();
      g.few = few.as<float>() + k0;
      g.many = many.as<float>() + begin * many.strides[0] + k0;
      g.length = std::min(kPiece, k - k0);
      g.first = k0 == 0;
      kernels().gemm.dots(&g);
    }
    if (!bias) return;
    for (int64_t i = 0; i < g.few_rows; ++i)
      for (int64_t j = 0; j < g.many_rows; ++j)
        g.c[i * g.c_few + j * g.c_many] += bias[swapped ? i : begin + j];
  });
}

}  // namespace pyconv
