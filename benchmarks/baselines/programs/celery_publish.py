"""Enqueue every order with Celery, over one connection and one producer."""

from celery_tasks import app, push
from publisher import measured, orders

waiting = orders()
with app.producer_pool.acquire(block=True) as producer:
    producer.connection.ensure_connection()
    with measured():
        for url, report in waiting:
            push.apply_async((url, report), producer=producer)
