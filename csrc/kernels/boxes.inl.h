// Overlaps of boxes, a vector of boxes against one after the other. The quotient is computed as it stands (no
// fused operations): it is compared with a threshold, so its last bit decides.

template <bool kTail>
inline void suppress_vector(const BoxSuppress* a, int64_t j, int n) {
  const BoxColumns& b = a->boxes;
  const auto get = [n](const float* p) { return kTail ? load_n(p, n) : load(p); };
  const Vec x1 = get(b.x1 + j), y1 = get(b.y1 + j), x2 = get(b.x2 + j), y2 = get(b.y2 + j),
            area = get(b.area + j);
  const Vec threshold = set1(a->threshold);
  Mask covered = less(zero(), zero());
  for (int64_t i = a->kept_first; i < a->kept_end; ++i) {
    if (!a->alive[i]) continue;
    const Vec w = max(sub(min(x2, set1(b.x2[i])), max(x1, set1(b.x1[i]))), zero());
    const Vec h = max(sub(min(y2, set1(b.y2[i])), max(y1, set1(b.y1[i]))), zero());
    const Vec common = mul(w, h);
    covered = mask_or(covered, less(threshold, div(common, sub(add(set1(b.area[i]), area), common))));
  }
  const unsigned bits = mask_bits(covered);
  for (int l = 0; l < n; ++l)
    if (bits >> l & 1u) a->alive[j + l] = 0;
}

void suppress_boxes(const BoxSuppress* a) {
  int64_t j = a->first;
  for (; j + kLanes <= a->end; j += kLanes) suppress_vector<false>(a, j, kLanes);
  if (j < a->end) suppress_vector<true>(a, j, static_cast<int>(a->end - j));
}

constexpr BoxKernels kBoxes = {&suppress_boxes};
