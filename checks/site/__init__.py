"""A site's own checks, in plain Testinfra, beside ours. See docs/site-checks.md."""
