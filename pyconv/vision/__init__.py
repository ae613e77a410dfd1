"""Boxes, regions and measures of images, with torchvision's names where it has the thing."""

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
from pyconv.vision.metrics import psnr
from pyconv.vision.poolers import MultiScaleRoIAlign
from pyconv.vision.proposals import segment, selective_search
from pyconv.vision.roi import RoIAlign, RoIPool, roi_align, roi_pool
from pyconv.vision.suppression import batched_nms, nms

__all__ = ["AnchorGenerator", "BalancedPositiveNegativeSampler", "BoxCoder", "ImageList", "Matcher", "MultiScaleRoIAlign",
           "RoIAlign", "RoIPool", "batched_nms", "box_area", "box_convert", "box_iou", "clip_boxes_to_image", "decode_boxes",
           "encode_boxes", "generalized_box_iou", "masks_to_boxes", "nms", "paper_anchors", "psnr", "remove_small_boxes",
           "roi_align", "roi_pool", "segment", "selective_search"]
