"""What is installed, by the packages' own records and this project's pins; nothing is imported here."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from backbones.runs.fingerprint import ROOT

REQUIREMENTS = ROOT / "requirements.txt"
# Name, version, and where a package has several pins, for which Pythons.
_PIN = re.compile(r"^([\w.-]+)==([^\s;]+)(?: ; python_full_version (<|>=) '3\.(\d+)')?", re.MULTILINE)


def installed_version(package: str) -> str | None:
    """Version by the package's record; None when it has none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def declared_requirements(package: str) -> list[str]:
    """What an installed package says it needs, optional extras included."""
    try:
        return requires(package) or []
    except PackageNotFoundError:
        return []


def pins() -> dict[str, str]:
    """Version by package for this platform, from ``requirements.txt``."""
    from packaging.requirements import Requirement

    found = {}
    for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate():
                found[requirement.name] = next(iter(requirement.specifier)).version
    return found


def agrees(installed: str, specifier: str) -> bool:
    """Whether a version is one of those that a specifier such as ``>=2,<3`` names; builds such as ``+cpu`` count."""
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(specifier).contains(installed, prereleases=True)


def pip() -> str:
    """This interpreter's pip as a command; another's, told to work here, where this environment has none."""
    python = sys.executable
    if Path.cwd() in Path(python).parents:
        python = os.path.relpath(python)
    return f"{python} -m pip" if importlib.util.find_spec("pip") else f"python3 -m pip --python {python}"


def reinstall(packages: Iterable[str], force: bool = False) -> str:
    """The command that brings packages to their pins; the whole list where none of them has a pin.

    ``force`` replaces the files of a package whose version is right already.
    """
    pinned = _pins_as_text()
    wanted = [f"{package}=={pinned[package]}" for package in packages if package in pinned]
    options = "--no-deps --force-reinstall" if force else "--no-deps"
    return f"{pip()} install {options} {' '.join(wanted)}" if wanted else install_all()


def install_all() -> str:
    """The command that installs everything as pinned."""
    path = os.path.relpath(REQUIREMENTS) if Path.cwd() == ROOT else str(REQUIREMENTS)
    return f"{pip()} install --no-deps -r {path}"


def _pins_as_text() -> dict[str, str]:
    """This Python's pins without regard to platforms: a remedy must not depend on a library that may be broken."""
    try:
        text = REQUIREMENTS.read_text(encoding="utf-8")
    except OSError:
        return {}
    found = {}
    for name, pin, bound, minor in _PIN.findall(text):
        if not bound or (sys.version_info[:2] < (3, int(minor))) == (bound == "<"):
            found[name] = pin
    return found
