"""What images the networks want: a table by name, as their published weights were trained.

============================================  ========================================================================
Network                                       Input
============================================  ========================================================================
torchvision's of ImageNet                     RGB 0 to 1, less its mean, over its deviation; 256 on the shorter side, of
                                              which the middle 224; inception_v3 342 and 299; Google's two (inception_v3
                                              and googlenet) RGB -1 to 1 unless they were made with ``transform_input``
inception_v4 (timm)                           RGB -1 to 1, bicubic, 341 and 299
torchvision's of COCO and VOC                 RGB 0 to 1, which detectors normalise themselves; segmentation as ImageNet, 520
CIFAR's                                       RGB 0 to 1 as ImageNet, 32x32
alexnet2012, zfnet, googlenet2014, fcn32s,    Caffe: BGR 0 to 255 less a mean; classifiers 256x256, of which the middle 227
fast_rcnn ...                                 or 224; fast_rcnn 600 on the shorter side, for which its regions count
YOLO                                          RGB 0 to 1, the whole picture in a square of 416 with grey around it; YOLO 1
                                              squeezed to 448x448
lenet_caffe                                   grey 0 to 1, 28x28
srcnn, vdsr                                   luma 0 to 1, of a picture already enlarged; carn RGB 0 to 1, not enlarged
============================================  ========================================================================

A .caffemodel for a network that has torchvision's names (VGG) wants Caffe's input all the same.
"""

from __future__ import annotations

import dataclasses
import os
import re

from pyconv import io, nn
from pyconv.data.preprocessing import Preprocessing

__all__ = ["preprocessing_of"]

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_IMAGENET = Preprocessing(mean=_MEAN, std=_STD, resize=256, crop=224)
_CENTRED = dataclasses.replace(_IMAGENET, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
_HALF = Preprocessing(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), resize=341, crop=299, interpolation="bicubic")
_CAFFE = Preprocessing("BGR", 255, mean=(104.0, 117.0, 123.0), resize=256, mode="exact", crop=224)
_PLAIN = Preprocessing()

_TABLE: tuple[tuple[str, Preprocessing], ...] = (
    (r"resnet\d+_cifar", Preprocessing(mean=_MEAN, std=_STD, resize=32, mode="exact")),
    (r"(faster_|mask_|keypoint_)rcnn|(faster|mask|keypoint)rcnn_.*", _PLAIN),
    (r"fast_rcnn", Preprocessing("BGR", 255, mean=(102.9801, 115.9465, 122.7717), resize=600)),
    (r"fcn_resnet\d+", Preprocessing(mean=_MEAN, std=_STD, resize=520)),
    (r"fcn\d+s", Preprocessing("BGR", 255, mean=(104.00699, 116.66877, 122.67892))),
    (r"inception_v3", dataclasses.replace(_CENTRED, resize=342, crop=299)),
    (r"googlenet", _CENTRED),
    (r"inception_v4", _HALF),
    (r"alexnet2012", dataclasses.replace(_CAFFE, crop=227)),
    (r"zfnet|googlenet2014", _CAFFE),
    (r"alexnet|vgg\d+(_bn)?|densenet(121|161|169|201)", _IMAGENET),
    (r"resnet(18|34|50|101|152)|wide_resnet(50|101)_2|resnext(50|101)_\w+", _IMAGENET),
    (r"yolov1.*", Preprocessing(resize=448, mode="exact")),
    (r"yolov[23].*", Preprocessing(resize=416, mode="letterbox")),
    (r"srcnn.*|vdsr.*", Preprocessing("Y", 1, mean=(0.0,), std=(1.0,))),
    (r"carn.*", _PLAIN),
    (r"lenet_caffe", Preprocessing("L", 255, mean=(0.0,), std=(256.0,), resize=28, mode="exact")),
)


def preprocessing_of(name: str, weights: str | os.PathLike[str] | None = None) -> Preprocessing | None:
    """What images the network called ``name`` wants; None where nobody trained it on a known preparation.

    What a safetensors file of ``weights`` says itself goes before the table (`pyconv.io.save` with ``metadata``), and a
    .caffemodel means Caffe's preparation. Raises ValueError for metadata that is damaged, OSError as `open`.

    >>> from pyconv.models import preprocessing_of
    >>> found = preprocessing_of("vgg16")
    >>> found.channels, found.resize, found.crop
    ('RGB', 256, 224)
    >>> preprocessing_of("alexnet2012").channels
    'BGR'
    """
    found = next((value for pattern, value in _TABLE if re.fullmatch(pattern, name)), None)
    if weights is None:
        return found
    kind = io.recognise(weights)
    if kind == "safetensors":
        text = io.safetensors_metadata(weights).get("preprocessing")
        return found if text is None else Preprocessing.from_json(text)
    if kind == "caffemodel" and found is not None and found.scale == 1:
        return dataclasses.replace(_CAFFE, mean=(103.939, 116.779, 123.68), mode="short", crop=found.crop)
    return found


def preprocessing_for(model: nn.Module, name: str, weights: str | os.PathLike[str] | None) -> Preprocessing | None:
    """`preprocessing_of` for a network as it was built: None where that has other channels."""
    wanted = preprocessing_of(name, weights)
    if wanted is None or wanted.shape[0] != model.input_size[0]:
        return None
    if getattr(model, "transform_input", False) and wanted.mean == _CENTRED.mean:
        return dataclasses.replace(wanted, mean=_MEAN, std=_STD)  # the network itself goes from these to -1 to 1
    return wanted
