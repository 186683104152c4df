"""What this machine can do: the real service between a load generator and a cheap customer.

Shared by ``statuspush bench`` and the repository's ``benchmarks/``. The parts, one job each:

- ``reports`` invents what is submitted, ``load`` submits it and ``sink`` receives it, each in a
  process of its own; ``child`` speaks with such processes, ``generator`` orders a load;
- ``rig`` starts the real ``statuspush serve`` and its customer, ``processes`` tells what each
  process takes of the machine, ``machine`` what machine it is;
- ``trial`` is one measured run, ``reconcile`` accounts for every report of it, ``figures`` is what
  it came to;
- ``survey`` runs what an operator asks, ``judge`` names the limit, ``words`` and ``show`` say it.

It knows the service by its commands, its API and its metrics only.
"""
