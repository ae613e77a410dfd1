// Codes and names of the elementwise operations and reductions. Plain enums: the kernels of every
// instruction set include this file. The names, in the same order, stand in op_codes.cpp.
#pragma once

#include <stdint.h>

namespace pyconv {

// One inner loop: `n` elements; operand 0 is the output. Strides are in elements; `param` holds the
// operation's two numbers (the bounds of clamp).
using MapLoop = void (*)(int64_t n, char* const* data, const int64_t* stride, const double* param);

// clang-format off: several to a line
enum class Unary : int {
  kNeg, kAbs, kSign, kSquare, kRelu, kClamp,  // also on whole numbers
  kExp, kExpm1, kLog, kLog1p, kSqrt, kRsqrt, kReciprocal, kSin, kCos, kFloor, kCeil, kRound, kSigmoid,
  kTanh, kErf,
  kLogicalNot, kIsFinite, kIsNan,  // the result is bool
  kCount
};

enum class Binary : int {
  kAdd, kSub, kMul, kDiv, kPow, kMinimum, kMaximum,
  kEq, kNe, kLt, kLe, kGt, kGe, kLogicalAnd, kLogicalOr, kLogicalXor,  // the result is bool
  // Gradients: (gy, x) where the input is needed, (gy, y) where the output is.
  kReluGrad, kClampGrad, kAbsGrad, kSquareGrad, kLogGrad, kLog1pGrad, kSinGrad, kCosGrad, kErfGrad,  // (gy, x)
  kExpm1Grad, kSqrtGrad, kRsqrtGrad, kReciprocalGrad, kSigmoidGrad, kTanhGrad,                      // (gy, y)
  kCount
};

enum class Ternary : int {
  kWhere,            // (condition, a, b)
  kDivGrad,          // (gy, y, b): of the divisor, -gy y / b
  kMinimumGrad,      // (gy, a, b): of a; half at a tie
  kMaximumGrad,      // (gy, a, b)
  kPowGradBase,      // (gy, a, b): gy b a^(b-1)
  kPowGradExponent,  // (gy, a, b): gy a^b log a
  kCount
};

// Activations of one input; the gradient is taken from what the comment names, x if nothing.
enum class Activation : int {
  kLeakyRelu,    // (slope); x or y
  kElu,          // (alpha, scale, input scale), of SELU and CELU, too; y
  kEluOfInput,   // the same; x: with alpha below 0 y does not tell the branch
  kGelu, kGeluTanh,
  kSilu,         // (beta)
  kHardswish, kHardsigmoid,
  kHardtanh,     // (low, high); x or y
  kSoftplus,     // (beta, threshold)
  kSoftsign, kLogSigmoid, kMish,
  kThreshold,    // (threshold, value)
  kTanhshrink,
  kHardshrink,   // (lambda)
  kSoftshrink,   // (lambda)
  kCount
};
constexpr int kActivationParams = 3;

// Activations with a learned number, one for all or one per channel.
enum class Parametric : int { kPrelu, kSwish, kCount };

// Losses of an input x and a target t of one shape.
enum class PointwiseLoss : int {
  kSquare, kAbsolute,
  kHuber,  // (delta, divisor)
  kBce, kBceLogits,
  kCount
};

enum class Reduction : int { kSum, kMean, kVar, kAmax, kAmin, kArgmax, kArgmin, kAny, kAll, kCount };
// clang-format on

extern const char* const kUnaryNames[static_cast<int>(Unary::kCount)];
extern const char* const kBinaryNames[static_cast<int>(Binary::kCount)];
extern const char* const kTernaryNames[static_cast<int>(Ternary::kCount)];
extern const char* const kActivationNames[static_cast<int>(Activation::kCount)];
extern const char* const kParametricNames[static_cast<int>(Parametric::kCount)];
extern const char* const kPointwiseLossNames[static_cast<int>(PointwiseLoss::kCount)];
extern const char* const kReductionNames[static_cast<int>(Reduction::kCount)];

}  // namespace pyconv
