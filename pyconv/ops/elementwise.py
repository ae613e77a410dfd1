"""Elementwise arithmetic, comparisons and activations."""

from __future__ import annotations

METHODS: dict = {}
