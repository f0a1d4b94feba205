"""Settings, addresses, the Celery application, the embedded run."""

VERSION = "0.1.0"
