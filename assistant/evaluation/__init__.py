"""Measuring: `assistant eval …`."""
