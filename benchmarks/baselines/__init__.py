"""What one would build today instead of statuspush, measured on the same machine.

Each baseline is a task queue on Redis, set up as its documentation advises for work that must
not be lost; one report is one task, and one task is one POST in the contract's form:

``celery-prefork``
    Celery, Redis, requests; as many processes as cores, one session kept by each.
``celery-threads``
    The same tasks in 100 threads, spread over as many worker processes as cores.
``taskiq``
    taskiq, Redis streams, aiohttp; as many processes as cores, 100 tasks at a time in each,
    and taskiq's scheduler for the retries.

All acknowledge a task to the broker only after the customer's answer has been judged, and retry
300 seconds later, at most three times. Redis appends to its file and syncs it every second.

The parts, one job each:

- ``programs/`` runs in the baselines' own virtual environments and knows nothing of statuspush:
  tasks, publishers, and the exact versions to install;
- ``venvs`` makes those environments, ``processes`` starts, measures and ends processes,
  ``broker`` is the Redis server, ``queues`` tells when workers wait and when all is done;
- ``runner`` does one run and reconciles every report; ``python -m benchmarks.baselines`` prints.
"""
