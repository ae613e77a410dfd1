// Cubic convolution: the four weights of a point between two samples.
// Source: Keys, Cubic convolution interpolation for digital image processing, 1981.
#pragma once

namespace pyconv {

constexpr double kCubicSharpness = -0.75;            // a, as in PyTorch and OpenCV
constexpr double kAntialiasedCubicSharpness = -0.5;  // as in PyTorch and Pillow where a filter is widened

// The filter at distance d >= 0: 1 at 0, 0 at 1 and from 2 on.
inline double cubic(double d, double a) {
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return 0;
}

// Its derivative.
inline double cubic_slope(double d, double a) {
  if (d < 1) return (3 * (a + 2) * d - 2 * (a + 3)) * d;
  if (d < 2) return (3 * a * d - 10 * a) * d + 8 * a;
  return 0;
}

// Weights of the samples at -1, 0, 1, 2 for a point at t in [0, 1).
inline void cubic_weights(double t, double* weight) {
  const double distance[4] = {t + 1, t, 1 - t, 2 - t};
  for (int i = 0; i < 4; ++i) weight[i] = cubic(distance[i], kCubicSharpness);
}

// Their derivatives with respect to t.
inline void cubic_slopes(double t, double* slope) {
  const double distance[4] = {t + 1, t, 1 - t, 2 - t};
  for (int i = 0; i < 4; ++i) slope[i] = (i < 2 ? 1 : -1) * cubic_slope(distance[i], kCubicSharpness);
}

}  // namespace pyconv
