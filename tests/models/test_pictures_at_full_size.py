"""Networks from pictures to pictures, forward and backward at the sizes that they were made for."""

from __future__ import annotations

import numpy as np
import pytest
from zoo import draw

import pyconv
from pyconv import models


@pytest.mark.full
@pytest.mark.parametrize(("name", "options", "size", "output"), [
    ("unet", {}, (1, 572, 572), (2, 388, 388)),
    ("unet_padded", {}, (3, 512, 512), (2, 512, 512)),
    ("unet_brain", {}, (3, 256, 256), (1, 256, 256)),
    ("segnet", {}, (3, 360, 480), (11, 360, 480)),
    ("hourglass", {"stacks": 8}, (3, 256, 256), (16, 64, 64)),
    ("fcn_resnet50", {"aux_loss": True}, (3, 520, 520), (21, 520, 520)),
    ("fcn8s", {}, (3, 375, 500), (21, 375, 500)),
    ("vdsr", {}, (1, 360, 640), (1, 360, 640)),
    ("carn", {"scale": 4}, (3, 90, 160), (3, 360, 640)),
])
def test_forward_and_backward(name, options, size, output):
    model = models.create_model(name, **options)
    out = model(pyconv.from_numpy(draw(1, *size)))
    maps = list(out.values()) if isinstance(out, dict) else out if isinstance(out, list) else [out]
    assert {m.shape for m in maps} == {(1, *output)}
    sum((m * m).mean() for m in maps).backward()
    assert all(np.isfinite(m.detach().numpy()).all() for m in maps)
    for key, p in model.named_parameters():
        assert not p.requires_grad or np.isfinite(p.grad.numpy()).all(), key
