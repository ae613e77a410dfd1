// The statistics that an epilogue takes of an output: a pair of sums per block of it and channel, merged in
// double in the order of the blocks.
#pragma once

#include <algorithm>

#include "core/arena.h"
#include "ops/conv/conv.h"

namespace pyconv {

class BlockSums {
 public:
  BlockSums(const ConvEpilogue& epilogue, int64_t blocks, int64_t channels)
      : epilogue_(epilogue),
        blocks_(epilogue.sum ? blocks : 0),
        channels_(channels),
        sums_(blocks_ * channels * 2) {
    std::fill_n(sums_.data(), blocks_ * channels * 2, 0.0f);
  }
  // Where a block adds up its sums; null when none are wanted.
  float* sum(int64_t block) { return blocks_ ? sums_.data() + block * channels_ * 2 : nullptr; }
  float* sum_squares(int64_t block) { return blocks_ ? sum(block) + channels_ : nullptr; }

  void finish() {
    for (int64_t k = 0; epilogue_.sum && k < channels_; ++k) {
      epilogue_.sum[k] = epilogue_.sum_squares[k] = 0;
      for (int64_t block = 0; block < blocks_; ++block) {
        epilogue_.sum[k] += static_cast<double>(sum(block)[k]);
        epilogue_.sum_squares[k] += static_cast<double>(sum_squares(block)[k]);
      }
    }
  }

 private:
  const ConvEpilogue& epilogue_;
  int64_t blocks_, channels_;
  Scratch<float> sums_;
};

}  // namespace pyconv
