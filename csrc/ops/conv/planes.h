// Memory of what has been transformed, plane by plane. Planes are an odd number of cache lines apart: with a
// power of two between them the 36 values of one point of a tile or a filter would compete for one set of the
// first-level cache (transforming a filter of 512 x 512 channels took three times as long).
#pragma once

#include "core/arena.h"
#include "core/checked.h"
#include "ops/gemm/panels.h"

namespace pyconv {

inline int64_t odd_lines(int64_t floats) { return (ceil_div(floats, 16) | 1) * 16; }

// Filters, or sums for their gradient: (panel, plane, source channel, column).
struct FilterPlanes {
  PanelLayout layout;
  int64_t planes;

  int64_t plane_pitch(int64_t panel) const { return odd_lines(layout.k * layout.ld(panel)); }
  int64_t offset(int64_t panel) const { return panel * planes * odd_lines(layout.k * layout.width); }
  int64_t floats() const {
    const int64_t last = layout.panels() - 1;
    return offset(last) + planes * plane_pitch(last);
  }
};

// Tiles: (plane, tile, channel).
class Planes {
 public:
  Planes(int64_t planes, int64_t tiles, int64_t channels)
      : tile_pitch_(odd_lines(channels)),
        plane_pitch_(odd_lines(tiles * tile_pitch_)),
        memory_(planes * plane_pitch_) {}

  static int64_t floats(int64_t planes, int64_t tiles, int64_t channels) {
    return planes * odd_lines(tiles * odd_lines(channels));
  }
  int64_t tile_pitch() const { return tile_pitch_; }
  int64_t plane_pitch() const { return plane_pitch_; }
  float* tile(int64_t plane, int64_t tile, int64_t channel = 0) {
    return memory_.data() + plane * plane_pitch_ + tile * tile_pitch_ + channel;
  }
  // Lets a TileRow write its tiles from `tile` and `channel` on.
  template <class Row>
  Row& into(Row& row, int64_t first_tile, int64_t channel = 0) {
    row.planes = tile(0, first_tile, channel);
    row.tile_pitch = tile_pitch_;
    row.plane_pitch = plane_pitch_;
    return row;
  }

 private:
  int64_t tile_pitch_, plane_pitch_;
  Scratch<float> memory_;
};

}  // namespace pyconv
