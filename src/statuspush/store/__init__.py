"""Durable state behind one contract (:mod:`statuspush.store.contracts`), a package per engine."""
