"""Layers, containers, losses and initialisers, with PyTorch's names."""

from pyconv.nn.containers import Flatten, Identity, ModuleDict, ModuleList, Sequential
from pyconv.nn.module import Module
from pyconv.nn.parameter import Parameter

__all__ = ["Flatten", "Identity", "Module", "ModuleDict", "ModuleList", "Parameter", "Sequential"]
