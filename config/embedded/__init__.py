"""Real PostgreSQL and Valkey without installing anything, and the supervisor of `make serve`."""
