"""Layers, containers, losses and initialisers, with PyTorch's names."""

from pyconv.nn import functional, init, utils
from pyconv.nn.activation import LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
from pyconv.nn.containers import Flatten, Identity, ModuleDict, ModuleList, Sequential
from pyconv.nn.conv import Conv1d, Conv2d, Conv3d
from pyconv.nn.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from pyconv.nn.dropout import Dropout, Dropout1d, Dropout2d, Dropout3d
from pyconv.nn.linear import Linear
from pyconv.nn.loss import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)
from pyconv.nn.module import Module
from pyconv.nn.norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from pyconv.nn.parameter import Parameter
from pyconv.nn.pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
)

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "BCELoss", "BCEWithLogitsLoss", "BatchNorm1d",
    "BatchNorm2d", "BatchNorm3d", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d",
    "CrossEntropyLoss", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "Flatten", "HuberLoss", "Identity",
    "KLDivLoss", "L1Loss", "Linear", "LogSoftmax", "MSELoss", "MaxPool1d", "MaxPool2d", "MaxPool3d", "Module",
    "ModuleDict", "ModuleList", "NLLLoss", "Parameter", "ReLU", "Sequential", "Sigmoid", "SmoothL1Loss", "Softmax",
    "Tanh", "functional", "init", "utils",
]
