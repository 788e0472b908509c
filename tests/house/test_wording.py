"""Texts are written in plain standard English: each habit's findings may only become fewer.

`python -m tests.kit.wording` lists the places. After removing some, lower the ceiling to the number that is left.
"""

from collections import Counter
from pathlib import Path

import pytest

from tests.kit.wording import HABITS, Finding, Habit, files_under, findings

ROOT = Path(__file__).parents[2]
CODE = files_under([ROOT / "src"])
PAGES = [
    page
    for page in files_under([ROOT / "docs", *ROOT.glob("*.md")])
    if ROOT / "docs" / "reference" not in page.parents  # made of the code's texts
]

CEILINGS = {
    "code": {"rates": 9, "telling": 0, "persons": 0, "idioms": 2, "openings": 0},
    "pages": {"rates": 0, "telling": 0, "persons": 0, "idioms": 1, "openings": 0},
}
"""Findings per habit as of the last change of these numbers. The goal is zero."""


@pytest.fixture(scope="module")
def found() -> dict[str, list[Finding]]:
    return {"code": list(findings(CODE)), "pages": list(findings(PAGES))}


def test_there_is_something_to_read() -> None:
    assert len(CODE) > 100
    assert len(PAGES) > 30


@pytest.mark.parametrize("where", sorted(CEILINGS))
@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: habit.name)
def test_habits_become_fewer(where: str, habit: Habit, found: dict[str, list[Finding]]) -> None:
    places = [one for one in found[where] if one.habit is habit]
    ceiling = CEILINGS[where][habit.name]
    most = Counter(str(one.path.relative_to(ROOT)) for one in places).most_common(5)
    assert len(places) <= ceiling, (
        f"{habit.name}: {len(places)} findings, the ceiling is {ceiling}; {habit.advice}. Most are in {most}"
    )


def test_each_habit_is_found_and_its_cure_is_not(tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.py", tmp_path / "good.md"
    bad.write_text(
        '"""Whether it is: one reply a line, told to nobody, for ever."""\n\nlimit = 5  # 5 MB a second\n'
    )
    good.write_text("One reply per line is sent, forever.\n\n```\nOne reply a line, told to nobody.\n```\n")
    names = Counter(one.habit.name for one in findings(files_under([tmp_path])))
    assert names == {"openings": 1, "rates": 2, "telling": 1, "persons": 1, "idioms": 1}
