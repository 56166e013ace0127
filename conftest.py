"""Wiring only: the plugins that make a run of `checks/` or `failover/` a vfproof run."""

pytest_plugins = ["checks.plugin", "failover.plugin", "reports.plugin"]
