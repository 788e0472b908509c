"""Groups of options, each one parameter of a command; typer itself has one parameter per option."""

import dataclasses
import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, get_type_hints


class OptionGroup:
    """Base of dataclasses whose fields are options: a command takes them as one parameter; see `grouped`."""


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take an `OptionGroup` as one parameter, whose fields become options in its place."""
    hints = get_type_hints(command, include_extras=True)
    groups = {
        name: hint for name, hint in hints.items() if isinstance(hint, type) and issubclass(hint, OptionGroup)
    }
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        group = groups.get(name)
        parameters += _fields_of(group) if group else [parameter.replace(annotation=hints[name])]

    @wraps(command)
    def expanded(**words: Any) -> None:
        made = {
            name: group(**{field.name: words.pop(field.name) for field in dataclasses.fields(group)})  # type: ignore[arg-type]
            for name, group in groups.items()
        }
        command(**words, **made)

    expanded.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    expanded.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return expanded


def _fields_of(group: type[OptionGroup]) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in dataclasses.fields(group)  # type: ignore[arg-type]
    ]
