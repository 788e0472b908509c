"""rsyslog: `imptcp` into one file, the line as it came; with and without `mmjsonparse`."""

from pathlib import Path
from typing import ClassVar, Final

from bench.subjects.base import HOST, Launch, Subject
from bench.subjects.debian import DebianPackage

# pmnull leaves the line alone: the syslog parsers would only cut a JSON line in pieces.
_CONFIGURATION: Final = """\
global(workDirectory="{directory}" maxMessageSize="16k")
module(load="imptcp" threads="1")
module(load="pmnull")
{modules}template(name="raw" type="string" string="%rawmsg%\\n")
parser(name="null" type="pmnull")
ruleset(name="store" parser="null"
        queue.type="FixedArray" queue.size="100000" queue.dequeueBatchSize="{batch}"{workers}) {{
{action}
}}
input(type="imptcp" address="{host}" port="{port}" ruleset="store")
"""
_WRITE: Final = (
    'action(type="omfile" file="{directory}/out.log" template="raw" asyncWriting="off" ioBufferSize="256k" '
    'flushOnTXEnd="on")'
)


class Rsyslog(Subject):
    """The raw copy: no parsing, no ack, no sync."""

    name = "rsyslog"
    title = "rsyslog, raw copy"
    modules: ClassVar[str] = ""
    workers: ClassVar[str] = ""
    batch: ClassVar[int] = 4096
    action: ClassVar[str] = "  " + _WRITE

    def __init__(self) -> None:
        self._package = DebianPackage("rsyslog")

    def prepare(self) -> None:
        """See `Subject`."""
        self._package.prepare()

    def version(self) -> str:
        """See `Subject`."""
        return self._package.version()

    def launch(self, directory: Path, port: int) -> Launch:
        """See `Subject`."""
        configuration = directory / "rsyslog.conf"
        configuration.write_text(self._configuration(str(directory), str(port)), encoding="utf-8")
        program = self._package.find("rsyslogd")
        modules = self._package.find("imptcp.so").parent
        return Launch(
            [str(program), "-n", "-f", str(configuration), "-i", str(directory / "pid"), "-M", str(modules)],
            {"LD_LIBRARY_PATH": self._package.library_path()},
        )

    def stored(self, directory: Path) -> list[Path]:
        """See `Subject`."""
        return [path for path in [directory / "out.log"] if path.exists()]

    def described(self) -> str:
        """See `Subject`."""
        return "rsyslogd -n -f CONF\n" + self._configuration("DIR", "PORT")

    def _configuration(self, directory: str, port: str) -> str:
        action = self.action.format(directory=directory)
        return _CONFIGURATION.format(
            directory=directory,
            host=HOST,
            port=port,
            modules=self.modules,
            batch=self.batch,
            workers=self.workers,
            action=action,
        )


class RsyslogJson(Rsyslog):
    """Each line parsed as JSON, by two workers in small batches, the fastest; only what parses is stored."""

    name = "rsyslog-json"
    title = "rsyslog, mmjsonparse"
    lines_share = 0.5
    batch = 256
    workers = ' queue.workerThreads="2" queue.workerThreadMinimumMessages="2000"'
    modules = 'module(load="mmjsonparse")\n'
    action = (
        '  action(type="mmjsonparse" cookie="" useRawMsg="on")\n  if $parsesuccess == "OK" then ' + _WRITE
    )
