// What detectors do with boxes: suppression of overlaps, pooling of regions.
#include <pybind11/stl.h>

#include "bindings/arrays.h"
#include "bindings/families.h"
#include "core/checked.h"
#include "core/error.h"
#include "ops/nms.h"
#include "ops/roi.h"
#include "ops/segment.h"

namespace pyconv {
namespace {

View floats(py::array& array, const char* op, const char* argument) {
  const View v = view(array, op, argument);
  if (v.dtype != DType::kFloat32 && v.dtype != DType::kFloat64)
    throw DTypeError(
        cat("[", op, "] ", argument, " has dtype ", name(v.dtype), ", expected float32 or float64"));
  return v;
}

View floats(py::array& array, DType dtype, const Dims& shape, const char* op, const char* argument) {
  const View v = floats(array, op, argument);
  if (v.dtype != dtype)
    throw DTypeError(
        cat("[", op, "] ", argument, " has dtype ", name(v.dtype), " but the input has ", name(dtype)));
  if (v.shape != shape)
    throw ShapeError(cat("[", op, "] ", argument, " has shape ", text(v.shape), ", expected ", text(shape)));
  return v;
}

py::array suppress(const std::string& op, py::array boxes, py::array scores, OptionalArray categories,
                   double threshold) {
  const char* o = op.c_str();
  const View b = floats(boxes, o, "boxes"), s = floats(scores, o, "scores");
  if (b.rank() != 2 || b.shape[1] != 4)
    throw ShapeError(cat("[", op, "] boxes has shape ", text(b.shape), ", expected (boxes, 4)"));
  const Dims each{b.shape[0]};
  if (s.shape != each)
    throw ShapeError(cat("[", op, "] scores has shape ", text(s.shape), ", expected ", text(each),
                         ": one per box (boxes: ", text(b.shape), ")"));
  if (s.dtype != b.dtype)
    throw DTypeError(cat("[", op, "] scores has dtype ", name(s.dtype), " but boxes has ", name(b.dtype)));
  if (!(threshold >= 0 && threshold <= 1))
    throw ValueError(cat("[", op, "] iou_threshold is ", threshold, ", expected 0 to 1"));
  View c;
  if (categories) {
    c = view(*categories, DType::kInt64, o, "idxs");
    if (c.shape != each)
      throw ShapeError(cat("[", op, "] idxs has shape ", text(c.shape), ", expected ", text(each),
                           ": one per box (boxes: ", text(b.shape), ")"));
  }
  std::vector<int64_t> kept;
  {
    const py::gil_scoped_release release;
    kept = nms(b, s, categories ? &c : nullptr, threshold);
  }
  py::array out = new_array(DType::kInt64, {static_cast<int64_t>(kept.size())}, false);
  std::copy(kept.begin(), kept.end(), writable(out).as<int64_t>());
  return out;
}

py::array align(const RoiShape& s, py::array x, py::array boxes, bool channels_last) {
  const char* op = "roi_align";
  const View from = floats(x, op, "input"), b = floats(boxes, from.dtype, s.boxes_shape(), op, "boxes");
  floats(x, from.dtype, s.input_shape(), op, "input");
  const std::vector<Roi> rois = read_rois(op, s, b);
  py::array out = new_array(from.dtype, s.output_shape(), channels_last);
  const View to = writable(out);
  const py::gil_scoped_release release;
  roi_align_forward(s, rois, from, to);
  return out;
}

py::array align_backward(const RoiShape& s, py::array gy, py::array boxes) {
  const char* op = "roi_align";
  const View from = floats(gy, op, "gradient"), b = floats(boxes, from.dtype, s.boxes_shape(), op, "boxes");
  floats(gy, from.dtype, s.output_shape(), op, "gradient");
  const std::vector<Roi> rois = read_rois(op, s, b);
  py::array out = new_array(from.dtype, s.input_shape(), true);
  const View to = writable(out);
  const py::gil_scoped_release release;
  roi_align_grad_input(s, rois, from, to);
  return out;
}

// The pooled regions, and the winners (int32, one per output in the order k, oh, ow, c) if they are wanted.
py::tuple pool(const RoiShape& s, py::array x, py::array boxes, bool want_winners, bool channels_last) {
  const char* op = "roi_pool";
  const View from = floats(x, op, "input"), b = floats(boxes, from.dtype, s.boxes_shape(), op, "boxes");
  floats(x, from.dtype, s.input_shape(), op, "input");
  const std::vector<Roi> rois = read_rois(op, s, b);
  py::array out = new_array(from.dtype, s.output_shape(), channels_last);
  OptionalArray winners;
  if (want_winners) winners = new_array(DType::kInt32, {s.k, s.oh, s.ow, s.c}, false);
  const View to = writable(out);
  int32_t* const tap = winners ? writable(*winners).as<int32_t>() : nullptr;
  {
    const py::gil_scoped_release release;
    roi_pool_forward(s, rois, from, to, tap);
  }
  return py::make_tuple(out, winners);
}

py::array pool_backward(const RoiShape& s, py::array gy, py::array boxes, py::array winners) {
  const char* op = "roi_pool";
  const View from = floats(gy, op, "gradient"), b = floats(boxes, from.dtype, s.boxes_shape(), op, "boxes");
  floats(gy, from.dtype, s.output_shape(), op, "gradient");
  const View w = view(winners, DType::kInt32, op, "winners");
  const Dims expected{s.k, s.oh, s.ow, s.c};
  if (w.shape != expected || !is_dense(w, false))
    throw ShapeError(cat("[roi_pool] winners has shape ", text(w.shape), ", expected ", text(expected)));
  const std::vector<Roi> rois = read_rois(op, s, b);
  py::array out = new_array(from.dtype, s.input_shape(), true);
  const View to = writable(out);
  const py::gil_scoped_release release;
  roi_pool_grad_input(s, rois, from, w.as<int32_t>(), to);
  return out;
}

py::tuple segment(const std::string& op, py::array x, double scale, int64_t min_size) {
  const View from = view(x, DType::kFloat32, op.c_str(), "image");
  if (from.rank() != 3 || from.shape[0] * from.shape[1] > kMaxDim)
    throw ShapeError(cat("[", op, "] image has shape ", text(from.shape),
                         ", expected (height, width, channels) of at most ", kMaxDim, " pixels"));
  py::array labels = new_array(DType::kInt32, {from.shape[0], from.shape[1]}, false);
  const View to = writable(labels);
  int64_t count = 0;
  {
    const py::gil_scoped_release release;
    count = graph_segments(from, scale, min_size, to);
  }
  return py::make_tuple(labels, count);
}

}  // namespace

void bind_regions(py::module_& m) {
  using namespace py::literals;
  m.def("graph_segments", &segment, "op"_a, "image"_a, "scale"_a, "min_size"_a);
  m.def("nms", &suppress, "op"_a, "boxes"_a, "scores"_a, "categories"_a, "threshold"_a);
  py::class_<RoiShape>(m, "RoiShape").def_property_readonly("output_shape", [](const RoiShape& s) {
    return tuple(s.output_shape());
  });
  m.def(
      "roi_shape",
      [](const std::string& op, const py::object& x, const py::object& boxes, const py::object& output_size,
         double scale, int64_t sampling, bool aligned) {
        const char* o = op.c_str();
        return make_roi_shape(o, dims(x, o, "input"), dims(boxes, o, "boxes"),
                              dims(output_size, o, "output_size"), scale, sampling, aligned);
      },
      "op"_a, "x"_a, "boxes"_a, "output_size"_a, "scale"_a, "sampling"_a, "aligned"_a);
  m.def("roi_align_forward", &align, "shape"_a, "x"_a, "boxes"_a, "channels_last"_a);
  m.def("roi_align_backward", &align_backward, "shape"_a, "gy"_a, "boxes"_a);
  m.def("roi_pool_forward", &pool, "shape"_a, "x"_a, "boxes"_a, "want_winners"_a, "channels_last"_a);
  m.def("roi_pool_backward", &pool_backward, "shape"_a, "gy"_a, "boxes"_a, "winners"_a);
}

}  // namespace pyconv
