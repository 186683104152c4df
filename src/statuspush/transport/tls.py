"""The TLS settings for all sends, and TLS errors in plain words."""

import ssl

from statuspush.core.errors import InputError


def make_context(ca_file: str | None) -> ssl.SSLContext:
    """The one context that all connections share; making it reads the system's certificates.

    Args:
        ca_file: PEM file of authorities trusted in addition to the system's.

    Returns:
        A context that verifies certificate and host name and speaks TLS 1.2 or newer.

    Raises:
        InputError: the file cannot be read or holds no certificate.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise InputError(f"cannot use the CA file {ca_file}: {error}") from error
    return context


def explain(error: Exception) -> str:
    """What went wrong in a handshake or later, in the words of the TLS library."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS error: {error.reason or type(error).__name__}"
    if isinstance(error, (ConnectionError, TimeoutError, EOFError)):
        return "the server closed the connection during the TLS handshake"
    return f"TLS error: {type(error).__name__}"
