"""syslog-ng: `network()` into one file, the line as it came; with and without `json-parser()`."""

from pathlib import Path
from typing import ClassVar, Final

from bench.subjects.base import HOST, Launch, Subject
from bench.subjects.debian import DebianPackage

# flow-control: without it the raw copy drops lines when the file is slower than the socket.
_CONFIGURATION: Final = """\
@version: {version}
options {{ threaded(yes); stats-freq(0); keep-hostname(yes); use-dns(no); log-msg-size(16384); }};
source s_in {{
  network(ip("{host}") port({port}) transport("tcp") flags(no-parse, no-hostname)
          max-connections(64) log-iw-size(64000) log-fetch-limit(1000));
}};
{parser}destination d_out {{
  file("{directory}/out.log" template("${{MESSAGE}}\\n") log-fifo-size(100000));
}};
log {{ source(s_in); {step}destination(d_out); flags(flow-control); }};
"""


class SyslogNg(Subject):
    """The raw copy: no parsing, no ack, no sync."""

    name = "syslog-ng"
    title = "syslog-ng, raw copy"
    parser: ClassVar[str] = ""
    step: ClassVar[str] = ""

    def __init__(self) -> None:
        self._package = DebianPackage("syslog-ng-core")

    def prepare(self) -> None:
        """See `Subject`."""
        self._package.prepare()

    def version(self) -> str:
        """See `Subject`."""
        return self._package.version()

    def launch(self, directory: Path, port: int) -> Launch:
        """See `Subject`."""
        configuration = directory / "syslog-ng.conf"
        configuration.write_text(self._configuration(str(directory), str(port)), encoding="utf-8")
        program = self._package.find("usr/sbin/syslog-ng")
        modules = self._package.find("libafsocket.so").parent
        command = [str(program), "--foreground", "--no-caps", "--cfgfile", str(configuration)]
        command += ["--persist-file", str(directory / "persist"), "--pidfile", str(directory / "pid")]
        command += ["--control", str(directory / "control"), "--module-path", str(modules)]
        return Launch(command, {"LD_LIBRARY_PATH": self._package.library_path()})

    def stored(self, directory: Path) -> list[Path]:
        """See `Subject`."""
        return [path for path in [directory / "out.log"] if path.exists()]

    def described(self) -> str:
        """See `Subject`."""
        return "syslog-ng --foreground --no-caps --cfgfile CONF\n" + self._configuration("DIR", "PORT")

    def _configuration(self, directory: str, port: str) -> str:
        version = ".".join(self.version().split(".")[:2])
        return _CONFIGURATION.format(
            version=version, directory=directory, host=HOST, port=port, parser=self.parser, step=self.step
        )


class SyslogNgJson(SyslogNg):
    """Each line parsed as JSON; what does not parse is dropped."""

    name = "syslog-ng-json"
    title = "syslog-ng, json-parser"
    lines_share = 0.3
    parser = 'parser p_json { json-parser(prefix(".json.")); };\n'
    step = "parser(p_json); "
