"""Every command, run one after another in a process that writes down each socket that it or its children open.

    python tests/watched.py FOLDER COMMANDS    COMMANDS: JSON, a list of lists of arguments; prints their exit statuses

``FOLDER`` holds ``sitecustomize.py``, which Python runs first in this process and in those that it starts.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
_HOOK = """
import os, sys
def watch(event, arguments):
    if event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname"):
        with open(os.environ["WATCHED_SOCKETS"], "a") as file:
            file.write(f"{event} {arguments[1:]}\\n")
sys.addaudithook(watch)
"""


def watched(folder: Path, commands: list[list[str]], **variables: str) -> tuple[list[int], str, bool]:
    """Run commands with stand-ins for Ghostscript in the PATH.

    Args:
        folder: an empty one.
        commands: each command's arguments.
        variables: of the environment.

    Returns:
        Their exit statuses, a line for each call that uses a socket, and whether Ghostscript was called.
    """
    tools, sockets, called = folder / "tools", folder / "sockets", folder / "called"
    tools.mkdir()
    sockets.touch()
    for name in ("gs", "gswin32c", "gswin64c"):
        (tools / name).write_text(f"#!/bin/sh\ntouch '{called}'\n")
        (tools / name).chmod(stat.S_IRWXU)
    (tools / "sitecustomize.py").write_text(_HOOK)
    environment = {
        **os.environ,
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(map(str, (tools, ROOT))),
        "WATCHED_SOCKETS": str(sockets),
        **variables,
    }
    ran = subprocess.run(
        [sys.executable, __file__, json.dumps(commands)], env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1]), sockets.read_text(), called.exists()


def main() -> None:
    from PIL import Image

    from carseg.cli.main import main as carseg

    Image.init()  # as another package may have done: Pillow knows all its formats
    statuses = [carseg(command) for command in json.loads(sys.argv[1])]
    print(json.dumps(statuses))


if __name__ == "__main__":
    main()
