"""Softmax and cross-entropy."""

from __future__ import annotations

METHODS: dict = {}
