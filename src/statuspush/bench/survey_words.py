"""The result of a survey in words."""

from typing import Final

from statuspush.bench.figures import Figures
from statuspush.bench.judge import Limit, disturbed, limit_of
from statuspush.bench.machine import Syncs
from statuspush.bench.survey import Survey
from statuspush.core.words import Words, verbatim

WORKLOADS: Final = {
    "even": Words("1,000 small customers", "1,000 个小客户"),
    "large": Words("10 large customers", "10 个大客户"),
    "single": Words("reports submitted one by one", "逐条提交的报告"),
}
_SHORT: Final = {
    "even": Words("1,000 customers", "1,000 个客户"),
    "large": Words("10 customers", "10 个客户"),
    "single": Words("one by one", "逐条提交"),
}
COLUMNS: Final = (
    verbatim(""),
    Words("reports/s", "条/秒"),
    Words("per push", "每次推送"),
    verbatim("p50 ms"),
    verbatim("p99 ms"),
    Words("store", "存储"),
    Words("worker", "工作"),
    Words("disk", "磁盘"),
    Words("test", "测试"),
    Words("all", "整机"),
)
LEGEND: Final = Words(
    "p50, p99: until a submission is accepted. store, worker: the process's share of one core. "
    "disk: share of the time that the store waits for it. test: the machine's share used by load "
    "generator and customer. all: share of the machine in use.",
    "p50、p99：提交被接收的耗时。存储、工作：该进程占一个核的比例。磁盘：存储进程等待磁盘的时间比例。"
    "测试：负载发生器与客户端占整机的比例。",
)
_LIMITS: Final = {
    Limit.STORE_CORE: Words(
        "the core of the store process: it is busy {store}. A faster core helps, more cores do not",
        "存储进程所用的核：占用 {store}。更快的核有用，更多的核没有用",
    ),
    Limit.WORKER_CORES: Words(
        "the cores of the worker processes: the busiest takes {worker} of one. "
        "More cores (and workers) help",
        "工作进程所用的核：最忙的一个占用 {worker}。更多的核（和工作进程）有用",
    ),
    Limit.ALL_CORES: Words(
        "the cores: all of them are busy ({machine} of the machine). More or faster cores help",
        "处理器：所有的核都忙（整机占用 {machine}）。更多或更快的核有用",
    ),
    Limit.DISK: Words(
        "the disk: the store waits for it {disk} of the time, while no core was short. "
        "A disk with a quicker fsync helps",
        "磁盘：存储进程有 {disk} 的时间在等待磁盘，而处理器有余。fsync 更快的磁盘有用",
    ),
    Limit.CUSTOMER: Words(
        "the customer: the receiver of this test is busy {sink} of a core. "
        "The service can do more than this figure",
        "客户端：本测试的接收程序占满一个核（{sink}）。服务的能力高于此数字",
    ),
    Limit.LOAD: Words(
        "the load generator of this test: it is busy {load} of a core. "
        "The service can do more than this figure",
        "本测试的负载发生器：占满一个核（{load}）。服务的能力高于此数字",
    ),
    Limit.NOTHING: Words(
        "nothing on its own: the store process wanted {store} of a core, the busiest worker "
        "{worker}, and the disk was waited for {disk} of the time; each waits for the others in "
        "turn. More submitters at the same time may get more",
        "没有单一的瓶颈：存储进程需要一个核的 {store}，最忙的工作进程 {worker}，等待磁盘 {disk}；"
        "各部分轮流等待。更多提交方并行提交可能更快",
    ),
}
_CORES_SHARED: Final = Words(
    "the cores, not all of which it had: they are busy {machine}, and other programs, or the host, "
    "took {others}. Quiet cores will do more",
    "处理器，但并非全部可用：整机占用 {machine}，其中 {others} 被其他程序（或宿主机）占用。"
    "空闲时会更快",
)
_DISTURBED: Final = Words(
    "Other programs, or the host of this machine, took {others} of it meanwhile: "
    "measure again when it is quiet.",
    "测试期间其他程序（或宿主机）占用了整机的 {others}：请在空闲时重新测量。",
)
PHASES: Final = {
    "start": Words("starting the service", "启动服务"),
    "load": Words("submitting", "提交报告"),
    "drain": Words("waiting for the last delivery", "等待最后的送达"),
    "reconcile": Words("looking for every report", "逐条核对报告"),
}
"""What is under way, for the progress shown."""


def rounded(rate: float) -> str:
    """The figure to two digits: a short measurement can't be more precise."""
    if rate < 1:
        return f"{rate:.1f}"
    size = 10 ** max(0, len(str(int(rate))) - 2)
    return f"{round(rate / size) * size:,}"


def answer(survey: Survey) -> Words:
    """The answer in a sentence or two."""
    rates = {run.work: rounded(run.reports_per_second) for run in survey.runs}
    return Words(
        f"This machine sustains about {rates['even']} reports/s, durable and delivered, for 1,000 "
        f"small customers, or {rates['large']} for 10 large ones; "
        f"submitted one by one: {rates['single']}/s.",
        f"这台机器每秒可持久接收并送达约 {rates['even']} 条报告（1,000 个小客户），"
        f"或 {rates['large']} 条（10 个大客户）；逐条提交时每秒 {rates['single']} 条。",
    )


def row(run: Figures) -> list[Words]:
    """A run in the table."""
    shares = (
        run.shares.store,
        run.shares.worker,
        run.shares.disk,
        run.harness_of_machine,
        run.shares.all_cores,
    )
    figures = (
        f"{run.reports_per_second:,.0f}",
        f"{run.reports_per_push:,.1f}",
        f"{run.accept_ms_p50:,.1f}",
        f"{run.accept_ms_p99:,.1f}",
        *(f"{share:.0%}" for share in shares),
    )
    return [_SHORT[run.work], *map(verbatim, figures)]


def limit(run: Figures) -> Words:
    """The limit of a run, and how that is known."""
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
    words = _CORES_SHARED if shared else _LIMITS[limit]
    percent = {name: f"{share:.0%}" for name, share in known.items()}
    return Words(words.en.format(**percent) + ".", words.zh.format(**percent) + "。")


def remarks(survey: Survey) -> list[Words]:
    """Further remarks."""
    said = [_disk(survey.syncs)]
    shares = [run.shares for run in survey.runs]
    if any(map(disturbed, shares)):
        others = f"{max(each.others for each in shares):.0%}"
        said.append(Words(*(text.format(others=others) for text in _DISTURBED)))
    return said


def summary(survey: Survey) -> Words:
    """Whether every report arrived."""
    accepted, lost, repeats, misdirected = (
        sum(getattr(run, name) for run in survey.runs)
        for name in ("reports", "lost", "repeats", "misdirected")
    )
    return Words(
        f"Of {accepted:,} accepted reports, each looked for at its customer: "
        f"{lost:,} lost, {repeats:,} repeated, {misdirected:,} misdirected.",
        f"逐条核对了 {accepted:,} 条已接收的报告：丢失 {lost:,}，重复 {repeats:,}，"
        f"送错客户 {misdirected:,}。",
    )


def unclean(survey: Survey) -> Words | None:
    """What to say when a service did not stop as it should."""
    status = next((run.exit_status for run in survey.runs if run.exit_status != 0), 0)
    if status == 0:
        return None
    return Words(
        f"The service did not stop as it should (exit status {status}).",
        f"服务没有正常退出（退出状态 {status}）。",
    )


def _disk(syncs: Syncs) -> Words:
    return Words(
        f"The disk makes 4 kB durable (fdatasync) in {syncs.p50:.2f} ms, p99 {syncs.p99:.2f} ms.",
        f"磁盘持久写入 4 kB（fdatasync）需 {syncs.p50:.2f} 毫秒，p99 {syncs.p99:.2f} 毫秒。",
    )
