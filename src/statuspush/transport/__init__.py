"""One HTTP POST with a total deadline, a guard on addresses, and a capped answer.

:class:`Transport` is the front; what a customer's server does wrong comes back as a value
(:mod:`statuspush.core.outcome`). The path of a request through the modules:
:mod:`statuspush.core.url` and ``headers`` check, ``pool`` has a connection or ``dial`` opens one
(``resolver``, ``guard``, ``proxy``, ``tls``), ``connection`` writes and waits, ``answer`` reads.
"""

from statuspush.core.customer_headers import InvalidHeader, validate_header
from statuspush.core.push_request import PostRequest
from statuspush.core.url import InvalidUrl, ParsedUrl, validate_url
from statuspush.transport.client import Done, Sending, Transport
from statuspush.transport.guard import AddressGuard
from statuspush.transport.resolver import Resolver, SystemResolver

__all__ = [
    "AddressGuard",
    "Done",
    "InvalidHeader",
    "InvalidUrl",
    "ParsedUrl",
    "PostRequest",
    "Resolver",
    "Sending",
    "SystemResolver",
    "Transport",
    "validate_header",
    "validate_url",
]
