// The kernel bodies, compiled for any processor. System headers come first, at global scope;
// everything else stands in an anonymous namespace, so that no symbol but the table leaves this file.
#include <stdint.h>

#include "kernels/table.h"

namespace pyconv {
namespace {
// clang-format off: the vector header comes first
#include "kernels/vec_scalar.h"

#include "kernels/bodies.inl.h"
// clang-format on
}  // namespace

extern const KernelTable kTable_scalar;
const KernelTable kTable_scalar = {"scalar",    kLanes,         kGemm,        kGrouped,  kElementwise,
                                   kActivation, kPointwiseLoss, kReduce,      kLayout,   kPool,
                                   kNorm,       kLayerNorm,     kLrn,         kSoftmax,  kRandom,
                                   kOptim,      kWinograd,      kWinogradFew, kResample, kBoxes};
}  // namespace pyconv
