// Which convolution algorithms may be used; the plan of a convolution obeys.
#pragma once

#include <string>

namespace pyconv {

enum class AlgorithmChoice {
  kAuto,    // what the plan estimates to be the fastest
  kDirect,  // none that transforms its operands: the rounding error of a plain sum
};

// PYCONV_ALGORITHM ("auto" or "direct", default auto) until use_algorithm is called.
AlgorithmChoice algorithm_choice();
const char* name(AlgorithmChoice choice);
void use_algorithm(const std::string& name);  // ValueError for another word

}  // namespace pyconv
