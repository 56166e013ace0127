"""Judgement without a network: bundles in a folder, the script that makes one, sosreports, and what may be shared."""
