"""Faster R-CNN: one network proposes regions and says what they hold.

A region proposal network slides over the features of an image: at every point, for boxes of several sizes and shapes
(anchors), it says whether there is an object and how the box should change. The features in each proposal, pooled to
7x7, go through two linear layers, which classify it and refine its box. Non-maximum suppression leaves one box per object.

=================  ===========  ==================  ====================================================================
Network            Parameters   Multiply-adds       Layers
=================  ===========  ==================  ====================================================================
faster_rcnn         41,755,286  134,379,721,216     ResNet-50 with frozen norms, a pyramid of 256 channels on its four
                                (800x800, 1000      stages and one more level, 3 anchors per point, linear
                                proposals)          12544-1024-1024, 91 classes; 41,808,406 with trained norms
faster_rcnn_vgg16  137,078,239  152,501,022,720     VGG-16 up to conv5_3, 9 anchors per point, 7x7 maxima of regions,
                                (600x600, 300       linear 25088-4096-4096 with dropout, 21 classes
                                proposals)
=================  ===========  ==================  ====================================================================

Sources: Ren, He, Girshick and Sun, Faster R-CNN: towards real-time object detection with region proposal networks, NIPS
2015; Lin et al., Feature pyramid networks for object detection, CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyconv import nn
from pyconv.models.detection.fpn import Norm, resnet_fpn_backbone
from pyconv.models.detection.generalized_rcnn import GeneralizedRCNN, image_statistics
from pyconv.models.detection.roi_heads import RoIHeads
from pyconv.models.detection.rpn import RegionProposalNetwork, RPNHead, TwoScoreRPNHead
from pyconv.models.detection.transform import GeneralizedRCNNTransform
from pyconv.models.registry import register
from pyconv.models.vgg import vgg16
from pyconv.nn import functional as F
from pyconv.nn.arguments import whole
from pyconv.vision import AnchorGenerator, MultiScaleRoIAlign, paper_anchors, roi_pool

__all__ = ["FastRCNNPredictor", "FasterRCNN", "TwoMLPHead", "faster_rcnn", "faster_rcnn_vgg16",
           "fasterrcnn_resnet50_fpn"]


class TwoMLPHead(nn.Module):
    """Regions (K, C, h, w) to (K, representation_size) through two linear layers, ``fc6`` and ``fc7``."""

    def __init__(self, in_channels: int, representation_size: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.fc6 = nn.Linear(in_channels, representation_size)
        self.fc7 = nn.Linear(representation_size, representation_size)
        self.dropout = nn.Dropout(dropout) if dropout else None

    def forward(self, x: Any) -> Any:
        """(K, ...) to (K, representation_size)."""
        x = x.flatten(1)
        for layer in (self.fc6, self.fc7):
            x = F.relu(layer(x))
            x = x if self.dropout is None else self.dropout(x)
        return x


class FastRCNNPredictor(nn.Module):
    """(K, in_channels) to class scores (K, num_classes) and four numbers of the box per class (K, 4 * num_classes).

    Give a trained detector a new one to teach it other classes: ``model.roi_heads.box_predictor =
    FastRCNNPredictor(1024, num_classes)``. State: ``cls_score``, ``bbox_pred``.
    """

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.cls_score = nn.Linear(in_channels, num_classes)
        self.bbox_pred = nn.Linear(in_channels, num_classes * 4)

    def forward(self, x: Any) -> tuple[Any, Any]:
        """Scores and boxes."""
        x = x.flatten(1)
        return self.cls_score(x), self.bbox_pred(x)


class FasterRCNN(GeneralizedRCNN):
    """Faster R-CNN on any backbone; see `GeneralizedRCNN` for its calls.

    Args:
        backbone: images to a map, or maps by name, of ``backbone.out_channels`` channels.
        num_classes: with the background; None if ``box_predictor`` is given.
        min_size, max_size, image_mean, image_std, transform_options: `GeneralizedRCNNTransform`'s; mean and deviation of
            ImageNet's images unless given.
        rpn_anchor_generator, rpn_head: None: anchors for five maps, areas of 32² to 512² and ratios 1/2, 1, 2.
        rpn_..., box_...: of the same name in `RegionProposalNetwork` and `RoIHeads`.
        box_roi_pool, box_head, box_predictor: None: 7x7 from the four finest maps, `TwoMLPHead` of 1024,
            `FastRCNNPredictor`.

    Names and defaults are torchvision's. Raises ValueError for a backbone without out_channels, or classes given twice
    or not at all.
    """

    def __init__(self, backbone: Any, num_classes: int | None = None, min_size: int | Sequence[int] = 800,
                 max_size: int = 1333, image_mean: Sequence[float] | None = None,
                 image_std: Sequence[float] | None = None, rpn_anchor_generator: AnchorGenerator | None = None,
                 rpn_head: nn.Module | None = None, rpn_pre_nms_top_n_train: int = 2000,
                 rpn_pre_nms_top_n_test: int = 1000, rpn_post_nms_top_n_train: int = 2000,
                 rpn_post_nms_top_n_test: int = 1000, rpn_nms_thresh: float = 0.7, rpn_fg_iou_thresh: float = 0.7,
                 rpn_bg_iou_thresh: float = 0.3, rpn_batch_size_per_image: int = 256,
                 rpn_positive_fraction: float = 0.5, rpn_score_thresh: float = 0.0, box_roi_pool: Any = None,
                 box_head: nn.Module | None = None, box_predictor: nn.Module | None = None,
                 box_score_thresh: float = 0.05, box_nms_thresh: float = 0.5, box_detections_per_img: int = 100,
                 box_fg_iou_thresh: float = 0.5, box_bg_iou_thresh: float = 0.5, box_batch_size_per_image: int = 512,
                 box_positive_fraction: float = 0.25, bbox_reg_weights: Sequence[float] | None = None,
                 **transform_options: Any) -> None:
        if not hasattr(backbone, "out_channels"):
            raise ValueError(f"[FasterRCNN] backbone is {type(backbone).__name__} without out_channels, the channels of "
                             "its maps")
        if (num_classes is None) == (box_predictor is None):
            raise ValueError("[FasterRCNN] expected either num_classes or box_predictor")
        channels = backbone.out_channels
        anchors = rpn_anchor_generator or AnchorGenerator(
            ((32,), (64,), (128,), (256,), (512,)), ((0.5, 1.0, 2.0),) * 5)
        rpn = RegionProposalNetwork(
            anchors, rpn_head or RPNHead(channels, anchors.num_anchors_per_location()[0]), rpn_fg_iou_thresh,
            rpn_bg_iou_thresh, rpn_batch_size_per_image, rpn_positive_fraction,
            {"training": rpn_pre_nms_top_n_train, "testing": rpn_pre_nms_top_n_test},
            {"training": rpn_post_nms_top_n_train, "testing": rpn_post_nms_top_n_test}, rpn_nms_thresh,
            rpn_score_thresh)
        pool = box_roi_pool or MultiScaleRoIAlign(["0", "1", "2", "3"], 7, 2)
        head = box_head or TwoMLPHead(channels * pool.output_size[0] ** 2, 1024)
        if box_predictor is None:
            box_predictor = FastRCNNPredictor(1024, whole("FasterRCNN", "num_classes", num_classes, 2))
        roi_heads = RoIHeads(
            pool, head, box_predictor, box_fg_iou_thresh, box_bg_iou_thresh, box_batch_size_per_image,
            box_positive_fraction, bbox_reg_weights, box_score_thresh, box_nms_thresh, box_detections_per_img)
        usual = image_statistics(3)
        transform = GeneralizedRCNNTransform(min_size, max_size, image_mean or usual["image_mean"],
                                             image_std or usual["image_std"], **transform_options)
        super().__init__(backbone, rpn, roi_heads, transform)


@register
def faster_rcnn(num_classes: int = 91, norm_layer: Norm = nn.FrozenBatchNorm2d, trainable_backbone_layers: int = 5,
                backbone_name: str = "resnet50", in_channels: int = 3, **options: Any) -> FasterRCNN:
    """Faster R-CNN on ResNet-50 and a feature pyramid, for the 90 objects of COCO and the background: 41,755,286
    parameters.

    Args:
        num_classes: with the background, at least 2.
        norm_layer: of the backbone. Frozen norms are for pre-trained numbers; take `nn.BatchNorm2d` to train from
            scratch.
        trainable_backbone_layers: how many of conv1 and the four stages are trained, counted from the end; 3 is usual
            for a pre-trained backbone.
        backbone_name: "resnet18" to "resnet152" and their relatives.
        in_channels: of the images; where it is not 3, give ``image_mean`` and ``image_std``, or take 0.449 and 0.226.
        options: `FasterRCNN`'s.

    State names are torchvision's. Raises ValueError and TypeError for arguments that make no network.

    >>> import pyconv
    >>> model = faster_rcnn(num_classes=3, backbone_name="resnet18", min_size=64).eval()
    >>> [found] = model([pyconv.rand(3, 64, 80)])
    >>> sorted(found)
    ['boxes', 'labels', 'scores']
    """
    backbone = resnet_fpn_backbone(backbone_name=backbone_name, norm_layer=norm_layer,
                                   trainable_layers=trainable_backbone_layers, in_channels=in_channels)
    return FasterRCNN(backbone, num_classes, **{**image_statistics(in_channels), **options})


@register
def fasterrcnn_resnet50_fpn(num_classes: int = 91, **options: Any) -> FasterRCNN:
    """`faster_rcnn` under torchvision's name.

    >>> import pyconv
    >>> with pyconv.device("meta"):
    ...     print(sum(p.numel() for p in fasterrcnn_resnet50_fpn().parameters()))
    41755286
    """
    return faster_rcnn(num_classes, **options)


class _VGGBackbone(nn.Module):
    """VGG-16 up to conv5_3 and its ReLU: images to a map of 1/16 of their size. State: ``features.{i}``."""

    out_channels = 512

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.features = vgg16(in_channels=in_channels).features[:-1]

    def forward(self, x: Any) -> Any:
        return self.features(x)


class _RoIPool(nn.Module):
    """Maxima of regions of the one map, which has 1/16 of the image's size."""

    output_size = (7, 7)

    def forward(self, features: Mapping[str, Any], boxes: Sequence[Any], image_shapes: Sequence[Any]) -> Any:
        return roi_pool(features["0"], list(boxes), self.output_size, 1 / 16)


@register
def faster_rcnn_vgg16(num_classes: int = 21, in_channels: int = 3, **options: Any) -> FasterRCNN:
    """Faster R-CNN as in 2015, on VGG-16 for the 20 objects of Pascal VOC and the background: 137,078,239 parameters.

    Nine anchors per point (`pyconv.vision.paper_anchors`: areas of 128², 256², 512², ratios 1/2, 1, 2) with two scores
    each, maxima of 7x7 regions, images whose shorter side has 600 pixels. ``options`` are `FasterRCNN`'s. Two things of
    the first implementation are left out: widths counted with a pixel more, and that boxes overlapping an object by less
    than 0.1 are no background. Its Caffe weights load; they have the scale of the boxes multiplied in and want blue,
    green, red from 0 to 255, less a mean: ``bbox_reg_weights=(1, 1, 1, 1)``, ``image_std=[1 / 255] * 3`` and a 255th of
    the mean as ``image_mean``.
    State names: ``backbone.features.{i}``, the others as in `faster_rcnn`.

    >>> import pyconv
    >>> with pyconv.device("meta"):
    ...     print(sum(p.numel() for p in faster_rcnn_vgg16().parameters()))
    137078239
    """
    anchors = AnchorGenerator(cell_anchors=[paper_anchors()])
    settings = {
        "min_size": 600, "max_size": 1000, "size_divisible": 16, "rpn_anchor_generator": anchors,
        "rpn_head": TwoScoreRPNHead(512, 9), "rpn_pre_nms_top_n_train": 12000, "rpn_pre_nms_top_n_test": 6000,
        "rpn_post_nms_top_n_train": 2000, "rpn_post_nms_top_n_test": 300, "box_batch_size_per_image": 128,
        "box_roi_pool": _RoIPool(), "box_head": TwoMLPHead(512 * 7 * 7, 4096, dropout=0.5),
        "box_predictor": FastRCNNPredictor(4096, whole("faster_rcnn_vgg16", "num_classes", num_classes, 2))}
    return FasterRCNN(_VGGBackbone(in_channels), **{**image_statistics(in_channels), **settings, **options})
