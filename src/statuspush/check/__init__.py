"""The receiver check: tries an endpoint with what platforms send, and says what to fix.

:func:`~statuspush.check.checking.check_endpoint` is the way in. ``cases`` makes the requests,
``probe`` sends them (``by_hand`` those that a platform never sends), ``course`` is their order.
``findings`` judges, ``limits`` looks for the size at which an endpoint gives up, ``echo`` and
``differences`` compare what was sent with what was understood, ``advice`` holds the words.

Nothing here knows a terminal or a page: whoever calls renders what it yields.
"""
