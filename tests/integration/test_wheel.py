"""The wheel: everything that the server reads is in it, and it runs without the repository."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "logboom"
VENDOR = Path("src", "logboom", "web", "static", "vendor")
FETCHED = ("uPlot.LICENSE.txt", "uPlot.esm.js", "uPlot.min.css")


def ran(*command: str, folder: Path) -> str:
    """Output of a command, which must succeed."""
    done = subprocess.run(
        (sys.executable, *command), capture_output=True, text=True, timeout=100, check=False, cwd=folder
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make dist` does, from a copy: by way of the source archive, so that this holds everything too."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", folder / "src", ignore=ignored)
    for name in FETCHED:  # where there is no npm, something stands for what it fetches
        path = folder / VENDOR / name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_text("fetched")
    ran("-m", "build", "--no-isolation", "--outdir", "dist", folder=folder)
    (path,) = (folder / "dist").glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package and nothing else of the repository."""
    target = tmp_path_factory.mktemp("installed")
    ran("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check",
        "--target", str(target), str(wheel), folder=target)  # fmt: skip
    return target


def test_every_file_of_the_package_is_in_the_wheel(wheel: Path) -> None:
    wanted = {
        f"logboom/{path.relative_to(PACKAGE).as_posix()}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        assert wanted - set(archive.namelist()) == set()


def test_the_wheel_holds_the_public_kits_and_no_helper_of_our_own_tests(wheel: Path, installed: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [Path(name) for name in archive.namelist()]
    kits = {path.stem for path in names if path.parent == Path("logboom/testing")}
    assert kits == {
        *("__init__", "crash_kit", "nats_cluster", "output_kit", "ports", "protocol_kit", "server_kit"),
    }
    for kit in kits - {"__init__"}:
        ran("-c", f"import logboom.testing.{kit}", folder=installed)
    ran("-c", "import logboom.prove.engine", folder=installed)
    assert not [path for path in names if path.parts[0] == "tests"]


def test_the_wheel_holds_the_licence_of_each_part(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]
    assert "logboom/web/static/vendor/uPlot.LICENSE.txt" in names


def test_the_installed_package_starts_by_itself(installed: Path) -> None:
    assert ran("-m", "logboom", "--version", folder=installed).strip()
    code = "import logboom; print(logboom.__file__)"
    assert ran("-c", code, folder=installed).startswith(str(installed))


def test_the_installed_package_has_its_page_profiles_and_schemas(installed: Path) -> None:
    code = "from logboom.web.page import load_assets; print(*load_assets())"
    served = ran("-c", code, folder=installed).split()
    assert {"index.html", "app.js", *(f"vendor/{name}" for name in FETCHED)} <= set(served)
    for profile in ("device", "gateway", "ordered", "collector", "live"):
        ran("-m", "logboom", "config", "check", "--profile", profile, folder=installed)
    ran("-c", "import logboom.formats.capnp_schemas, logboom.formats.proto_schema", folder=installed)
