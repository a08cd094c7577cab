"""What Python sources do with paths and defaults, read without running them.

Invariant: only facts that stand in the text are reported: which variable is read with which default,
on which expression a folder is made, which absolute path is written out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from observer_contracts.evidence.repository import TextFile

_READERS = frozenset({"get", "getenv", "pop", "setdefault"})
_MAKERS = frozenset({"mkdir", "makedirs"})
# A source without any of these has no fact; parsing it would only take time.
_WORDS = ("environ", "getenv", "mkdir", "makedirs", '"/app/', "'/app/")
_SAME_PATH = frozenset(
    {
        "Path",
        "PurePath",
        "PosixPath",
        "PurePosixPath",
        "str",
        "fspath",
        "resolve",
        "expanduser",
        "absolute",
        "abspath",
        "realpath",
        "expandvars",
        "normpath",
    }
)


class FactKind(StrEnum):
    """What a source does."""

    VARIABLE = "variable"
    MADE_ROOT = "made root"
    MADE_ELSEWHERE = "made elsewhere"
    LITERAL = "literal"
    JOINED = "joined"


@dataclass(frozen=True, slots=True)
class SourceFact:
    """One fact of a source file.

    Attributes:
        name: The variable that is read, or the root that is made.
        value: The default, where it is a literal, or the path.
    """

    kind: FactKind
    name: str
    value: str | None
    file: str
    line: int


def source_facts(files: Sequence[TextFile], roots: dict[str, str]) -> Iterator[SourceFact]:
    """Yields the facts of the sources.

    Args:
        files: Python sources.
        roots: Declared mounts, path by variable.
    """
    words = (*_WORDS, *roots, *roots.values())
    trees = []
    for file in files:
        if not any(word in file.text for word in words):
            continue
        try:
            trees.append((file.path, ast.parse(file.text)))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    known = _Paths(roots)
    known.learn(trees)
    for path, tree in trees:
        yield from _Finder(path, known).facts(tree)


def _text(node: ast.AST | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _called(node: ast.AST) -> str:
    """Returns the last part of the name of what is called."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def read_variable(node: ast.AST) -> tuple[str, ast.AST | None] | None:
    """Returns the variable that an expression reads from the environment, with its default."""
    if isinstance(node, ast.Subscript) and _called(node.value) == "environ":
        name = _text(node.slice)
        return (name, None) if name else None
    if isinstance(node, ast.Call) and _called(node.func) in _READERS and node.args:
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if _called(node.func) == "getenv" or (
            owner is not None and _called(owner) in ("environ", "env", "environment")
        ):
            name = _text(node.args[0])
            return (name, node.args[1] if len(node.args) > 1 else None) if name else None
    return None


class _Paths:
    """Which expressions are an absolute path, through names, joins and functions that return one.

    A declared variable counts as its declared path, so that a mount is recognised however it is spelt.
    """

    def __init__(self, roots: dict[str, str]) -> None:
        self._declared = roots
        self._functions: dict[str, str] = {}
        self._makers: set[str] = set()
        self.roots = {path: variable for variable, path in roots.items()}

    def learn(self, trees: Sequence[tuple[str, ast.Module]]) -> None:
        """Finds the functions that return a path, and those that make the folder they are given."""
        functions = [
            node for _, tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
        ]
        modules = {
            id(f): self.names(tree)
            for _, tree in trees
            for f in ast.walk(tree)
            if isinstance(f, ast.FunctionDef)
        }
        for _ in range(3):  # a function that returns another one's answer
            for function in functions:
                names = modules[id(function)] | self.names(function)
                for node in ast.walk(function):
                    path = self.path(node.value, names) if isinstance(node, ast.Return) and node.value else ""
                    if path:
                        self._functions[function.name] = path
        self._makers = {function.name for function in functions if _makes_its_argument(function)}

    def names(self, scope: ast.AST) -> dict[str, str]:
        """Returns the names that a scope binds to a path."""
        found: dict[str, str] = {}
        for node in ast.walk(scope):
            for target, value in _bindings(node):
                path = self.path(value, found)
                if path:
                    found[_called(target)] = path
        return found

    def path(self, node: ast.AST | None, names: dict[str, str]) -> str:
        """Returns the absolute path that an expression is, or nothing."""
        read = read_variable(node) if node is not None else None
        if read is not None:
            return self._declared.get(read[0]) or self.path(read[1], names)
        match node:
            case ast.Constant(value=str() as literal):
                found = literal.rstrip("/") if literal.startswith("/") else ""
            case ast.BoolOp(values=values):
                found = next((path for value in values if (path := self.path(value, names))), "")
            case ast.IfExp(body=body, orelse=other):
                found = self.path(body, names) or self.path(other, names)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                found = self._joined(left, [right], names)
            case ast.Name() | ast.Attribute():
                found = names.get(_called(node), "")
            case ast.Call():
                found = self._call(node, names)
            case _:
                found = ""
        return found

    def makes(self, node: ast.Call, names: dict[str, str]) -> str:
        """Returns the path of the folder that a call makes, or nothing."""
        name = _called(node.func)
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if name in _MAKERS and owner is not None and _called(owner) != "os":
            return self.path(owner, names)
        if name in _MAKERS or name in self._makers:
            return self.path(node.args[0], names) if node.args else ""
        return ""

    def _joined(self, first: ast.AST, more: Sequence[ast.AST], names: dict[str, str]) -> str:
        start, parts = self.path(first, names), [_text(part) for part in more]
        return "/".join([start, *(part or "" for part in parts)]) if start and all(parts) else ""

    def _call(self, node: ast.Call, names: dict[str, str]) -> str:
        name = _called(node.func)
        if (
            name in ("join", "joinpath", *_SAME_PATH)
            and node.args
            and (name != "join" or _is_path_module(node.func))
        ):
            owner = node.func.value if name == "joinpath" and isinstance(node.func, ast.Attribute) else None
            first, *more = [owner, *node.args] if owner is not None else node.args
            return self._joined(first, more, names) if more else self.path(first, names)
        if name in _SAME_PATH and isinstance(node.func, ast.Attribute):
            return self.path(node.func.value, names)
        return self._functions.get(name, "")


def _is_path_module(function: ast.AST) -> bool:
    return isinstance(function, ast.Attribute) and _called(function.value) in ("path", "posixpath")


def _bindings(node: ast.AST) -> list[tuple[ast.AST, ast.AST]]:
    """Returns targets with the values that a statement binds to them; a loop binds each item of a display."""
    match node:
        case ast.Assign(targets=targets, value=value):
            pairs: list[tuple[ast.AST, ast.AST]] = [(target, value) for target in targets]
        case (
            ast.AnnAssign(target=target, value=ast.expr() as value)
            | ast.NamedExpr(target=target, value=value)
        ):
            pairs = [(target, value)]
        case ast.For(target=target, iter=ast.Tuple(elts=items) | ast.List(elts=items)):
            pairs = [(target, item) for item in items]
        case _:
            pairs = []
    return [(target, value) for target, value in pairs if isinstance(target, ast.Name | ast.Attribute)]


def _makes_its_argument(function: ast.FunctionDef) -> bool:
    parameters = [argument.arg for argument in function.args.args if argument.arg not in ("self", "cls")][:1]
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or _called(node.func) not in _MAKERS:
            continue
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        made = node.args[0] if node.args and (owner is None or _called(owner) == "os") else owner
        if isinstance(made, ast.Name) and made.id in parameters:
            return True
    return False


class _Finder:
    def __init__(self, path: str, paths: _Paths) -> None:
        self._path = path
        self._paths = paths

    def facts(self, tree: ast.Module) -> Iterator[SourceFact]:
        documentation = _docstrings(tree)
        outer = self._paths.names(tree)
        scopes = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        local: dict[int, dict[str, str]] = {}
        for scope in scopes:
            known = outer | self._paths.names(scope)
            local.update((id(inner), known) for inner in ast.walk(scope))
        for node in ast.walk(tree):
            yield from self._node(node, local.get(id(node), outer), documentation)

    def _node(self, node: ast.AST, names: dict[str, str], documentation: set[int]) -> Iterator[SourceFact]:
        line, roots = getattr(node, "lineno", 1), self._paths.roots
        read = read_variable(node)
        if read is not None:
            yield SourceFact(FactKind.VARIABLE, read[0], _text(read[1]), self._path, line)
        if isinstance(node, ast.Call):
            made = self._paths.makes(node, names)
            if made in roots:
                yield SourceFact(FactKind.MADE_ROOT, roots[made], None, self._path, line)
            elif made and not any(made.startswith(f"{root}/") for root in roots):
                yield SourceFact(FactKind.MADE_ELSEWHERE, "", made, self._path, line)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            left, part = self._paths.path(node.left, names), _text(node.right)
            if left in roots and part:
                yield SourceFact(FactKind.JOINED, roots[left], part, self._path, line)
        literal = _text(node)
        if (
            literal is not None
            and literal.startswith("/")
            and len(literal) > 2
            and id(node) not in documentation
        ):
            yield SourceFact(FactKind.LITERAL, "", literal, self._path, line)


def _docstrings(tree: ast.Module) -> set[int]:
    return {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
