"""Where the slides are inconsistent, rounded or unclear: what they say, and what is right."""

from __future__ import annotations

from typing import NamedTuple


class Slip(NamedTuple):
    """``tests`` names the items whose numbers show it; none where it is a matter of words."""

    number: str
    slide: str
    says: str
    right: str
    tests: tuple[str, ...] = ()


SLIPS = (
    Slip("F01", "UCSD, Images as input: 200x200, 40K hidden units", "about 2B parameters",
         "40,000 x 40,000 = 1,600,000,000 weights, and 40,000 biases", ("T17",)),
    Slip("F02", "UCSD, AlexNet: params and FLOPs, conv4", "1.3M parameters and 112M FLOPs",
         "1,327,104 weights belong to one group (224M multiply-adds), 112M multiply-adds to two groups (663,552 "
         "weights); conv2 and conv5 are given for two groups in both columns", ("C11",)),
    Slip("F03", "UCSD, AlexNet: params and FLOPs", "884K, 37M, 16M; 223M, 149M",
         "rounded down; to the nearest they are 885K, 38M, 17M; 224M, 150M (35K is rounded to the nearest)", ("C11",)),
    Slip("F04", "UCSD, AlexNet: params and FLOPs", "FLOPs",
         "multiply-adds: each is two floating-point operations", ("C11",)),
    Slip("F05", "UCSD, AlexNet: params and FLOPs", "no biases, no total",
         "10,568 biases; 60,965,224 parameters and 724,406,816 multiply-adds in all", ("C11",)),
    Slip("F06", "UCSD, AlexNet diagram", "Conv 4 twice", "the second one is Conv 5, 256 filters of 3x3x192", ("C11",)),
    Slip("F07", "Chalmers, Network structure: 10x16x16", "100, 160, 160 units in all",
         "10 x 16 x 16 = 2,560 units", ("T20",)),
    Slip("F08", "Virginia Tech 35 and UCSD, AlexNet diagram", "224x224x3 and 227x227x3",
         "(224 - 11) / 4 is no whole number; 227, or 224 with padding 2, gives 55x55", ("T09",)),
    Slip("F09", "Ajou, Filter visualization and UCSD, First layer", "96 filters of 11x11x3 and 64x3x11x11",
         "two networks: AlexNet of 2012 (96 filters, two groups, LRN; 60,965,224 parameters) and that of 2014 (64 "
         "filters, neither; 61,100,840)", ("C11",)),
    Slip("F10", "UCSD, Gradient-based attack", "I + eps sign(grad Score_target)",
         "a targeted step up the wanted class's score; the paper's method is x + eps sign(grad J(x, y_true)), up the "
         "loss of the true class", ("T29",)),
    Slip("F11", "Ajou, Object detection as regression", "three boxes, 16 numbers", "3 x 4 = 12 numbers"),
    Slip("F12", "Ajou, ResNet", "1202 layers without degrading",
         "it trains (training error below 0.1 %), but its test error of 7.93 % is above the 6.43 % of 110 layers"),
    Slip("F13", "Ajou, Neural style transfer: content loss", "F of the content image, P of the output",
         "in the paper P is the content image and F the picture that is generated; the loss is symmetric, its "
         "gradient is taken with respect to the latter", ("T31",)),
    Slip("F14", "Ajou, Neural style transfer: style loss", "1/2 sum over layers of (G - A)^2",
         "sum over layers of w_l / (4 N^2 M^2) times the sum over i, j of (G - A)^2: 344 against 2.6875 in the "
         "example, so that weights for one do not fit the other", ("T31",)),
    Slip("F15", "Ajou, Faster R-CNN", "2016", "published at NIPS 2015; 2017 in TPAMI"),
    Slip("F16", "Virginia Tech 34", "106 vs. 103 images", "10^6 and 10^3: the exponents were lost"),
    Slip("F17", "UCSD, filters of ConvNetJS", "layers of 16x3x7x7, 20x16x7x7, 20x20x7x7",
         "the demo as published uses 5x5 filters"),
    Slip("F18", "Chalmers, Transfer learning, and Ajou, Natural image datasets", "14 million images of 1000 classes",
         "the competition has 1,000 classes and 1,281,167 training images, all of ImageNet 21,841 classes and "
         "14,197,122 images"),
    Slip("F19", "Chalmers, Overfitting", "10 data points, 10th degree polynomial",
         "it has 11 coefficients for 10 equations; degree 9 already goes through every point", ("T35",)),
    Slip("F20", "Virginia Tech 39 and Chalmers, Overfitting", "about 140M per net, and 138M",
         "132,863,336 (VGG-11) to 143,667,240 (VGG-19); VGG-16 has 138,357,544", ("D25",)),
    Slip("F21", "all four", "convolution", "cross-correlation: the filter is not flipped", ("T01", "T02")),
    Slip("F22", "Chalmers, Regularization", "min L + c sum w^2",
         "weight_decay of an optimiser stands for its half: lambda = 2c", ("SGD weight decay",)),
    Slip("F23", "Virginia Tech 25, UCSD, AlexNet", "local response normalization without its parameters",
         "alpha multiplies the sum of squares in the paper, their mean in Caffe and PyTorch: a factor of n", ("T28",)),
    Slip("F24", "Ajou, Pop quiz 2, ILSVRC; Virginia Tech 36, 52; UCSD, Saliency maps", "figures only",
         "their numbers are not in the text; Swish is checked from its formula", ("T25",)),
)
