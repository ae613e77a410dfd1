"""What the detectors are made of: torchvision's ``models.detection`` where it has the thing."""

from pyconv.models.detection.fpn import (
    BackboneWithFPN,
    FeaturePyramidNetwork,
    LastLevelMaxPool,
    resnet_fpn_backbone,
)
from pyconv.models.detection.generalized_rcnn import GeneralizedRCNN
from pyconv.models.detection.roi_heads import RoIHeads
from pyconv.models.detection.rpn import RegionProposalNetwork, RPNHead
from pyconv.models.detection.transform import GeneralizedRCNNTransform

__all__ = ["BackboneWithFPN", "FeaturePyramidNetwork", "GeneralizedRCNN", "GeneralizedRCNNTransform", "LastLevelMaxPool",
           "RPNHead", "RegionProposalNetwork", "RoIHeads", "resnet_fpn_backbone"]
