#include "ops/gemm/panels.h"

#include <algorithm>

#include "core/checked.h"
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

void pack_panel(const PanelLayout& layout, int64_t panel, const float* b, int64_t row_stride,
                int64_t column_stride, float* packed) {
  const int64_t columns = layout.columns(panel), ld = layout.ld(panel);
  float* out = packed + layout.offset(panel);
  const float* in = b + panel * layout.width * column_stride;
  if (column_stride == 1) {
    for (int64_t row = 0; row < layout.k; ++row) {
      std::copy_n(in + row * row_stride, columns, out + row * ld);
      std::fill(out + row * ld + columns, out + (row + 1) * ld, 0.0f);
    }
    return;
  }
  // Transposing: 16 x 16 squares, so that both sides stay within a few cache lines.
  constexpr int64_t kSquare = 16;
  for (int64_t row0 = 0; row0 < layout.k; row0 += kSquare) {
    const int64_t row1 = std::min(layout.k, row0 + kSquare);
    for (int64_t column0 = 0; column0 < columns; column0 += kSquare) {
      const int64_t column1 = std::min(columns, column0 + kSquare);
      for (int64_t column = column0; column < column1; ++column)
        for (int64_t row = row0; row < row1; ++row)
          out[row * ld + column] = in[row * row_stride + column * column_stride];
    }
    for (int64_t row = row0; row < row1; ++row)
      std::fill(out + row * ld + columns, out + (row + 1) * ld, 0.0f);
  }
}

RunChunks::RunChunks(const std::vector<Run>& runs) {
  int64_t room = 0, b_row = 0;
  for (Run run : runs) {
    while (run.length > 0) {
      if (room == 0) {
        chunks_.push_back({static_cast<int64_t>(runs_.size()), 0, b_row});
        room = kChunk;
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
                   const float* const* a, float* const* c, int64_t rows, int64_t panel_begin,
                   int64_t panel_end, const float* output, const RowEpilogue& epilogue) {
  const GemmKernels& kernel = kernels().gemm;
  Scratch<float*> columns(rows);
  Scratch<const float*> residual(epilogue.residual ? rows : 0);
  for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
    const int64_t column = panel * layout.width;
    for (int64_t i = 0; i < rows; ++i) columns[i] = c[i] + column;
    if (epilogue.residual)
      for (int64_t i = 0; i < rows; ++i) residual[i] = epilogue.residual + (columns[i] - output);
    Epilogue e{};
    e.bias = epilogue.bias ? epilogue.bias + column : nullptr;
    e.residual = epilogue.residual ? residual.data() : nullptr;
    e.relu = epilogue.relu;
    e.shift = epilogue.shift ? epilogue.shift + column : nullptr;
    e.sum = epilogue.sum ? epilogue.sum + column : nullptr;
    e.sum_squares = epilogue.sum_squares ? epilogue.sum_squares + column : nullptr;

    RowGemmArgs g{};
    g.a = a;
    g.ldb = layout.ld(panel);
    g.c = columns;
    g.rows = rows;
    g.columns = static_cast<int>(layout.columns(panel));
    const auto& chunks = reduction.chunks();
    for (size_t i = 0; i < chunks.size(); ++i) {
      g.runs = reduction.runs(chunks[i]);
      g.run_count = chunks[i].run_count;
      g.b = packed + layout.offset(panel) + chunks[i].b_row * g.ldb;
      g.first = i == 0;
      g.epilogue = i + 1 == chunks.size() && epilogue.any() ? &e : nullptr;
      kernel.row_gemm(&g);
    }
  }
}

}  // namespace pyconv
