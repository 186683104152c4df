"""The way of a report, a module a step: accept, cut, send, record; and sweep behind them."""
