"""Boxes and measures of images, with torchvision's names where it has the thing."""

from pyconv.vision.boxes import box_area, box_convert, box_iou, decode_boxes, encode_boxes
from pyconv.vision.metrics import psnr

__all__ = ["box_area", "box_convert", "box_iou", "decode_boxes", "encode_boxes", "psnr"]
