"""What this machine can do: the real service between a load generator and a cheap customer.

Shared by ``statuspush bench`` and the repository's ``benchmarks/``. The parts, one job each:

- ``reports`` invents what is submitted, ``load_generator`` submits it and ``sink`` receives it,
  each in a separate process; ``child`` speaks with such processes, ``load_process`` orders a load;
- ``rig`` runs the real ``statuspush serve`` and its customer, ``processes`` reads what each process
  uses of the machine, ``sampler`` does so again and again, ``machine`` describes it;
- ``trial`` is one measured run, ``reconcile`` accounts for every report of it, ``figures`` works
  out its figures;
- ``survey`` runs what an operator asks, ``judge`` names the limit, ``survey_words`` puts it in
  words.

It knows the service by its commands, its API and its metrics only.
"""
