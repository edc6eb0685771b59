"""The beginning of a file, and what the server said about the whole."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from backbones.errors import UserError
from backbones.files import read_json, write_json
from transfer.prepare.disk import writing

KEPT = "what has arrived is kept"


class Partial:
    """``TARGET.part`` and ``TARGET.part.json``: address, validator (ETag or Last-Modified) and size of the whole."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self._note_path = target.with_name(f"{target.name}.part.json")

    @property
    def size(self) -> int:
        """Bytes that have arrived."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def total(self) -> int | None:
        """Bytes of the whole, as the server said."""
        return self._note().get("total")

    def range_headers(self, address: str) -> dict[str, str]:
        """Ask for the rest. The validator counts only at the address that gave it: mirrors choose their own."""
        if not self.size:
            return {}
        note = self._note()
        headers = {"Range": f"bytes={self.size}-"}
        if note.get("address") == address and note.get("validator"):
            headers["If-Range"] = note["validator"]
        return headers

    def remember(self, address: str, validator: str | None, total: int | None) -> None:
        """Note what a later request must compare."""
        with writing(self._note_path, KEPT):
            write_json(self._note_path, {"address": address, "validator": validator, "total": total})

    def remove(self) -> None:
        """Forget everything."""
        self.path.unlink(missing_ok=True)
        self._note_path.unlink(missing_ok=True)

    def describe(self) -> str:
        """What has arrived, for a person."""
        with self.path.open("rb") as stream:
            beginning = stream.read(64).lstrip()
        return f"{self.size} bytes" + (", a web page" if beginning.startswith(b"<") else "")

    def _note(self) -> dict[str, Any]:
        with contextlib.suppress(UserError):  # without a note the checksum alone decides, which is enough
            note = read_json(self._note_path)
            return note if isinstance(note, dict) else {}
        return {}
