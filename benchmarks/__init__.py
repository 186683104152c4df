"""Benchmarks of statuspush: ``python -m benchmarks`` lists them."""
