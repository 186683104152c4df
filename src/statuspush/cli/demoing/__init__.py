"""The rooms of ``statuspush demo``: a service, customers, a stream of reports, and a judge.

The judge is outside: its journal holds what was submitted and what the customers received, and
the service's own figures are held against it.
"""
