// The figures below are milliseconds of two threads of a Xeon with AVX-512 and 2 MiB of second-level cache.
#include "ops/gemm/block_plan.h"

#include <algorithm>

#include "core/checked.h"
#include "kernels/select.h"
#include "ops/streaming.h"

namespace pyconv {
namespace {

// A task should have at least this many multiply-adds (about 2 us), and a large problem this many tasks; a
// small one is cut into blocks of rows, and into chunks of the reduction, for the sake of this many.
constexpr int64_t kTaskMacs = 1 << 18, kTasks = 64, kFewTasks = 8;
// A pass over the reduction at most. With AVX2, 1024 x 1024 x 1024, a depth of 1024 beats 512 by 3 % and 256
// by 7 %.
constexpr int64_t kDepth = 1024;
// Floats of a block of A, which shares the second-level cache with two panels of B, and its rows. The fewer
// rows, the more often B comes from further away; the more, the more of A is lost to C, whose rows are far
// apart. 1024 x 1024 x 1024 with 96, 128 and 192 rows: 6.53, 6.63, 6.70.
constexpr int64_t kBlockFloats = 3 << 15, kMinRows = 96, kMaxRows = 192, kWholeFloats = 3 << 16;
// A B of so many floats comes from memory: only once if up to so many rows are one block (300 x 4096 over
// 4096: 35.2 instead of 40.0).
constexpr int64_t kOneBlockRows = 512, kFarFloats = 1 << 22;
// Where few panels make few tasks, a block of rows still has eight tiles for each panel that it packs.
constexpr int64_t kFewRows = 48, kOnePanelRows = 384;
// From so many blocks on a panel is packed once for all. Packing rows of B costs only the stores of a tile,
// so three blocks may do it on their own, without waiting for each other.
constexpr int64_t kOwnRows = 3, kOwnColumns = 2;
// A short reduction is all about writing C: in blocks of few rows as long as they are, page after page (4096
// x 9216 over 32: 9.3 instead of 18.8); a shorter one past the caches (4096 x 25088 over 4: 10.4 instead
// of 15.1).
constexpr int64_t kShortDepth = 64, kShortRows = 48, kStreamedDepth = 8, kStreamedFloats = 1 << 20;
// With so few rows a row-major B is read where it lies, a few of its rows at a time and those far enough
// along for the processor to read ahead; with not many more it is read in the same order, but packed. 32 x
// 9216 over 4096 in passes of 32 and of 1024: 14.5 and 20.5.
constexpr int64_t kDirectRows = 8, kDirectDepth = 16, kThinRows = 64, kThinDepth = 32, kThinColumns = 1024,
                  kFewGroups = 4;
constexpr int64_t kThinFloats = 1 << 20;  // of a B that comes from beyond the second-level cache
// Chunks of the reduction are at least that long.
constexpr int64_t kChunk = 256;
// Columns of A are turned into slivers for so many panels, from that reduction on or where B has to be packed
// beforehand anyway. A given by columns, 256 x 256 x 256: 0.112 without and 0.132 with; 512 x 512 x 512: 0.98
// and 0.94; 1024 x 1024 x 1024, where its lines collide: 12.6 and 6.9.
constexpr int64_t kSliverDepth = 512, kSliverPanels = 4;

// Whether so many lines `stride` floats apart compete for the places of a second-level cache of 2048 sets: no
// more than 8 per set stay there beside the rest.
bool collide(int64_t stride, int64_t count) {
  if (stride == 0 || stride % kLineFloats != 0) return false;
  const int64_t lines = stride / kLineFloats;
  return count > 8 * std::max<int64_t>(1, 2048 / (lines & -lines));
}

}  // namespace

BlockPlan block_plan(const ProductShape& s) {
  BlockPlan p{};
  p.lanes = kernels().lanes;
  p.vectors = ceil_div(s.n, p.lanes);
  const int64_t panel = kernels().gemm.panel;
  p.panels = ceil_div(p.vectors * p.lanes, panel);
  p.tile = block_tile_rows(kernels().lanes, p.vectors);
  p.direct = s.b_rows && s.m <= kDirectRows;
  p.streaming = s.k <= kStreamedDepth && s.m * s.n >= kStreamedFloats && s.n % kLineFloats == 0;

  const double macs = static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k);
  const int64_t wanted = static_cast<int64_t>(std::clamp(macs / kTaskMacs, 1.0, double{kTasks}));
  const int64_t few = std::min(wanted, kFewTasks);
  const int64_t deep = std::min(s.k, kDepth);
  const bool one_block = s.m <= kOneBlockRows && s.k * s.n >= kFarFloats && p.panels >= kFewTasks;

  p.row_blocks = 1;
  if (!p.direct) {
    if (p.panels == 1) p.row_blocks = std::clamp<int64_t>(s.m / kOnePanelRows, 1, wanted);
    else if (s.k > kStreamedDepth && s.k <= kShortDepth && p.panels >= kFewTasks &&
             s.m >= kFewTasks * kShortRows)
      p.row_blocks = ceil_div(s.m, kShortRows);
    else if (s.m > kWholeFloats / deep && !one_block)
      p.row_blocks = ceil_div(s.m, std::clamp(kBlockFloats / deep, kMinRows, kMaxRows));
    if (p.row_blocks * p.panels < few)
      p.row_blocks =
          std::clamp(ceil_div(few, p.panels), p.row_blocks, std::max(p.row_blocks, s.m / kFewRows));
  }
  p.rows = round_up(ceil_div(s.m, p.row_blocks), p.tile);
  p.row_blocks = ceil_div(s.m, p.rows);

  p.group = ceil_div(p.panels, ceil_div(wanted, p.row_blocks));
  const int64_t deepest = std::min(kDepth, one_block ? kWholeFloats / s.m : kDepth);
  p.depth = ceil_div(s.k, ceil_div(s.k, deepest));
  const bool thin = s.b_rows && s.m <= kThinRows && s.k >= 4 * kThinDepth && s.k * s.n >= kThinFloats;
  if (p.direct || thin) {
    p.group = std::max(p.group, std::min(kThinColumns / panel, p.panels / kFewGroups));
    p.depth = std::min(s.k, p.direct ? kDirectDepth : kThinDepth);
  }
  p.groups = ceil_div(p.panels, p.group);

  p.chunks = 1;
  if (!p.direct && p.row_blocks * p.groups < few)
    p.chunks = std::clamp<int64_t>(s.k / kChunk, 1, ceil_div(few, p.row_blocks * p.groups));
  p.chunk = ceil_div(s.k, p.chunks);
  p.depth = std::min(p.depth, p.chunk);

  p.copy_b = !s.b_rows || (!p.direct && collide(s.b_stride, p.depth));
  p.share_b = p.panels > 1 && (p.row_blocks > (s.b_rows ? kOwnRows : kOwnColumns) ||
                               (p.row_blocks > 1 && s.b_rows && p.copy_b));
  p.slivers =
      !s.a_rows && p.panels > 1 &&
      ((p.panels >= kSliverPanels && (s.k >= kSliverDepth || p.share_b)) || collide(s.a_stride, p.depth));
  return p;
}

}  // namespace pyconv
