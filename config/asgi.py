"""What the web server calls: an event loop for calls that ask for predictions, and Django in threads for all else."""

from django.conf import settings

from config.threads import InThreads
from config.wsgi import application as django
from predictions.api.direct import Direct

application = Direct(InThreads(django, threads=settings.WEB_THREADS))
