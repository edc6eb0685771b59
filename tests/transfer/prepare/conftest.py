"""A web server that misbehaves on request, and small archives in the layouts of the real ones."""

from __future__ import annotations

import hashlib
import io
import socket
import tarfile
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

_MOST_REQUESTS = 20


@dataclass(frozen=True)
class Behaviour:
    """How one request is answered; the default is a proper server with ranges."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    ignore_range: bool = False
    shift_range: int = 0
    drop_after: int | None = None
    stall_after: int | None = None
    trickle: float = 0.0
    length: bool = True


class Server:
    """``files`` by path; ``plan`` is used up request by request; ``requests`` are the headers that came."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.etag: str | None = '"v1"'
        self.plan: list[Behaviour] = []
        self.requests: list[dict[str, str]] = []
        self.closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                outer.answer(self)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()

    @property
    def ranges(self) -> list[str | None]:
        return [headers.get("Range") for headers in self.requests]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.requests.append(dict(handler.headers))
        behaviour = self.plan.pop(0) if self.plan else Behaviour()
        if len(self.requests) > _MOST_REQUESTS:
            behaviour = Behaviour(status=410)
        if behaviour.status is not None:
            return self.send(handler, behaviour.status, behaviour, behaviour.body or b"", {})
        content = self.files.get(handler.path.lstrip("/"))
        if content is None:
            return self.send(handler, 404, behaviour, b"", {})
        status, headers = 200, {"ETag": self.etag} if self.etag else {}
        if (start := self.start_of(handler, behaviour)) is not None:
            if start >= len(content):
                return self.send(handler, 416, behaviour, b"", {"Content-Range": f"bytes */{len(content)}"})
            status, start = 206, start + behaviour.shift_range
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return self.send(handler, status, behaviour, behaviour.body or content[start or 0 :], headers)

    def start_of(self, handler: BaseHTTPRequestHandler, behaviour: Behaviour) -> int | None:
        wanted, condition = handler.headers.get("Range"), handler.headers.get("If-Range")
        if wanted is None or behaviour.ignore_range or (condition is not None and condition != self.etag):
            return None
        return int(wanted.removeprefix("bytes=").removesuffix("-"))

    def send(
        self, handler: BaseHTTPRequestHandler, status: int, behaviour: Behaviour, body: bytes, headers: dict[str, str]
    ) -> None:
        handler.send_response(status)
        if behaviour.length:
            headers = {"Content-Length": str(len(body)), **headers}
        for name, value in {**headers, **behaviour.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        if behaviour.trickle:
            for position in range(len(body)):
                if self.closing.wait(behaviour.trickle):
                    return
                handler.wfile.write(body[position : position + 1])
        elif behaviour.drop_after is not None:
            handler.wfile.write(body[: behaviour.drop_after])
            handler.wfile.flush()
            handler.connection.shutdown(socket.SHUT_RDWR)
        elif behaviour.stall_after is not None:
            handler.wfile.write(body[: behaviour.stall_after])
            handler.wfile.flush()
            self.closing.wait(5)
        else:
            handler.wfile.write(body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """On 127.0.0.1; refuses everything after 20 requests."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server()
    yield running
    running.close()


@pytest.fixture
def behaviour() -> type[Behaviour]:
    """How the server is to answer a request."""
    return Behaviour


@pytest.fixture(autouse=True)
def private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARRYOVER_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that would have been waited between retries; none are."""
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited


@pytest.fixture
def md5() -> Callable[[bytes], str]:
    return lambda content: hashlib.md5(content).hexdigest()


@pytest.fixture
def make_tar() -> Callable[[dict[str, bytes]], bytes]:
    """A tar of files by path."""

    def make(files: dict[str, bytes], mode: str = "w") -> bytes:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode=mode) as tar:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        return stream.getvalue()

    return make


@pytest.fixture
def make_zip() -> Callable[[dict[str, bytes]], bytes]:
    """A zip of files by path."""

    def make(files: dict[str, bytes]) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as zipped:
            for name, content in files.items():
                zipped.writestr(name, content)
        return stream.getvalue()

    return make


def _encode(pixels: np.ndarray, image_format: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, image_format)
    return stream.getvalue()


@pytest.fixture
def jpeg() -> Callable[[int], bytes]:
    """A picture, 24 wide and 16 high; another one for each seed."""
    return lambda seed=0: _encode(np.random.default_rng(seed).integers(0, 256, (16, 24, 3), dtype=np.uint8), "JPEG")


@pytest.fixture
def voc_files(jpeg: Callable[[int], bytes]) -> Callable[..., dict[str, bytes]]:
    """The files of one split of one year, as its archive has them."""

    def make(year: str, split: str, identifiers: list[str], name: str = "cat") -> dict[str, bytes]:
        box = "<bndbox><xmin>2</xmin><ymin>2</ymin><xmax>20</xmax><ymax>12</ymax></bndbox>"
        xml = f"<annotation><object><name>{name}</name><difficult>0</difficult>{box}</object></annotation>"
        root = f"VOCdevkit/{year}"
        files = {f"{root}/ImageSets/Main/{split}.txt": "".join(f"{one}\n" for one in identifiers).encode()}
        for identifier in identifiers:
            files[f"{root}/JPEGImages/{identifier}.jpg"] = jpeg(zlib.crc32(f"{year}/{identifier}".encode()))
            files[f"{root}/Annotations/{identifier}.xml"] = xml.encode()
        return files

    return make


@pytest.fixture
def ade_files(jpeg: Callable[[int], bytes]) -> Callable[[], dict[str, bytes]]:
    """Two training images and one for validation, with labels 0, 1 and 150."""

    def make() -> dict[str, bytes]:
        labels = np.zeros((16, 24), dtype=np.uint8)
        labels[2:, :12], labels[2:, 12:] = 1, 150
        files = {"ADEChallengeData2016/objectInfo150.txt": b"Idx\tName\n"}
        for split, names in (("training", ("a", "b")), ("validation", ("c",))):
            for name in names:
                files[f"ADEChallengeData2016/images/{split}/{name}.jpg"] = jpeg(ord(name))
                files[f"ADEChallengeData2016/annotations/{split}/{name}.png"] = _encode(labels, "PNG")
        return files

    return make


@pytest.fixture
def write_files() -> Callable[[Path, dict[str, bytes]], Path]:
    """Writes files below a folder."""

    def write(root: Path, files: dict[str, bytes]) -> Path:
        for name, content in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        return root

    return write
