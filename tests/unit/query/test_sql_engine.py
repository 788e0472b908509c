"""SQL queries in their sandbox: answers, limits, and a table of attacks, each of which is refused."""

import ctypes
import errno
import faulthandler
import os
import platform
import resource
import signal
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from logboom import landlock
from logboom.journal.folder_log import FolderLog
from logboom.journal.segments import Segment
from logboom.query.sql import sandbox, sql_engine
from logboom.query.sql.sql_engine import (
    SqlAnswer,
    SqlEngine,
    SqlFailedError,
    SqlRefusedError,
    SqlUnavailableError,
    why_not,
)
from logboom.query.sql.sql_messages import SqlRequest
from logboom.query.sql.sql_service import SqlService
from logboom.settings import SqlSettings

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

RECEIVED = "2025-11-12T19:08:5{}.838190+00:00"


def line(number: int, entry: str) -> str:
    received = RECEIVED.format(number % 10)
    return f'{{"received_at":"{received}","entry":{entry},"source":"10.0.0.1","listener":"device"}}\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `journal` of a data directory that has a secret, too."""
    data_dir = tmp_path_factory.mktemp("data")
    (data_dir / "tokens.json").write_text("secret")
    made = data_dir / "journal"
    made.mkdir()
    levels = ("INFO", "WARNING", "ERROR")
    entries = [f'{{"level":"{levels[n % 3]}","msg":"m{n}","temp":{n}.5,"at":{{"x":{n}}}}}' for n in range(30)]
    Segment.at(made, 0).path.write_text("".join(map(line, range(30), entries)))
    return made


@pytest.fixture(scope="module")
def sql(folder: Path) -> Iterator["Asking"]:
    asking = Asking(SqlEngine(), folder)
    yield asking
    asking.engine.close()


class Asking:
    def __init__(self, engine: SqlEngine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder

    def request(self, query: str, **changes: Any) -> SqlRequest:
        usual = {"limit": 100, "time_s": 30.0, "memory_bytes": 128 << 20, "answer_bytes": 1 << 20}
        return SqlRequest(query=query, folder=str(self.folder), **{**usual, **changes})

    def answer(self, query: str, **changes: Any) -> SqlAnswer:
        return self.engine.run(self.request(query, **changes))

    def rows(self, query: str, **changes: Any) -> Any:
        return msgspec.json.decode(self.answer(query, **changes).data)["rows"]


def test_an_aggregate_with_nested_fields(sql: Asking) -> None:
    query = 'select level, count(*), avg(temp), max("at.x") from logs group by 1 order by 1'
    assert sql.rows(query) == [["ERROR", 10, 16, 29], ["INFO", 10, 14, 27], ["WARNING", 10, 15, 28]]


def test_a_query_without_an_answer_counts_as_failed(
    sql: Asking, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[str] = []
    service = SqlService(
        FolderLog(folder), SqlSettings(), lambda _level, text: reports.append(text), sql.engine
    )

    def ask() -> None:
        service.run(
            "select 1", since="", until="", limit=1, form="json", asker="anna", is_wanted=lambda: True
        )

    def no_pair(*_kinds: object) -> None:
        raise OSError(errno.EMFILE, "too many open files")

    ask()
    with monkeypatch.context() as patch:
        patch.setattr(socket, "socketpair", no_pair)
        with pytest.raises(OSError, match="too many open files"):
            ask()
    ended = socket.socket()
    ended.close()
    with monkeypatch.context() as patch:
        patch.setattr(sql.engine, "_control", ended)
        with pytest.raises(SqlUnavailableError, match="its process has ended"):
            ask()
    assert service.counts == {"done": 1, "refused": 0, "failed": 2}
    assert [text.split()[3] for text in reports] == ["done", "failed", "failed"]
    assert "too many open files" in reports[1]
    assert "its process has ended" in reports[2]


def test_a_json_value_that_clients_cannot_read_becomes_a_text(sql: Asking) -> None:
    texts = ['{"a":NaN}', '{"a":[-Infinity]}', '{"a":1,}', "1e400", '"NaN"', '{"inf":1}']
    query = "select to_json('nan'::double), " + ", ".join(f"'{text}'::json" for text in texts)
    assert sql.rows(query) == [["NaN", *texts[:4], "NaN", {"inf": 1}]]


def test_values_of_all_types_become_json_and_csv(sql: Asking) -> None:
    query = (
        "select 1::hugeint << 100 as h, 1.50::decimal(5,2) d, [1, 2] l, {'a': 'x,y'} s, null n, true t, "
        "'nan'::double f, received_at r, entry->'at' j from logs order by sequence limit 1"
    )
    (row,) = sql.rows(query)
    assert row == [
        1 << 100, 1.5, [1, 2], {"a": "x,y"}, None, True, None, "2025-11-12T19:08:50.838190Z", {"x": 0},
    ]  # fmt: skip
    assert sql.answer(query, format="csv").data.decode() == (
        'h,d,l,s,n,t,f,r,j\r\n1267650600228229401496703205376,1.50,"[1,2]","{""a"":""x,y""}",,true,nan,'
        '2025-11-12T19:08:50.838190+00:00,"{""x"":0}"\r\n'
    )


def test_a_parquet_file_has_the_rows(sql: Asking, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(sql.answer("select sequence, temp from logs", format="parquet").data)
    duckdb = pytest.importorskip("duckdb")
    found = duckdb.read_parquet(str(path)).aggregate("count(*), min(temp), max(sequence)").fetchall()
    assert found == [(30, 0.5, 29)]


def test_an_answer_is_cut_at_its_limit(sql: Asking) -> None:
    found = sql.answer("select sequence from logs order by 1 desc", limit=2)
    assert msgspec.json.decode(found.data)["rows"] == [[29], [28]]
    assert msgspec.json.decode(found.data)["truncated"]
    assert (found.rows, found.is_cut) == (2, True)
    assert not sql.answer("select sequence from logs", limit=30).is_cut


def test_only_entries_of_the_span_and_before_the_end(sql: Asking) -> None:
    since, until = RECEIVED.format(3), RECEIVED.format(5)
    assert sql.rows("select sequence from logs order by 1", since=since, until=until, end=20) == [
        [3], [4], [13], [14],
    ]  # fmt: skip
    assert sql.rows("select count(*) from logs", end=20) == [[20]]
    assert sql.rows("select count(*) from logs", end=0) == [[0]]


REFUSED = {
    "copy to a file": "copy (select 1) to '{folder}/x.csv'",
    "copy over a segment": "copy (select 1) to '{folder}/00000000000000000000.jsonl'",
    "attach": "attach '{folder}/x.db'",
    "install": "install httpfs",
    "load": "load httpfs",
    "set": "set threads = 64",
    "reset": "reset lock_configuration",
    "pragma": "pragma database_list",
    "call": "call pragma_version()",
    "create": "create table t as select 1",
    "insert": "insert into logs select 1",
    "delete": "delete from logs",
    "drop": "drop view logs",
    "export": "export database '{folder}/x'",
    "prepare": "prepare p as select 1",
    "transaction": "begin",
    "explain": "explain analyze select 1",
    "two statements": "select 1; select 2",
    "nothing": " -- nothing",
    "a wrong statement": "selec 1",
    "an unknown column": "select nope from logs",
    "read_csv": "select * from read_csv('/etc/passwd')",
    "read_text": "select * from read_text('/etc/passwd')",
    "read_blob": "select * from read_blob('{folder}/../tokens.json')",
    "sniff_csv": "select * from sniff_csv('/etc/passwd')",
    "glob": "select * from glob('/etc/*')",
    "a file as a table": "select * from '/etc/passwd'",
    "a file of the process": "select * from read_text('/proc/self/environ')",
    "a list of files": "select * from read_text(['/etc/passwd', '/etc/group'])",
    "the web": "select * from read_csv('http://127.0.0.1:1/x.csv')",
    "an object store": "select * from 's3://bucket/x.parquet'",
    "getenv": "select getenv('HOME')",
    "a python variable": "select * from request",
    "a log file": "select * from enable_logging(storage := 'file', storage_path := '{folder}')",
    "a query in a text": "select * from query('copy (select 1) to ''/tmp/x''')",
}


@pytest.mark.parametrize("name", REFUSED)
def test_attacks_are_refused(sql: Asking, folder: Path, name: str) -> None:
    before = sorted(folder.iterdir())
    with pytest.raises(SqlRefusedError, match=r"\w"):
        sql.answer(REFUSED[name].format(folder=folder))
    assert sorted(folder.iterdir()) == before


def test_memory_time_and_size_have_limits(sql: Asking) -> None:
    with pytest.raises(SqlFailedError, match=r"sql\.memory_bytes_max"):
        sql.answer("select string_agg(repeat('x', 1000000), '') from range(1000)")
    with pytest.raises(SqlFailedError, match=r"sql\.(?:memory_bytes_max|time_s_max)"):
        sql.answer("select length(repeat('x', 1000000000))", time_s=1.0)
    with pytest.raises(SqlFailedError, match=r"ended after 0\.2 s, the limit `sql\.time_s_max`"):
        sql.answer("select count(*) from range(1000000000) a, range(1000000) b", time_s=0.2)
    for form in ("json", "csv", "parquet"):
        with pytest.raises(SqlFailedError, match="too many bytes"):
            sql.answer("select hash(range), range from range(200000)", limit=200000, format=form)
    assert sql.rows("select 1") == [[1]]


def test_a_query_ends_when_nobody_waits_for_it(sql: Asking) -> None:
    with pytest.raises(SqlFailedError, match="not wanted"):
        sql.engine.run(
            sql.request("select count(*) from range(1000000000) a, range(1000000) b"), lambda: False
        )
    assert sql.rows("select 1") == [[1]]


def test_queries_run_beside_each_other(sql: Asking) -> None:
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(sql.rows("select count(*) from logs"))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[[30]]] * 3


LIBC = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")


def _in_sandbox(folder: Path, act: Callable[[], object]) -> int:
    """Return the error number of what a process in the sandbox attempts; 0: it succeeded."""

    def enter() -> None:
        sandbox.enter(folder, sandbox.SandboxLimits(4 << 30, 10, 1 << 20))

    return _in_child(enter, act)


def _in_child(enter: Callable[[], object], act: Callable[[], object]) -> int:
    # Couriers that other tests have left would begin anew in the child, with threads.
    with patch("logboom.clients.delivery.courier._couriers", set()), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # a runner's other threads are not in the forked process
        pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 255
    try:
        # Libraries that other tests have loaded may begin threads of theirs in the child.
        with patch.object(os, "listdir", return_value=["this thread"]):
            enter()
        act()
        code = 0
    except OSError as error:
        code = error.errno or 254
    finally:
        os._exit(code)


BEYOND_THE_ENGINE: dict[str, Callable[[Path], object]] = {
    "file": lambda folder: Path("/etc/passwd").read_bytes(),
    "secret": lambda folder: (folder.parent / "tokens.json").read_bytes(),
    "write": lambda folder: (folder / "x").write_bytes(b""),
    "delete": lambda folder: next(folder.iterdir()).unlink(),
    "network": lambda folder: socket.socket(),
    "unix socket": lambda folder: socket.socket(socket.AF_UNIX),
    "kill": lambda folder: os.kill(os.getppid(), 0),
    "program": lambda folder: os.execv("/bin/true", ["true"]),
    "tgkill": lambda folder: _checked(LIBC.tgkill(os.getppid(), os.getppid(), 0)),
    "pidfd": lambda folder: signal.pidfd_send_signal(os.pidfd_open(os.getppid()), 0),
    "limits": lambda folder: resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (9, 9)),
    "priority": lambda folder: os.setpriority(os.PRIO_PROCESS, os.getppid(), 19),
    "affinity": lambda folder: os.sched_setaffinity(os.getppid(), {0}),
    "fork": lambda folder: os.fork(),
    "spawn": lambda folder: os.posix_spawn("/bin/true", ["true"], {}),
    "chmod": lambda folder: (folder.parent / "tokens.json").chmod(0o666),
    "chown": lambda folder: os.chown(folder.parent / "tokens.json", -1, -1),
    "truncate": lambda folder: os.truncate(folder.parent / "tokens.json", 0),
    "utime": lambda folder: os.utime(folder.parent / "tokens.json", (0, 0)),
    "xattr": lambda folder: os.setxattr(folder.parent / "tokens.json", "user.x", b"x"),
}


@pytest.mark.parametrize("act", BEYOND_THE_ENGINE.values(), ids=BEYOND_THE_ENGINE)
def test_the_kernel_refuses_what_the_engine_would_not(folder: Path, act: Callable[[Path], object]) -> None:
    assert _in_sandbox(folder, lambda: act(folder)) in (1, 13)  # EPERM, EACCES
    assert _in_sandbox(folder, lambda: next(folder.iterdir()).read_bytes()) == 0


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of x86_64")
def test_every_denied_call_fails_and_clone3_is_unknown(folder: Path) -> None:
    def attempt() -> None:
        for name, call in sandbox.DENIED.items():
            assert LIBC.syscall(call.x86, 0, 0, 0, 0) == -1, name
            assert ctypes.get_errno() == errno.EPERM, name
        _checked(LIBC.syscall(435, 0, 0))

    assert _in_sandbox(folder, attempt) == errno.ENOSYS


def test_a_process_in_the_sandbox_reads_its_own_limits(folder: Path) -> None:
    assert _in_sandbox(folder, lambda: resource.getrlimit(resource.RLIMIT_AS)) == 0


def test_a_thread_starts_in_the_sandbox(folder: Path) -> None:
    def start() -> None:
        found: list[int] = []
        thread = threading.Thread(target=found.append, args=(1,))
        thread.start()
        thread.join()
        assert found == [1]

    assert _in_sandbox(folder, start) == 0


def test_abort_ends_a_process_in_the_sandbox(folder: Path) -> None:
    def abort() -> None:
        faulthandler.disable()  # the test runner's
        os.abort()

    assert _in_sandbox(folder, abort) in (-signal.SIGABRT, -signal.SIGSEGV)


@pytest.mark.skipif(landlock.version() < landlock.SCOPES_SINCE, reason="Linux 6.12 or later")
@pytest.mark.parametrize("scoped", [0, landlock.SCOPES])
def test_landlock_alone_keeps_signals_and_abstract_sockets_away(scoped: int) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("")  # the kernel chooses an abstract name
        server.listen()

        def connect() -> None:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(server.getsockname())

        for act in (lambda: os.kill(os.getppid(), 0), connect):
            code = _in_child(lambda: landlock.restrict(landlock.EXECUTE, [], scoped=scoped), act)
            assert code == (errno.EPERM if scoped else 0)


def test_without_landlock_there_is_no_sql(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "version", lambda: -1)
    with pytest.raises(SqlUnavailableError, match="this kernel has no Landlock"):
        SqlEngine()


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_engine, "is_missing", lambda extra: extra == "archive")
    with pytest.raises(SqlUnavailableError, match=r"pip install 'logboom\[archive\]'"):
        SqlEngine()


def test_a_network_needs_a_filter_of_system_calls_on_old_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 3)
    assert sandbox.missing() == ""
    monkeypatch.setattr(platform, "machine", lambda: "s390x")
    assert "take the network away" in sandbox.missing()
