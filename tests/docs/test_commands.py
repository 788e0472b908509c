"""Every command, configuration and Python program of the pages is run, and does what its page says."""

import json
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from logboom.cli import app
from logboom.cli.config import _load as load_configuration
from tests.kit.docs_kit import Block, blocks_of, commands_of
from tests.kit.docs_session import ReaderSession
from tests.kit.postgres_kit import PASSWORD

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
WALKED = set((ROOT / "docs" / "contributing").glob("add-*.md"))
"""`test_contributing` follows them, in a copy of the repository."""
BLOCKS = {page: list(blocks_of(page.read_text(encoding="utf-8"))) for page in PAGES}

RUN = {"console", "python", "toml", "json", "sql"}
"""Languages of blocks that are tried out."""

SHOWN = {
    "",
    "bash",
    "caddy",
    "capnp",
    "cpp",
    "diff",
    "haproxy",
    "ini",
    "javascript",
    "jsonl",
    "mermaid",
    "nginx",
    "proto",
    "protobuf",
    "rust",
    "text",
    "yaml",
}
"""Languages of blocks that are looked at only."""

NEVER = {
    "make test": "a test run can't hold itself",
    "make check": "it is what runs beside this",
    "make bench": "minutes",
    ".venv/bin/python -m bench": "minutes",
    "logboom prove": "minutes; tests/crash runs shorter ones",
}

REASONS = re.compile(
    r"needs (systemd|Docker|root|a reverse proxy|another machine|hardware|Grafana|a compiler|grpcurl|the old server"
    r"|devices|the demo|Celery)|runs on the device|runs until Ctrl-C|the device needs|the server has no"
    r"|installs packages|builds a package|a sketch"
)
EXEMPTIONS_MAX = 40
"""A page that can't be run is a page that goes wrong unseen."""

PROGRAMS = (
    "nc",
    "curl",
    "jq",
    "redis-cli",
    "psql",
    "createdb",
    "sqlite3",
    "openssl",
    "promtool",
    "make",
    "mosquitto",
    "mosquitto_pub",
)
COMMAND = re.compile(
    r"^\s*(?:\$ )?(?:\w+=\S+ )*(?:sudo )?(?:logboom|make|curl|nc|pip|apt-get|docker|systemctl|psql)\b"
)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def run_blocks(page: Path) -> list[Block]:
    return [block for block in BLOCKS[page] if not block.exemption]


def text_of(page: Path) -> str:
    """Everything of a page that is run."""
    return "\n".join(block.text for block in run_blocks(page) if block.language in {"console", "python"})


def test_there_is_something_to_run() -> None:
    commands = [
        one
        for page in PAGES
        for block in run_blocks(page)
        if block.language == "console"
        for one in commands_of(block)
    ]
    assert len(commands) > 100


def test_exemptions_are_few_and_have_their_reasons() -> None:
    exempt = [(name_of(page), block) for page in PAGES for block in BLOCKS[page] if block.exemption]
    for name, block in exempt:
        assert REASONS.match(block.exemption), f"{name}:{block.line}: {block.exemption}"
    assert len(exempt) <= EXEMPTIONS_MAX, "\n".join(
        f"{name}:{block.line}: {block.exemption}" for name, block in exempt
    )


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_stand_where_they_are_run(page: Path) -> None:
    for block in run_blocks(page):
        where = f"{name_of(page)}:{block.line}"
        assert block.language in RUN | SHOWN, (
            f"{where}: {block.language}; a command belongs into a console block"
        )
        if block.language in SHOWN:
            assert not COMMAND.search(block.text), f"{where}: a command belongs into a console block"
        if block.language == "console":
            assert commands_of(block), f"{where}: no line begins with `$ `"
        if block.language == "json":
            json.loads(block.text.replace("…", "0") if block.text.count("\n") == 1 else block.text)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if text_of(page) and page not in WALKED], ids=name_of
)
@pytest.mark.service
def test_a_page_does_what_it_says(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    text = text_of(page)
    for program in PROGRAMS:
        if re.search(rf"(?:^|[|\s(]){program} ", text) and shutil.which(program) is None:
            request.getfixturevalue("missing")(f"there is no {program}")
    ports: dict[int, int] = {}
    words: dict[str, str] = {}
    environment: dict[str, str] = {}
    if "redis" in text:
        server = request.getfixturevalue("redis")
        ports[6379] = server.port
        with server.client() as client:
            client.flushall()
        words["redis-cli "] = f"redis-cli -p {server.port} "
    if "psql" in text:
        database = request.getfixturevalue("postgres")
        ports[5432] = database.port
        words |= request.getfixturevalue("postgres_words")
        environment |= {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(database.port),
            "PGUSER": "logboom",
            "PGPASSWORD": PASSWORD,
        }
    folder = tmp_path / "reader"
    folder.mkdir()
    with ReaderSession(folder, ROOT, ports=ports, words=words, environment=environment) as session:
        for block in run_blocks(page):
            follow(session, block, page)


def follow(session: ReaderSession, block: Block, page: Path) -> None:
    """Do what a block says. A failure names its place."""
    line = block.line
    try:
        if block.file:
            session.save(block)
        elif block.language == "python":
            session.run_python(block)
        elif block.language == "sql":
            session.run_sql(block)
        elif block.language == "console":
            for command in commands_of(block):
                line = command.line
                if not command.text.startswith(tuple(NEVER)):
                    session.run(command, block.ready_text)
    except AssertionError as error:
        raise AssertionError(f"{name_of(page)}:{line}: {error}") from None


@pytest.mark.parametrize(
    ("page", "block"),
    [
        (page, block)
        for page in PAGES
        if page not in WALKED
        for block in run_blocks(page)
        if block.language == "toml"
    ],
    ids=lambda part: name_of(part) if isinstance(part, Path) else str(part.line),
)
def test_a_configuration_is_good(
    page: Path, block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "logboom.toml"
    path.write_text(block.text, encoding="utf-8")
    load_configuration(path, block.profile or None)


# --- commands that stand within the text ---


@cache
def whole_command() -> Any:
    return typer.main.get_command(app)


INLINE = [
    (page, found[1])
    for page in PAGES
    for found in re.finditer(
        r"`(logboom [a-z][^`]*)`", re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    )
]


@pytest.mark.parametrize(
    ("page", "text"), INLINE, ids=lambda part: name_of(part) if isinstance(part, Path) else part
)
def test_a_command_in_a_sentence_exists_with_its_options(page: Path, text: str) -> None:
    command = whole_command()
    words = text.partition(" -- ")[0].split()[1:]
    while hasattr(command, "commands") and words:
        found = command.commands.get(words.pop(0))
        assert found is not None, f"{name_of(page)}: {text}"
        command = found
    known = {
        name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)
    } | {"--help", "-h"}
    wanted = {word.partition("=")[0] for word in words if word.startswith("-") and word not in ("--", "-")}
    assert wanted <= known, f"{name_of(page)}: {text}"
