"""The receiver check: tries an endpoint with what platforms send, and says what to fix.

:func:`~statuspush.check.checking.check_endpoint` is the entry point. ``cases`` makes the
requests, ``probe`` sends them (``by_hand`` those that a platform never sends), ``course`` sets
their order. ``findings`` judges, ``limits`` looks for the size at which an endpoint gives up,
``echo`` and ``differences`` compare what was sent with what was understood, ``advice`` holds the
texts.

Nothing here knows a terminal or a page: the caller renders what it yields.
"""
