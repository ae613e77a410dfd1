#include "core/view.h"

namespace pyconv {

const char* name(DType dtype) {
  switch (dtype) {
    case DType::kFloat32: return "float32";
    case DType::kFloat64: return "float64";
    case DType::kInt64: return "int64";
    case DType::kInt32: return "int32";
    case DType::kUInt8: return "uint8";
    case DType::kBool: return "bool";
  }
  return "?";
}

int64_t item_size(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
    case DType::kInt32: return 4;
    case DType::kFloat64:
    case DType::kInt64: return 8;
    case DType::kUInt8:
    case DType::kBool: return 1;
  }
  return 1;
}

View dense_view(void* data, DType dtype, const Dims& shape, bool channels_last) {
  View v;
  v.data = data;
  v.dtype = dtype;
  v.shape = shape;
  v.strides = dense_strides(shape, channels_last);
  return v;
}

bool is_dense(const View& view, bool channels_last) {
  if (view.count() == 0) return true;
  const Dims want = dense_strides(view.shape, channels_last);
  for (int i = 0; i < view.rank(); ++i)
    if (view.shape[i] != 1 && view.strides[i] != want[i]) return false;
  return true;
}

View permute(const View& view, const Dims& order) {
  View out = view;
  for (int i = 0; i < order.rank; ++i) {
    out.shape[i] = view.shape[static_cast<int>(order[i])];
    out.strides[i] = view.strides[static_cast<int>(order[i])];
  }
  return out;
}

View broadcast_to(const View& view, const Dims& shape) {
  View out = view;
  out.shape = shape;
  out.strides = Dims();
  out.strides.rank = shape.rank;
  for (int i = 0; i < shape.rank; ++i) {
    const int j = i - (shape.rank - view.rank());
    out.strides[i] = (j < 0 || view.shape[j] == 1) ? 0 : view.strides[j];
  }
  return out;
}

}  // namespace pyconv
