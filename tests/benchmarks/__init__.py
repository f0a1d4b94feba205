"""Measurements, each a command that prints its figures. None of them is a test; what they reckon with is tested."""
