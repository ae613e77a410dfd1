// Winograd convolution (Winograd 1980; Lavin and Gray 2016): 36 products give the 16 outputs of a 4 x 4
// tile under a 3 x 3 filter, where the sliding window takes 144.
//
// Multiply a polynomial of m coefficients by one of r: evaluate both at m + r - 1 points, multiply the
// values, interpolate. With E_n the evaluation of n coefficients at the points p, and C the matrix whose
// column for p holds the coefficients of the product of (x - q) over the other points q,
//     coefficients = C diag(1 / f) (E_m a * E_r g),     f(p) = product of (p - q) over q != p
// (the point infinity reads off the leading coefficient; its column is the product over all finite q and
// its f is 1). A correlation is the transpose of that product in the argument `a`, hence
//     y = E_m^T [ (E_r g / f) * (C^T d) ]
// with d the m + r - 1 inputs under a tile of m outputs. In two dimensions each matrix is applied to the
// columns and then to the rows. The weight gradient is a correlation, too, of d with the tile's m output
// gradients, and has r outputs: gw = E_r^T [ (E_m gy / f) * (C^T d) ]; 1 / f waits until all tiles are
// summed.
//
// One set of six points serves every m + r = 7. These, {0, +-2/3, +-3/2, infinity}, had the smallest
// rounding error in a scan of pairs +-a, +-b, a fifth of that of the usual {0, +-1, +-2, infinity};
// tests/ops/test_winograd.py derives the matrices from them and bounds the error. The products a^2 b^2 = 1
// and the pairing of +-p, which share their even and odd parts, are what the code below lives on.
//
// A vector holds kLanes channels of one pixel, so that all of this is vertical arithmetic.

constexpr double kPointA = 2.0 / 3.0, kPointB = 3.0 / 2.0;
constexpr double kSquareA = kPointA * kPointA, kSquareB = kPointB * kPointB;

// 1 / f at {0, a, -a, b, -b, infinity}
constexpr double kInverseA = 1 / (2 * kSquareA * (kSquareA - kSquareB));
constexpr double kInverseB = 1 / (2 * kSquareB * (kSquareB - kSquareA));
constexpr double kInverseF[6] = {1, kInverseA, kInverseA, kInverseB, kInverseB, 1};

// 1 / (f f^T), or 1 / f in the first row
struct InverseF {
  float at[6][6];
};
constexpr InverseF inverse_f(bool both) {
  InverseF r{};
  for (int i = 0; i < 6; ++i)
    for (int j = 0; j < 6; ++j) r.at[i][j] = static_cast<float>((both ? kInverseF[i] : 1) * kInverseF[j]);
  return r;
}
template <bool kBoth>
constexpr InverseF kScale = inverse_f(kBoth);

inline Vec constant(double x) { return set1(static_cast<float>(x)); }

// C^T d, its first three values and its last three: no operation serves both.
template <int kHalf>
inline void interpolate_adjoint(const Vec (&d)[6], Vec (&t)[3]) {
  const Vec both = constant(-(kSquareA + kSquareB));
  if constexpr (kHalf == 0) {
    const Vec even_a = fma(constant(-kSquareB), d[2], d[4]), odd_a = fma(constant(-kSquareB), d[1], d[3]);
    t[0] = fma(both, d[2], add(d[0], d[4]));
    t[1] = fma(constant(kPointA), odd_a, even_a);
    t[2] = fma(constant(-kPointA), odd_a, even_a);
  } else {
    const Vec even_b = fma(constant(-kSquareA), d[2], d[4]), odd_b = fma(constant(-kSquareA), d[1], d[3]);
    t[0] = fma(constant(kPointB), odd_b, even_b);
    t[1] = fma(constant(-kPointB), odd_b, even_b);
    t[2] = fma(both, d[3], add(d[1], d[5]));
  }
}

// The values of g at p and -p: even part plus and minus odd part, each by Horner's rule in p^2.
template <int N>
inline void evaluate_pair(const Vec (&g)[N], double p, Vec& plus, Vec& minus) {
  const Vec square = constant(p * p);
  Vec even = g[(N - 1) / 2 * 2], odd = g[N / 2 * 2 - 1];
  for (int i = (N - 1) / 2 * 2 - 2; i >= 0; i -= 2) even = fma(square, even, g[i]);
  for (int i = N / 2 * 2 - 3; i >= 1; i -= 2) odd = fma(square, odd, g[i]);
  plus = fma(constant(p), odd, even);
  minus = fma(constant(-p), odd, even);
}

// E_N g, in halves, too
template <int N, int kHalf>
inline void evaluate(const Vec (&g)[N], Vec (&t)[3]) {
  if constexpr (kHalf == 0) {
    t[0] = g[0];
    evaluate_pair<N>(g, kPointA, t[1], t[2]);
  } else {
    evaluate_pair<N>(g, kPointB, t[0], t[1]);
    t[2] = g[N - 1];
  }
}
template <int N>
inline void evaluate(const Vec (&g)[N], Vec (&t)[6]) {
  t[0] = g[0];
  evaluate_pair<N>(g, kPointA, t[1], t[2]);
  evaluate_pair<N>(g, kPointB, t[3], t[4]);
  t[5] = g[N - 1];
}

// E_N g / f
template <int N>
inline void evaluate_over_f(const Vec (&g)[N], Vec (&t)[6]) {
  const auto pair = [&](double p, double scale, Vec& plus, Vec& minus) {
    const Vec square = constant(p * p);
    Vec even = g[(N - 1) / 2 * 2], odd = g[N / 2 * 2 - 1];
    for (int i = (N - 1) / 2 * 2 - 2; i >= 0; i -= 2) even = fma(square, even, g[i]);
    for (int i = N / 2 * 2 - 3; i >= 1; i -= 2) odd = fma(square, odd, g[i]);
    even = mul(constant(scale), even);
    plus = fma(constant(p * scale), odd, even);
    minus = fma(constant(-p * scale), odd, even);
  };
  t[0] = g[0];
  pair(kPointA, kInverseA, t[1], t[2]);
  pair(kPointB, kInverseB, t[3], t[4]);
  t[5] = g[N - 1];
}

// E_N^T t: y[i] = sum over points of p^i t[p]
template <int N>
inline void evaluate_adjoint(const Vec (&t)[6], Vec (&y)[N]) {
  const Vec sum_a = add(t[1], t[2]), difference_a = sub(t[1], t[2]);
  const Vec sum_b = add(t[3], t[4]), difference_b = sub(t[3], t[4]);
  double power_a = 1, power_b = 1;
  y[0] = add(t[0], add(sum_a, sum_b));
#pragma GCC unroll 4
  for (int i = 1; i < N; ++i) {
    power_a *= kPointA;
    power_b *= kPointB;
    const Vec b = i % 2 ? difference_b : sum_b;
    const Vec from_b = i < N - 1 ? mul(constant(power_b), b) : fma(constant(power_b), b, t[5]);
    y[i] = fma(constant(power_a), i % 2 ? difference_a : sum_a, from_b);
  }
}
