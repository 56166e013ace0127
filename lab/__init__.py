"""The embedded lab: machines that are not there."""
