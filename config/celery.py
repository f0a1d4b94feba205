"""The Celery application: rings in, lanes turn (predictions/tasks.py). No result backend; the ledger is the result."""

import os

from celery import Celery

from config import rings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")  # they would load every page into the worker

rings.install()
app = Celery("almanac", amqp=rings.AMQP)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    accept_content=["json"],
    task_serializer="json",
    task_default_queue=rings.QUEUE,
    task_acks_late=False,  # the lease is the guarantee
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    worker_enable_remote_control=False,  # who can write to Redis could end every worker
    worker_proc_alive_timeout=60,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_channel_error_retry=True,  # a Redis that is read-only or full comes back, like one that is away
    broker_transport_options={
        "max_retries": 0,  # of who publishes, who has another way; a worker's consumer tries for ever
        "socket_timeout": 5,
        "socket_connect_timeout": 1,
        "socket_keepalive": True,
        "health_check_interval": 5,
    },
)
app.autodiscover_tasks()
