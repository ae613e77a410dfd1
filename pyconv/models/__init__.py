"""Networks by name, one family per file: the file is the network's documentation."""

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
