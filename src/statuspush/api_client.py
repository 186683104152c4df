"""A client for a running service: URL, token, and answers as values or errors."""

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from statuspush.core.errors import InputError, ServiceError

if TYPE_CHECKING:
    import httpx

DEFAULT_URL: Final = "http://127.0.0.1:8080"


class ApiRefused(InputError):
    """The service refused the call as wrong; ``status`` is the HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class ApiFailed(ServiceError):
    """The service can't be reached, or can't do it now."""


class ApiClient:
    """A client for a running service. Use as a context manager.

    :param url: base URL, without ``/v1``.
    :param token: the operator token; None raises :class:`InputError` immediately.
    """

    def __init__(self, url: str, token: str | None) -> None:
        import httpx  # noqa: PLC0415 - a tenth of a second that --help shouldn't cost

        self._url = base_url(url)
        self._client = httpx.Client(
            base_url=self._url,
            headers=authorization(token),
            # A test push may take as long as the account's limits allow it to.
            timeout=httpx.Timeout(310, connect=5),
            trust_env=uses_proxy(self._url),
        )

    def __enter__(self) -> "ApiClient":
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()

    def call(
        self, method: str, path: str, *, json: object = None, params: dict[str, str] | None = None
    ) -> Any:
        """Do one call; return the decoded JSON, None for an answer without body.

        Raises :class:`ApiRefused` for an answer of 4xx, :class:`ApiFailed` for 5xx or no answer.
        """
        import httpx  # noqa: PLC0415

        try:
            response = self._client.request(method, path, json=json, params=params)
        except httpx.HTTPError as error:
            raise ApiFailed(unreachable(self._url, error)) from None
        require_success(response)
        return response.json() if response.content else None


def account_path(account: str, rest: str = "") -> str:
    """Path of an account in the API, safe whatever was typed."""
    return f"/v1/accounts/{quote(account, safe='')}{rest}"


def base_url(url: str) -> str:
    """The URL without trailing slash; raises InputError unless it is http:// or https://."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"--service must look like {DEFAULT_URL}, not {url!r}")
    return url.rstrip("/")


def authorization(token: str | None) -> dict[str, str]:
    """The header that carries the token; raises InputError without one."""
    if not token:
        raise InputError(
            "the service asks for its operator token: set STATUSPUSH_TOKEN or give --token "
            "(it was printed at the service's first start, or is its STATUSPUSH_OPERATOR_TOKEN)"
        )
    return {"Authorization": f"Bearer {token}"}


def uses_proxy(url: str) -> bool:
    """Whether the environment's proxies apply; not for a service on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def unreachable(url: str, error: Exception) -> str:
    """The message for a service that didn't answer."""
    why = str(error) or type(error).__name__
    return f"no service answers at {url} ({why}); is it running? 'statuspush serve' starts it"


def require_success(response: "httpx.Response") -> None:
    """Raise :class:`ApiRefused` or :class:`ApiFailed` unless the answer is 2xx."""
    if response.is_success:
        return
    problem = problem_of(response)
    message = str(problem.get("detail") or problem.get("title") or f"HTTP {response.status_code}")
    errors = problem.get("errors") or []
    if len(errors) > 1:
        message = "".join(f"\n  {e.get('field')}: {e.get('message')}" for e in errors).lstrip()
    elif errors:
        message = f"{errors[0].get('field')}: {errors[0].get('message')}"
    if response.status_code == 401:
        message = f"{message}: check --token or STATUSPUSH_TOKEN"
    if response.is_client_error and response.status_code != 429:
        raise ApiRefused(message, response.status_code)
    raise ApiFailed(f"{message} (HTTP {response.status_code})")


def problem_of(response: "httpx.Response") -> dict[str, Any]:
    """The problem document of an answer; one is made up if the answer isn't one."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if isinstance(problem, dict):
        return problem
    kind = response.headers.get("content-type", "without content type")
    return {"title": f"not the answer of a statuspush service ({kind}); check --service"}
