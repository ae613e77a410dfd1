"""Boxes, regions and measures of images, with torchvision's names where it has the thing."""

from pyconv.vision.accuracy import confusion_matrix, mean_iou, pck, top_k_accuracy
from pyconv.vision.anchors import AnchorGenerator, ImageList, paper_anchors
from pyconv.vision.box_coder import BoxCoder
from pyconv.vision.boxes import (
    box_area,
    box_convert,
    box_iou,
    clip_boxes_to_image,
    decode_boxes,
    encode_boxes,
    generalized_box_iou,
    masks_to_boxes,
    remove_small_boxes,
)
from pyconv.vision.matcher import BalancedPositiveNegativeSampler, Matcher
from pyconv.vision.metrics import psnr, ssim
from pyconv.vision.poolers import MultiScaleRoIAlign
from pyconv.vision.precision import average_precision, detection_average_precision
from pyconv.vision.proposals import segment, selective_search
from pyconv.vision.roi import RoIAlign, RoIPool, roi_align, roi_pool
from pyconv.vision.suppression import batched_nms, nms

__all__ = ["AnchorGenerator", "BalancedPositiveNegativeSampler", "BoxCoder", "ImageList", "Matcher", "MultiScaleRoIAlign",
           "RoIAlign", "RoIPool", "average_precision", "batched_nms", "box_area", "box_convert", "box_iou",
           "clip_boxes_to_image", "confusion_matrix", "decode_boxes", "detection_average_precision", "encode_boxes",
           "generalized_box_iou", "masks_to_boxes", "mean_iou", "nms", "paper_anchors", "pck", "psnr", "remove_small_boxes",
           "roi_align", "roi_pool", "segment", "selective_search", "ssim", "top_k_accuracy"]
