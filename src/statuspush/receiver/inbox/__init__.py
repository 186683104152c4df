"""The inbox: what arrived is on disk here before a push is acknowledged."""

from statuspush.receiver.inbox.inbox import Batch, Inbox, Kept, read_batches
from statuspush.receiver.inbox.writer import InboxBroken, InboxFull, InboxUnavailable

__all__ = [
    "Batch",
    "Inbox",
    "InboxBroken",
    "InboxFull",
    "InboxUnavailable",
    "Kept",
    "read_batches",
]
