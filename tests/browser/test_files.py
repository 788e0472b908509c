"""The page's own files: whole, small, and without ways to turn a log into markup."""

import re
from importlib import resources

STATIC = resources.files("logboom.web").joinpath("static")
OWN = {file.name: file.read_text() for file in STATIC.iterdir() if file.is_file()}
LINES_MAX = 400

MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|\.srcdoc"
)


def test_nothing_makes_markup_of_text() -> None:
    assert [name for name, text in OWN.items() if MARKUP.search(text)] == []


def test_every_file_that_is_named_is_there() -> None:
    for name, text in OWN.items():
        for other in re.findall(r'"/static/([\w./-]+)"', text):
            assert other in OWN or other.startswith("vendor/"), f"{name} names {other}"


def test_files_are_small() -> None:
    assert [name for name, text in OWN.items() if text.count("\n") > LINES_MAX] == []


def test_the_markup_has_no_inline_scripts_or_styles() -> None:
    index = OWN["index.html"]
    assert not re.search(r"<style|\sstyle=|\son\w+=", index)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", index))
