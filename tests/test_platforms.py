"""What would break on Windows or macOS, as far as the source shows it; docs/platforms.md says what was never run.

The tests themselves are read too: they run there as far as they can.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import carseg

PACKAGE = Path(carseg.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
ON_LINUX = ("hostile.py", "killed_jobs.py", "mutants.py")  # limit the memory, or kill processes, as only Linux does
TESTS = sorted(path for path in Path(__file__).parent.glob("*.py") if path.name not in ON_LINUX)
UNIX = {"curses", "fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
WINDOWS = {"_winapi", "msvcrt", "nt", "winreg", "winsound"}
LACKING = {  # names of the module os that a system lacks
    *("fork", "forkpty", "getegid", "geteuid", "getgid", "getloadavg", "getpgid", "getuid", "killpg", "mkfifo", "nice"),
    *("O_DIRECTORY", "O_NOFOLLOW", "posix_fadvise", "posix_fallocate", "sched_getaffinity", "setsid", "statvfs"),
    *("startfile", "sysconf", "uname", "wait3", "WNOHANG"),
}
EVERYWHERE = {"SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM", "SIG_DFL", "SIG_IGN"}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix() if path.is_relative_to(PACKAGE) else path.name


def guarded(tree: ast.Module) -> set[ast.AST]:
    """Return the nodes that run only where a condition holds, or whose failure to import is caught."""
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        caught = isinstance(node, ast.Try) and any("ImportError" in ast.dump(each) for each in node.handlers)
        skipped = isinstance(node, ast.FunctionDef) and any("skipif" in ast.dump(each) for each in node.decorator_list)
        body = node.body if isinstance(node, (ast.If, ast.IfExp)) or caught or skipped else []
        found.update(inner for each in (body if isinstance(body, list) else [body]) for inner in ast.walk(each))
    return found


def troubles(tree: ast.Module) -> Iterator[str]:
    safe = guarded(tree)
    for node in ast.walk(tree):
        if node in safe:
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            yield from (f"{node.lineno}: imports {name}" for name in names if name in UNIX | WINDOWS)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "os" and node.attr in LACKING:
                yield f"{node.lineno}: uses os.{node.attr}"
            if node.value.id == "signal" and node.attr.startswith("SIG") and node.attr not in EVERYWHERE:
                yield f"{node.lineno}: uses signal.{node.attr}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            positional = {"read_text": 1, "write_text": 2}.get(node.func.attr)
            encoded = any(keyword.arg == "encoding" for keyword in node.keywords)
            if positional is not None and len(node.args) < positional and not encoded:
                yield f"{node.lineno}: {node.func.attr} without an encoding"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_nothing_is_taken_for_granted_that_a_system_lacks(path: Path) -> None:
    assert list(troubles(ast.parse(path.read_text("utf-8")))) == []


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_nor_by_a_test(path: Path) -> None:
    found = troubles(ast.parse(path.read_text("utf-8")))
    assert [trouble for trouble in found if "encoding" not in trouble] == []  # most write ASCII alone


@pytest.mark.parametrize(
    "line",
    [
        "import fcntl",
        "from resource import getrusage",
        "os.fork()",
        "signal.signal(signal.SIGHUP, stop)",
        "path.write_text(text)",
    ],
)
def test_which_would_show(line: str) -> None:
    assert list(troubles(ast.parse(line)))
