"""Downloads from a server that drops, corrupts, refuses and forgets."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

from backbones.errors import UserError
from transfer.prepare.fetch.download import Patience, download
from transfer.prepare.sources import Archive

CONTENT = bytes(range(256)) * 4000  # 1,024,000 bytes
NAME = "data.tar"
Md5 = Callable[[bytes], str]


class Client:
    """Downloads ``NAME`` from the server into a folder."""

    def __init__(self, server: Any, folder: Path, archive: Archive) -> None:
        self.server, self.folder, self.archive = server, folder, archive
        self.address = f"{server.address}/{NAME}"
        self.target, self.part = folder / NAME, folder / f"{NAME}.part"
        self.note = folder / f"{NAME}.part.json"

    def __call__(self, **patience: Any) -> bytes:
        path = download(self.archive, self.address, self.folder, Patience(**{"silence": 2.0, **patience}))
        assert path == self.target
        assert not self.part.exists()
        assert not self.note.exists()
        return path.read_bytes()

    def left_over(self, content: bytes, address: str | None = None, validator: str | None = '"v1"') -> None:
        """What an interrupted run leaves behind."""
        self.part.parent.mkdir(parents=True, exist_ok=True)
        self.part.write_bytes(content)
        note = {"address": address or self.address, "validator": validator, "total": len(CONTENT)}
        self.note.write_text(json.dumps(note))


@pytest.fixture
def client(server: Any, tmp_path: Path, md5: Md5, pauses: list[float]) -> Client:
    server.files[NAME] = CONTENT
    return Client(server, tmp_path / "downloads", Archive(NAME, md5(CONTENT), len(CONTENT)))


def test_fetches_in_one_request(client: Client) -> None:
    assert client() == CONTENT
    assert client.server.ranges == [None]


def test_a_file_that_is_there_is_not_fetched(client: Client) -> None:
    client()
    assert client() == CONTENT
    assert len(client.server.requests) == 1


def test_another_file_that_is_there_is_not_touched(client: Client) -> None:
    client.folder.mkdir()
    client.target.write_bytes(b"mine")
    with pytest.raises(UserError, match=r"data\.tar is damaged or another file: its MD5 is .* delete it"):
        client()
    assert client.target.read_bytes() == b"mine"
    assert client.server.requests == []


def test_resumes_through_several_drops(client: Client, behaviour: Any, pauses: list[float]) -> None:
    client.server.plan = [behaviour(drop_after=200_000)] * 4
    assert client() == CONTENT
    assert client.server.ranges == [None, *(f"bytes={200_000 * count}-" for count in range(1, 5))]
    assert [headers.get("If-Range") for headers in client.server.requests] == [None, *['"v1"'] * 4]
    assert pauses == [1.0] * 4  # each brought something new


def test_gives_up_when_nothing_new_comes_and_keeps_what_came(
    client: Client, behaviour: Any, pauses: list[float]
) -> None:
    client.server.plan = [behaviour(drop_after=300_000), *[behaviour(drop_after=0)] * 3]
    with pytest.raises(
        UserError, match=r"the connection .* 4 times in a row\. 300000 bytes are kept in .*data\.tar\.part"
    ):
        client(attempts=4)
    assert pauses == [1.0, 2.0, 4.0]
    assert client.part.read_bytes() == CONTENT[:300_000]
    assert not client.target.exists()
    assert client() == CONTENT  # the next start
    assert client.server.ranges[-1] == "bytes=300000-"


def test_a_server_without_ranges_restarts_cleanly(client: Client, behaviour: Any) -> None:
    client.server.plan = [behaviour(drop_after=300_000), behaviour(ignore_range=True)]
    assert client() == CONTENT
    assert client.server.ranges == [None, "bytes=300000-"]


def test_a_server_without_ranges_that_always_drops_ends(client: Client, behaviour: Any) -> None:
    client.server.plan = [behaviour(ignore_range=True, drop_after=300_000)] * 20
    with pytest.raises(UserError, match="3 times in a row"):
        client(attempts=3)
    assert len(client.server.requests) == 3


def test_a_file_changed_on_the_server_is_fetched_anew(client: Client) -> None:
    client.left_over(b"x" * 300_000, validator='"older"')
    assert client() == CONTENT
    assert client.server.ranges == ["bytes=300000-"]  # answered with the whole: If-Range did not match


def test_without_validator_the_checksum_notices_and_it_starts_over_once(client: Client) -> None:
    client.server.etag = None
    client.left_over(b"x" * 300_000, validator=None)
    assert client() == CONTENT
    assert client.server.ranges == ["bytes=300000-", None]


def test_a_mirror_continues_what_another_began(client: Client) -> None:
    client.left_over(CONTENT[:300_000], address="http://example.org/data.tar", validator='"of the other"')
    assert client() == CONTENT
    assert client.server.ranges == ["bytes=300000-"]
    assert "If-Range" not in client.server.requests[0]


def test_a_part_that_was_complete_needs_no_bytes(client: Client) -> None:
    client.left_over(CONTENT)
    assert client() == CONTENT
    assert client.server.ranges == [f"bytes={len(CONTENT)}-"]


def test_a_part_longer_than_the_file_starts_over(client: Client) -> None:
    client.left_over(CONTENT + b"more")
    assert client() == CONTENT
    assert client.server.ranges == [f"bytes={len(CONTENT) + 4}-", None]


def test_another_range_than_asked_for_starts_over(client: Client, behaviour: Any) -> None:
    client.left_over(CONTENT[:300_000])
    client.server.plan = [behaviour(shift_range=100)]
    assert client() == CONTENT
    assert client.server.ranges == ["bytes=300000-", None]


def test_a_corrupted_transfer_is_reported_and_deleted(client: Client, behaviour: Any, md5: Md5) -> None:
    wrong = b"y" + CONTENT[1:]
    client.server.plan = [behaviour(body=wrong)]
    with pytest.raises(UserError) as raised:
        client()
    assert md5(wrong) in str(raised.value)
    assert client.archive.md5 in str(raised.value)
    assert "--mirror" in str(raised.value)
    assert list(client.folder.iterdir()) == []
    assert len(client.server.requests) == 1


def test_a_file_of_another_size_is_refused_before_it_is_fetched(client: Client) -> None:
    client.server.files[NAME] = CONTENT + b"more"
    with pytest.raises(UserError, match=r"it offers 1024004 bytes, and the published file has 1024000"):
        client()


def test_without_a_known_size_or_length_the_checksum_decides(client: Client, behaviour: Any, md5: Md5) -> None:
    client.archive = Archive(NAME, md5(CONTENT))
    client.server.plan = [behaviour(length=False)]
    assert client() == CONTENT


@pytest.mark.parametrize("status", [403, 404, 410])
def test_refusals_are_not_repeated(client: Client, behaviour: Any, status: int) -> None:
    client.server.plan = [behaviour(status=status)]
    with pytest.raises(UserError, match=f"it answered {status} .*--mirror.*--archive"):
        client()
    assert len(client.server.requests) == 1


def test_a_busy_server_is_asked_again_when_it_says(client: Client, behaviour: Any, pauses: list[float]) -> None:
    client.server.plan = [behaviour(status=503, headers={"Retry-After": "7"}), behaviour(status=500)]
    assert client() == CONTENT
    assert pauses == [7.0, 2.0]


def test_a_web_page_is_not_the_file(client: Client, behaviour: Any) -> None:
    client.left_over(CONTENT[:300_000])
    client.server.plan = [behaviour(ignore_range=True, body=b"<html>", headers={"Content-Type": "text/html"})]
    with pytest.raises(UserError, match="it sends a web page"):
        client()
    assert client.part.read_bytes() == CONTENT[:300_000]  # not lost to a login page


def test_redirects_keep_the_range(client: Client, behaviour: Any) -> None:
    client.left_over(CONTENT[:300_000])
    client.server.plan = [behaviour(status=302, headers={"Location": f"{client.server.address}/{NAME}"})]
    assert client() == CONTENT
    assert client.server.ranges == ["bytes=300000-"] * 2


def test_silence_ends_a_connection(client: Client, behaviour: Any) -> None:
    client.server.plan = [behaviour(stall_after=100_000)]
    assert client(silence=0.3) == CONTENT
    assert client.server.ranges == [None, "bytes=100000-"]


def test_a_trickle_ends_with_the_total_time(client: Client, behaviour: Any) -> None:
    client.server.plan = [behaviour(trickle=0.02)] * 5
    started = time.monotonic()
    with pytest.raises(UserError, match=r"longer than --total-timeout 0\.5 seconds .* bytes are kept"):
        client(total=0.5)
    assert time.monotonic() - started < 3
    assert 0 < client.part.stat().st_size < 1000


def test_nobody_listens(client: Client) -> None:
    client.server.close()
    with pytest.raises(UserError, match=r"the connection failed .* 2 times in a row"):
        client(attempts=2)


def test_a_full_disk_is_one_message(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = Path.open

    def open_full(path: Path, mode: str = "r", *rest: Any) -> IO[Any]:
        return genuine(Path("/dev/full") if path == client.part and mode == "ab" else path, mode, *rest)

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(UserError, match=r"the disk of .*data\.tar\.part is full; make room"):
        client()
    assert not client.target.exists()
    assert len(client.server.requests) == 1


def test_ctrl_c_says_what_is_kept(client: Client, behaviour: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    client.server.plan = [behaviour(drop_after=300_000)]
    monkeypatch.setattr(time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt, match="300000 bytes are kept"):
        client()
    monkeypatch.undo()
    assert client() == CONTENT
    assert client.server.ranges == [None, "bytes=300000-"]
