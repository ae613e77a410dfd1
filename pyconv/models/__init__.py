"""Networks by name, one family per file: the file is the network's documentation.

Each begins with the paper, its table, the counts of parameters and multiply-adds, and what the network is about; then come the
layers, in a few dozen lines. `list_models` has all names, `create_model` builds by name, ``pyconv summary NAME`` shows the layers.

====================================================  =======================================================
To read                                               Networks
====================================================  =======================================================
perceptron, neocognitron                              1958 to 1986: one unit, units in layers, S and C cells
lenet, lenet_1998                                     LeNet-1, LeNet-5 as it is built today and as published
alexnet, zfnet, vgg                                   ImageNet, 2012 to 2014
googlenet2014, googlenet, inception_v3, inception_v4  filters of several sizes side by side
resnet, resnet_cifar, resnext_cifar, densenet         shortcuts
fcn, fcn_resnet, unet, encoder_decoder                a class for every pixel
hourglass                                             joints of a body
srcnn, vdsr, carn                                     sharper pictures
fcn_detector                                          objects as peaks of a map
rcnn, fast_rcnn, faster_rcnn                          objects from proposals
mask_rcnn, keypoint_rcnn                              and their outlines and joints
yolov1, yolov2, yolov3                                objects from a grid
====================================================  =======================================================

What several of them are made of: ``inception_pieces``, ``darknet``, ``yolo_head``, ``detection``, ``sizes``. What works on any of
them: ``weights``, ``keymaps`` and ``preprocessing`` (files of weights), ``transfer`` and ``cached`` (heads for other classes),
``fully_convolutional``, and the ``registry`` of names.
"""

from pyconv.models.alexnet import *
from pyconv.models.cached import *
from pyconv.models.carn import *
from pyconv.models.darknet import *
from pyconv.models.densenet import *
from pyconv.models.encoder_decoder import *
from pyconv.models.fast_rcnn import *
from pyconv.models.faster_rcnn import *
from pyconv.models.fcn import *
from pyconv.models.fcn_detector import *
from pyconv.models.fcn_resnet import *
from pyconv.models.fully_convolutional import *
from pyconv.models.googlenet import *
from pyconv.models.googlenet2014 import *
from pyconv.models.hourglass import *
from pyconv.models.inception_v3 import *
from pyconv.models.inception_v4 import *
from pyconv.models.keypoint_rcnn import *
from pyconv.models.lenet import *
from pyconv.models.lenet_1998 import *
from pyconv.models.mask_rcnn import *
from pyconv.models.neocognitron import *
from pyconv.models.perceptron import *
from pyconv.models.preprocessing import *
from pyconv.models.rcnn import *
from pyconv.models.registry import create_model as create_model
from pyconv.models.registry import list_models as list_models
from pyconv.models.resnet import *
from pyconv.models.resnet_cifar import *
from pyconv.models.resnext_cifar import *
from pyconv.models.srcnn import *
from pyconv.models.transfer import *
from pyconv.models.unet import *
from pyconv.models.vdsr import *
from pyconv.models.vgg import *
from pyconv.models.weights import *
from pyconv.models.yolov1 import *
from pyconv.models.yolov2 import *
from pyconv.models.yolov3 import *
from pyconv.models.zfnet import *
