"""Mask R-CNN: Faster R-CNN with a third output, the mask of each object.

The features of each detection, resampled to 14x14 without rounding its box (RoIAlign), go through four convolutions and
a transposed one to a 28x28 mask per class; that of the detected class is stretched over the box.

=========  ==========  ===================  =============================================================================
Network    Parameters  Multiply-adds        Layers
=========  ==========  ===================  =============================================================================
mask_rcnn  44,401,393  187,586,351,616      those of `faster_rcnn`; four convolutions 256@3x3, transposed convolution
                       (800x800, 1000       256@2x2 with stride 2, 91@1x1; 44,454,513 parameters with trained norms
                       proposals, 100
                       masks); without
                       masks 134.38 G
=========  ==========  ===================  =============================================================================

Source: He, Gkioxari, Dollár and Girshick, Mask R-CNN, ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyconv import nn
from pyconv.models.detection.fpn import Norm, conv_block, resnet_fpn_backbone
from pyconv.models.detection.generalized_rcnn import image_statistics
from pyconv.models.faster_rcnn import FasterRCNN
from pyconv.models.registry import register
from pyconv.nn import functional as F
from pyconv.vision import MultiScaleRoIAlign

__all__ = ["MaskRCNN", "MaskRCNNHeads", "MaskRCNNPredictor", "mask_rcnn", "maskrcnn_resnet50_fpn"]


class MaskRCNNHeads(nn.Sequential):
    """3x3 convolutions of the given channels, each with ReLU: ``{i}.0``."""

    def __init__(self, in_channels: int, layers: Sequence[int]) -> None:
        blocks = [conv_block(before, after) for before, after in zip((in_channels, *layers), layers, strict=False)]
        super().__init__(*blocks)
        for block in blocks:
            nn.init.kaiming_normal_(block[0].weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(block[0].bias)


class MaskRCNNPredictor(nn.Module):
    """(K, in_channels, M, M) to the logits of a mask per class, (K, num_classes, 2 * M, 2 * M).

    Give a trained network a new one to teach it other classes. State: ``conv5_mask``, ``mask_fcn_logits``.
    """

    def __init__(self, in_channels: int, dim_reduced: int, num_classes: int) -> None:
        super().__init__()
        self.conv5_mask = nn.ConvTranspose2d(in_channels, dim_reduced, 2, 2)
        self.mask_fcn_logits = nn.Conv2d(dim_reduced, num_classes, 1)
        for layer in (self.conv5_mask, self.mask_fcn_logits):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Any) -> Any:
        """Enlarge, then one mask per class."""
        return self.mask_fcn_logits(F.relu(self.conv5_mask(x)))


class MaskRCNN(FasterRCNN):
    """Mask R-CNN on any backbone; arguments and calls as in `FasterRCNN`, and

    Args:
        mask_roi_pool, mask_head, mask_predictor: None: 14x14 from the four finest maps, four convolutions of 256
            channels, `MaskRCNNPredictor`; the last is needed if ``box_predictor`` is given instead of ``num_classes``.
    """

    def __init__(self, backbone: Any, num_classes: int | None = None, *, mask_roi_pool: Any = None,
                 mask_head: nn.Module | None = None, mask_predictor: nn.Module | None = None, **options: Any) -> None:
        if (num_classes is None) == (mask_predictor is None):
            raise ValueError("[MaskRCNN] expected either num_classes or mask_predictor")
        super().__init__(backbone, num_classes, **options)
        self.roi_heads.mask_roi_pool = mask_roi_pool or MultiScaleRoIAlign(["0", "1", "2", "3"], 14, 2)
        self.roi_heads.mask_head = mask_head or MaskRCNNHeads(backbone.out_channels, (256, 256, 256, 256))
        self.roi_heads.mask_predictor = mask_predictor or MaskRCNNPredictor(256, 256, num_classes or 0)


@register
def mask_rcnn(num_classes: int = 91, norm_layer: Norm = nn.FrozenBatchNorm2d, trainable_backbone_layers: int = 5,
              backbone_name: str = "resnet50", in_channels: int = 3, **options: Any) -> MaskRCNN:
    """Mask R-CNN on ResNet-50 and a feature pyramid, for COCO: 44,401,393 parameters; arguments as in `faster_rcnn`.

    State names are torchvision's.

    >>> import pyconv
    >>> model = mask_rcnn(num_classes=3, backbone_name="resnet18", min_size=64).eval()
    >>> [found] = model([pyconv.rand(3, 64, 80)])
    >>> sorted(found), found["masks"].shape[1:]
    (['boxes', 'labels', 'masks', 'scores'], (1, 64, 80))
    """
    backbone = resnet_fpn_backbone(backbone_name=backbone_name, norm_layer=norm_layer,
                                   trainable_layers=trainable_backbone_layers, in_channels=in_channels)
    return MaskRCNN(backbone, num_classes, **{**image_statistics(in_channels), **options})


@register
def maskrcnn_resnet50_fpn(num_classes: int = 91, **options: Any) -> MaskRCNN:
    """`mask_rcnn` under torchvision's name.

    >>> import pyconv
    >>> with pyconv.device("meta"):
    ...     print(sum(p.numel() for p in maskrcnn_resnet50_fpn().parameters()))
    44401393
    """
    return mask_rcnn(num_classes, **options)
