"""The page's files are served by their names, those of others under `vendor/`; and no file else."""

import gzip
from importlib import resources
from pathlib import Path

import pytest
from aiohttp import ClientSession
from yarl import URL

from logboom.web.page import PACKED_BYTES_MIN
from tests.kit.app_kit import port_of, run_scenario, running_app

SCRIPT_BYTES_MAX = 250 << 10
"""Largest size of all scripts of the page together, compressed."""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package whose folder `static` is served."""
    package = tmp_path / "package"
    (package / "static" / "vendor" / "deep").mkdir(parents=True)
    (package / "secret.txt").write_text("secret")
    for name, text in {
        "index.html": "page",
        "vendor/uPlot.esm.js": "charts",
        "vendor/uPlot.LICENSE.txt": "MIT",
        "vendor/deep/part.css": "deep",
        "vendor/uPlot.map": "unknown kind",
        ".hidden": "hidden",
    }.items():
        (package / "static" / name).write_text(text)
    monkeypatch.setattr(resources, "files", lambda _package: package)
    return package


async def get(data_dir: Path, *paths: str) -> list[tuple[int, str, str]]:
    """Status, type and body of each path, sent as it stands."""
    async with running_app(data_dir) as app, ClientSession() as client:
        found = []
        for path in paths:
            async with client.get(URL(f"http://127.0.0.1:{port_of(app)}{path}", encoded=True)) as answer:
                found.append((answer.status, answer.content_type, await answer.text()))
        return found


def test_files_in_folders_have_addresses_below(tmp_path: Path, package: Path) -> None:
    paths = (
        "/",
        "/static/vendor/uPlot.esm.js",
        "/static/vendor/uPlot.LICENSE.txt",
        "/static/vendor/deep/part.css",
    )
    assert run_scenario(get(tmp_path / "data", *paths)) == [
        (200, "text/html", "page"),
        (200, "text/javascript", "charts"),
        (200, "text/plain", "MIT"),
        (200, "text/css", "deep"),
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static/vendor",
        "/static/vendor/",
        "/static/vendor/uPlot.map",
        "/static/.hidden",
        "/static/../secret.txt",
        "/static/vendor/../../secret.txt",
        "/static/%2e%2e/secret.txt",
        "/static/vendor%2f..%2f..%2fsecret.txt",
        "/static//secret.txt",
        "/static/vendor/./uPlot.esm.js",
        "/static/vendor//uPlot.esm.js",
    ],
)
def test_no_other_path_leads_to_a_file(tmp_path: Path, package: Path, path: str) -> None:
    [(status, _, body)] = run_scenario(get(tmp_path / "data", path))
    assert status == 404
    assert "secret" not in body


def test_the_scripts_are_served_compressed_and_small(tmp_path: Path) -> None:
    static = Path(str(resources.files("logboom.web").joinpath("static")))
    names = [file.relative_to(static).as_posix() for file in static.rglob("*.js")]

    async def scenario() -> int:
        size = 0
        async with (
            running_app(tmp_path / "data") as app,
            ClientSession(f"http://127.0.0.1:{port_of(app)}", auto_decompress=False) as client,
        ):
            for name in names:
                path = f"/static/{name}"
                async with client.get(path, headers={"Accept-Encoding": "gzip"}) as answer:
                    body, tag = await answer.read(), answer.headers["ETag"]
                    assert answer.headers["Vary"] == "Accept-Encoding"
                if (static / name).stat().st_size >= PACKED_BYTES_MIN:
                    assert gzip.decompress(body) == (static / name).read_bytes()
                async with client.get(
                    path, headers={"Accept-Encoding": "gzip", "If-None-Match": tag}
                ) as again:
                    assert again.status == 304
                async with client.get(path, headers={"Accept-Encoding": "identity"}) as plain:
                    assert await plain.read() == (static / name).read_bytes()
                size += len(body)
        return size

    assert len(names) > 30
    assert run_scenario(scenario()) <= SCRIPT_BYTES_MAX
