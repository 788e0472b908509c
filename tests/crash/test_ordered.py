"""Profile `ordered` under load: both protocols at once, one ordered columns file, also over SIGKILL."""

import itertools
import random
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import pytest

from logboom.clients.wire.capnp_dialect import CapnpDialect
from logboom.clients.wire.grpc_dialect import METHOD, GrpcDialect
from logboom.testing.server_kit import ServerProcess

CLIENTS = 4
"""Of each protocol."""
MESSAGES = 12_500
"""Of each client: 100,000 in all."""
BATCH = 100


def server_in(folder: Path) -> ServerProcess:
    environment = {"LOGBOOM_OUTPUTS__MAIN__FOLDER": str(folder), "LOGBOOM_OUTPUTS__MAIN__BACKUP_COUNT": "200"}
    return ServerProcess(folder / "data", ("capnp", "grpc"), ("--profile=ordered",), environment)


def text(client: str, number: int) -> str:
    return f"{client} {number:06d}"


def send_capnp(server: ServerProcess, client: str) -> None:
    """Header and bodies flat out, nothing read, as deployed clients do; ends when the server has taken all."""
    frames = (CapnpDialect.encode_fields({"level": 3, "message": text(client, n)}) for n in range(MESSAGES))
    with server.connect("capnp") as connection:
        while block := b"".join(itertools.islice(frames, 500)):
            connection.sendall(block)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


def batch(client: str, first: int) -> bytes:
    traffic = GrpcDialect()
    return b"".join(
        traffic.encode(b'{"level":"INFO","message":"%b"}' % text(client, first + n).encode())
        for n in range(BATCH)
    )


def send_grpc(
    server: ServerProcess, client: str, first: int = 0, acked: Callable[[int], None] = lambda _n: None
) -> None:
    """Batch after batch, each awaited; raises when the server goes away."""
    with grpc.insecure_channel(
        f"127.0.0.1:{server.ports['grpc']}", options=(("grpc.use_local_subchannel_pool", 1),)
    ) as channel:
        room = threading.Semaphore(1)

        def batches() -> Iterator[bytes]:
            for start in range(first, MESSAGES, BATCH):
                room.acquire()
                yield batch(client, start)

        done = first
        for _ in channel.stream_stream(METHOD)(batches()):
            done += BATCH
            acked(done)
            room.release()


def columns(folder: Path) -> list[tuple[int, str]]:
    """Sequence and message of every line, oldest backup first."""
    backups = sorted(folder.glob("_main.log.*"), key=lambda path: -int(path.suffix[1:]))
    lines = [line for path in [*backups, folder / "_main.log"] for line in path.read_text().splitlines()]
    return [(int(line.split(" ", 1)[0]), " ".join(line.rsplit(" ", 2)[1:])) for line in lines]


def numbers_of(lines: list[tuple[int, str]], client: str) -> list[int]:
    return [int(message.split(" ")[1]) for _, message in lines if message.startswith(f"{client} ")]


def test_a_hundred_thousand_messages_of_both_protocols_stand_in_order(tmp_path: Path) -> None:
    names = [f"{kind}{number}" for kind in ("capnp", "grpc") for number in range(CLIENTS)]
    with server_in(tmp_path) as server:
        threads = [
            threading.Thread(
                target=send_capnp if name.startswith("capnp") else send_grpc, args=(server, name)
            )
            for name in names
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.stop() == 0
    lines = columns(tmp_path)
    assert [sequence for sequence, _ in lines] == list(range(2 * CLIENTS * MESSAGES))
    for name in names:
        assert numbers_of(lines, name) == list(range(MESSAGES))
    assert all(path.stat().st_size <= 1 << 20 for path in tmp_path.glob("_main.log*"))


@pytest.mark.parametrize("seed", [3])
def test_the_columns_have_no_gap_and_no_double_over_kills(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    done: dict[str, int] = dict.fromkeys(("grpc0", "grpc1"), 0)
    heard = threading.Semaphore(0)

    def keep_sending(name: str) -> None:
        def acked(count: int) -> None:
            done[name] = count
            heard.release()

        while done[name] < MESSAGES:
            try:
                send_grpc(server, name, done[name], acked)
            except grpc.RpcError:
                threading.Event().wait(0.05)  # it is being started again

    with server_in(tmp_path) as server:
        threads = [threading.Thread(target=keep_sending, args=(name,)) for name in done]
        for thread in threads:
            thread.start()
        for _ in range(5):
            for _ in range(chance.randint(5, 40)):
                assert heard.acquire(timeout=60)
            server.kill()
            server.start()
        for thread in threads:
            thread.join()
        assert server.stop() == 0
    lines = columns(tmp_path)
    assert [sequence for sequence, _ in lines] == list(range(len(lines)))
    assert len(lines) == len(server.journal_lines())
    for name in done:
        found = numbers_of(lines, name)
        assert sorted(set(found)) == list(range(MESSAGES))
        assert (
            len(found) - MESSAGES <= 5 * BATCH
        )  # at most the batch that a kill left without an answer, sent again
