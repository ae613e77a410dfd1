// Dense channels-last float32 memory of a view (n, c, spatial...): the view's own when it already is that,
// else scratch that is filled from it (Input) or copied to it at the end (Output).
#pragma once

#include <optional>

#include "core/arena.h"
#include "core/view.h"

namespace pyconv {

// Whether channels are contiguous and pixels dense, for any number of spatial axes.
bool is_channels_last(const View& view);

class ChannelsLastInput {
 public:
  explicit ChannelsLastInput(const View& view);
  const float* data() const { return data_; }

 private:
  std::optional<Scratch<float>> copy_;
  const float* data_;
};

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
