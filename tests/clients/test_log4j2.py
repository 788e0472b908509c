"""log4j2, as Debian has it: its appenders for syslog, and its layout for GELF."""

import json
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.kit.app_kit import journal_lines
from tests.kit.app_thread import AppThread
from tests.kit.services import find_program, give_up

JARS = [Path("/usr/share/java", name) for name in ("log4j-api.jar", "log4j-core.jar")]
SOURCE = Path(__file__).with_name("java") / "Pumps.java"
APPENDERS = {
    "rfc5424": '<Syslog name="rfc5424" format="RFC5424" appName="pumps" newLine="true" '
    'newLineEscape="\\n" exceptionPattern="%ex{short}" {place}/>',
    "unframed": '<Syslog name="unframed" format="RFC5424" appName="pumps" {place}/>',
    "bsd": '<Syslog name="bsd" {place}/>',
    "gelf": '<Socket name="gelf" {place}><GelfLayout includeNullDelimiter="true" compressionType="OFF"/></Socket>',
    "gelf-udp": '<Socket name="gelf-udp" {place}><GelfLayout compressionThreshold="100"/></Socket>',
}
LISTENERS: dict[str, dict[str, str]] = {
    "rfc5424": {"protocol": "syslog"},
    "unframed": {"protocol": "syslog"},
    "bsd": {"protocol": "syslog", "transport": "udp"},
    "gelf": {"protocol": "gelf"},
    "gelf-udp": {"protocol": "gelf", "transport": "udp"},
}
LOGGED = [("INFO", "pump started"), ("WARNING", "valve stuck at 87 %"), ("ERROR", "calculation failed")]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """Entries of one run, by listener: the start of Java takes longer than all the rest."""
    java = find_program("javac", "default-jdk-headless").removesuffix("c")
    if not all(jar.exists() for jar in JARS):
        give_up("there is no log4j2; Debian has it in the package liblog4j2-java")
    folder = tmp_path_factory.mktemp("log4j2")
    with AppThread(folder / "data", tuple(LISTENERS), settings={"listeners": LISTENERS}) as app:
        appenders, references = "", ""
        for name, appender in APPENDERS.items():
            kind = LISTENERS[name].get("transport", "tcp").upper()
            place = f'host="127.0.0.1" port="{app.port(name)}" protocol="{kind}"'
            appenders += appender.replace("{place}", place)
            references += f'<AppenderRef ref="{name}"/>'
        configuration = folder / "log4j2.xml"
        configuration.write_text(
            f'<Configuration status="warn"><Appenders>{appenders}</Appenders>'
            f'<Loggers><Root level="info">{references}</Root></Loggers></Configuration>'
        )
        path = ":".join(map(str, JARS))
        option = f"-Dlog4j2.configurationFile={configuration}"
        subprocess.run([java, "-XX:TieredStopAtLevel=1", "-cp", path, option, SOURCE], check=True)
        expected = len(LISTENERS) * len(LOGGED)
        app.until(lambda: len(list(journal_lines(folder / "data"))) >= expected)
    by_listener = defaultdict(list)
    for line in journal_lines(folder / "data"):
        record = json.loads(line)
        by_listener[record["listener"]].append(record["entry"])
    return by_listener


@pytest.mark.parametrize("listener", LISTENERS)
def test_log4j2(found: dict[str, list[dict[str, Any]]], listener: str) -> None:
    entries = found[listener]
    assert [(entry["level"], entry["message"].partition("\\n")[0]) for entry in entries] == LOGGED
    if listener == "rfc5424":
        assert "ArithmeticException" in entries[2]["message"]
    if listener != "bsd":  # which sends no name of a program
        assert {entry["source"] for entry in entries} == {"pumps"}
