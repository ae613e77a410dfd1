"""Matrix product and linear layer."""

from __future__ import annotations

METHODS: dict = {}
