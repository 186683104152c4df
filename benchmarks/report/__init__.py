"""``python -m benchmarks report``: the whole table, and the document that is made of it.

``parts`` measures, ``results`` keeps what was measured as JSON, ``goals`` says what must be and
what is aimed at, ``document`` writes docs/performance.md and ``charts`` its plots. The document is
made of the kept results alone, so any part can be measured again by itself.
"""
