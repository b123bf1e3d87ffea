"""The hub without a network: its cache as it lays it out, and a server on this machine that gives a folder's files."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def cached(hub: Path, repo: str, folder: Path, ref: str = "main", commit: str = COMMIT) -> Path:
    """Lay out a model's files as the hub's cache does, refs to commits, snapshots of links to blobs; the snapshot."""
    root = hub / f"models--{repo.replace('/', '--')}"
    snapshot = root / "snapshots" / commit
    for made in (root / "refs", root / "blobs", snapshot):
        made.mkdir(parents=True, exist_ok=True)
    (root / "refs" / ref).write_text(commit)
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        content, link = path.read_bytes(), snapshot / path.relative_to(folder)
        blob = root / "blobs" / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    return snapshot


def cache_of(hub: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str | None = None) -> Path:
    """Make ``hub`` the cache, with nobody logged in, and without a network, or with ``endpoint`` in the hub's place."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", endpoint is None)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(hub / "token"))
    if endpoint is not None:
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return hub


def _facts(owner: str, name: str, folder: Path) -> dict[str, object]:
    files = [{"rfilename": path.name} for path in sorted(folder.iterdir())]
    return {"id": f"{owner}/{name}", "sha": COMMIT, "siblings": files}


def _tree(folder: Path) -> list[dict[str, object]]:
    """What newer clients ask for instead."""
    return [_entry(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]


def _entry(name: str, content: bytes) -> dict[str, object]:
    return {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}


@contextmanager
def served(repos: Mapping[str, Path]) -> Iterator[tuple[str, list[str]]]:
    """A hub with these models: its address, and the names of the files whose content was asked for.

    What is put into a repository is written into its folder.
    """
    given: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            owner, name, *rest = self.path.removeprefix("/api/models").strip("/").split("/")
            folder = repos.get(f"{owner}/{name}")
            if folder is None:
                self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})
            elif self.path.startswith("/api/models/"):
                self.answer(200, json.dumps(_tree(folder) if "tree" in rest else _facts(owner, name, folder)).encode())
            elif not (folder / rest[-1]).is_file():
                self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            else:
                content = (folder / rest[-1]).read_bytes()
                etag = hashlib.sha256(content).hexdigest()
                self.answer(200, content, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})
                given.extend([rest[-1]] if self.command == "GET" else [])

        def do_POST(self) -> None:
            """What the client asks for to put files there; everything is small, and nothing goes to another store."""
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/api/repos/create":
                made = json.loads(asked)
                self.say({"url": f"{made['organization']}/{made['name']}"})
            elif self.path == "/api/validate-yaml":
                self.say({"errors": [], "warnings": []})
            elif "/preupload/" in self.path:
                files = [
                    {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for one in json.loads(asked)["files"]
                ]
                self.say({"files": files})
            else:
                owner, name, *_ = self.path.removeprefix("/api/models/").split("/")
                for line in map(json.loads, asked.splitlines()):
                    if line["key"] == "file":
                        content = base64.b64decode(line["value"]["content"])
                        (repos[f"{owner}/{name}"] / line["value"]["path"]).write_bytes(content)
                self.say(
                    {"commitUrl": f"http://{self.headers['Host']}/{owner}/{name}/commit/{COMMIT}", "commitOid": COMMIT}
                )

        def say(self, value: object) -> None:
            self.answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

        def answer(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
            self.send_response(status)
            for key, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", given
        finally:
            server.shutdown()
