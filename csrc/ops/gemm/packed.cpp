// c = a b by blocks of rows: B lies in packed panels; each task multiplies a block of rows of A, which stays
// in the second-level cache, with a group of panels that stream past.
#include <algorithm>

#include "core/arena.h"
#include "core/checked.h"
#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/gemm/panels.h"
#include "ops/gemm/products.h"

namespace pyconv {
namespace {

// At most, per block. With AVX2, 1024 x 1024 x 1024, a depth of 1024 beats 512 by 3 % and 256 by 7 %.
constexpr int64_t kRows = 96, kDepth = 1024;
// A task should have at least this many multiply-adds (about 2 us), and a large problem this many tasks; a
// small one is cut into blocks of rows for the sake of this many.
constexpr int64_t kTaskMacs = 1 << 18, kTasks = 64, kFewTasks = 8;
// Up to so many rows are one block, if there are panels enough: B is then packed by who uses it, once, and
// never written to memory. A block of A keeps to the second-level cache. GFLOP/s on two threads of a Xeon, in
// blocks of 96 rows and as one: 128 x 4096 x 4096 171 and 278, 512 x 4096 x 4096 227 and 290.
constexpr int64_t kOneBlockRows = 512, kBlockFloats = 3 << 16;
// A short reduction is all about writing c: in blocks of few rows as long as they are, page after page. 4096
// x 9216 over 16: 105 and 171.
constexpr int64_t kShortDepth = 64, kShortRows = 24;
constexpr int64_t kPackFloats = 1 << 14;  // per task
// With so few rows a row-major B is read where it lies, a few of its rows at a time and those far enough
// along for the processor to read ahead. 4 rows times 4096 x 4096 on one thread: twice as fast as packed.
constexpr int64_t kDirectRows = 8, kDirectDepth = 16, kDirectColumns = 1024;

struct Tiling {
  int64_t rows, row_blocks, panels, panel_groups;  // rows per block, panels per group
};

Tiling tiling(const PanelLayout& layout, int64_t m) {
  const double macs = static_cast<double>(m) * static_cast<double>(layout.n) * static_cast<double>(layout.k);
  const int64_t wanted = static_cast<int64_t>(std::clamp(macs / kTaskMacs, 1.0, double{kTasks}));
  const int64_t few = std::min(wanted, kFewTasks);
  const bool many_panels = layout.panels() >= few;
  Tiling t;
  if (layout.k <= kShortDepth && many_panels && m >= kFewTasks * kShortRows)
    t.row_blocks = std::min(wanted, ceil_div(m, kShortRows));
  else t.row_blocks = wanted == 1 || (m <= kOneBlockRows && many_panels) ? 1 : ceil_div(m, kRows);
  t.panel_groups = std::min(layout.panels(), ceil_div(wanted, t.row_blocks));
  t.row_blocks = std::max(t.row_blocks, ceil_div(few, t.panel_groups));
  // However many rows: a block of A keeps to the cache with its whole reduction, or with much of it.
  t.row_blocks = std::max(t.row_blocks, ceil_div(m, std::max(kOneBlockRows, kBlockFloats / layout.k)));
  const int64_t tile = layout.n >= layout.width ? 6 : 8;  // rows of the kernel's tiles
  t.rows = round_up(ceil_div(m, t.row_blocks), tile);
  t.row_blocks = ceil_div(m, t.rows);
  t.panels = ceil_div(layout.panels(), t.panel_groups);
  t.panel_groups = ceil_div(layout.panels(), t.panels);
  return t;
}

// All of B, in pieces of about kPackFloats. A piece of a row-major matrix is as wide as the matrix: it is
// read line by line.
void pack(const PanelLayout& layout, const View& b, float* packed) {
  const bool wide = b.strides[1] == 1;
  const int64_t columns = wide ? layout.n : std::min(layout.n, layout.width);
  const int64_t depth = std::clamp<int64_t>(kPackFloats / columns / 16 * 16, 16, round_up(layout.k, 16));
  const int64_t pieces = ceil_div(layout.k, depth), groups = wide ? 1 : layout.panels();
  parallel_for(pieces * groups, [&](int64_t task) {
    const int64_t k0 = task % pieces * depth, k1 = std::min(layout.k, k0 + depth);
    const int64_t first = task / pieces, last = wide ? layout.panels() : first + 1;
    for (int64_t panel = first; panel < last; ++panel)
      pack_panel(layout, panel, k0, k1, b.as<float>(), b.strides[0], b.strides[1],
                 packed + layout.offset(panel) + k0 * layout.ld(panel));
  });
}

}  // namespace

void gemm_packed(const View& given, const View& b, const float* bias, float* c) {
  const int64_t m = given.shape[0], k = given.shape[1];
  const PanelLayout layout(k, b.shape[1]);
  const bool direct = m <= kDirectRows && b.strides[1] == 1;
  Tiling t = tiling(layout, m);
  if (direct) {
    t.row_blocks = 1;
    t.rows = m;
    t.panels = std::max(t.panels, kDirectColumns / layout.width);
    t.panel_groups = ceil_div(layout.panels(), t.panels);
  }
  // What only one task needs is packed by that task, into memory that stays in its cache.
  const bool own_b = t.row_blocks == 1, own_a = given.strides[1] != 1 && t.panel_groups == 1;
  Scratch<float> packed(own_b ? 0 : layout.floats()), turned(given.strides[1] == 1 || own_a ? 0 : m * k);
  if (!own_b) pack(layout, b, packed);
  const View a = own_a ? given : with_rows(given, turned);
  // Equal pieces of the reduction.
  const int64_t deepest = std::clamp(kBlockFloats / t.rows, kShortDepth, kDepth);
  const int64_t depth = direct ? std::min(k, kDirectDepth) : ceil_div(k, ceil_div(k, deepest));

  parallel_for(t.row_blocks * t.panel_groups, [&](int64_t task) {
    const int64_t row = task / t.panel_groups * t.rows, rows = std::min(t.rows, m - row);
    const int64_t panel0 = task % t.panel_groups * t.panels;
    const int64_t panel1 = std::min(layout.panels(), panel0 + t.panels);
    Scratch<float> a_block(own_a ? rows * depth : 0), b_panel(own_b ? depth * layout.width : 0);
    Scratch<const float*> a_rows(rows);
    Scratch<float*> c_rows(rows);
    for (int64_t k0 = 0; k0 < k; k0 += depth) {
      const int64_t length = std::min(depth, k - k0);
      const float* from = a.as<float>() + row * a.strides[0] + k0 * a.strides[1];
      int64_t step = a.strides[0];
      if (own_a) {
        copy_matrix(from, a.strides[0], a.strides[1], rows, length, a_block, length);
        from = a_block;
        step = length;
      }
      for (int64_t i = 0; i < rows; ++i) a_rows[i] = from + i * step;
      const Run run{0, length};
      RowGemmArgs g{};
      g.a = a_rows;
      g.runs = &run;
      g.run_count = 1;
      g.c = c_rows;
      g.rows = rows;
      g.first = k0 == 0;
      for (int64_t panel = panel0; panel < panel1; ++panel) {
        poll_interrupt();
        const int64_t column = panel * layout.width;
        g.ldb = layout.ld(panel);
        g.columns = static_cast<int>(layout.columns(panel));
        if (direct && g.columns % layout.lanes == 0) {
          g.b = b.as<float>() + k0 * b.strides[0] + column;
          g.ldb = b.strides[0];
        } else if (own_b) {
          pack_panel(layout, panel, k0, k0 + length, b.as<float>(), b.strides[0], b.strides[1], b_panel);
          g.b = b_panel;
        } else {
          g.b = packed.data() + layout.offset(panel) + k0 * g.ldb;
        }
        for (int64_t i = 0; i < rows; ++i) c_rows[i] = c + (row + i) * layout.n + column;
        Epilogue e{};
        e.bias = bias ? bias + column : nullptr;
        g.epilogue = bias && k0 + length == k ? &e : nullptr;
        kernels().gemm.row_gemm(&g);
      }
    }
  });
}

}  // namespace pyconv
