"""Many runs to one answer: suites, statistics, comparison, report.

``__all__`` is for use from Python (``docs/python.md``); each name is loaded when it is first asked for.
"""

from __future__ import annotations

from typing import Any

from backbones.exports import load_export

_PLACES = {
    "as_text": ".report.forms.text:as_text",
    "compare_runs": ".comparison.compare:compare_runs",
    "plain_answer": ".report.answer:plain_answer",
    "write_page": ".report.page:write_page",
    "write_report": ".report.forms.text:write_report",
}
__all__ = sorted(_PLACES)


def __getattr__(name: str) -> Any:
    return load_export(__name__, _PLACES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
