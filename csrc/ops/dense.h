// Dense memory of a view in the order that a kernel wants: the view's own when it already has that order,
// else scratch that is filled from it (DenseInput) or copied to it at the end (ChannelsLastOutput). The
// copies are counted.
#pragma once

#include <optional>

#include "core/arena.h"
#include "core/view.h"

namespace pyconv {

// Channels-last here is defined for (n, c, spatial...) with any number of spatial axes; else C order.
class DenseInput {
 public:
  DenseInput(const View& view, bool channels_last);
  template <class T>
  const T* as() const {
    return static_cast<const T*>(data_);
  }

 private:
  std::optional<Scratch<char>> copy_;
  const void* data_;
};

// Of float32.
class ChannelsLastOutput {
 public:
  explicit ChannelsLastOutput(const View& view);
  float* data() { return data_; }
  void finish();  // to be called when everything is written

 private:
  View view_;
  std::optional<Scratch<float>> copy_;
  float* data_;
};

}  // namespace pyconv
