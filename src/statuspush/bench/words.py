"""The answer of a survey for people, in English and Chinese."""

from typing import Final

from statuspush.bench.figures import Figures
from statuspush.bench.judge import Limit, disturbed, limit_of
from statuspush.bench.machine import Syncs
from statuspush.bench.survey import Survey

_WORKS: Final = {
    "even": ("1,000 small customers", "1,000 个小客户"),
    "large": ("10 large customers", "10 个大客户"),
    "single": ("reports submitted one by one", "逐条提交的报告"),
}
_SHORT: Final = {
    "even": ("1,000 customers", "1,000 个客户"),
    "large": ("10 customers", "10 个客户"),
    "single": ("one by one", "逐条提交"),
}
_COLUMNS: Final = (
    ("", ""),
    ("reports/s", "条/秒"),
    ("a push", "每次推送"),
    ("p50 ms", "p50 ms"),
    ("p99 ms", "p99 ms"),
    ("store", "存储"),
    ("worker", "工作"),
    ("disk", "磁盘"),
    ("test", "测试"),
    ("all", "整机"),
)
_LEGEND: Final = (
    "p50, p99: until a submission is accepted. store, worker: CPU of the process, of one core. "
    "disk: of the time, the store waits for it. test: load generator and customer, of the machine. "
    "all: the machine.",
    "p50、p99：提交被接收的耗时。存储、工作：该进程占一个核的比例。磁盘：存储进程等待磁盘的时间比例。"
    "测试：负载发生器与客户端占整机的比例。",
)
_LIMITS: Final = {
    Limit.STORE_CORE: (
        "the core of the store process: it is busy {store}. A faster core helps, more cores do not",
        "存储进程所用的核：占用 {store}。更快的核有用，更多的核没有用",
    ),
    Limit.WORKER_CORES: (
        "the cores of the worker processes: the busiest takes {worker} of one. "
        "More cores (and workers) help",
        "工作进程所用的核：最忙的一个占用 {worker}。更多的核（和工作进程）有用",
    ),
    Limit.ALL_CORES: (
        "the cores: all of them are busy ({machine} of the machine). More or faster cores help",
        "处理器：所有的核都忙（整机占用 {machine}）。更多或更快的核有用",
    ),
    Limit.DISK: (
        "the disk: the store waits for it {disk} of the time, while no core was short. "
        "A disk with a quicker fsync helps",
        "磁盘：存储进程有 {disk} 的时间在等待磁盘，而处理器有余。fsync 更快的磁盘有用",
    ),
    Limit.CUSTOMER: (
        "the customer: the receiver of this test is busy {sink} of a core. "
        "The service can do more than this figure",
        "客户端：本测试的接收程序占满一个核（{sink}）。服务的能力高于此数字",
    ),
    Limit.LOAD: (
        "the load generator of this test: it is busy {load} of a core. "
        "The service can do more than this figure",
        "本测试的负载发生器：占满一个核（{load}）。服务的能力高于此数字",
    ),
    Limit.NOTHING: (
        "nothing by itself: the store process wanted {store} of a core, the busiest worker "
        "{worker}, and the disk was waited for {disk} of the time; each waits for the others in "
        "turn. More submitters at the same time may get more",
        "没有单一的瓶颈：存储进程需要一个核的 {store}，最忙的工作进程 {worker}，等待磁盘 {disk}；"
        "各部分轮流等待。更多提交方并行提交可能更快",
    ),
}
_CORES_SHARED: Final = (
    "the cores, not all of which it had: they are busy {machine}, and other programs, or the host, "
    "took {others}. Quiet cores will do more",
    "处理器，但并非全部可用：整机占用 {machine}，其中 {others} 被其他程序（或宿主机）占用。"
    "空闲时会更快",
)
_DISTURBED: Final = (
    "Other programs, or the host of this machine, took {others} of it meanwhile: "
    "measure again when it is quiet.",
    "测试期间其他程序（或宿主机）占用了整机的 {others}：请在空闲时重新测量。",
)


def rounded(rate: float) -> str:
    """Two digits of a figure: more would claim what a short measurement can't know."""
    if rate < 1:
        return f"{rate:.1f}"
    size = 10 ** max(0, len(str(int(rate))) - 2)
    return f"{round(rate / size) * size:,}"


def answer(survey: Survey, *, zh: bool) -> str:
    """The answer in a sentence or two."""
    rates = {run.work: rounded(run.reports_per_second) for run in survey.runs}
    if zh:
        return (
            f"这台机器每秒可持久接收并送达约 {rates['even']} 条报告（1,000 个小客户），"
            f"或 {rates['large']} 条（10 个大客户）；逐条提交时每秒 {rates['single']} 条。"
        )
    return (
        f"This machine sustains about {rates['even']} reports/s, durable and delivered, for 1,000 "
        f"small customers, or {rates['large']} for 10 large ones; "
        f"submitted one by one: {rates['single']}/s."
    )


def columns(*, zh: bool) -> list[str]:
    """Heads of the table."""
    return [both[zh] for both in _COLUMNS]


def row(run: Figures, *, zh: bool) -> list[str]:
    """A run in the table."""
    return [
        _SHORT[run.work][zh],
        f"{run.reports_per_second:,.0f}",
        f"{run.reports_per_push:,.1f}",
        f"{run.accept_ms_p50:,.1f}",
        f"{run.accept_ms_p99:,.1f}",
        *(
            f"{share:.0%}"
            for share in (
                run.shares.store,
                run.shares.worker,
                run.shares.disk,
                run.harness_of_machine,
                run.shares.all_cores,
            )
        ),
    ]


def legend(*, zh: bool) -> str:
    """What the columns mean."""
    return _LEGEND[zh]


def work(name: str, *, zh: bool) -> str:
    """What a work is called."""
    return _WORKS[name][zh]


def limit(run: Figures, *, zh: bool) -> str:
    """What a run was limited by, and how that is known."""
    shares = run.shares
    known = {
        "store": shares.store_wanted,
        "worker": shares.worker_wanted,
        "machine": shares.all_cores,
        "disk": shares.disk,
        "sink": shares.sink,
        "load": shares.load,
        "others": shares.others,
    }
    limit = limit_of(shares)
    shared = limit is Limit.ALL_CORES and disturbed(shares)
    text = (_CORES_SHARED if shared else _LIMITS[limit])[zh]
    return text.format(**{k: f"{v:.0%}" for k, v in known.items()}) + ("。" if zh else ".")


def remarks(survey: Survey, *, zh: bool) -> list[str]:
    """What else has to be known."""
    said = [_disk(survey.syncs, zh=zh)]
    shares = [run.shares for run in survey.runs]
    if any(map(disturbed, shares)):
        others = max(each.others for each in shares)
        said.append(_DISTURBED[zh].format(others=f"{others:.0%}"))
    return said


def reckoning(survey: Survey, *, zh: bool) -> str:
    """Whether every report arrived."""
    accepted, lost, repeats, misdirected = (
        sum(getattr(run, name) for run in survey.runs)
        for name in ("reports", "lost", "repeats", "misdirected")
    )
    if zh:
        return (
            f"逐条核对了 {accepted:,} 条已接收的报告：丢失 {lost:,}，重复 {repeats:,}，"
            f"送错客户 {misdirected:,}。"
        )
    return (
        f"Of {accepted:,} accepted reports, each looked for at its customer: "
        f"{lost:,} lost, {repeats:,} repeated, {misdirected:,} misdirected."
    )


def unclean(survey: Survey, *, zh: bool) -> str | None:
    """What to say when a service did not stop as it should."""
    statuses = [run.exit_status for run in survey.runs if run.exit_status != 0]
    if not statuses:
        return None
    return (
        f"服务没有正常退出（退出状态 {statuses[0]}）。"
        if zh
        else f"The service did not stop as it should (exit status {statuses[0]})."
    )


def _disk(syncs: Syncs, *, zh: bool) -> str:
    if zh:
        return f"磁盘持久写入 4 kB（fdatasync）需 {syncs.p50:.2f} 毫秒，p99 {syncs.p99:.2f} 毫秒。"
    return f"The disk makes 4 kB durable (fdatasync) in {syncs.p50:.2f} ms, p99 {syncs.p99:.2f} ms."


PHASES: Final = {
    "start": ("starting the service", "启动服务"),
    "load": ("submitting", "提交报告"),
    "drain": ("waiting for the last delivery", "等待最后的送达"),
    "reconcile": ("looking for every report", "逐条核对报告"),
}
"""What is under way, for the progress shown."""
