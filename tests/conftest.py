"""Profiles of the property tests: the usual one in every run, `long` for hours when nobody waits."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("long", max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
