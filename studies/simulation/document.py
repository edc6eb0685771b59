"""``docs/simulations.md``: the text of the template, with the tables and figures of ``simulations.json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from backbones.reporting.markdown import MISSING, markdown_table
from studies.simulation.adaptive import FIXED
from studies.simulation.ade20k import IMAGES_WITH
from studies.simulation.found import SD
from studies.simulation.spending.designs import ENOUGH, FURTHER, NOISES
from studies.simulation.truth import METRICS
from studies.statistics.bootstrap import RESAMPLES
from studies.statistics.group_sequential import LEAST_CHANCE
from studies.statistics.power import POWER
from studies.statistics.seeds import LEAST_PAIRS
from transfer.catalogue import metric_names

FORMAT = 1
TEMPLATE = Path(__file__).with_name("simulations.md")
FEW_IMAGES = 10
TESTS = WELCH_TEST, PAIRED_TEST = "Welch", "paired"  # of ``studies.simulation.rule.RULES``
TIMES = "×"  # noqa: RUF001 - trainings times transfers

Line = Mapping[str, Any]


def simulation_document(result: Mapping[str, Any], source: str) -> str:
    """The whole document; ``source`` names the JSON file that ``result`` is from."""
    text = TEMPLATE.read_text(encoding="utf-8")
    for name, words in {"source": source, **_provenance(result), **_tables(result), **_figures(result)}.items():
        text = text.replace("{{" + name + "}}", words)
    return text


def share(value: float) -> str:
    """To three decimals."""
    return f"{value:.3f}"


def _provenance(result: Line) -> dict[str, str]:
    effort = result["effort"]
    return {
        "command": result["command"],
        "seconds": f"{result['seconds']}",
        **result["versions"],
        "studies": f"{effort['studies']:,}",
        "test_sets": f"{effort['test_sets']}",
        "nested_studies": f"{effort['nested']:,}",
        "adaptive_command": result["adaptive"]["command"],
        "adaptive_studies": f"{result['adaptive']['studies']:,}",
        "adaptive_looks": ", ".join(map(str, result["adaptive"]["looks"])),
        "least_chance": f"{LEAST_CHANCE * 100:.0f}",
    }


def _tables(result: Line) -> dict[str, str]:
    designs = result["designs"]
    return {
        "errors": _error_table(result["errors"]),
        "power": _power_table(result["power"]),
        "precision": _precision_table(result["equal precision"]),
        "candidates": _design_table(designs["candidates"]),
        "unequal": _unequal_table(designs["unequal"]),
        "best": _design_table([line for lines in designs["best"].values() for line in lines]),
        "chosen": _design_table(designs["chosen"]),
        "detection_alone": _design_table(designs["detection alone"]),
        "planned": _planned_table(result["planned"]),
        "adaptive_errors": _adaptive_errors(result["adaptive"]["errors"]),
        "adaptive_costs": _adaptive_costs(result["adaptive"]["costs"]),
        "images": _image_table(result["images"]),
        "nested": markdown_table(["rows", "p at most 0.05"], [[k, share(v)] for k, v in result["nested"].items()]),
    }


def _figures(result: Line) -> dict[str, str]:
    designs = result["designs"]
    by_plan = {(line["trainings"], line["detection"]): line for line in designs["candidates"]}
    alone = [line["decided"][0] for line in designs["detection alone"]]
    both, precision = designs["hours"]["both"], result["equal precision"]
    hours = {task: each + both["baseline"][task] for task, each in both["rows"].items()}
    transfer = [line["hours"] for line in designs["detection alone"]]
    five = next(line["rules"] for line in precision if (line["correlation"], line["seeds"]) == (0, 5))
    shipped = {line["seeds"]: _found(line) for line in result["power"] if not line["correlation"]}
    return {
        **{f"{task}_hours": f"{each:,.0f}" for task, each in hours.items()},
        "training_hours": f"{hours['classification']:,.0f}",
        "break_even": _break_even(precision),
        "cost_at_five": share(five["Welch"] - five["paired"]),
        "single_claims": share(by_plan[1, 5]["claims"]),
        "four_hours": f"{by_plan[4, 1]['hours']:,.0f}",
        "four_share": share(by_plan[4, 1]["decided"][0]),
        "nine_hours": f"{by_plan[3, 3]['hours']:,.0f}",
        "nine_share": share(by_plan[3, 3]["decided"][0]),
        "second_transfer": share(alone[1] - alone[0]),
        "third_transfer": share(alone[2] - alone[1]),
        "transfer_hours": f"{transfer[1] - transfer[0]:,.0f}",
        "imported_three": share(shipped[3]),
        "imported_four": share(shipped[4]),
        "sd": f"{SD:g}",
        "least_pairs": str(LEAST_PAIRS),
        "s": f"{NOISES[0][0]:g}",
        "t": f"{NOISES[0][1]:g}",
        "enough": f"{ENOUGH:g}",
        "planned_power": f"{POWER:g}",
        "rare": str(sum(images <= FEW_IMAGES for images in IMAGES_WITH)),
        "resamples": f"{RESAMPLES:,}",
    }


def _adaptive_errors(lines: Iterable[Line]) -> str:
    names = {"none": "each look as if it were the only one"}
    return markdown_table(
        ["r", "boundary", "claims"],
        [
            [f"{line['correlation']:g}", names.get(line["spending"], str(line["spending"])), share(line["claims"])]
            for line in lines
        ],
    )


def _adaptive_costs(lines: Iterable[Line]) -> str:
    header = ["true", "sd", "boundary", "decided", "found", "wrong", "seeds", "fixed seeds", "trainings", "transfers"]
    keys = ("decided", "found", "wrong")
    rows = []
    for line in lines:
        costs = [f"{line[key] * 100:.0f} %" if line[key] else MISSING for key in ("training share", "transfer share")]
        fixed = str(line["fixed seeds"] or f"> {FIXED[-1]}")
        true = f"{line['true']:g} of the paper's"
        numbers = [share(line[key]) for key in keys]
        rows.append([true, f"{line['sd']:g}", line["spending"], *numbers, f"{line['seeds']:.1f}", fixed, *costs])
    return markdown_table(header, rows)


def _error_table(lines: Iterable[Line]) -> str:
    kinds = {"claims": "claims", "covered": "covered", "best covered": "best row", "best covered, plain": "plain"}
    header = ["r", "seeds", *(f"{word}, {rule}" for rule in TESTS for word in kinds.values())]
    rows = []
    for line in lines:
        found = [_bold(share(line["rules"][rule][kind]), line, rule) for rule in TESTS for kind in kinds]
        rows.append([f"{line['correlation']:g}", str(line["seeds"]), *found])
    return markdown_table(header, rows)


def _power_table(lines: Iterable[Line]) -> str:
    header = ["r", "seeds", *(f"{metric_names()[metric]}, {rule}" for metric in METRICS for rule in TESTS)]
    rows = []
    for line in lines:
        found = [_bold(_range(line["rules"][rule][metric]), line, rule) for metric in METRICS for rule in TESTS]
        rows.append([f"{line['correlation']:g}", str(line["seeds"]), *found])
    return markdown_table(header, rows)


def _range(shares: Sequence[float]) -> str:
    return f"{min(shares):.2f} to {max(shares):.2f}, {_mean(shares):.2f}"


def _bold(words: str, line: Line, rule: str) -> str:
    """In bold where the shipped rule takes that test."""
    shipped = PAIRED_TEST if line["seeds"] >= LEAST_PAIRS else WELCH_TEST
    return f"**{words}**" if rule == shipped else words


def _precision_table(lines: Sequence[Line]) -> str:
    correlations = dict.fromkeys(line["correlation"] for line in lines)
    rules = list(lines[0]["rules"])
    by_place = {(line["seeds"], line["correlation"]): line["rules"] for line in lines}
    header = ["seeds", *(f"r = {each:g}, {rule}" for each in correlations for rule in rules)]
    rows = [
        [str(seeds), *(share(by_place[seeds, each][rule]) for each in correlations for rule in rules)]
        for seeds in dict.fromkeys(line["seeds"] for line in lines)
    ]
    return markdown_table(header, rows)


def _break_even(lines: Sequence[Line]) -> str:
    """For each correlation, from which of the simulated numbers of seeds on pairing finds more."""
    parts = []
    for correlation in dict.fromkeys(line["correlation"] for line in lines):
        mine = [line for line in lines if line["correlation"] == correlation]
        worse = [line["seeds"] for line in mine if line["rules"]["paired"] <= line["rules"]["Welch"]]
        later = [line["seeds"] for line in mine if line["seeds"] > max(worse, default=0)]
        parts.append(f"{f'from {later[0]} on' if later else 'at none of them'} with r = {correlation:g}")
    return ", ".join(parts)


def _design_table(lines: Iterable[Line]) -> str:
    others = [f"s = {s:g}, t = {t:g}" for s, t in NOISES[1:]]
    header = [
        f"trainings {TIMES} transfers",
        "GPU-hours",
        *(metric_names()[metric] for metric in METRICS),
        "all",
        *others,
        "claims",
    ]
    rows = []
    for line in lines:
        found = [share(line["found"][metric]) if metric in line["found"] else MISSING for metric in METRICS]
        rows.append([_plan(line), f"{line['hours']:,.0f}", *found, *map(share, line["decided"]), share(line["claims"])])
    return markdown_table(header, rows)


def _unequal_table(lines: Iterable[Line]) -> str:
    header = ["trainings of each row", *(f"+ {more}" for more in FURTHER)]
    return markdown_table(header, [[str(line["trainings"]), *map(share, line["claims"])] for line in lines])


def _plan(line: Line) -> str:
    """A design in short: trainings of each row + further ones of the baseline, times transfers."""
    further = line["baseline"] - line["trainings"]
    trainings = f"({line['trainings']} + {further})" if further else str(line["trainings"])
    detection, segmentation = line["detection"], line["segmentation"]
    if segmentation in (0, detection):
        return f"{trainings} {TIMES} {detection}"
    return f"{trainings} {TIMES} ({detection} detection, {segmentation} segmentation)"


def _planned_table(lines: Iterable[Line]) -> str:
    header = ["true differences", "sd", "plan for", "undecided", "without a plan", "seeds planned", "decided"]
    true = {1.0: "the paper's", 0.5: "half of them"}
    rows = [
        [
            true[line["true"]],
            f"{line['sd']:g}",
            f"Δ {line['plan']}" if line["plan"] == "as seen" else f"{line['plan']} Δ",
            str(line["undecided"]),
            str(line["without a plan"]),
            ", ".join(f"{seeds:g}" for seeds in line["seeds"]) or MISSING,
            MISSING if line["decided"] is None else share(line["decided"]),
        ]
        for line in lines
    ]
    return markdown_table(header, rows)


def _image_table(lines: Iterable[Line]) -> str:
    header = ["images", "mIoU", "sd of it", "half width", "one run, this size", "one run, all images"]
    header += ["difference, this size", "difference, all images"]
    rows = [
        [
            f"{line['images']:,}",
            *(f"{line[name]:.2f}" for name in ("miou", "sd", "half width")),
            *map(share, (*line["covered"], *line["difference covered"])),
        ]
        for line in lines
    ]
    return markdown_table(header, rows)


def _found(line: Line) -> float:
    """Of all twelve differences, by the shipped rule."""
    return _mean([_mean(line["rules"]["shipped"][metric]) for metric in METRICS])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
