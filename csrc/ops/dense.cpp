#include "ops/dense.h"

#include "ops/layout.h"

namespace pyconv {
namespace {

// The view's shape on dense channels-last memory; unlike dense_view, for any number of spatial axes.
View pixel_major(const View& like, void* data) {
  View v = like;
  v.data = data;
  int64_t step = like.shape[1];
  v.strides[1] = 1;
  for (int i = like.rank() - 1; i >= 2; --i) {
    v.strides[i] = step;
    step *= like.shape[i];
  }
  v.strides[0] = step;
  return v;
}

bool same_memory(const View& view, const View& want) {
  if (view.count() == 0) return true;
  for (int i = 0; i < view.rank(); ++i)
    if (view.shape[i] != 1 && view.strides[i] != want.strides[i]) return false;
  return true;
}

}  // namespace

DenseInput::DenseInput(const View& view, bool channels_last) : data_(view.data) {
  View dense =
      channels_last ? pixel_major(view, nullptr) : dense_view(nullptr, view.dtype, view.shape, false);
  if (same_memory(view, dense)) return;
  const int64_t bytes = view.count() * item_size(view.dtype);
  copy_.emplace(bytes);
  count_copy(bytes);
  dense.data = copy_->data();
  copy(dense, view);
  data_ = dense.data;
}

ChannelsLastOutput::ChannelsLastOutput(const View& view) : view_(view), data_(view.as<float>()) {
  if (same_memory(view, pixel_major(view, nullptr))) return;
  copy_.emplace(view.count());
  data_ = copy_->data();
}

void ChannelsLastOutput::finish() {
  if (!copy_) return;
  count_copy(view_.count() * item_size(DType::kFloat32));
  copy(view_, pixel_major(view_, copy_->data()));
}

}  // namespace pyconv
