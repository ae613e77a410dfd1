"""Reductions."""

from __future__ import annotations

METHODS: dict = {}
