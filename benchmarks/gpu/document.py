"""``docs/gpu.md``: what to carry, the steps, and what each has found; "not yet measured" where nobody has asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backbones.reporting.markdown import code, escape, markdown_table
from benchmarks.gpu.record import MEASURED, UNFINISHED, Entry
from benchmarks.gpu.registry import PARTS, STEPS
from benchmarks.gpu.step import Step
from benchmarks.harness.document import describe
from benchmarks.harness.findings import Findings

TEMPLATE = Path(__file__).with_name("gpu.md")
NOT_YET = "not yet measured"
_SHOWN = 300  # characters of an error


def document(machines: Mapping[str, Mapping[str, Entry]]) -> str:
    """The whole document; ``machines`` as ``docs/gpu.json`` has them."""
    sections = "\n\n".join(_part(part, title, machines) for part, title in PARTS.items())
    text = TEMPLATE.read_text(encoding="utf-8")
    return text.replace("{{steps}}", _steps(machines)).replace("{{results}}", sections)


def _steps(machines: Mapping[str, Mapping[str, Entry]]) -> str:
    """A line for each step: what it asks and how long it takes, by measurement where there is one."""
    rows = [[f"`{step.name}`", escape(step.asks), *_duration(step, machines)] for step in STEPS]
    return markdown_table(["step", "what it asks", "seconds", ""], rows)


def _duration(step: Step, machines: Mapping[str, Mapping[str, Entry]]) -> tuple[str, str]:
    found = [
        (entry["seconds"], gpu)
        for gpu, steps in machines.items()
        if (entry := steps.get(step.name)) and entry["status"] == MEASURED
    ]
    if not found:
        return f"{step.estimate:,}", "an estimate"
    seconds, gpu = max(found)
    return f"{seconds:,.0f}", f"measured on {escape(gpu)}"


def _part(part: str, title: str, machines: Mapping[str, Mapping[str, Entry]]) -> str:
    steps = [step for step in STEPS if step.part == part]
    return "\n\n".join([f"## {title}", *(_step(step, machines) for step in steps)])


def _step(step: Step, machines: Mapping[str, Mapping[str, Entry]]) -> str:
    blocks = [f"### `{step.name}`", f"{step.asks[0].upper()}{step.asks[1:]}."]
    found = [_entry(gpu, steps[step.name]) for gpu, steps in machines.items() if step.name in steps]
    return "\n\n".join([*blocks, *(found or [f"**{NOT_YET}**"])])


def _entry(gpu: str, entry: Entry) -> str:
    """What one GPU has answered, with the machine, the command and the date."""
    blocks = []
    if entry["status"] == MEASURED or entry["status"] == UNFINISHED:
        if figures := entry.get("figures"):
            blocks.append(describe(Findings(figures=figures)))
        blocks += [f"- {escape(note)}" for note in entry.get("notes", ())]
    if entry["status"] == UNFINISHED:
        blocks.append("**unfinished**: the same command goes on.")
    elif entry["status"] != MEASURED:
        words = " ".join(entry.get("error", "").split())[-_SHOWN:]
        blocks.append(f"**failed**: {escape(words)}")
    machine = entry["hardware"]
    versions = ", ".join(f"{package} {version}" for package, version in entry["versions"].items())
    blocks.append(
        f"{code(entry['command'])} on {entry['date']}, {entry['seconds']:.0f} s, on {escape(gpu)} (driver "
        f"{machine.get('driver') or 'unknown'}) with {machine['cpus']} CPUs; {versions}."
    )
    return "\n\n".join(blocks)
