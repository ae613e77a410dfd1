"""The worked numbers of four lectures on convolutional networks, computed again by this library.

A module per topic; each holds `Item`s, each of which yields `Claim`s: what a slide says, and what pyconv computes.
`slips` lists where the slides themselves are wrong or unclear. ``pyconv selftest`` prints both.

The lectures: K. Sohn (Ajou University), Convolutional neural network; J.-B. Huang (Virginia Tech), Convolutional neural
networks; H. Su (UC San Diego), CSE 152; T. Sattler (Chalmers), SSY097, lecture 6.
"""

from pyconv.course.item import Claim, Item, Row
from pyconv.course.runner import items, run
from pyconv.course.slips import SLIPS, Slip

__all__ = ["SLIPS", "Claim", "Item", "Row", "Slip", "items", "run"]
