"""Dropout and random draws as operations."""

from __future__ import annotations

METHODS: dict = {}
