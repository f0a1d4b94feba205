"""Real processes, real signals: the ledger's promise under every fault we know. `python -m tests.chaos --help`."""
