"""The demo: a service, customers, a stream of reports, and a judge.

``play`` runs it, ``customers`` receive, ``voices`` invents reports, ``stage`` calls the API. The
judge is outside: its ``journal`` holds what was submitted and what the customers received, and the
service's own figures are compared with it. Nothing here knows a terminal: an audience is passed in.
"""
