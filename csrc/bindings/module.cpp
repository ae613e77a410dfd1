// The private module pyconv._core: exceptions, the interrupt callback, and one bind_ function per family.
#include <pybind11/pybind11.h>

#include "bindings/families.h"
#include "core/error.h"
#include "core/parallel.h"

namespace py = pybind11;

namespace pyconv {
namespace {

unsigned long g_main_thread = 0;

// Runs on the calling thread between blocks: Ctrl-C reaches a long convolution within a block.
// Python handles signals on its main thread alone; the others need not wait for the GIL to learn that.
bool check_signals() {
  if (PyThread_get_thread_ident() != g_main_thread) return false;
  const py::gil_scoped_acquire gil;
  return PyErr_CheckSignals() != 0;
}

void translate(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const ShapeError& e) {
    const py::object type = py::module_::import("pyconv.errors").attr("ShapeError");
    PyErr_SetString(type.ptr(), e.what());
  } catch (const DTypeError& e) {
    PyErr_SetString(PyExc_TypeError, e.what());
  } catch (const IndexError& e) {
    PyErr_SetString(PyExc_IndexError, e.what());
  } catch (const ValueError& e) {
    PyErr_SetString(PyExc_ValueError, e.what());
  } catch (const Interrupted&) {
    // PyErr_CheckSignals has set KeyboardInterrupt (or what the user's handler raised).
    if (!PyErr_Occurred()) PyErr_SetNone(PyExc_KeyboardInterrupt);
  }
}

}  // namespace
}  // namespace pyconv

PYBIND11_MODULE(_core, m) {
  using namespace pyconv;
  m.doc() = "Kernels of pyconv. Private: names and signatures change without notice.";
  m.attr("__version__") = PYCONV_VERSION;
  m.attr("sanitizers") = PYCONV_SANITIZERS;
  py::register_local_exception_translator(translate);
  g_main_thread = py::module_::import("threading").attr("main_thread")().attr("ident").cast<unsigned long>();
  set_interrupt_callback(check_signals);
  bind_runtime(m);
  bind_array(m);
  bind_conv(m);
  bind_gemm(m);
  bind_elementwise(m);
  bind_activation(m);
  bind_pointwise_loss(m);
  bind_reduce(m);
  bind_layout(m);
  bind_indexing(m);
  bind_pool(m);
  bind_norm(m);
  bind_group_norm(m);
  bind_lrn(m);
  bind_softmax(m);
  bind_random(m);
  bind_resample(m);
  bind_unfold(m);
  bind_local_conv(m);
  bind_optim(m);
  bind_regions(m);
}
