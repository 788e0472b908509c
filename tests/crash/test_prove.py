"""`logboom prove` shows what is, good or bad, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from logboom.cli import app
from logboom.formats.capnp_entry import decode
from logboom.prove import server
from logboom.prove.follow import FollowTally
from logboom.prove.oracle import COLLECTOR, DEVICE, FAULTY, Judgement, RecordingClient, Tally, judge
from logboom.prove.plan import Plan, Proof
from logboom.prove.recording_client import Connect, Traffic
from logboom.prove.traffic import CAPNP, GATEWAY, TRAFFIC


def nowhere(_listener: str) -> None:
    raise ConnectionRefusedError


def client(
    sends: list[int], acked: list[int], traffic: Traffic = COLLECTOR, name: str = "collector0"
) -> RecordingClient:
    connect: Connect = nowhere  # type: ignore[assignment]
    again = bytearray(count > 1 for count in sends)
    return RecordingClient(
        traffic, name, connect, sends=bytearray(sends), acked=bytearray(acked), again=again
    )


def line(number: int, traffic: Traffic = COLLECTOR, name: str = "collector0") -> bytes:
    entry = traffic.make(name, number)
    return b'{"received_at":"x","entry":%b,"source":"s","listener":"%b"}' % (entry, traffic.listener.encode())


def tally(journal: list[bytes], sends: list[int], acked: list[int]) -> Tally:
    return judge([client(sends, acked)], journal).total


def test_the_oracle_finds_what_is_lost() -> None:
    found = tally([line(0)], [1, 1, 1], [1, 1, 0])
    assert (found.lost, found.doubled, found.disordered, found.good) == (1, 0, 0, False)


def test_the_oracle_tells_allowed_doubles_from_others() -> None:
    assert tally([line(0), line(0)], [2], [1]) == Tally(1, 1, 2, 0, 0, 1, 0)
    assert tally([line(0), line(0)], [1], [1]).doubled == 1
    assert tally([line(0), line(0), line(0)], [2], [1]).doubled == 1


@pytest.mark.parametrize(
    ("kind", "tally", "silent"),
    [
        ("collector", Tally(sent=5, stored=5), ["collector"]),
        ("collector", Tally(sent=5, acked=1, stored=1), []),
        ("gateway", Tally(sent=5, stored=5), []),
        ("gateway", Tally(sent=5), ["gateway"]),
    ],
)
def test_a_protocol_that_never_answered_proves_nothing(kind: str, tally: Tally, silent: list[str]) -> None:
    proof = Proof(Plan(1, 1, kinds=(kind,)), Judgement({kind: tally}))
    assert (proof.kept, proof.silent, proof.good) == (True, silent, not silent)
    assert not Proof(proof.plan).good


def test_what_was_refused_must_not_be_there() -> None:
    assert tally([line(0)], [0], [0]).doubled == 1


def test_the_oracle_finds_lines_out_of_order_unless_they_were_sent_again() -> None:
    assert tally([line(1), line(0)], [1, 1], [1, 1]).disordered == 1
    assert tally([line(1), line(0)], [2, 1], [1, 1]).disordered == 0


@pytest.mark.parametrize(
    "bad",
    [
        line(0)[:-20],
        line(0).replace(b"prove collector0 0 ", b"prove collector0 1 "),
        line(0).replace(b'"listener":"collector"', b'"listener":"device"'),
        line(0, name="collector7"),
        b'{"received_at":"x","entry":{"a":1},"source":"s","listener":"collector"}',
        line(2),
    ],
)
def test_the_oracle_finds_what_nobody_sent(bad: bytes) -> None:
    judgement = judge([client([1, 1], [0, 0])], [line(0), bad])
    assert (judgement.torn, judgement.good) == (1, False)
    assert judgement.examples


def test_strangers_may_have_whole_lines_there_and_no_halves() -> None:
    whole = line(5, GATEWAY, FAULTY)
    assert judge([], [whole, whole], {"gateway": GATEWAY}).faulty == 2
    torn = whole.replace(b'"temp":5', b'"temp":6')
    assert judge([], [torn], {"gateway": GATEWAY}).torn == 1


def test_every_dialect_knows_its_own_entries() -> None:
    for name, traffic in TRAFFIC.items():
        sent = traffic.make("a0", 7)
        entry = decode([sent[4:]]).entries if traffic is CAPNP else sent
        if name != "grpc":
            assert traffic.is_entry(entry, "a0", 7)
            assert not traffic.is_entry(entry, "a0", 8)
            assert not traffic.is_entry(entry[:-1], "a0", 7)


class Session:
    """Answers each window as scripted, then breaks."""

    def __init__(self, answers: list[bool]) -> None:
        self.answers = answers

    def exchange(self, _lines: object) -> Iterator[bool]:
        yield from self.answers
        raise ConnectionError("the link broke")

    def close(self) -> None:
        pass


def test_a_witness_sends_again_what_has_no_answer_and_what_was_refused() -> None:
    one = client([], [], DEVICE, "device0")
    one.window = 4
    with pytest.raises(ConnectionError, match="the link broke"):
        one._talk(Session([True, False]))
    assert (bytes(one.sends), bytes(one.acked)) == (b"\1\0\1\1", b"\1\0\0\0")
    with pytest.raises(ConnectionError, match="the link broke"):
        one._talk(Session([True, True]))
    assert (bytes(one.sends), bytes(one.acked)) == (b"\1\1\2\2\1", b"\1\1\1\0\0")
    assert bytes(one.again) == b"\0\1\1\1\0"
    assert one.refused == 1


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["prove", "--minutes", "0.06", *arguments])
    return result.exit_code, result.stdout


@pytest.mark.timeout(400)  # more than a followed file may take on a very busy machine
def test_all_protocols_keep_the_promise(tmp_path: Path) -> None:
    code, output = run("--json", "--seed", "5", "--dir", str(tmp_path))
    found = json.loads(output)
    assert (code, found["good"], found["problems"], found["examples"]) == (0, True, [], [])
    assert (found["lost"], found["doubled"], found["torn"], found["disordered"]) == (0, 0, 0, 0)
    assert found["protocols"].keys() == TRAFFIC.keys()
    for name, traffic in TRAFFIC.items():
        assert found["protocols"][name]["stored"] > 0
        assert bool(found["protocols"][name]["acked"]) == traffic.answers
    assert found["disasters"]["kills"] >= 1
    assert found["disasters"]["recovery_s_max"] > 0
    assert (found["followed"]["ws"]["lost"], found["followed"]["ws"]["doubled"]) == (0, 0)
    assert found["followed"]["ws"]["stored"] > 0
    assert list(tmp_path.iterdir()) == []


def test_a_followed_line_that_is_lost_is_found_out() -> None:
    proof = Proof(Plan(1, 1, kinds=()), follows={"ws": FollowTally(lost=1)})
    assert not proof.kept
    proof.follows = {"ws": FollowTally(doubled=1)}
    assert not proof.kept
    proof.follows = {"device": FollowTally(doubled=1)}
    assert proof.kept


def test_a_server_that_lies_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(server.ENVIRONMENT, "LOGBOOM_LISTENERS__COLLECTOR__STORE", "false")
    code, output = run("--seed", "5", "--dir", str(tmp_path))
    assert code == 1
    assert "the seed is 5" in output
    assert "lost: collector" in output
    [kept] = tmp_path.iterdir()
    assert str(kept) in output.replace("\n", "")
    assert list(kept.rglob("*.jsonl"))


def test_ctrl_c_leaves_no_process_and_no_data(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "logboom", "prove", "--minutes", "5", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        lock = wait_for_server(tmp_path)
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the seed was" in errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []
    assert not any(str(lock) in arguments for arguments in command_lines())


def wait_for_server(folder: Path) -> Path:
    """The data directory, once a server works in it."""
    for _ in range(3000):
        for found in folder.rglob("journal"):
            return found.parent
        signal.sigtimedwait([], 0.01)
    raise AssertionError("no server was started")


def command_lines() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return found
