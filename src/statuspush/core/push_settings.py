"""The settings of an account's push interface: one table that everything else derives from.

Each field of :class:`PushSettings` is an entry of the table. The API (checks, JSON schema,
answers), the command line (flags and their help), the console, what an engine stores, and the
documents all follow from it, so a further setting is one further field here.

A change goes through two steps. :func:`read_changes` checks what was sent, without knowing the
account. :func:`apply` makes the change to the settings as they are at that moment; the engine
calls it inside its transaction, so that no concurrent change is lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, TypeVar

from statuspush.core import setting_forms as forms
from statuspush.core.contract import Mode, Wire
from statuspush.core.errors import InputError, StoreRefused
from statuspush.core.kinds import VOICE_STATUS
from statuspush.core.setting_forms import Form, Headers
from statuspush.core.values import Mistake, Wrong, collect, mistake
from statuspush.core.words import Words

T = TypeVar("T")


class InvalidSettings(InputError):
    """Changes that can't be made.

    ``mistakes`` has every wrong field, ``changes`` what could be read of the others.
    """

    def __init__(
        self, mistakes: Sequence[Mistake], changes: Mapping[str, object] | None = None
    ) -> None:
        first = mistakes[0].message
        super().__init__(
            first
            if len(mistakes) == 1
            else Words(
                f"{len(mistakes)} settings are wrong: "
                + "; ".join(one.message.en for one in mistakes),
                f"有 {len(mistakes)} 项设置错误：" + "；".join(one.message.zh for one in mistakes),
            )
        )
        self.mistakes = tuple(mistakes)
        self.changes = dict(changes or {})

    def together_with(self, current: "PushSettings") -> "InvalidSettings":
        """This error, plus the mistakes that the readable changes cause on those settings."""
        found = {one.field for one in self.mistakes}
        try:
            apply(current, self.changes)
        except InvalidSettings as more:
            added = [one for one in more.mistakes if one.field not in found]
            return InvalidSettings([*self.mistakes, *added], self.changes)
        return self


def _entry(
    default: T, form: Form, description: Words, *, flag: str = "", shapes_body: bool = False
) -> T:
    """An entry of the table, as a field that stays out of ``repr``, so out of logs, when secret."""
    about = {"form": form, "description": description, "flag": flag, "shapes_body": shapes_body}
    return field(default=default, repr=not form.secret, metadata=about)


@dataclass(frozen=True, slots=True, kw_only=True)
class PushSettings:
    """What people set for an account's push interface (contract sections 1 to 4).

    A change applies to every later send. Only the reports of a push are fixed at its first send,
    because what is sent under an id never changes.
    """

    mode: Mode = _entry(  # noqa: RUF009 - the value is frozen
        Mode.OFF,
        forms.choice(Mode),
        Words(
            "`on` pushes and needs a `url`. `paused` sends nothing and keeps the backlog. `off` "
            "pushes nothing and cancels the pushes that wait. From `off` to `on`, only reports "
            "accepted from then on are pushed by themselves.",
            "`on` 开启推送，需先设置 `url`；`paused` 暂停发送，积压保留；`off` 不推送，"
            "并取消等待中的推送。由 `off` 切换到 `on` 后，只自动推送此后接收的报告。",
        ),
    )
    url: str | None = _entry(
        None,
        forms.url(),
        Words(
            "Where pushes go, without user name and password. The address that the host resolves "
            "to is checked whenever a connection is opened.",
            "推送的目标地址，不能包含用户名和密码。每次建立连接时都会检查主机解析到的地址。",
        ),
        shapes_body=True,
    )
    wire: Wire = _entry(  # noqa: RUF009 - the value is frozen
        Wire.ROBUST,
        forms.choice(Wire),
        Words(
            "How the JSON is encoded in the form; `robust` suits every receiver.",
            "JSON 在表单中的编码形式；`robust` 适用于所有接收程序。",
        ),
    )
    max_reports: int = _entry(
        VOICE_STATUS.max_reports,
        forms.integer(1, VOICE_STATUS.max_reports),
        Words(
            "Most reports in one push; holds for pushes that are made from then on.",
            "单次推送的最多报告条数，对此后生成的推送生效。",
        ),
        shapes_body=True,
    )
    max_bytes: int | None = _entry(
        None,
        # Below the least not even a single report would fit.
        forms.integer(1_000, 100_000_000, null=True),
        Words(
            "Largest body of a push in bytes; a push that was sent before stays as it is.",
            "单次推送请求体的最大字节数；已发送过的推送保持不变。",
        ),
        shapes_body=True,
    )
    max_in_flight: int = _entry(
        1,
        forms.integer(1, 64),
        Words(
            "Most pushes under way concurrently. More than 1 gives up the strict order.",
            "同时进行的推送上限。大于 1 时不再保证严格的顺序。",
        ),
    )
    connect_seconds: float = _entry(
        5.0,
        forms.seconds(0.1, 60.0),
        Words(
            "Limit for connecting, TLS included. It is part of `timeout_seconds` and is lowered "
            "to it when longer.",
            "建立连接（含 TLS）的时限，包含在 `timeout_seconds` 之内；超过后者时会降到与之相同。",
        ),
    )
    timeout_seconds: float = _entry(
        15.0,
        forms.seconds(0.5, 300.0),
        Words(
            "Limit for a whole send: connecting, sending, and the answer.",
            "整次发送的时限，包括连接、发送和等待应答。",
        ),
    )
    secret: str | None = _entry(
        None,
        forms.secret(),
        Words(
            "Signs pushes as Standard Webhooks does. Answers show `set` instead of it.",
            "按 Standard Webhooks 规范对推送签名的密钥。查询时只显示 `set`。",
        ),
    )
    headers: Headers = _entry(  # noqa: RUF009 - the value is frozen
        (),
        forms.headers(),
        Words(
            "Further headers on each push; they replace all that were set. Answers show `***` "
            "instead of a value, and `***` sent back keeps the value stored under that name. "
            "Headers of the contract and of HTTP itself are refused.",
            "每次推送附加的请求头，整体替换原有设置。查询时值显示为 `***`；"
            "原样提交 `***` 表示沿用该名称下已保存的值。协议和 HTTP 自身的请求头不能设置。",
        ),
        flag="--header",
    )


@dataclass(frozen=True, slots=True)
class PushSetting:
    """An entry of the table: what is known about one setting besides its value."""

    name: str
    """Name of the field, of the member in JSON, and of the stored value."""
    default: Any
    form: Form
    """What is allowed, and how values are written."""
    description: Words
    """What it means, for people; names of values and settings stand in backticks."""
    flag: str
    """Name of the flag of ``statuspush account push``."""
    shapes_body: bool
    """A change of it makes the learned body size obsolete."""

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the member, as in OpenAPI 3.0."""
        return {**self.form.schema, "description": self.description.en}


PUSH_SETTINGS: Final[tuple[PushSetting, ...]] = tuple(
    PushSetting(
        name=entry.name,
        default=entry.default,
        form=entry.metadata["form"],
        description=entry.metadata["description"],
        flag=entry.metadata["flag"] or "--" + entry.name.replace("_", "-"),
        shapes_body=entry.metadata["shapes_body"],
    )
    for entry in fields(PushSettings)
)
"""The table, in the order in which settings are shown."""

_RULES: Final = {setting.name: setting.form.read for setting in PUSH_SETTINGS}
_BY_NAME: Final = {setting.name: setting for setting in PUSH_SETTINGS}

SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "description": "Any of the settings; those left out stay as they are.",
    "properties": {setting.name: setting.schema for setting in PUSH_SETTINGS},
    "example": {"mode": "on", "url": "https://customer.example/voice_status"},
}
"""JSON schema of what :func:`read_changes` takes, as in OpenAPI 3.0."""


def read_changes(patch: Mapping[str, object]) -> dict[str, object]:
    """Check a decoded JSON object of changes, whatever the account's settings are.

    Returns the values by name, for :func:`apply`. Raises :class:`InvalidSettings` with every
    mistake in it.
    """
    changes, mistakes = collect(patch, _RULES)
    if mistakes:
        raise InvalidSettings(mistakes, changes)
    return changes


def apply(current: PushSettings, changes: Mapping[str, object]) -> PushSettings:
    """The settings after ``changes``, which :func:`read_changes` has read; the others stay.

    A masked header gets the value that is stored now. A limit for connecting that is longer than
    the one for the whole send is lowered to it.

    Raises :class:`InvalidSettings` for what the settings together don't allow.
    """
    changed: PushSettings = replace(current, **changes)  # type: ignore[arg-type] # read by the table
    mistakes = []
    try:
        changed = replace(changed, headers=forms.unmasked(changed.headers, current.headers))
    except Wrong as wrong:
        mistakes.append(mistake("headers", wrong.words))
    if changed.mode is Mode.ON and changed.url is None:
        needed = Words("is needed to switch push on", "未设置，无法开启推送")
        mistakes.append(mistake("url", needed))
    if mistakes:
        raise InvalidSettings(mistakes)
    if changed.connect_seconds > changed.timeout_seconds:
        changed = replace(changed, connect_seconds=changed.timeout_seconds)
    return changed


def learned_is_obsolete(before: PushSettings, after: PushSettings) -> bool:
    """Whether the change makes the body size learned from a 413 obsolete."""
    return any(
        getattr(before, setting.name) != getattr(after, setting.name)
        for setting in PUSH_SETTINGS
        if setting.shapes_body
    )


def body_limit(settings: PushSettings, learned_max_bytes: int | None) -> int | None:
    """Largest body in bytes: the smaller of the configured and the learned limit, or None."""
    limits = [limit for limit in (settings.max_bytes, learned_max_bytes) if limit is not None]
    return min(limits, default=None)


def shown(settings: PushSettings) -> dict[str, Any]:
    """All settings as JSON for people, without what is secret in them."""
    return {s.name: s.form.show(getattr(settings, s.name)) for s in PUSH_SETTINGS}


def as_document(settings: PushSettings) -> dict[str, Any]:
    """The settings as JSON to be stored: those that differ from the defaults, secrets included."""
    values = ((setting, getattr(settings, setting.name)) for setting in PUSH_SETTINGS)
    return {s.name: s.form.store(value) for s, value in values if value != s.default}


def from_document(document: Mapping[str, Any]) -> PushSettings:
    """The settings that :func:`as_document` wrote.

    Raises :class:`~statuspush.core.errors.StoreRefused` for a setting or a value that this version
    doesn't know, because a later one wrote it.
    """
    values = {}
    for name, stored in document.items():
        try:
            values[name] = _BY_NAME[name].form.restore(stored)
        except (KeyError, ValueError, TypeError):
            raise StoreRefused(
                Words(
                    f"an account's setting {name!r} was stored by a later version of statuspush; "
                    "start that version",
                    f"账户设置 {name!r} 由更高版本的 statuspush 写入，请使用该版本启动",
                )
            ) from None
    return PushSettings(**values)
