#include "ops/conv/kept_filter.h"

#include "kernels/select.h"

namespace pyconv {

KeptFilter::KeptFilter(const float* weight, const Dims& shape)
    : shape_(shape),
      weight_(weight, weight + element_count(shape, "prepack")),
      bytes_(static_cast<int64_t>(weight_.size()) * 4) {}

int64_t KeptFilter::bytes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return bytes_;
}

const float* KeptFilter::find(const Key& key) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = forms_.find(key);
  return found == forms_.end() ? nullptr : found->second->data();
}

const float* KeptFilter::keep(const Key& key, std::unique_ptr<Scratch<float>> form, int64_t floats) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto [place, is_new] = forms_.emplace(key, std::move(form));
  if (is_new) bytes_ += floats * 4;
  return place->second->data();
}

KeptFilter::Key filter_form(const RowProblem& p, const ConvPlan& plan) {
  // The table stands for the instruction set: its width, and the rounding of its transforms.
  KeptFilter::Key key{reinterpret_cast<intptr_t>(&kernels()), static_cast<int64_t>(plan.algorithm), plan.tile,
                      plan.fold};
  for (const RowAxis& a : p.axis)
    key.insert(key.end(),
               {a.taps, a.filter_first, a.filter_step, a.src_step, a.tap_step, a.src_fold, a.out_fold});
  return key;
}

}  // namespace pyconv
