"""Hypothesis' settings: the quick tier repeats the same examples, the long one draws new ones, and more."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("quick", derandomize=True, max_examples=25, deadline=None, database=None,
                          suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("full", settings.get_profile("quick"), derandomize=False, max_examples=600, print_blob=True)


def pytest_configure(config):
    settings.load_profile("full" if config.getoption("--full") else "quick")
