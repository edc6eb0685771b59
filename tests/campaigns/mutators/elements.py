"""Elements of XML: another text, none, twice, or under another name."""

from __future__ import annotations

import copy
from random import Random
from xml.etree import ElementTree

from campaigns.mutators.mutation import MISSING, TYPE, VALUE, Mutation

_TEXTS = (
    "",
    " ",
    "-1",
    "0",
    "1.5",
    "1e3",
    "nan",
    "inf",
    "9" * 401,
    "12 ",
    "text",
    "no such class",
    "0x10",
    "\uff11\uff12",
)


def xml_element(content: bytes, random: Random) -> Mutation:
    """One element of the document is changed."""
    root = ElementTree.fromstring(content)
    parents = [(parent, child) for parent in root.iter() for child in parent]
    parent, child = random.choice(parents)
    action = random.choice(("text", "text", "text", "remove", "twice", "rename", "move"))
    damage = VALUE
    if action == "text":
        before = child.text
        child.text = random.choice(_TEXTS)
        what = f"<{child.tag}> was {before!r}, is {child.text[:40]!r}"
        damage = TYPE if child.tag in ("xmin", "ymin", "xmax", "ymax") and not _is_number(child.text) else VALUE
    elif action == "remove":
        parent.remove(child)
        what, damage = f"<{child.tag}> removed", MISSING
    elif action == "twice":
        parent.append(copy.deepcopy(child))
        what = f"<{child.tag}> twice"
    elif action == "rename":
        what, child.tag, damage = f"<{child.tag}> renamed", f"{child.tag}s", MISSING
    else:
        parent.remove(child)
        root.append(child)
        what = f"<{child.tag}> moved to the top"
    return Mutation(ElementTree.tostring(root), what, damage)


def _is_number(text: str) -> bool:
    try:
        return float(text) >= 0
    except ValueError:
        return False
