"""One HTTP request for the rest of a file, and what its answer means."""

from __future__ import annotations

import http.client
import io
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from transfer.prepare.disk import writing
from transfer.prepare.fetch.partial import KEPT, Partial

_PIECE = 1 << 18
_BUSY = (408, 425, 429, 500, 502, 503, 504)
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


class Dropped(Exception):
    """It may work the next time. ``retry_after``: seconds the server asked for."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Refused(Exception):
    """It will not work the next time either."""


@dataclass(frozen=True)
class Answer:
    """The bytes that follow those of the partial file; ``total`` is the size of the whole, None when not told."""

    stream: Any
    total: int | None


@contextmanager
def open_request(address: str, partial: Partial, silence: float, size: int | None) -> Iterator[Answer]:
    """Ask for what ``partial`` lacks; it is emptied if the server sends the whole instead.

    ``size`` is the published number of bytes, if known; ``silence`` the seconds after which a connection is given up.

    Raises:
        Dropped, Refused: There is no answer that could be used.
    """
    headers = {"User-Agent": "carryover", "Accept-Encoding": "identity", **partial.range_headers(address)}
    try:
        response = urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=silence)
    except urllib.error.HTTPError as error:
        with error:
            yield _of_error(error, partial)
        return
    except (ValueError, http.client.InvalidURL) as error:
        raise Refused(f"not an address ({error})") from None
    except (OSError, http.client.HTTPException) as error:
        raise _of_connection(error) from None
    with response:
        yield _begin(response, address, partial, size)


def receive(answer: Answer, partial: Partial, progress: Callable[[int], object], deadline: float | None) -> None:
    """Append the answer to ``partial``; ``deadline`` is a ``time.monotonic`` value.

    Raises:
        Dropped: The connection ended early, or time is over.
        UserError: The disk is full.
    """
    with writing(partial.path, KEPT), partial.path.open("ab") as stream:
        while piece := _read(answer.stream):
            stream.write(piece)
            progress(len(piece))
            if deadline is not None and time.monotonic() >= deadline:
                raise Dropped("time is over")
    if answer.total is not None and partial.size != answer.total:
        raise Dropped(f"the connection ended after {partial.size} of {answer.total} bytes")


def _read(stream: IO[bytes]) -> bytes:
    try:
        # One system call's worth: a read of the full length would hide a trickle from progress and deadline.
        return stream.read1(_PIECE)  # type: ignore[attr-defined]
    except (OSError, http.client.HTTPException) as error:
        raise _of_connection(error) from None


def _begin(response: http.client.HTTPResponse, address: str, partial: Partial, size: int | None) -> Answer:
    if response.headers.get_content_type() == "text/html":
        raise Refused("it sends a web page instead of the file")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise Refused("it sends the file in a compressed form that was not asked for")
    total = _number(response.headers.get("Content-Length"))
    if response.status == 206:
        start, total = _content_range(response.headers.get("Content-Range", ""))
        if start != partial.size or (partial.total is not None and total not in (None, partial.total)):
            partial.remove()
            raise Dropped("it answered with another part, or a part of another file; beginning again")
    if size is not None and total is not None and total != size:
        raise Refused(f"it offers {total} bytes, and the published file has {size}")
    if response.status != 206:
        partial.remove()
    partial.remember(address, _validator(response), total)
    return Answer(response, total)


def _validator(response: http.client.HTTPResponse) -> str | None:
    tag = response.headers.get("ETag")
    if tag and not tag.startswith("W/"):  # weak tags may not be used with ranges (RFC 9110, section 13.1.5)
        return tag
    return response.headers.get("Last-Modified")


def _of_error(error: urllib.error.HTTPError, partial: Partial) -> Answer:
    if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
        _, total = _content_range(error.headers.get("Content-Range", ""))
        if total == partial.size:
            return Answer(io.BytesIO(), total)
        partial.remove()
        raise Dropped("it has no bytes after those that came before; beginning again")
    message = f"it answered {error.code} {error.reason}"
    if error.code in _BUSY:
        raise Dropped(message, retry_after=float(_number(error.headers.get("Retry-After")) or 0))
    raise Refused(message)


def _of_connection(error: Exception) -> Exception:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Refused(f"its certificate is not accepted ({reason.verify_message})")
    if isinstance(reason, TimeoutError):
        return Dropped("nothing came for too long (--timeout)")
    text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return Dropped(f"the connection failed ({text})")


def _content_range(header: str) -> tuple[int | None, int | None]:
    match = _CONTENT_RANGE.fullmatch(header.strip())
    return (_number(match[1]), _number(match[2])) if match else (None, None)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
