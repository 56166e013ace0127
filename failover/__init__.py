"""Drills: switch a bond on purpose, watch the wire, measure, give everything back."""
