"""Durable state behind one contract (:mod:`statuspush.store.base`), one package an engine."""
