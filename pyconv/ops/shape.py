"""Views, concatenation, padding, indexing, conversion."""

from __future__ import annotations

METHODS: dict = {}
