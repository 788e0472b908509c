"""The snippets for devices, compiled or loaded on this machine, against a real server."""

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logboom.testing.server_kit import ServerProcess
from tests.kit.services import give_up

SNIPPETS = Path(__file__).parents[2] / "snippets"
MESSAGE = 'a "quoted" \\ Grüße\t🚀'
WAIT_S = 60.0

PROGRAM = r"""
#include "logboom.h"
#include <stdlib.h>
static lb_t lb;
int main(int argc, char **argv) {
  lb_init(&lb, "127.0.0.1", (uint16_t)atoi(argv[1]), "esp\"32", 7);
  for (int number = 0; number < LB_LINES + 3; number++) lb_log(&lb, "info", argv[2]);
  lb_log(&lb, "error", argv[3]);
  while (lb_poll(&lb)) {}
  return argc - 4;
}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("snippets") / "data", ("device",)) as server:
        yield server


def entries(server: ServerProcess, device: str) -> list[dict[str, Any]]:
    found = [json.loads(line)["entry"] for line in server.journal_lines()]
    return [one for one in found if one["device"] == device]


def test_the_c_header_delivers_what_its_ring_holds(server: ServerProcess, tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        give_up("there is no C compiler")
    (tmp_path / "main.c").write_text(PROGRAM)
    words = [compiler, "-std=gnu99", "-Wall", "-Wextra", "-Werror", f"-I{SNIPPETS}", "main.c", "-o", "main"]
    subprocess.run(words, cwd=tmp_path, check=True, timeout=WAIT_S)
    long = "ü" * 300
    port = str(server.ports["device"])
    subprocess.run([tmp_path / "main", port, MESSAGE, long], check=True, timeout=WAIT_S)
    found = entries(server, 'esp"32')
    assert [one["seq"] for one in found] == list(
        range(4, 36)
    )  # the ring has 32 lines: the oldest were dropped
    assert {one["msg"] for one in found[:-1]} == {MESSAGE}
    assert found[-1]["msg"] in long
    assert {one["boot_seq"] for one in found} == {7}


def test_the_module_for_micropython_delivers(server: ServerProcess) -> None:
    spec = importlib.util.spec_from_file_location("logboom_device", SNIPPETS / "logboom_device.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    log = module.Logboom("127.0.0.1", "pico", 3, port=server.ports["device"])
    for _ in range(module.LINES_MAX + 2):
        log.log("info", MESSAGE, heap=5)
    while log.poll():
        pass
    log.log("info", "again over another connection")
    log.close()
    assert log.poll() == 0
    log.close()
    found = entries(server, "pico")
    assert [one["seq"] for one in found] == list(range(2, 35))
    assert (found[0]["msg"], found[0]["heap"]) == (MESSAGE, 5)
