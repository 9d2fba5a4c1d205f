"""The reasons that the server's source can give, each with the error class that carries it.

Read from the syntax tree: a keyword `reason` of a call, and what is passed to a function of
the same room, or a method of the same object, for its parameter `reason`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from spladed.rpc.status import TABLE

SERVER = Path(__file__).parents[2] / "server/spladed"
ROOMS = (
    "rpc",
    "encoder",
    "index",
    "sparse.py",
    "manifest.py",
    "bundle.py",
    "ort.py",
    "watchdog.py",
)
CLASSES = {cls.__name__ for cls, _ in TABLE}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def reasons() -> set[tuple[str, str]]:
    """(reason, error class) of every error that these rooms raise."""
    trees = [ast.parse(file.read_text("utf-8")) for room in ROOMS for file in _files(SERVER / room)]
    passing = {each.name: each for tree in trees for each in _passing_on(tree)}
    return {pair for tree in trees for call in _calls(tree) for pair in _of(call, passing)}


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("*.py")) if path.is_dir() else [path]


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _passing_on(tree: ast.AST) -> Iterator[Function]:
    """Functions that are told the reason of the error they raise."""
    for node in ast.walk(tree):
        if isinstance(node, Function) and "reason" in _parameters(node) and _raised(node):
            yield node


def _raised(function: Function) -> set[str]:
    """The error classes that a function makes."""
    return {
        inner.func.id
        for inner in _calls(function)
        if isinstance(inner.func, ast.Name) and inner.func.id in CLASSES
    }


def _parameters(function: Function) -> list[str]:
    args = function.args
    names = [each.arg for each in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
    return names[1:] if names[:1] == ["self"] else names


def _of(call: ast.Call, passing: dict[str, Function]) -> Iterator[tuple[str, str]]:
    name = _name(call.func)
    if name in CLASSES:
        yield from ((reason, name) for reason in _constants(_argument(call, None)))
    elif name in passing:
        (cls,) = _raised(passing[name])
        yield from ((reason, cls) for reason in _constants(_argument(call, passing[name])))


def _name(function: ast.expr) -> str:
    """Of a function, or of a method of the same object."""
    if isinstance(function, ast.Name):
        return function.id
    of_self = isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)
    return function.attr if of_self and function.value.id == "self" else ""


def _argument(call: ast.Call, function: Function | None) -> ast.AST | None:
    """What the call passes for `reason`, by name or by place."""
    for keyword in call.keywords:
        if keyword.arg == "reason":
            return keyword.value
    if function is None:
        return None
    place = _parameters(function).index("reason")
    return call.args[place] if place < len(call.args) else None


def _constants(node: ast.AST | None) -> Iterator[str]:
    """The strings that an expression can be; the condition of an `if` is none of them."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _constants(node.body)
        yield from _constants(node.orelse)
