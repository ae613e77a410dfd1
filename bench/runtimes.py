"""Forward passes of inference runtimes, where they are installed, for a column beside PyTorch's.

They know the weights in advance: OpenVINO and ncnn transform them once, when the model is compiled, while pyconv and
PyTorch do so in every call, as in training. All compute in float32.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from layers import Layer


def openvino(layer: Layer, x: np.ndarray, w: np.ndarray, threads: int) -> Callable[[], np.ndarray] | None:
    """OpenVINO on the CPU, images in C order."""
    try:
        import openvino as ov
        from openvino import opset13 as ops
    except ImportError:
        return None
    steps, pads, gaps = [layer.stride] * 2, [layer.pad] * 2, [layer.dilation] * 2
    source = ops.parameter(x.shape, np.float32)
    if layer.groups == 1:
        result = ops.convolution(source, ops.constant(w), steps, pads, pads, gaps)
    else:
        split = w.reshape(layer.groups, -1, *w.shape[1:])
        result = ops.group_convolution(source, ops.constant(split), steps, pads, pads, gaps)
    options = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    request = ov.Core().compile_model(ov.Model([result], [source], layer.name), "CPU", options).create_infer_request()
    held = np.ascontiguousarray(x)
    request.set_input_tensor(ov.Tensor(held, shared_memory=True))

    def forward(held: np.ndarray = held) -> np.ndarray:  # the request does not keep its input alive
        request.infer()
        return request.get_output_tensor().data

    return forward


def ncnn(layer: Layer, x: np.ndarray, w: np.ndarray, threads: int) -> Callable[[], np.ndarray] | None:
    """ncnn, one image after the other: it has no batches."""
    try:
        import ncnn as lib
    except ImportError:
        return None
    net = lib.Net()
    net.opt.num_threads = threads
    for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_packed", "use_bf16_storage",
                   "use_vulkan_compute"):
        setattr(net.opt, option, False)
    kind = "Convolution" if layer.groups == 1 else "ConvolutionDepthWise"
    values = {0: layer.k, 1: layer.filter, 2: layer.dilation, 3: layer.stride, 4: layer.pad, 5: 0, 6: w.size}
    if layer.groups > 1:
        values[7] = layer.groups
    with tempfile.TemporaryDirectory() as folder:
        param, binary = Path(folder, "net.param"), Path(folder, "net.bin")
        param.write_text("7767517\n2 2\nInput x 0 1 x\n" + f"{kind} conv 1 1 x y "
                         + " ".join(f"{k}={v}" for k, v in values.items()) + "\n")
        binary.write_bytes(bytes(4) + np.ascontiguousarray(w).tobytes())  # four zero bytes: float32 follows
        if net.load_param(str(param)) or net.load_model(str(binary)):
            return None
    held = np.ascontiguousarray(x)
    images = [lib.Mat(image) for image in held]

    def forward(held: np.ndarray = held) -> Any:  # the images share its memory
        results = []
        for image in images:
            extractor = net.create_extractor()
            extractor.input("x", image)
            results.append(extractor.extract("y")[1])
        return results

    return forward


RUNTIMES = {"openvino": openvino, "ncnn": ncnn}
