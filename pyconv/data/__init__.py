"""Datasets, loaders and transforms.

>>> import numpy as np
>>> from pyconv.data import DataLoader, TensorDataset
>>> data = TensorDataset(np.zeros((10, 1, 8, 8), np.float32), np.arange(10))
>>> [x.shape for x, y in DataLoader(data, batch_size=4, shuffle=True, generator=0)]
[(4, 1, 8, 8), (4, 1, 8, 8), (2, 1, 8, 8)]
"""

from pyconv.data import transforms
from pyconv.data.collate import default_collate
from pyconv.data.dataset import ConcatDataset, Dataset, Subset, TensorDataset, random_split
from pyconv.data.digits import Digits
from pyconv.data.loader import DataLoader
from pyconv.data.preprocessing import Preprocessing

__all__ = ["ConcatDataset", "DataLoader", "Dataset", "Digits", "Preprocessing", "Subset", "TensorDataset", "default_collate",
           "random_split", "transforms"]
