"""The web application in a process that kills itself: `granian … tests.chaos.die_at_web:application`."""

from config.asgi import application
from tests.chaos import die_at

__all__ = ["application", "die_at"]
