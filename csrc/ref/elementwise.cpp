#include "ref/elementwise.h"

#include <cmath>
#include <limits>
#include <type_traits>

namespace pyconv {
namespace {

// f is a struct with a static operator: y = F::run(x...). Loops: y[i] = f(a[i], b[i], c[i]).
template <class R, class T, class F>
void loop1(int64_t n, char* const* d, const int64_t* s, const double* param) {
  R* y = reinterpret_cast<R*>(d[0]);
  const T* a = reinterpret_cast<const T*>(d[1]);
  for (int64_t i = 0; i < n; ++i) y[i * s[0]] = static_cast<R>(F::run(a[i * s[1]], param));
}
template <class R, class T, class F>
void loop2(int64_t n, char* const* d, const int64_t* s, const double* param) {
  R* y = reinterpret_cast<R*>(d[0]);
  const T *a = reinterpret_cast<const T*>(d[1]), *b = reinterpret_cast<const T*>(d[2]);
  for (int64_t i = 0; i < n; ++i) y[i * s[0]] = static_cast<R>(F::run(a[i * s[1]], b[i * s[2]], param));
}
template <class T, class F>
void loop3(int64_t n, char* const* d, const int64_t* s, const double*) {
  T* y = reinterpret_cast<T*>(d[0]);
  const T *a = reinterpret_cast<const T*>(d[1]), *b = reinterpret_cast<const T*>(d[2]),
          *c = reinterpret_cast<const T*>(d[3]);
  for (int64_t i = 0; i < n; ++i) y[i * s[0]] = static_cast<T>(F::run(a[i * s[1]], b[i * s[2]], c[i * s[3]]));
}

// The type in which T is computed: double for floats, wrapping 64 bits for whole numbers.
template <class T>
using Wide = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;
template <class T>
Wide<T> wide(T x) {
  return static_cast<Wide<T>>(x);
}
template <class T>
constexpr bool kFloat = std::is_floating_point_v<T>;

template <class T>
bool is_nan(T x) {
  return x != x;
}

// The nearest value that T has.
template <class T>
T saturate(double x) {
  if (x >= static_cast<double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
  if (x <= static_cast<double>(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
  return static_cast<T>(x);
}

// clang-format off: a formula is a line
// --- arithmetic on any number ---
struct Neg { template <class T> static auto run(T a, const double*) { return kFloat<T> ? -wide(a) : Wide<T>{} - wide(a); } };
struct Abs { template <class T> static auto run(T a, const double*) { return a < T{} ? Wide<T>{} - wide(a) : kFloat<T> ? static_cast<Wide<T>>(std::fabs(static_cast<double>(a))) : wide(a); } };
struct Sign { template <class T> static int run(T a, const double*) { return (a > T{}) - (a < T{}); } };
struct Square { template <class T> static auto run(T a, const double*) { return wide(a) * wide(a); } };
struct Relu { template <class T> static T run(T a, const double*) { return a < T{} ? T{} : a; } };
struct Clamp {
  template <class T> static auto run(T a, const double* p) {
    if constexpr (kFloat<T>) return is_nan(a) ? double{a} : std::fmin(std::fmax(a, p[0]), p[1]);
    else {
      const T lo = saturate<T>(p[0]), hi = saturate<T>(p[1]), raised = a < lo ? lo : a;
      return raised > hi ? hi : raised;
    }
  }
};
struct Add { template <class T> static auto run(T a, T b, const double*) { return wide(a) + wide(b); } };
struct Sub { template <class T> static auto run(T a, T b, const double*) { return wide(a) - wide(b); } };
struct Mul { template <class T> static auto run(T a, T b, const double*) { return wide(a) * wide(b); } };
struct Div { static double run(double a, double b, const double*) { return a / b; } };
struct Pow {
  template <class T> static auto run(T a, T b, const double*) {
    if constexpr (kFloat<T>) return std::pow(double{a}, double{b});
    else {
      // A negative exponent leaves the whole part of the fraction: 1 and -1 have one, others give 0.
      if (std::is_signed_v<T> && b < T{}) {
        const bool minus_one = a == static_cast<T>(-1);
        return a == T{1} || (minus_one && b % 2 == 0) ? uint64_t{1} : minus_one ? ~uint64_t{0} : uint64_t{0};
      }
      uint64_t base = wide(a), power = wide(b), y = 1;
      for (; power; power >>= 1, base *= base)
        if (power & 1) y *= base;
      return y;
    }
  }
};
struct Minimum { template <class T> static T run(T a, T b, const double*) { return is_nan(a) ? a : is_nan(b) ? b : a < b ? a : b; } };
struct Maximum { template <class T> static T run(T a, T b, const double*) { return is_nan(a) ? a : is_nan(b) ? b : a > b ? a : b; } };

// --- functions of a float ---
struct Exp { static double run(double a, const double*) { return std::exp(a); } };
struct Expm1 { static double run(double a, const double*) { return std::expm1(a); } };
struct Log { static double run(double a, const double*) { return std::log(a); } };
struct Log1p { static double run(double a, const double*) { return std::log1p(a); } };
struct Sqrt { static double run(double a, const double*) { return std::sqrt(a); } };
struct Rsqrt { static double run(double a, const double*) { return 1 / std::sqrt(a); } };
struct Reciprocal { static double run(double a, const double*) { return 1 / a; } };
struct Sin { static double run(double a, const double*) { return std::sin(a); } };
struct Cos { static double run(double a, const double*) { return std::cos(a); } };
struct Floor { static double run(double a, const double*) { return std::floor(a); } };
struct Ceil { static double run(double a, const double*) { return std::ceil(a); } };
struct Round { static double run(double a, const double*) { return std::nearbyint(a); } };
struct Sigmoid { static double run(double a, const double*) { return 1 / (1 + std::exp(-a)); } };
struct Tanh { static double run(double a, const double*) { return std::tanh(a); } };
struct Erf { static double run(double a, const double*) { return std::erf(a); } };

// --- true or false ---
struct LogicalNot { template <class T> static bool run(T a, const double*) { return a == T{}; } };
struct IsFinite { template <class T> static bool run(T a, const double*) { return std::isfinite(static_cast<double>(a)); } };
struct IsNan { template <class T> static bool run(T a, const double*) { return is_nan(a); } };
struct Eq { template <class T> static bool run(T a, T b, const double*) { return a == b; } };
struct Ne { template <class T> static bool run(T a, T b, const double*) { return a != b; } };
struct Lt { template <class T> static bool run(T a, T b, const double*) { return a < b; } };
struct Le { template <class T> static bool run(T a, T b, const double*) { return a <= b; } };
struct Gt { template <class T> static bool run(T a, T b, const double*) { return a > b; } };
struct Ge { template <class T> static bool run(T a, T b, const double*) { return a >= b; } };
struct And { template <class T> static bool run(T a, T b, const double*) { return a != T{} && b != T{}; } };
struct Or { template <class T> static bool run(T a, T b, const double*) { return a != T{} || b != T{}; } };
struct Xor { template <class T> static bool run(T a, T b, const double*) { return (a != T{}) != (b != T{}); } };

// --- gradients ---
struct ReluGrad { static double run(double gy, double x, const double*) { return x <= 0 ? 0 : gy; } };
struct ClampGrad { static double run(double gy, double x, const double* p) { return p[0] <= x && x <= p[1] ? gy : 0; } };
struct AbsGrad { static double run(double gy, double x, const double*) { return gy * ((x > 0) - (x < 0)); } };
struct SquareGrad { static double run(double gy, double x, const double*) { return 2 * gy * x; } };
struct Log1pGrad { static double run(double gy, double x, const double*) { return gy / (1 + x); } };
struct SinGrad { static double run(double gy, double x, const double*) { return gy * std::cos(x); } };
struct CosGrad { static double run(double gy, double x, const double*) { return -gy * std::sin(x); } };
struct ErfGrad { static double run(double gy, double x, const double*) { return gy * 1.1283791670955126 * std::exp(-x * x); } };
struct Expm1Grad { static double run(double gy, double y, const double*) { return gy * (y + 1); } };
struct SqrtGrad { static double run(double gy, double y, const double*) { return gy / (2 * y); } };
struct RsqrtGrad { static double run(double gy, double y, const double*) { return -0.5 * gy * y * y * y; } };
struct ReciprocalGrad { static double run(double gy, double y, const double*) { return -gy * y * y; } };
struct SigmoidGrad { static double run(double gy, double y, const double*) { return gy * y * (1 - y); } };
struct TanhGrad { static double run(double gy, double y, const double*) { return gy * (1 - y) * (1 + y); } };

struct DivGrad { static double run(double gy, double y, double b) { return -gy * y / b; } };
struct MaximumGrad { static double run(double gy, double a, double b) { return a < b ? 0 : a == b ? gy / 2 : gy; } };
struct MinimumGrad { static double run(double gy, double a, double b) { return MaximumGrad::run(gy, b, a); } };
struct PowGradBase { static double run(double gy, double a, double b) { return b == 0 ? 0 : gy * b * std::pow(a, b - 1); } };
struct PowGradExponent { static double run(double gy, double a, double b) { return a == 0 && b >= 0 ? 0 : gy * std::pow(a, b) * std::log(a); } };
// clang-format on

template <class T>
void where_loop(int64_t n, char* const* d, const int64_t* s, const double*) {
  T* y = reinterpret_cast<T*>(d[0]);
  const bool* c = reinterpret_cast<const bool*>(d[1]);
  const T *a = reinterpret_cast<const T*>(d[2]), *b = reinterpret_cast<const T*>(d[3]);
  for (int64_t i = 0; i < n; ++i) y[i * s[0]] = c[i * s[1]] ? a[i * s[2]] : b[i * s[3]];
}

template <class To, class From>
To convert(From x) {
  if constexpr (std::is_same_v<To, bool>) return x != From{};
  else if constexpr (kFloat<From> && !kFloat<To>) {
    constexpr double low = static_cast<double>(std::numeric_limits<To>::min());
    constexpr double high = static_cast<double>(std::numeric_limits<To>::max());
    const double t = std::trunc(static_cast<double>(x));
    return t >= low && t <= high && t != 9223372036854775808.0 ? static_cast<To>(t)
                                                               : std::numeric_limits<To>::min();
  } else return static_cast<To>(x);
}
template <class To, class From>
void convert_loop(int64_t n, char* const* d, const int64_t* s, const double*) {
  To* y = reinterpret_cast<To*>(d[0]);
  const From* x = reinterpret_cast<const From*>(d[1]);
  for (int64_t i = 0; i < n; ++i) y[i * s[0]] = convert<To>(x[i * s[1]]);
}

// Calls f with a value of the C++ type that stands for `dtype`.
template <class F>
auto with_type(DType dtype, F f) {
  switch (dtype) {
    case DType::kFloat32: return f(float{});
    case DType::kFloat64: return f(double{});
    case DType::kInt64: return f(int64_t{});
    case DType::kInt32: return f(int32_t{});
    case DType::kUInt8: return f(uint8_t{});
    case DType::kBool: break;
  }
  return f(bool{});
}

template <class T>
MapLoop unary_of(Unary op) {
  switch (op) {
    case Unary::kLogicalNot: return loop1<bool, T, LogicalNot>;
    case Unary::kIsFinite: return loop1<bool, T, IsFinite>;
    case Unary::kIsNan: return loop1<bool, T, IsNan>;
    default: break;
  }
  if constexpr (!std::is_same_v<T, bool>) {
    switch (op) {
      case Unary::kNeg: return loop1<T, T, Neg>;
      case Unary::kAbs: return loop1<T, T, Abs>;
      case Unary::kSign: return loop1<T, T, Sign>;
      case Unary::kSquare: return loop1<T, T, Square>;
      case Unary::kRelu: return loop1<T, T, Relu>;
      case Unary::kClamp: return loop1<T, T, Clamp>;
      default: break;
    }
  }
  if constexpr (kFloat<T>) {
    switch (op) {
      case Unary::kExp: return loop1<T, T, Exp>;
      case Unary::kExpm1: return loop1<T, T, Expm1>;
      case Unary::kLog: return loop1<T, T, Log>;
      case Unary::kLog1p: return loop1<T, T, Log1p>;
      case Unary::kSqrt: return loop1<T, T, Sqrt>;
      case Unary::kRsqrt: return loop1<T, T, Rsqrt>;
      case Unary::kReciprocal: return loop1<T, T, Reciprocal>;
      case Unary::kSin: return loop1<T, T, Sin>;
      case Unary::kCos: return loop1<T, T, Cos>;
      case Unary::kFloor: return loop1<T, T, Floor>;
      case Unary::kCeil: return loop1<T, T, Ceil>;
      case Unary::kRound: return loop1<T, T, Round>;
      case Unary::kSigmoid: return loop1<T, T, Sigmoid>;
      case Unary::kTanh: return loop1<T, T, Tanh>;
      case Unary::kErf: return loop1<T, T, Erf>;
      default: break;
    }
  }
  return nullptr;
}

template <class T>
MapLoop binary_of(Binary op) {
  switch (op) {
    case Binary::kEq: return loop2<bool, T, Eq>;
    case Binary::kNe: return loop2<bool, T, Ne>;
    case Binary::kLt: return loop2<bool, T, Lt>;
    case Binary::kLe: return loop2<bool, T, Le>;
    case Binary::kGt: return loop2<bool, T, Gt>;
    case Binary::kGe: return loop2<bool, T, Ge>;
    case Binary::kLogicalAnd: return loop2<bool, T, And>;
    case Binary::kLogicalOr: return loop2<bool, T, Or>;
    case Binary::kLogicalXor: return loop2<bool, T, Xor>;
    case Binary::kMinimum: return loop2<T, T, Minimum>;
    case Binary::kMaximum: return loop2<T, T, Maximum>;
    case Binary::kAdd: return loop2<T, T, Add>;  // of bool: or, and
    case Binary::kMul: return loop2<T, T, Mul>;
    default: break;
  }
  if constexpr (!std::is_same_v<T, bool>) {
    if (op == Binary::kSub) return loop2<T, T, Sub>;
    if (op == Binary::kPow) return loop2<T, T, Pow>;
  }
  if constexpr (kFloat<T>) {
    switch (op) {
      case Binary::kDiv:
      case Binary::kLogGrad: return loop2<T, T, Div>;
      case Binary::kReluGrad: return loop2<T, T, ReluGrad>;
      case Binary::kClampGrad: return loop2<T, T, ClampGrad>;
      case Binary::kAbsGrad: return loop2<T, T, AbsGrad>;
      case Binary::kSquareGrad: return loop2<T, T, SquareGrad>;
      case Binary::kLog1pGrad: return loop2<T, T, Log1pGrad>;
      case Binary::kSinGrad: return loop2<T, T, SinGrad>;
      case Binary::kCosGrad: return loop2<T, T, CosGrad>;
      case Binary::kErfGrad: return loop2<T, T, ErfGrad>;
      case Binary::kExpm1Grad: return loop2<T, T, Expm1Grad>;
      case Binary::kSqrtGrad: return loop2<T, T, SqrtGrad>;
      case Binary::kRsqrtGrad: return loop2<T, T, RsqrtGrad>;
      case Binary::kReciprocalGrad: return loop2<T, T, ReciprocalGrad>;
      case Binary::kSigmoidGrad: return loop2<T, T, SigmoidGrad>;
      case Binary::kTanhGrad: return loop2<T, T, TanhGrad>;
      default: break;
    }
  }
  return nullptr;
}

template <class T>
MapLoop ternary_of(Ternary op) {
  if (op == Ternary::kWhere) return where_loop<T>;
  if constexpr (kFloat<T>) {
    switch (op) {
      case Ternary::kDivGrad: return loop3<T, DivGrad>;
      case Ternary::kMinimumGrad: return loop3<T, MinimumGrad>;
      case Ternary::kMaximumGrad: return loop3<T, MaximumGrad>;
      case Ternary::kPowGradBase: return loop3<T, PowGradBase>;
      case Ternary::kPowGradExponent: return loop3<T, PowGradExponent>;
      default: break;
    }
  }
  return nullptr;
}

}  // namespace

MapLoop ref_unary(Unary op, DType dtype) {
  return with_type(dtype, [op](auto t) { return unary_of<decltype(t)>(op); });
}
MapLoop ref_binary(Binary op, DType dtype) {
  return with_type(dtype, [op](auto t) { return binary_of<decltype(t)>(op); });
}
MapLoop ref_ternary(Ternary op, DType dtype) {
  return with_type(dtype, [op](auto t) { return ternary_of<decltype(t)>(op); });
}
MapLoop ref_convert(DType to, DType from) {
  return with_type(to, [from](auto t) {
    return with_type(from, [](auto f) -> MapLoop { return convert_loop<decltype(t), decltype(f)>; });
  });
}

}  // namespace pyconv
