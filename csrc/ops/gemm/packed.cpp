// c = a b by blocks of rows: B lies in packed panels; each task multiplies a block of rows of A, which stays
// in the second-level cache, with a group of panels that stream past.
#include <algorithm>

#include "core/arena.h"
#include "core/checked.h"
#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/gemm/block_plan.h"
#include "ops/gemm/panels.h"
#include "ops/gemm/products.h"

namespace pyconv {
namespace {

constexpr int64_t kPackFloats = 1 << 14;  // per task that packs
constexpr int64_t kLine = 16;             // floats

struct Range {
  int64_t begin, end;
};

class PackedProduct {
 public:
  PackedProduct(const View& a, const View& b, const float* bias, float* c)
      : a_(a),
        b_(b),
        bias_(bias),
        c_(c),
        m_(a.shape[0]),
        k_(a.shape[1]),
        n_(b.shape[1]),
        a_rows_(a.strides[1] == 1),
        b_rows_(b.strides[1] == 1),
        plan_(block_plan(
            {m_, k_, n_, a_rows_, b_rows_, a.strides[a_rows_ ? 0 : 1], b.strides[b_rows_ ? 0 : 1]})),
        streaming_(plan_.streaming && reinterpret_cast<uintptr_t>(c) % (4 * kLine) == 0),
        packed_(plan_.share_b ? plan_.vectors * plan_.lanes * k_ : 0),
        slivers_(plan_.slivers ? round_up(m_, plan_.tile) * k_ : 0),
        parts_((plan_.chunks - 1) * m_ * n_) {}

  void run() {
    const BlockPlan& p = plan_;
    if (p.share_b || p.slivers) prepare();
    parallel_for(p.chunks * p.row_blocks * p.groups, [&](int64_t task) {
      const int64_t group = task % p.groups, block = task / p.groups % p.row_blocks;
      multiply({block * p.rows, std::min(m_, (block + 1) * p.rows)},
               {group * p.group, std::min(p.panels, (group + 1) * p.group)}, task / p.groups / p.row_blocks);
    });
    if (p.chunks > 1) add_chunks();
  }

 private:
  int64_t columns(int64_t panel) const { return std::min(n_ - plan_.column(panel), plan_.width(panel)); }
  const float* source(int64_t panel, int64_t row) const {
    return b_.as<float>() + row * b_.strides[0] + plan_.column(panel) * b_.strides[1];
  }
  float* packed(int64_t panel, int64_t row) {
    return packed_.data() + plan_.column(panel) * k_ + row * plan_.width(panel);
  }
  void pack(int64_t panel, int64_t k0, int64_t k1, float* to) {
    pack_columns(source(panel, k0), b_.strides[0], b_.strides[1], k1 - k0, columns(panel), to,
                 plan_.width(panel));
  }

  // All of A and B that tasks share, in pieces of about kPackFloats. A piece of a matrix is as long as its
  // lines: they are read one by one.
  void prepare() {
    const auto pieces_of = [&](int64_t length) {
      return std::clamp<int64_t>(kPackFloats / length / 16 * 16, 16, round_up(k_, 16));
    };
    const int64_t a_depth = pieces_of(m_), b_depth = pieces_of(b_rows_ ? n_ : std::min(n_, plan_.width(0)));
    const int64_t a_tasks = plan_.slivers ? ceil_div(k_, a_depth) : 0;
    const int64_t pieces = ceil_div(k_, b_depth), lines = b_rows_ ? 1 : plan_.panels;
    parallel_for(a_tasks + (plan_.share_b ? pieces * lines : 0), [&](int64_t task) {
      if (task < a_tasks) return copy_slivers({task * a_depth, std::min(k_, (task + 1) * a_depth)});
      const int64_t k0 = (task - a_tasks) % pieces * b_depth, k1 = std::min(k_, k0 + b_depth);
      const int64_t first = (task - a_tasks) / pieces, last = b_rows_ ? plan_.panels : first + 1;
      for (int64_t panel = first; panel < last; ++panel) pack(panel, k0, k1, packed(panel, k0));
    });
  }

  // A sliver holds `tile` rows of A, one step of the reduction after the other. 16 steps at a time fill
  // lines.
  void copy_slivers(Range reduction) {
    constexpr int64_t kSteps = 16, kUsual = 6;
    const int64_t tile = plan_.tile, step = a_.strides[1];
    for (int64_t k0 = reduction.begin; k0 < reduction.end; k0 += kSteps)
      for (int64_t row = 0; row < m_; row += tile) {
        const int64_t count = std::min(tile, m_ - row), k1 = std::min(reduction.end, k0 + kSteps);
        const float* from = a_.as<float>() + row;
        float* to = slivers_.data() + row * k_;
        if (count == kUsual && tile == kUsual)
          for (int64_t t = k0; t < k1; ++t) std::copy_n(from + t * step, kUsual, to + t * kUsual);
        else
          for (int64_t t = k0; t < k1; ++t) std::copy_n(from + t * step, count, to + t * tile);
      }
  }

  // Rows [k0, k0 + length) of the next panel travel while the tiles of this one are computed: lines that wait
  // for far memory all at once would hold up those of this panel (1024 x 1024 x 1024 in 6.9 instead of 6.5
  // ms).
  static void fetch(BlockGemmArgs& g, int64_t tiles, const float* next, int64_t ld) {
    g.next = next;
    g.next_step = ld;
    g.next_lines = 4;
    while (g.next_every * 2 * g.next_lines <= tiles) g.next_every *= 2;
    g.next_jump = g.length / g.next_every * ld;
    g.next_tiles = g.next_lines * g.next_every;
  }

  void multiply(Range rows, Range panels, int64_t chunk) {
    const BlockPlan& p = plan_;
    const int64_t count = rows.end - rows.begin, tiles = count / p.tile;
    const int64_t end = std::min(k_, (chunk + 1) * p.chunk);
    float* out = chunk == 0 ? c_ : parts_.data() + (chunk - 1) * m_ * n_;
    Scratch<float> own(p.share_b ? 0 : p.depth * kernels().gemm.panel);
    for (int64_t k0 = chunk * p.chunk; k0 < end; k0 += p.depth) {
      for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
        poll_interrupt();
        BlockGemmArgs g{};
        g.rows = count;
        g.length = std::min(p.depth, end - k0);
        g.columns = static_cast<int>(columns(panel));
        g.first = k0 == chunk * p.chunk;
        g.c = out + rows.begin * n_ + p.column(panel);
        g.ldc = n_;
        g.streaming = streaming_;
        g.bias = bias_ && p.chunks == 1 && k0 + g.length == k_ ? bias_ + p.column(panel) : nullptr;
        g.next_every = g.next_lines = 1;
        set_a(g, rows.begin, k0);
        set_b(g, tiles, panels, panel, k0, k0 + p.depth < end, own);
        kernels().gemm.block_gemm(&g);
      }
    }
  }

  void set_a(BlockGemmArgs& g, int64_t row, int64_t k0) {
    if (plan_.slivers) {
      g.a = slivers_.data() + row * k_ + k0 * plan_.tile;
      g.a_row = 1;
      g.a_step = plan_.tile;
      g.a_tile = plan_.tile * k_;
    } else {
      g.a = a_.as<float>() + row * a_.strides[0] + k0 * a_.strides[1];
      g.a_row = a_.strides[0];
      g.a_step = a_.strides[1];
      g.a_tile = plan_.tile * g.a_row;
    }
  }

  // Where B lies, and what is wanted after it.
  void set_b(BlockGemmArgs& g, int64_t tiles, Range panels, int64_t panel, int64_t k0, bool more_passes,
             float* own) {
    const BlockPlan& p = plan_;
    const bool last = panel + 1 == panels.end, more = panel + 1 < p.panels;
    if (p.share_b) {
      g.b = packed(panel, k0);
      g.ldb = p.width(panel);
      if (more) fetch(g, tiles, packed(panel + 1, k0), p.width(panel + 1));
    } else if (!p.copy_b && ((p.direct && g.columns % p.lanes == 0) || tiles > 0)) {
      g.b = source(panel, k0);
      g.ldb = b_.strides[0];
      if (!p.direct || g.columns % p.lanes != 0) g.packed = own;
      if (last && more_passes) fetch(g, tiles, source(panels.begin, k0 + p.depth), g.ldb);
      else if (more) fetch(g, tiles, source(panel + 1, k0), g.ldb);
    } else {
      pack(panel, k0, k0 + g.length, own);
      g.b = own;
      g.ldb = p.width(panel);
    }
    // Behind the last panel nothing of B is wanted; where it is the only one, the next rows of A are.
    if (p.panels == 1 && !more_passes && g.a_step == 1 && g.a_row < g.length + kLine) {
      g.next = g.a + g.a_tile;
      g.next_tiles = tiles - 1;
      g.next_lines = 1;
      g.next_jump = g.a_tile;
      g.next_step = kLine;
      g.next_every = 2;
    }
  }

  void add_chunks() {
    parallel_ranges(m_ * n_, kPackFloats / plan_.chunks, [&](int64_t begin, int64_t end) {
      for (int64_t chunk = 1; chunk < plan_.chunks; ++chunk) {
        const float* part = parts_.data() + (chunk - 1) * m_ * n_;
        for (int64_t i = begin; i < end; ++i) c_[i] += part[i];
      }
      for (int64_t i = begin; bias_ && i < end; ++i) c_[i] += bias_[i % n_];
    });
  }

  const View &a_, &b_;
  const float* bias_;
  float* c_;
  int64_t m_, k_, n_;
  bool a_rows_, b_rows_;
  BlockPlan plan_;
  bool streaming_;
  Scratch<float> packed_, slivers_, parts_;
};

}  // namespace

void gemm_packed(const View& a, const View& b, const float* bias, float* c) {
  const bool dense = a.strides[0] == 1 || a.strides[1] == 1;
  Scratch<float> turned(dense ? 0 : a.shape[0] * a.shape[1]);
  PackedProduct(dense ? a : with_rows(a, turned), b, bias, c).run();
}

}  // namespace pyconv
