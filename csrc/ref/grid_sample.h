// Sampling at the points of a grid as written in its definition: float64 in and out, any strides.
#pragma once

#include "core/grid_shape.h"
#include "core/view.h"

namespace pyconv::ref {

void grid_sample_forward(const GridShape& shape, const View& x, const View& grid, const View& y);
void grid_sample_grad_input(const GridShape& shape, const View& gy, const View& grid, const View& gx);
void grid_sample_grad_grid(const GridShape& shape, const View& gy, const View& x, const View& grid,
                           const View& gg);

}  // namespace pyconv::ref
