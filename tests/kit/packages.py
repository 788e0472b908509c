"""The packages of an installation, derived from the metadata of the installed ones."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def environment(version: str) -> dict[str, str]:
    """What markers are asked of, on this machine with another interpreter."""
    minor = ".".join(version.split(".")[:2])
    return {
        **{name: str(value) for name, value in default_environment().items()},
        "python_version": minor,
        "python_full_version": version,
        "implementation_version": version,
    }


def holds(requirement: Requirement, where: dict[str, str], extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**where, "extra": extra})


def wanted_by(name: str, extras: set[str], where: dict[str, str]) -> Iterator[Requirement]:
    """What a package that is installed here would want there."""
    try:
        texts = distribution(name).requires or []
    except PackageNotFoundError:  # no part of this interpreter's environment
        return
    for requirement in map(Requirement, texts):
        if any(holds(requirement, where, extra) for extra in ("", *extras)):
            yield requirement


def closure(roots: list[Requirement], where: dict[str, str]) -> dict[str, Requirement]:
    """All packages that an installer would bring, by canonical name, with one of their wishes each."""
    found: dict[str, Requirement] = {}
    asked: set[tuple[str, frozenset[str]]] = set()
    waiting = list(roots)
    while waiting:
        requirement = waiting.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        found.setdefault(name, requirement)
        if (name, extras) not in asked:
            asked.add((name, extras))
            waiting += wanted_by(name, set(extras), where)
    return found
