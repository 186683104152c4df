"""The table of settings: the fields of :class:`Settings`, and what is known about each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from statuspush.config import parse
from statuspush.config.parse import MIB, Network, Parser
from statuspush.core.kinds import VOICE_STATUS

T = TypeVar("T")
PREFIX: Final = "STATUSPUSH_"
MASK: Final = "********"


# How a value is printed: as JSON knows it, and without what is secret.


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [str(item) for item in value]
    return str(value) if isinstance(value, Path | ZoneInfo) else value


def _masked(value: str | None) -> str | None:
    return None if value is None else MASK


def _masked_userinfo(value: str | None) -> str | None:
    if value is None or "@" not in value:
        return value
    scheme, _, rest = value.partition("://")
    return f"{scheme}://{MASK}@{rest.rpartition('@')[2]}"


@dataclass(frozen=True, slots=True)
class Setting:
    """What is known about one setting besides its value."""

    name: str
    """Name of the field and of the key in the file."""
    default: Any
    parse: Parser
    """From a flag, variable or key to the value; raises ValueError with a readable message."""
    show: Callable[[Any], Any]
    """From the value to what may be printed: a text, number, list of texts, or None."""
    secret: bool
    """Holds a password or token, at least in part."""
    metavar: str
    help: str
    help_zh: str

    @property
    def env(self) -> str:
        """Name of the variable."""
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        """Name of the flag of ``statuspush serve``."""
        return "--" + self.name.replace("_", "-")


def _setting(
    default: T,
    parse: Parser,
    metavar: str,
    help: str,  # noqa: A002 - the word that every command line library uses
    help_zh: str,
    *,
    show: Callable[[Any], Any] = _plain,
    secret: bool = False,
) -> T:
    """A row of the table, as a field that stays out of ``repr``, so out of logs, when secret."""
    about = {
        "parse": parse,
        "metavar": metavar,
        "help": help,
        "help_zh": help_zh,
        "show": show,
        "secret": secret,
    }
    return field(default=default, repr=not secret, metadata=about)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a service, checked; each field is a row of the table."""

    host: str = _setting(
        "127.0.0.1",
        parse.host,
        "ADDRESS",
        "Address to listen on; 0.0.0.0 or :: for all.",
        "监听地址；0.0.0.0 或 :: 表示所有地址。",
    )
    port: int = _setting(
        8080,
        parse.integer(0, 65535),
        "PORT",
        "Port to listen on; 0 takes a free one.",
        "监听端口；0 表示任取一个空闲端口。",
    )
    database: str = _setting(
        "sqlite:///statuspush.db",
        parse.database,
        "URL",
        "Where everything is kept: sqlite:///FILE below the working directory, sqlite:////FILE "
        "from the root.",
        "数据存放处：sqlite:///文件（相对工作目录）或 sqlite:////文件（绝对路径）。",
    )
    operator_token: str | None = _setting(
        None,
        parse.optional(parse.token),
        "TOKEN",
        "Token that /v1 asks for, at least 16 characters. Without one, a token is made at the "
        "first start and printed once. Prefer the variable: flags are seen by all users of the "
        "machine.",
        "/v1 接口要求的令牌，至少 16 个字符。未设置时首次启动会生成一个并只显示一次。"
        "建议用环境变量：命令行参数对本机所有用户可见。",
        show=_masked,
        secret=True,
    )
    retry_interval_seconds: float = _setting(
        float(VOICE_STATUS.retry_interval_seconds),
        parse.number(0.05, 86_400, "seconds"),
        "SECONDS",
        "Time from the end of a failed send to the next one. The contract says 300.",
        "一次推送失败后到下次重试的间隔（秒）。协议规定为 300。",
    )
    allow_targets: tuple[Network, ...] = _setting(
        (),
        parse.networks,
        "NETWORKS",
        "Private networks that customers' URLs may point into, separated by commas, such as "
        "10.1.0.0/16. None by default.",
        "允许客户 URL 指向的内网网段，以逗号分隔，例如 10.1.0.0/16。默认不允许任何内网。",
    )
    timezone: ZoneInfo = _setting(  # noqa: RUF009 - the value is frozen
        ZoneInfo("Asia/Shanghai"),
        parse.timezone,
        "ZONE",
        "Time zone of user_receive_time; times with an offset are converted to it.",
        "user_receive_time 所用时区；带时差的时间会换算到该时区。",
    )
    retention_days: float = _setting(
        7.0,
        parse.number(0.01, 3650, "days"),
        "DAYS",
        "How long reports and pushes are kept, and a repeated sid is recognised.",
        "报告与推送记录的保留天数，也是识别重复 sid 的期限。",
    )
    proxy: str | None = _setting(
        None,
        parse.optional(parse.proxy),
        "URL",
        "HTTP proxy for all pushes: http://[USER:PASSWORD@]HOST:PORT.",
        "所有推送经过的 HTTP 代理：http://[用户:密码@]主机:端口。",
        show=_masked_userinfo,
        secret=True,
    )
    ca_file: Path | None = _setting(  # noqa: RUF009 - the value is frozen
        None,
        parse.optional(parse.file),
        "FILE",
        "Certificates (PEM) to trust besides the system's.",
        "除系统证书外另行信任的 CA 证书文件（PEM）。",
    )
    max_sends: int = _setting(
        512,
        parse.integer(1, 65_536),
        "N",
        "Most concurrent sends to endpoints in good standing.",
        "对状态良好的接收端同时进行的推送上限。",
    )
    max_suspect_sends: int = _setting(
        512,
        parse.integer(1, 65_536),
        "N",
        "Most concurrent sends to endpoints that failed or were slow at the last attempt.",
        "对上次失败或缓慢的接收端同时进行的推送上限。",
    )
    slow_send_seconds: float = _setting(
        0.25,
        parse.number(0.001, 3600, "seconds"),
        "SECONDS",
        "A send that takes longer makes its endpoint count as slow.",
        "推送耗时超过此值（秒）的接收端视为缓慢。",
    )
    max_intake_bytes: int = _setting(
        64 * MIB,
        parse.size(MIB),
        "SIZE",
        "Most bytes of reports being accepted at a time; beyond it submitters get 429 and retry.",
        "同时接收中的报告字节数上限；超出时提交方收到 429，稍后再试。",
    )
    workers: int = _setting(
        0,
        parse.integer(0, 256),
        "N",
        "Processes that take submissions and send pushes; 0 takes one fewer than the machine has "
        "cores, and at least one.",
        "接收提交并发送推送的进程数；0 表示比机器的核数少一个，至少一个。",
    )
    drain_seconds: float = _setting(
        20.0,
        parse.number(0, 3600, "seconds"),
        "SECONDS",
        "How long SIGTERM waits for sends under way. Service managers kill after 30 to 90.",
        "收到 SIGTERM 后等待进行中推送结束的时间（秒）。服务管理器一般在 30 到 90 秒后强制终止。",
    )
    log_format: str = _setting(
        "console",
        parse.word("console", "json"),
        "FORMAT",
        "Log lines for people (console) or for programs (json).",
        "日志格式：供人阅读（console）或供程序处理（json）。",
    )
    log_level: str = _setting(
        "info",
        parse.word("debug", "info", "warning", "error"),
        "LEVEL",
        "Minimum level that is logged: debug, info, warning, error.",
        "记录日志的最低级别：debug、info、warning、error。",
    )

    @property
    def database_path(self) -> Path:
        """The SQLite file; a relative path starts at the working directory."""
        return Path(self.database.removeprefix("sqlite:///"))

    @property
    def retry_interval_ms(self) -> int | None:
        """The interval in milliseconds, for all kinds of report.

        ``None`` when it is left at the default: then each kind uses its own.
        """
        if self.retry_interval_seconds == VOICE_STATUS.retry_interval_seconds:
            return None
        return round(self.retry_interval_seconds * 1000)

    def warnings(self) -> tuple[str, ...]:
        """What is allowed but seldom meant, as sentences for the log at startup."""
        least = VOICE_STATUS.retry_interval_seconds
        if self.retry_interval_seconds < least:
            return (
                f"retry_interval_seconds is {self.retry_interval_seconds:g}, below the "
                f"contract's {least}: failed pushes are retried sooner than customers were told",
            )
        return ()


SETTINGS: Final[Mapping[str, Setting]] = {
    row.name: Setting(name=row.name, default=row.default, **row.metadata)
    for row in fields(Settings)
}
"""The table: name to setting, in the order in which they are shown."""
