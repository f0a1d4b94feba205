"""Tiny real models, each with one fault. A runner finds their classes by name: the project is on its path."""
