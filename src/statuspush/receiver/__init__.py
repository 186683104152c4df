"""The customer's side of the contract (section 6): take pushes, store them, then handle them.

Depends on the core and its own storage, never on the sender.
"""

from statuspush.core.decode import NotAPush
from statuspush.core.kinds.voice_status import Report, Status
from statuspush.receiver.endpoint import Answer
from statuspush.receiver.gate import Gate
from statuspush.receiver.inbox.ledger import Trouble
from statuspush.receiver.receiver import Receiver, decode

__all__ = ["Answer", "Gate", "NotAPush", "Receiver", "Report", "Status", "Trouble", "decode"]
