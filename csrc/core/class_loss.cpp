#include "core/class_loss.h"

#include "core/chunks.h"
#include "core/error.h"
#include "core/parallel.h"

namespace pyconv {
namespace {

std::string place(const Dims& shape, int64_t number) {
  if (shape.rank == 0) return "target";
  std::string text;
  for (int a = shape.rank - 1; a >= 0; --a) {
    text = cat(number % shape[a], text.empty() ? "" : ", ", text);
    number /= shape[a];
  }
  return cat("target[", text, "]");
}

// Which sample, how many classes, and what is likely wrong.
std::string diagnosis(const Dims& shape, int64_t number, int64_t label, int64_t classes) {
  std::string text = ": ";
  if (shape.rank > 0) {
    for (int a = shape.rank - 1; a > 0; --a) number /= shape[a];
    text += cat("sample ", number, ", ");
  }
  text += cat(classes, classes == 1 ? " class" : " classes");
  if (label == classes)
    return text + cat("; do labels count from 1? Else the last layer needs ", label + 1, " outputs");
  if (label > classes && label < (int64_t{1} << 31))
    text += cat("; the last layer needs ", label + 1, " outputs for it");
  return text;
}

template <class T>
void read(const char* op, const View& target, int64_t classes, int64_t ignore_index, int64_t* labels) {
  const T* const data = target.as<T>();
  for_offsets(target, 0, target.count(), [&](int64_t i, int64_t offset) {
    const int64_t label = static_cast<int64_t>(data[offset]);
    if (label == ignore_index) {
      labels[i] = kIgnored;
    } else if (label < 0 || label >= classes) {
      throw IndexError(cat("[", op, "] ", place(target.shape, i), " is ", label, ", expected 0 to ",
                           classes - 1, " (or ignore_index ", ignore_index, ")",
                           diagnosis(target.shape, i, label, classes)));
    } else {
      labels[i] = label;
    }
  });
}

}  // namespace

int softmax_axis(const char* op, const Dims& shape, int64_t axis) {
  const int64_t rank = shape.rank == 0 ? 1 : shape.rank;
  if (axis < -rank || axis >= rank)
    throw IndexError(cat("[", op, "] dim is ", axis, ", expected ", -rank, " to ", rank - 1,
                         " (input: ", text(shape), ")"));
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

int class_axis(const Dims& x) { return x.rank == 1 ? 0 : 1; }

Dims class_loss_shape(const char* op, const Dims& x, const Dims& target, const Dims* weight, bool soft) {
  if (x.rank < 1)
    throw ShapeError(cat("[", op, "] input is a scalar, expected (classes) or (samples, classes, ...)"));
  const int axis = class_axis(x);
  if (x[axis] == 0) throw ShapeError(cat("[", op, "] input has 0 classes (input: ", text(x), ")"));
  Dims losses;
  for (int a = 0; a < x.rank; ++a)
    if (a != axis) losses.push(x[a]);
  if (target != (soft ? x : losses))
    throw ShapeError(cat("[", op, "] target has shape ", text(target), ", expected ", text(soft ? x : losses),
                         " (input: ", text(x), ")"));
  if (weight && *weight != Dims{x[axis]})
    throw ShapeError(cat("[", op, "] weight has shape ", text(*weight), ", expected ", x[axis],
                         ", one number per class (input: ", text(x), ")"));
  return losses;
}

void read_labels(const char* op, const View& target, int64_t classes, int64_t ignore_index, int64_t* labels) {
  poll_interrupt();
  switch (target.dtype) {
    case DType::kInt64: return read<int64_t>(op, target, classes, ignore_index, labels);
    case DType::kInt32: return read<int32_t>(op, target, classes, ignore_index, labels);
    case DType::kUInt8: return read<uint8_t>(op, target, classes, ignore_index, labels);
    default:
      throw DTypeError(
          cat("[", op, "] target has dtype ", name(target.dtype), ", expected int64, int32 or uint8"));
  }
}

}  // namespace pyconv
