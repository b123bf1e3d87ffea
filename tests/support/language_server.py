"""A client of the JSON language server that VS Code and most other editors run: LSP over standard input and output."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

#: Names the server's program; without it, it is looked for on the path.
VARIABLE = "GRAFTWORK_JSON_LANGUAGE_SERVER"
PROGRAM = "vscode-json-language-server"


def server_program() -> str | None:
    """The server, where it and node are on this machine: ``npm install vscode-langservers-extracted``."""
    found = os.environ.get(VARIABLE) or shutil.which(PROGRAM)
    return found if found and shutil.which("node") else None


class LanguageServer:
    """One server process. Use it in a ``with`` block."""

    def __init__(self, program: str, folder: Path, patience: float = 120) -> None:
        self._patience = patience
        self._process = subprocess.Popen(
            [program, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._inbox: queue.Queue[dict[str, Any]] = queue.Queue()
        self._diagnostics: dict[str, list[dict[str, Any]]] = {}
        self._number = 0
        threading.Thread(target=self._listen, daemon=True).start()
        formats = ["markdown", "plaintext"]
        capabilities = {
            "completion": {"completionItem": {"documentationFormat": formats, "snippetSupport": True}},
            "hover": {"contentFormat": formats},
            "publishDiagnostics": {},
        }
        self.request(
            "initialize",
            {
                "processId": os.getpid(),
                "rootUri": folder.as_uri(),
                "capabilities": {"textDocument": capabilities},
                "initializationOptions": {"handledSchemaProtocols": ["file"]},
            },
        )
        self._send({"method": "initialized", "params": {}})
        settings = {"json": {"validate": {"enable": True}, "schemas": []}, "http": {}}
        self._send({"method": "workspace/didChangeConfiguration", "params": {"settings": settings}})

    def __enter__(self) -> LanguageServer:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def open(self, path: Path, text: str) -> list[dict[str, Any]]:
        """Open a document; gives what the editor underlines in it."""
        document = {"uri": path.as_uri(), "languageId": "json", "version": 1, "text": text}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        return self._await(lambda message: self._diagnostics.pop(path.as_uri(), None))

    def complete(self, path: Path, line: int, character: int) -> dict[str, str]:
        """What the editor offers there (0-based): label to documentation."""
        found = self.request("textDocument/completion", _position(path, line, character))
        items = found["items"] if isinstance(found, dict) else found
        return {item["label"]: _text(item.get("documentation")) for item in items}

    def hover(self, path: Path, line: int, character: int) -> str:
        """What the editor shows there (0-based)."""
        found = self.request("textDocument/hover", _position(path, line, character))
        contents = found["contents"] if found else ""
        return "\n".join(map(_text, contents)) if isinstance(contents, list) else _text(contents)

    def request(self, method: str, params: Any) -> Any:
        """Ask, and await the answer."""
        self._number += 1
        number = self._number
        self._send({"id": number, "method": method, "params": params})
        answer = self._await(
            lambda message: message if message.get("id") == number and "method" not in message else None
        )
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer.get("result")

    def _await(self, wanted: Any) -> Any:
        found = wanted({})
        while found is None:
            message = self._inbox.get(timeout=self._patience)
            if message.get("method") == "textDocument/publishDiagnostics":
                self._diagnostics[message["params"]["uri"]] = message["params"]["diagnostics"]
            elif "method" in message and "id" in message:  # the server asks the client
                self._send({"id": message["id"], "result": None})
            found = wanted(message)
        return found

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()

    def _listen(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while header := stream.readline():
            if header.lower().startswith(b"content-length:"):
                length = int(header.split(b":")[1])
                while stream.readline().strip():
                    pass
                self._inbox.put(json.loads(stream.read(length)))


def _position(path: Path, line: int, character: int) -> dict[str, Any]:
    return {"textDocument": {"uri": path.as_uri()}, "position": {"line": line, "character": character}}


def _text(content: Any) -> str:
    return content["value"] if isinstance(content, dict) else content or ""
