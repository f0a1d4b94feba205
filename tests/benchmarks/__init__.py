"""Measurements, each a command that prints its figures. None of them is a test."""
