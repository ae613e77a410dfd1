"""Keypoint R-CNN: Faster R-CNN for people, with the places of their joints.

The features of each detection, resampled to 14x14, go through eight convolutions and a transposed one to a map per
joint, which is enlarged once more to 56x56; a softmax over its points says where the joint is.

=============  ==========  ====================  ========================================================================
Network        Parameters  Multiply-adds         Layers
=============  ==========  ====================  ========================================================================
keypoint_rcnn  59,137,258  483,470,127,616       those of `faster_rcnn` for 2 classes; eight convolutions 512@3x3,
                           (800x800, 1000        transposed convolution 17@4x4 with stride 2; 59,190,378 parameters with
                           proposals, 100        trained norms
                           people); with one
                           137.42 G
=============  ==========  ====================  ========================================================================

Source: He, Gkioxari, Dollár and Girshick, Mask R-CNN, ICCV 2017, section 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyconv import nn
from pyconv.models.detection.fpn import Norm, resnet_fpn_backbone
from pyconv.models.detection.generalized_rcnn import image_statistics
from pyconv.models.faster_rcnn import FasterRCNN
from pyconv.models.registry import register
from pyconv.nn import functional as F
from pyconv.vision import MultiScaleRoIAlign

__all__ = ["KeypointRCNN", "KeypointRCNNHeads", "KeypointRCNNPredictor", "keypoint_rcnn", "keypointrcnn_resnet50_fpn"]


class KeypointRCNNHeads(nn.Sequential):
    """3x3 convolutions of the given channels, ReLU between them: the convolutions have even numbers."""

    def __init__(self, in_channels: int, layers: Sequence[int]) -> None:
        modules: list[nn.Module] = []
        for channels in layers:
            conv = nn.Conv2d(in_channels, channels, 3, padding=1)
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(conv.bias)
            modules += [conv, nn.ReLU(inplace=True)]
            in_channels = channels
        super().__init__(*modules)


class KeypointRCNNPredictor(nn.Module):
    """(K, in_channels, M, M) to the logits of a map per keypoint, (K, num_keypoints, 4 * M, 4 * M).

    State: ``kps_score_lowres``.
    """

    def __init__(self, in_channels: int, num_keypoints: int) -> None:
        super().__init__()
        self.kps_score_lowres = nn.ConvTranspose2d(in_channels, num_keypoints, 4, 2, 1)
        nn.init.kaiming_normal_(self.kps_score_lowres.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.kps_score_lowres.bias)
        self.out_channels = num_keypoints

    def forward(self, x: Any) -> Any:
        """Enlarge twice, the second time by interpolation."""
        return F.interpolate(self.kps_score_lowres(x), scale_factor=2.0, mode="bilinear", align_corners=False)


class KeypointRCNN(FasterRCNN):
    """Keypoint R-CNN on any backbone; arguments and calls as in `FasterRCNN`, and

    Args:
        min_size: None: training draws from 640, 672, ... 800, evaluation takes 800.
        keypoint_roi_pool, keypoint_head, keypoint_predictor: None: 14x14 from the four finest maps, eight convolutions
            of 512 channels, `KeypointRCNNPredictor`.
        num_keypoints: None: 17, those of COCO; not together with keypoint_predictor.
    """

    def __init__(self, backbone: Any, num_classes: int | None = None,
                 min_size: int | Sequence[int] | None = None, *, keypoint_roi_pool: Any = None,
                 keypoint_head: nn.Module | None = None, keypoint_predictor: nn.Module | None = None,
                 num_keypoints: int | None = None, **options: Any) -> None:
        if num_keypoints is not None and keypoint_predictor is not None:
            raise ValueError("[KeypointRCNN] expected either num_keypoints or keypoint_predictor")
        sizes = (640, 672, 704, 736, 768, 800) if min_size is None else min_size
        super().__init__(backbone, num_classes, sizes, **options)
        self.roi_heads.keypoint_roi_pool = keypoint_roi_pool or MultiScaleRoIAlign(["0", "1", "2", "3"], 14, 2)
        self.roi_heads.keypoint_head = keypoint_head or KeypointRCNNHeads(backbone.out_channels, (512,) * 8)
        self.roi_heads.keypoint_predictor = keypoint_predictor or KeypointRCNNPredictor(512, num_keypoints or 17)


@register
def keypoint_rcnn(num_classes: int = 2, num_keypoints: int = 17, norm_layer: Norm = nn.FrozenBatchNorm2d,
                  trainable_backbone_layers: int = 5, backbone_name: str = "resnet50", in_channels: int = 3,
                  **options: Any) -> KeypointRCNN:
    """Keypoint R-CNN on ResNet-50 and a feature pyramid, for people and their 17 joints: 59,137,258 parameters.

    Arguments as in `faster_rcnn`; state names are torchvision's.

    >>> import pyconv
    >>> model = keypoint_rcnn(backbone_name="resnet18", min_size=64).eval()
    >>> [found] = model([pyconv.rand(3, 64, 80)])
    >>> sorted(found), found["keypoints"].shape[1:]
    (['boxes', 'keypoints', 'keypoints_scores', 'labels', 'scores'], (17, 3))
    """
    backbone = resnet_fpn_backbone(backbone_name=backbone_name, norm_layer=norm_layer,
                                   trainable_layers=trainable_backbone_layers, in_channels=in_channels)
    return KeypointRCNN(backbone, num_classes, num_keypoints=num_keypoints, **{**image_statistics(in_channels), **options})


@register
def keypointrcnn_resnet50_fpn(num_classes: int = 2, num_keypoints: int = 17, **options: Any) -> KeypointRCNN:
    """`keypoint_rcnn` under torchvision's name.

    >>> import pyconv
    >>> with pyconv.device("meta"):
    ...     print(sum(p.numel() for p in keypointrcnn_resnet50_fpn().parameters()))
    59137258
    """
    return keypoint_rcnn(num_classes, num_keypoints, **options)
