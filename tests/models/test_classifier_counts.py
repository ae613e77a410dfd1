"""Parameters and multiply-adds of the networks that classify, as their papers and torchvision's tables have them."""

from __future__ import annotations

import re
import sys

import pytest
from zoo import counts

from pyconv import models

#: name: parameters, multiply-adds of one image of the size that the network was made for.
TABLE = {
    "alexnet": (61_100_840, 714_188_480),
    "alexnet2012": (60_965_224, 724_406_816),
    "densenet100_12_bc_cifar": (769_162, 287_929_692),
    "densenet121": (7_978_856, 2_834_161_664),
    "densenet161": (28_681_000, 7_727_907_072),
    "densenet169": (14_149_480, 3_359_843_328),
    "densenet190_40_bc_cifar": (25_624_430, 9_301_945_740),
    "densenet201": (20_013_928, 4_291_365_888),
    "densenet40_12_cifar": (1_019_722, 264_812_928),
    "googlenet": (13_004_888, 1_498_376_192),
    "googlenet2014": (13_378_280, 1_582_671_872),
    "inception_v3": (27_161_264, 5_713_216_096),
    "inception_v4": (42_679_816, 12_253_974_624),
    "lenet1": (3_246, 136_320),
    "lenet5": (61_706, 416_520),
    "resnet18": (11_689_512, 1_814_073_344),
    "resnet34": (21_797_672, 3_663_761_408),
    "resnet50": (25_557_032, 4_089_184_256),
    "resnet101": (44_549_160, 7_801_405_440),
    "resnet152": (60_192_808, 11_513_626_624),
    "resnet20_cifar": (269_722, 40_551_040),
    "resnet32_cifar": (464_154, 68_862_592),
    "resnet44_cifar": (658_586, 97_174_144),
    "resnet56_cifar": (853_018, 125_485_696),
    "resnet110_cifar": (1_727_962, 252_887_680),
    "resnet1202_cifar": (19_421_274, 2_829_238_912),
    "resnext29_8x64d": (34_426_698, 5_387_266_048),
    "resnext29_16x64d": (68_155_210, 10_688_866_304),
    "resnext50_32x4d": (25_028_904, 4_230_479_872),
    "resnext101_32x8d": (88_791_336, 16_414_015_488),
    "resnext101_64x4d": (83_455_272, 15_460_270_080),
    "vgg11": (132_863_336, 7_609_090_048),
    "vgg11_bn": (132_868_840, 7_609_090_048),
    "vgg13": (133_047_848, 11_308_466_176),
    "vgg13_bn": (133_053_736, 11_308_466_176),
    "vgg16": (138_357_544, 15_470_264_320),
    "vgg16_bn": (138_365_992, 15_470_264_320),
    "vgg19": (143_667_240, 19_632_062_464),
    "vgg19_bn": (143_678_248, 19_632_062_464),
    "wide_resnet50_2": (68_883_240, 11_398_021_120),
    "wide_resnet101_2": (126_886_696, 22_753_050_624),
    "zfnet": (62_357_608, 1_168_032_896),
}
#: What options change.
WITH_OPTIONS = [
    ("alexnet2012", {"groups": 1}, (62_378_344, 1_135_256_096)),
    ("googlenet", {"aux_logits": False}, (6_624_904, 1_498_376_192)),
    ("googlenet2014", {"aux_logits": False}, (6_998_552, 1_582_671_872)),
    ("inception_v3", {"aux_logits": False}, (23_834_568, 5_713_216_096)),
    ("resnet1202_cifar", {"segments": 14}, (19_421_274, 2_829_238_912)),
    ("resnet20_cifar", {"plain": True}, (269_722, 40_551_040)),
    ("resnet50", {"num_classes": 10, "in_channels": 1},
     (25_557_032 - 990 * 2049 - 64 * 49 * 2, 4_089_184_256 - 990 * 2048 - 64 * 49 * 2 * 112 * 112)),
]


@pytest.mark.parametrize("name", TABLE)
def test_counts(name):
    assert counts(name) == TABLE[name]


@pytest.mark.parametrize("name", [name for name in TABLE if not name.endswith("_bn")])
def test_the_documentation_has_the_same_counts(name):
    text = sys.modules[getattr(models, name).__module__].__doc__
    row = next(line for line in text.splitlines() if line.startswith(f"{name} "))
    assert [int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*,\d{3}\b", row)][:2] == list(TABLE[name])


@pytest.mark.parametrize(("name", "options", "expected"), WITH_OPTIONS)
def test_counts_with_options(name, options, expected):
    assert counts(name, **options) == expected
