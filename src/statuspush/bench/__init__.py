"""Measures this machine: the real service between a load generator and a cheap customer.

Shared by ``statuspush bench`` and the repository's ``benchmarks/``. The parts, one job each:

- ``reports`` invents what is submitted, ``load_generator`` submits it and ``sink`` receives it,
  each in a separate process; ``child`` speaks with such processes, ``load_process`` orders a load;
- ``rig`` runs the real ``statuspush serve`` and its customer, ``processes`` reads how much of the
  machine each process uses, ``sampler`` does so continually, ``machine`` describes it;
- ``trial`` is one measured run, ``reconcile`` accounts for every report of it, ``figures``
  computes its figures;
- ``survey`` answers an operator's question, ``judge`` names the limit, ``survey_words`` puts it
  into words.

It only knows the service's commands, API and metrics.
"""
