"""All checks, one after the other, and what they found together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from backbones.files import write_json
from transfer.doctor.devices import check_devices
from transfer.doctor.finding import OK, PROBLEM, WARNING, Finding, full_check, guarded
from transfer.doctor.installation import install_all, reinstall
from transfer.doctor.libraries import check_libraries
from transfer.doctor.machine import check_cache, check_memory, check_open_files, check_output, check_shared_memory
from transfer.doctor.versions import check_python, check_versions
from transfer.prepare.disk import writing

FORMAT = 1


def examine(data: Sequence[Path] = (), out: Path = Path("runs")) -> Iterator[Finding]:
    """Findings as they come up; a check that breaks is one, and the rest goes on.

    Args:
        data: Folders of data.
        out: Where runs will be written; it need not exist.
    """
    checks: list[tuple[str, Callable[[], Iterable[Finding]], str]] = [
        ("python", check_python, install_all()),
        ("versions", check_versions, install_all()),
        ("libraries", check_libraries, install_all()),
        ("devices", check_devices, reinstall(["torch", "torchvision"])),
        ("memory", check_memory, "look at it: free -h"),
        ("shared memory", check_shared_memory, "look at it: df -h /dev/shm"),
        ("open files", check_open_files, "ulimit -n 4096"),
        ("--out", partial(check_output, out), "name another --out"),
        ("cache", check_cache, "export CARRYOVER_CACHE=/another/folder"),
        *((f"--data {root}", partial(_check_data, root), full_check(root)) for root in data),
    ]
    for subject, check, remedy in checks:
        yield from guarded(subject, check, remedy)


def _check_data(root: Path) -> Iterator[Finding]:
    from transfer.doctor.data import check_data  # the readers of layouts need packages that may not be there

    return check_data(root)


def lines(finding: Finding) -> list[str]:
    """A finding as it is printed: what mends it stands on a line of its own, to be copied."""
    first = f"{finding.status:<8} {finding.subject}: {finding.message}"
    return [first] if finding.remedy is None else [first, f"         -> {finding.remedy}"]


def count(findings: Sequence[Finding]) -> dict[str, int]:
    """Number of findings by status."""
    return {status: sum(finding.status == status for finding in findings) for status in (OK, WARNING, PROBLEM)}


def write_findings(path: Path, findings: Sequence[Finding]) -> None:
    """Write the findings as JSON.

    Raises:
        UserError: The file cannot be written.
    """
    rows = [{**vars(finding)} for finding in findings]
    with writing(path, "the findings are printed above"):
        write_json(path, {"format": FORMAT, "counts": count(findings), "findings": rows})
