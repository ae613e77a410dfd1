// c = a b by row blocks: B is packed once into panels, then each task multiplies a block of rows of A with
// a range of panels. The block's rows of A stay in the second-level cache while B streams past.
#include "ops/gemm/gemm.h"

#include <algorithm>
#include <vector>

#include "core/arena.h"
#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/gemm/panels.h"

namespace pyconv {
namespace {

// Rows per task; a multiple of all tile heights (6 and 8). 96 rows of 1024 floats are 384 KiB.
constexpr int64_t kRows = 96;
// A task should have at least this many multiply-adds, and a problem at least this many tasks.
constexpr int64_t kTaskMacs = 1 << 18, kTasks = 16;

struct Split {
  int64_t row_blocks, panel_groups, panels_per_group;
};

Split split(const PanelLayout& layout, int64_t m) {
  Split s;
  s.row_blocks = ceil_div(m, kRows);
  const int64_t wanted = ceil_div(kTasks, s.row_blocks);
  const int64_t macs_per_panel = std::max<int64_t>(1, std::min(m, kRows) * layout.k * layout.width);
  s.panels_per_group = std::max(ceil_div(layout.panels(), wanted), ceil_div(kTaskMacs, macs_per_panel));
  s.panels_per_group = std::min(s.panels_per_group, layout.panels());
  s.panel_groups = ceil_div(layout.panels(), s.panels_per_group);
  return s;
}

// a's columns are contiguous: rows by pointer.
void gemm_rows(const View& a, const PanelLayout& layout, const float* packed, const float* bias, float* c) {
  const int64_t m = a.shape[0], n = layout.n;
  const Split s = split(layout, m);
  const RunChunks reduction({{0, layout.k}});
  RowEpilogue epilogue;
  epilogue.bias = bias;
  parallel_for(s.row_blocks * s.panel_groups, [&](int64_t task) {
    const int64_t begin = task / s.panel_groups * kRows, rows = std::min(kRows, m - begin);
    const int64_t panel = task % s.panel_groups * s.panels_per_group;
    const float* a_rows[kRows];
    float* c_rows[kRows];
    for (int64_t i = 0; i < rows; ++i) {
      a_rows[i] = a.as<float>() + (begin + i) * a.strides[0];
      c_rows[i] = c + (begin + i) * n;
    }
    multiply_rows(layout, packed, reduction, a_rows, c_rows, rows, panel,
                  std::min(panel + s.panels_per_group, layout.panels()), c, epilogue);
  });
}

// a's rows are contiguous (a transposed matrix): the K-major kernel.
void gemm_outer(const View& a, const PanelLayout& layout, const float* packed, const float* bias, float* c) {
  const int64_t m = a.shape[0], n = layout.n;
  const Split s = split(layout, m);
  parallel_for(s.row_blocks * s.panel_groups, [&](int64_t task) {
    const int64_t begin = task / s.panel_groups * kRows, rows = std::min(kRows, m - begin);
    const int64_t panel0 = task % s.panel_groups * s.panels_per_group;
    const int64_t panel1 = std::min(panel0 + s.panels_per_group, layout.panels());
    OuterGemmArgs g{};
    g.a_inner = a.strides[1];
    g.outer = 1;
    g.ldc = n;
    g.rows = rows;
    for (int64_t panel = panel0; panel < panel1; ++panel) {
      g.b_inner = layout.ld(panel);
      g.columns = static_cast<int>(layout.columns(panel));
      g.c = c + begin * n + panel * layout.width;
      for (int64_t k0 = 0; k0 < layout.k; k0 += RunChunks::kChunk) {
        g.a = a.as<float>() + begin + k0 * g.a_inner;
        g.b = packed + layout.offset(panel) + k0 * g.b_inner;
        g.inner = std::min(RunChunks::kChunk, layout.k - k0);
        g.first = k0 == 0;
        kernels().gemm.outer_gemm(&g);
      }
      if (bias)
        for (int64_t i = 0; i < rows; ++i)
          for (int j = 0; j < g.columns; ++j) g.c[i * n + j] += bias[panel * layout.width + j];
    }
  });
}

}  // namespace

void gemm(const View& a, const View& b, const float* bias, float* c) {
  const int64_t m = a.shape[0], k = a.shape[1], n = b.shape[1];
  if (m == 0 || n == 0) return;
  if (k == 0) {
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) c[i * n + j] = bias ? bias[j] : 0.0f;
    return;
  }
  const PanelLayout layout(k, n);
  Scratch<float> packed(layout.floats());
  parallel_for(layout.panels(), [&](int64_t panel) {
    pack_panel(layout, panel, b.as<float>(), b.strides[0], b.strides[1], packed);
  });
  if (a.strides[1] == 1 || k == 1) {
    gemm_rows(a, layout, packed, bias, c);
  } else if (a.strides[0] == 1 || m == 1) {
    gemm_outer(a, layout, packed, bias, c);
  } else {
    // Neither axis is contiguous: a dense copy first.
    Scratch<float> dense(m * k);
    parallel_ranges(m, 64, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        for (int64_t j = 0; j < k; ++j) dense[i * k + j] = a.as<float>()[i * a.strides[0] + j * a.strides[1]];
    });
    gemm_rows(dense_view(dense, DType::kFloat32, {m, k}, false), layout, packed, bias, c);
  }
}

}  // namespace pyconv
