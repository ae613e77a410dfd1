#include "ops/elementwise.h"

#include <atomic>
#include <cstring>
#include <optional>

#include "core/arena.h"
#include "core/error.h"
#include "core/iterator.h"
#include "kernels/select.h"
#include "ops/streaming.h"
#include "ref/elementwise.h"

namespace pyconv {
namespace {

constexpr double kNoParam[2] = {};

int width(DType dtype) {
  switch (dtype) {
    case DType::kBool: return 0;
    case DType::kUInt8: return 1;
    case DType::kInt32: return 2;
    case DType::kInt64: return 3;
    case DType::kFloat32: return 4;
    case DType::kFloat64: return 5;
  }
  return 5;
}
bool is_float(DType dtype) { return width(dtype) >= 4; }

template <class Op>
MapLoop reference(Op op, DType dtype) {
  if constexpr (std::is_same_v<Op, Unary>) return ref_unary(op, dtype);
  else if constexpr (std::is_same_v<Op, Binary>) return ref_binary(op, dtype);
  else return ref_ternary(op, dtype);
}
const char* op_name(Unary op) { return kUnaryNames[static_cast<int>(op)]; }
const char* op_name(Binary op) { return kBinaryNames[static_cast<int>(op)]; }
const char* op_name(Ternary op) { return kTernaryNames[static_cast<int>(op)]; }

bool gives_bool(Unary op) { return op >= Unary::kLogicalNot; }
bool gives_bool(Binary op) { return op >= Binary::kEq && op <= Binary::kLogicalXor; }
bool gives_bool(Ternary) { return false; }

template <class Op>
OpTypes types_of(Op op, DType operand) {
  DType compute = operand;
  // Whole numbers have a float32 where there is no loop for them; bool only where any number would do.
  if (!reference(op, compute)) {
    const bool only_floats = !reference(op, DType::kInt64);
    if (!only_floats) throw DTypeError(cat("[", op_name(op), "] is not defined on ", name(operand)));
    compute = DType::kFloat32;
  }
  return {compute, gives_bool(op) ? DType::kBool : compute};
}

template <class Op>
MapLoop loop_for(Op op, DType dtype) {
  if (dtype == DType::kFloat32) {
    const ElementwiseKernels& k = kernels().elementwise;
    const int code = static_cast<int>(op);
    MapLoop loop;
    if constexpr (std::is_same_v<Op, Unary>) loop = k.unary[code];
    else if constexpr (std::is_same_v<Op, Binary>) loop = k.binary[code];
    else loop = k.ternary[code];
    if (loop) return loop;
  }
  return reference(op, dtype);
}

// The loop that writes past the caches, if there is one; else null.
template <class Op>
MapLoop stream_for(Op op, DType dtype) {
  if constexpr (std::is_same_v<Op, Ternary>) return nullptr;
  else if (dtype != DType::kFloat32) return nullptr;
  else if constexpr (std::is_same_v<Op, Unary>)
    return kernels().elementwise.unary_stream[static_cast<int>(op)];
  else return kernels().elementwise.binary_stream[static_cast<int>(op)];
}

// Large, all operands one consecutive run, and y not one of them: its lines would be in the cache already.
bool can_stream(const Loop& loop) {
  bool fits = loop.rank == 1 &&
              streams(reinterpret_cast<const float*>(loop.data[0]), loop.count / kLineFloats, kLineFloats);
  for (int k = 0; k < loop.operands; ++k)
    fits = fits && loop.stride[0][k] == 1 && (k == 0 || loop.data[k] != loop.data[0]);
  return fits;
}

void run(MapLoop map, std::initializer_list<View> operands, const double* param, MapLoop stream = nullptr) {
  const Loop loop = make_loop(operands);
  const MapLoop body = stream && can_stream(loop) ? stream : map;
  parallel_walk(loop,
                [&](int64_t n, char* const* data, const int64_t* strides) { body(n, data, strides, param); });
}

// y = x, of the same shape, in y's type; their memory must not overlap.
void convert(const View& x, const View& y) { run(ref_convert(y.dtype, x.dtype), {y, x}, kNoParam); }

// Dense memory for a copy of `like`, with its axes in the same order.
class Temporary {
 public:
  Temporary(const View& like, DType dtype) : memory_(like.count() * item_size(dtype)) {
    view_ = dense_view(memory_.data(), dtype, like.shape, like.rank() > 1 && like.strides[1] == 1);
  }
  const View& view() const { return view_; }

 private:
  Scratch<char> memory_;
  View view_;
};

// An operand as the loop needs it: of type `dtype` and of the output's shape.
class Operand {
 public:
  Operand(const View& x, DType dtype, const Dims& shape) : view_(x) {
    if (x.dtype != dtype) {
      converted_.emplace(x, dtype);
      convert(x, converted_->view());
      view_ = converted_->view();
    }
    view_ = broadcast_to(view_, shape);
  }
  const View& view() const { return view_; }

 private:
  std::optional<Temporary> converted_;
  View view_;
};

// Where the loop writes: y itself, or memory of its own where y's lies across an operand's.
class Result {
 public:
  Result(const View& y, std::initializer_list<View> operands) : target_(y), view_(y) {
    for (const View& x : operands)
      if (overlap(y, x) == Overlap::kPartial) {
        own_.emplace(y, y.dtype);
        view_ = own_->view();
        return;
      }
  }
  const View& view() const { return view_; }
  void finish() const {
    if (own_) convert(view_, target_);
  }

 private:
  std::optional<Temporary> own_;
  View target_, view_;
};

}  // namespace

DType promote(DType a, DType b) { return width(a) >= width(b) ? a : b; }

void Promotion::array(DType dtype, int rank) {
  const int level = rank > 0 ? 0 : 1;
  best_[level] = has_[level] ? promote(best_[level], dtype) : dtype;
  has_[level] = true;
}

void Promotion::number(DType dtype) {
  best_[2] = has_[2] ? promote(best_[2], dtype) : dtype;
  has_[2] = true;
}

DType Promotion::result() const {
  DType out = DType::kBool;
  bool any = false;
  for (int level = 2; level >= 0; --level) {
    if (!has_[level]) continue;
    const DType higher = best_[level];
    const bool mixed = any && !is_float(higher) && (higher == DType::kBool || is_float(out));
    out = mixed ? promote(higher, out) : higher;
    any = true;
  }
  return out;
}

OpTypes types(Unary op, DType operand) { return types_of(op, operand); }
OpTypes types(Binary op, DType operand) { return types_of(op, operand); }
OpTypes types(Ternary op, DType operand) { return types_of(op, operand); }

void unary(Unary op, DType compute, const View& a, const View& y, const double* param) {
  const Operand x(a, compute, y.shape);
  const Result result(y, {x.view()});
  run(loop_for(op, compute), {result.view(), x.view()}, param, stream_for(op, compute));
  result.finish();
}

void binary(Binary op, DType compute, const View& a, const View& b, const View& y, const double* param) {
  const Operand x1(a, compute, y.shape), x2(b, compute, y.shape);
  const Result result(y, {x1.view(), x2.view()});
  run(loop_for(op, compute), {result.view(), x1.view(), x2.view()}, param, stream_for(op, compute));
  result.finish();
}

void ternary(Ternary op, DType compute, const View& a, const View& b, const View& c, const View& y) {
  const Operand x1(a, op == Ternary::kWhere ? DType::kBool : compute, y.shape), x2(b, compute, y.shape),
      x3(c, compute, y.shape);
  const Result result(y, {x1.view(), x2.view(), x3.view()});
  run(loop_for(op, compute), {result.view(), x1.view(), x2.view(), x3.view()}, kNoParam);
  result.finish();
}

void assign(const View& x, const View& y) {
  const View from = broadcast_to(x, y.shape);
  const Result result(y, {from});
  convert(from, result.view());
  result.finish();
}

bool all_finite(const View& x) {
  if (!is_float(x.dtype)) return true;
  std::atomic<bool> finite{true};
  // The exponent's bits are all set in infinities and NaN.
  const bool single = x.dtype == DType::kFloat32;
  parallel_walk(make_loop({x}), [&](int64_t n, char* const* data, const int64_t* strides) {
    bool bad = false;
    for (int64_t i = 0; i < n; ++i) {
      if (single) {
        uint32_t bits;
        std::memcpy(&bits, data[0] + i * strides[0] * 4, 4);
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
      } else {
        uint64_t bits;
        std::memcpy(&bits, data[0] + i * strides[0] * 8, 8);
        bad |= (bits & 0x7ff0000000000000u) == 0x7ff0000000000000u;
      }
    }
    if (bad) finite = false;
  });
  return finite;
}

}  // namespace pyconv
