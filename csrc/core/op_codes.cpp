#include "core/op_codes.h"

namespace pyconv {

const char* const kUnaryNames[] = {"neg",        "abs",   "sign", "square",      "relu",     "clamp",
                                   "exp",        "expm1", "log",  "log1p",       "sqrt",     "rsqrt",
                                   "reciprocal", "sin",   "cos",  "floor",       "ceil",     "round",
                                   "sigmoid",    "tanh",  "erf",  "logical_not", "isfinite", "isnan"};

const char* const kBinaryNames[] = {"add",
                                    "sub",
                                    "mul",
                                    "div",
                                    "pow",
                                    "minimum",
                                    "maximum",
                                    "eq",
                                    "ne",
                                    "lt",
                                    "le",
                                    "gt",
                                    "ge",
                                    "logical_and",
                                    "logical_or",
                                    "logical_xor",
                                    "relu_grad",
                                    "clamp_grad",
                                    "abs_grad",
                                    "square_grad",
                                    "log_grad",
                                    "log1p_grad",
                                    "sin_grad",
                                    "cos_grad",
                                    "erf_grad",
                                    "expm1_grad",
                                    "sqrt_grad",
                                    "rsqrt_grad",
                                    "reciprocal_grad",
                                    "sigmoid_grad",
                                    "tanh_grad"};

const char* const kTernaryNames[] = {"where",        "div_grad",      "minimum_grad",
                                     "maximum_grad", "pow_grad_base", "pow_grad_exponent"};

const char* const kActivationNames[] = {"leaky_relu", "elu",        "elu_of_input", "gelu",      "gelu_tanh",
                                        "silu",       "hardswish",  "hardsigmoid",  "hardtanh",  "softplus",
                                        "softsign",   "logsigmoid", "mish",         "threshold", "tanhshrink",
                                        "hardshrink", "softshrink"};

const char* const kParametricNames[] = {"prelu", "swish"};

const char* const kPointwiseLossNames[] = {"square", "absolute", "huber", "bce", "bce_logits"};

const char* const kReductionNames[] = {"sum",    "mean",   "var", "amax", "amin",
                                       "argmax", "argmin", "any", "all"};

}  // namespace pyconv
