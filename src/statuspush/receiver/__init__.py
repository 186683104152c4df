"""The customer's side of the contract (section 6): what a push holds, and where it goes on to.

Depends on the core alone, never on the sender.
"""

from statuspush.receiver.report import Report, Status

__all__ = ["Report", "Status"]
