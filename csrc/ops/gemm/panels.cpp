#include "ops/gemm/panels.h"

#include <algorithm>

#include "core/checked.h"
#include "core/parallel.h"
#include "kernels/select.h"

namespace pyconv {

PanelLayout::PanelLayout(int64_t k_, int64_t n_)
    : k(k_), n(n_), width(kernels().gemm.panel), lanes(kernels().lanes) {}

int64_t PanelLayout::columns(int64_t panel) const { return std::min(width, n - panel * width); }
int64_t PanelLayout::ld(int64_t panel) const { return round_up(columns(panel), lanes); }
int64_t PanelLayout::floats() const {
  const int64_t last = panels() - 1;
  return last < 0 ? 0 : offset(last) + k * ld(last);
}

void copy_matrix(const float* src, int64_t row_stride, int64_t column_stride, int64_t rows, int64_t columns,
                 float* dst, int64_t ld) {
  if (column_stride == 1) {
    for (int64_t i = 0; i < rows; ++i) std::copy_n(src + i * row_stride, columns, dst + i * ld);
  } else if (row_stride == 1) {
    // 16 lines of the source at a time: more would be too many streams for the processor to prefetch.
    for (int64_t j = 0; j < columns; j += 16)
      kernels().layout.transpose(src + j * column_stride, column_stride, dst + j, ld,
                                 std::min<int64_t>(16, columns - j), rows);
  } else {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j) dst[i * ld + j] = src[i * row_stride + j * column_stride];
  }
}

View with_rows(const View& a, Scratch<float>& memory) {
  if (a.strides[1] == 1) return a;
  const int64_t rows = a.shape[0], columns = a.shape[1];
  const int64_t grain = std::max<int64_t>(16, (1 << 14) / columns / 16 * 16);
  parallel_ranges(rows, grain, [&](int64_t begin, int64_t end) {
    copy_matrix(a.as<float>() + begin * a.strides[0], a.strides[0], a.strides[1], end - begin, columns,
                memory.data() + begin * columns, columns);
  });
  return dense_view(memory.data(), DType::kFloat32, {rows, columns}, false);
}

void pack_columns(const float* b, int64_t row_stride, int64_t column_stride, int64_t rows, int64_t columns,
                  float* packed, int64_t ld) {
  copy_matrix(b, row_stride, column_stride, rows, columns, packed, ld);
  for (int64_t row = 0; columns < ld && row < rows; ++row)
    std::fill(packed + row * ld + columns, packed + (row + 1) * ld, 0.0f);
}

void pack_panel(const PanelLayout& layout, int64_t panel, int64_t k0, int64_t k1, const float* b,
                int64_t row_stride, int64_t column_stride, float* packed) {
  pack_columns(b + k0 * row_stride + panel * layout.width * column_stride, row_stride, column_stride, k1 - k0,
               layout.columns(panel), packed, layout.ld(panel));
}

RunChunks::RunChunks(const std::vector<Run>& runs) {
  int64_t total = 0, room = 0, b_row = 0;
  for (const Run& run : runs) total += run.length;
  const int64_t longest = total == 0 ? 1 : ceil_div(total, ceil_div(total, kLongest));
  for (Run run : runs) {
    while (run.length > 0) {
      if (room == 0) {
        chunks_.push_back({static_cast<int64_t>(runs_.size()), 0, b_row});
        room = longest;
      }
      const int64_t length = std::min(run.length, room);
      runs_.push_back({run.offset, length});
      ++chunks_.back().run_count;
      run.offset += length;
      run.length -= length;
      room -= length;
      b_row += length;
    }
  }
}

void multiply_rows(const PanelLayout& layout, const float* packed, const RunChunks& reduction,
                   const float* const* a, float** c, int64_t rows, int64_t panel_begin, int64_t panel_end,
                   const float* output, const RowEpilogue& epilogue, Ahead* ahead) {
  const GemmKernels& kernel = kernels().gemm;
  Scratch<const float*> residual(epilogue.residual ? rows : 0), mask(epilogue.mask ? rows : 0);
  const auto move = [&](int64_t columns) {
    for (int64_t i = 0; columns != 0 && i < rows; ++i) c[i] += columns;
  };
  for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
    const int64_t column = panel * layout.width;
    move(panel == panel_begin ? column : layout.width);
    if (epilogue.residual)
      for (int64_t i = 0; i < rows; ++i) residual[i] = epilogue.residual + (c[i] - output);
    if (epilogue.mask)
      for (int64_t i = 0; i < rows; ++i) mask[i] = epilogue.mask + (c[i] - output);
    Epilogue e{};
    e.bias = epilogue.bias ? epilogue.bias + column : nullptr;
    e.residual = epilogue.residual ? residual.data() : nullptr;
    e.mask = epilogue.mask ? mask.data() : nullptr;
    e.relu = epilogue.relu;
    e.shift = epilogue.shift ? epilogue.shift + column : nullptr;
    e.sum = epilogue.sum ? epilogue.sum + column : nullptr;
    e.sum_squares = epilogue.sum_squares ? epilogue.sum_squares + column : nullptr;

    RowGemmArgs g{};
    g.a = a;
    g.ldb = layout.ld(panel);
    g.c = c;
    g.rows = rows;
    g.columns = static_cast<int>(layout.columns(panel));
    g.ahead = ahead;
    const auto& chunks = reduction.chunks();
    g.streaming = epilogue.streaming && chunks.size() == 1;
    for (size_t i = 0; i < chunks.size(); ++i) {
      g.runs = reduction.runs(chunks[i]);
      g.run_count = chunks[i].run_count;
      g.b = packed + layout.offset(panel) + chunks[i].b_row * g.ldb;
      g.first = i == 0;
      g.epilogue = i + 1 == chunks.size() && epilogue.any() ? &e : nullptr;
      kernel.row_gemm(&g);
    }
  }
  if (panel_end > panel_begin) move(-(panel_end - 1) * layout.width);
}

}  // namespace pyconv
