"""The inference engine: what a version is on disk, and how it is run. Plain Python, usable without Django."""
