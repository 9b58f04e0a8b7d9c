"""What the worker does."""

import os

from celery import Celery

celery = Celery("tasks", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])


@celery.task
def shout(text):
    return {"text": text.upper(), "release": os.environ["FLASKOPS_RELEASE"], "by": os.environ["HOSTNAME"]}
