// The run-time choice of an instruction set.
#pragma once

#include <string>
#include <vector>

#include "kernels/table.h"

namespace pyconv {

// The active table: the one named by PYCONV_ISA or use_isa, else the best that this machine runs.
const KernelTable& kernels();

// Names that this machine (processor and operating system) runs, slowest first.
std::vector<std::string> available_isas();

// Throws ValueError for a name that is unknown or that this machine does not run.
void use_isa(const std::string& name);

}  // namespace pyconv
