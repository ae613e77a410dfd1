#include "ops/channels_last.h"

#include "ops/layout.h"

namespace pyconv {
namespace {

// The view's shape on dense channels-last memory; unlike dense_view, for any number of spatial axes.
View pixel_major(const View& like, void* data) {
  View v = like;
  v.data = data;
  int64_t step = 1;
  v.strides[1] = step;
  step *= like.shape[1];
  for (int i = like.rank() - 1; i >= 2; --i) {
    v.strides[i] = step;
    step *= like.shape[i];
  }
  v.strides[0] = step;
  return v;
}

}  // namespace

bool is_channels_last(const View& view) {
  if (view.count() == 0) return true;
  const View want = pixel_major(view, nullptr);
  for (int i = 0; i < view.rank(); ++i)
    if (view.shape[i] != 1 && view.strides[i] != want.strides[i]) return false;
  return true;
}

ChannelsLastInput::ChannelsLastInput(const View& view) : data_(view.as<float>()) {
  if (is_channels_last(view)) return;
  copy_.emplace(view.count());
  count_copy(view.count() * item_size(DType::kFloat32));
  copy(pixel_major(view, copy_->data()), view);
  data_ = copy_->data();
}

ChannelsLastOutput::ChannelsLastOutput(const View& view) : view_(view), data_(view.as<float>()) {
  if (is_channels_last(view)) return;
  copy_.emplace(view.count());
  data_ = copy_->data();
}

void ChannelsLastOutput::finish() {
  if (!copy_) return;
  count_copy(view_.count() * item_size(DType::kFloat32));
  copy(view_, pixel_major(view_, copy_->data()));
}

}  // namespace pyconv
