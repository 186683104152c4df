"""The rooms of ``statuspush check``: what is sent, how it is sent, and what is said of it.

``cases`` makes the requests, ``probe`` sends them (``by_hand`` those that a platform never sends),
``course`` is their order. ``findings`` judges, ``limits`` looks for the size at which an endpoint
gives up, ``echo`` and ``differences`` compare what was sent with what was understood. ``advice``
holds the words, ``show`` the table and the document.
"""
