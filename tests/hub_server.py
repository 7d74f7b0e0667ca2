"""A real HTTP server on the loopback interface that speaks the Hugging Face Hub's protocol as far as needed."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field

from server import Handler, Server

TOKEN = "hf_ThisTokenMayWrite"


@dataclass
class Repository:
    """What a repository holds: by commit, the newest last, the content of files by path."""

    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)

    @property
    def newest(self) -> str:
        return next(reversed(self.commits), "0" * 40)


class HubServer(Server):
    """Makes repositories, takes uploads and serves commits. Writing, and reading what is private, needs ``TOKEN``.

    Attributes:
        repositories: by name, ORG/REPO.
    """

    def __init__(self) -> None:
        super().__init__()
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}

    @property
    def handler(self) -> type[Handler]:
        return _HubHandler

    def commit(self, name: str, files: dict[str, bytes]) -> str:
        """Add files to a repository and return the commit."""
        repository = self.repositories[name]
        held = {**(repository.commits[repository.newest] if repository.commits else {}), **files}
        commit = hashlib.sha1(repr((len(repository.commits), sorted(held.items()))).encode()).hexdigest()
        repository.commits[commit] = held
        self.files |= {f"/{name}/resolve/{commit}/{path}": content for path, content in held.items()}
        return commit


class _HubHandler(Handler):
    server_state: HubServer

    def do_GET(self) -> None:
        state = self.server_state
        asked = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/?]+))?", self.path.split("?")[0])
        name = asked[1] if asked else "/".join(self.path.split("/")[1:3])
        repository = state.repositories.get(name)
        if repository is None or (repository.private and not self._may_write()):
            state.log.append(("GET", self.path, 0))
            self._json(401, {"error": "Invalid username or password."}, {"X-Error-Code": "RepoNotFound"})
        elif asked is None:
            super().do_GET()
        else:
            state.log.append(("GET", self.path, 0))
            revision = asked[2] or "main"
            commit = repository.newest if revision == "main" else revision
            if revision == "main" or commit in repository.commits:
                self._json(200, {"id": name, "sha": commit, "private": repository.private})
            else:
                self._json(404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"})

    def do_PUT(self) -> None:
        content = self._body()
        self.server_state.log.append(("PUT", self.path, 0))
        self.server_state.objects[hashlib.sha256(content).hexdigest()] = content
        self._json(200, {})

    def do_POST(self) -> None:
        state, path, body = self.server_state, self.path, self._body()
        state.log.append(("POST", path, 0))
        if not self._may_write():
            self._json(401, {"error": f"Invalid credentials {self.headers.get('Authorization')}"})
        elif path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            if name in state.repositories:
                self._json(409, {"error": "You already created this model repo", "url": f"{state.url}/{name}"})
            else:
                state.repositories[name] = Repository(
                    asked.get("visibility") == "private" or bool(asked.get("private"))
                )
                self._json(200, {"url": f"{state.url}/{name}"})
        elif path == "/api/validate-yaml":
            self._json(200, {"errors": [], "warnings": []})
        elif path.endswith("/preupload/main"):
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(body)["files"]
            ]
            self._json(200, {"files": files})
        elif path.endswith(".git/info/lfs/objects/batch"):
            objects = [
                {**each, "actions": {"upload": {"href": f"{state.url}/objects"}}}
                for each in json.loads(body)["objects"]
            ]
            self._json(200, {"transfer": "basic", "objects": objects})
        else:
            name = path.removeprefix("/api/models/").removesuffix("/commit/main")
            commit = state.commit(name, dict(self._added(line) for line in body.splitlines() if b"header" not in line))
            url = f"{state.url}/{name}/commit/{commit}"
            self._json(200, {"success": True, "commitOid": commit, "commitUrl": url})

    def _added(self, line: bytes) -> tuple[str, bytes]:
        """Return (path, content) of a line of a commit."""
        item = json.loads(line)
        value = item["value"]
        if item["key"] == "lfsFile":
            return value["path"], self.server_state.objects[value["oid"]]
        return value["path"], base64.b64decode(value["content"])

    def _may_write(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _json(self, status: int, answer: dict[str, object], headers: dict[str, str] | None = None) -> None:
        content = json.dumps(answer).encode()
        self._head(status, len(content), {"Content-Type": "application/json", **(headers or {})})
        self.wfile.write(content)
