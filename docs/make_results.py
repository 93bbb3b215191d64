"""Fill the tables of ``docs/results.md`` and ``README.md``: ``python docs/make_results.py``.

A page marks a table by ``<!-- table: NAME -->`` and ``<!-- end -->``. Every figure in it is computed here
from the files in ``benchmarks/results`` that the table names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from reid_al_agents.report.summary import estimate

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGES = (ROOT / "README.md", ROOT / "docs" / "results.md", ROOT / "docs" / "environments.md")

Row = dict[str, Any]


WORTH_BUDGETS = (0.025, 0.1, 0.3, 0.6)
"""Answers per image that the table of :func:`worth` shows."""

LEAST_GAIN = 0.02
"""Gain in B-cubed F1 of which a share means something."""


@cache
def result(name: str) -> Row:
    """One kept result."""
    content: Row = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return content


def select(rows: Iterable[Row], **wanted: object) -> list[Row]:
    """The rows with these values."""
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def mean(values: Iterable[float | None], decimals: int = 1, *, interval: bool = True) -> str:
    """Mean ± half of the 95 % t interval over seeds; the value alone for one seed."""
    found = estimate(values)
    if found is None:
        return ""
    if found.half_width is None or not interval:
        return f"{found.mean:.{decimals}f}"
    return f"{found.mean:.{decimals}f} ± {found.half_width:.{decimals}f}"


def table(heads: Sequence[str], lines: Iterable[Sequence[str]], *files: str) -> str:
    """A Markdown table and, under it, the files that its figures are from."""
    text = ["| " + " | ".join(heads) + " |", "| " + " | ".join("---" for _ in heads) + " |"]
    text += ["| " + " | ".join(line) + " |" for line in lines]
    links = ", ".join(f"[`{name}.json`](BENCHMARKS/results/{name}.json)" for name in files)
    return "\n".join([*text, "", f"From {links}."])


def headline() -> str:
    """Market-1501, test identities: the default way at three budgets between its references."""
    five, paper = result("market_test_five_seeds"), result("market_test_paper_way")
    heads = (
        "test identities",
        "answers",
        "rank-1",
        "mAP",
        "gap closed",
        "precision / recall of the identities",
    )
    kinds = (
        ("start weights", "start", 0),
        ("no answers: label-free start and training", "no answers", 0),
        ("groups (`gain-v1`), cluster refresh", "gain", 2500),
        ("", "gain", 5000),
        ("", "gain", 8400),
        ("the same training on all labels", "all labels", 0),
    )
    lines = [_headline_line(five, *kind) for kind in kinds]
    last = paper["rounds"][-1]
    lines.append(
        [
            "paper's way: images, DQN, triplet refresh (one seed)",
            f"{last['answers']:,}",
            f"{last['rank1']:.1f}",
            f"{last['map']:.1f}",
            "",
            f"{last['pairwise_precision']:.2f} / {last['pairwise_recall']:.2f}",
        ]
    )
    return table(heads, lines, "market_test_five_seeds", "market_test_paper_way")


def trained() -> str:
    """The default way with training on two data sets, validation identities, between its references."""
    found = result("trained_by_gain")
    lines = []
    sets = (("Market-1501, 128x64", "market", (2500, 5000)), ("CUHK03, 256x128", "cuhk", (864, 1727)))
    for data, folder, budgets in sets:
        ours = [
            {**row, "selector": row["selector"].split(",")[0]}
            for row in found["rows"]
            if folder in row["folder"]
        ]
        kinds = (
            ("start weights", "start", 0),
            ("no answers", "no answers", 0),
            ("groups, cluster refresh", "gain", budgets[0]),
            ("", "gain", budgets[1]),
            ("all labels", "all labels", 0),
        )
        lines += [
            [data if kind[1] == "start" else "", *_headline_line({"rows": ours}, *kind)] for kind in kinds
        ]
    quality = "precision / recall of the identities"
    return table(
        ("data", "model", "answers", "rank-1", "mAP", "gap closed", quality), lines, "trained_by_gain"
    )


def _headline_line(five: Row, name: str, selector: str, answers: int) -> list[str]:
    """A line of a table of models."""
    rows = select(five["rows"], selector=selector, answers=answers)
    same = len({row["map"] for row in rows}) == 1  # the start weights are the same for every seed
    quality = ""
    if answers:
        quality = " / ".join(
            mean((row[f"pairwise_{side}"] for row in rows), 2, interval=False)
            for side in ("precision", "recall")
        )
    gap = {"no answers": "0", "all labels": "1"}.get(selector, mean((row["gap"] for row in rows), 2))
    return [
        name,
        "all" if selector == "all labels" else f"{answers:,}",
        mean((row["rank1"] for row in rows), interval=not same),
        mean((row["map"] for row in rows), interval=not same),
        gap,
        quality,
    ]


def recheck() -> str:
    """Gap closed with the audit asking again, by the ends of the five seeds: the program as it is now."""
    before = result("market_test_five_seeds")["rows"]
    now = result("market_test_recheck_and_noise")["rows"]
    lines = []
    for answers in (2500, 5000, 16800):
        rows = select(now, selector="gain", answers=answers)
        seeds = {row["seed"] for row in rows}
        old = [row for row in select(before, selector="gain", answers=answers) if row["seed"] in seeds]
        lines.append(
            [
                f"{answers:,}",
                ", ".join(map(str, sorted(seeds))),
                mean((row["map"] for row in rows), interval=False),
                mean(map(_gap, rows), 2, interval=False),
                mean(map(_gap, old), 2, interval=False),
            ]
        )
    heads = ("answers", "seeds", "mAP", "gap closed", "gap closed by the five seeds' program")
    return table(heads, lines, "market_test_recheck_and_noise", "market_test_five_seeds")


def noise() -> str:
    """Cost of wrong answers: the gain in mAP over no answers, relative to that without wrong answers."""
    rows = result("market_test_recheck_and_noise")["rows"]
    lines = []
    for rate in ("0.02", "0.05"):
        for answers in (2500, 5000):
            wrong = select(rows, selector=f"gain, noise {rate}", answers=answers)
            right = {row["seed"]: row for row in select(rows, selector="gain", answers=answers)}
            shares = [_gap(row) / _gap(right[row["seed"]]) for row in wrong]
            f1 = [mean([row["pairwise_f1"]], 2) for row in wrong]
            lines.append(
                [
                    f"{100 * float(rate):.0f} %",
                    f"{answers:,}",
                    mean((row["map"] for row in wrong), interval=False),
                    mean(shares, 2, interval=False),
                    ", ".join(f1),
                ]
            )
    heads = (
        "wrong answers",
        "answers",
        "mAP",
        "gain relative to no wrong answers",
        "pairwise F1, seeds 0 and 1",
    )
    return table(heads, lines, "market_test_recheck_and_noise", "market_test_five_seeds")


def _gap(row: Row) -> float:
    """Share of the gap between no answers and all labels that a row closed, by the ends of its seed."""
    ends = {
        one["selector"]: one["map"]
        for one in select(result("market_test_five_seeds")["rows"], seed=row["seed"], answers=0)
    }
    share: float = (row["map"] - ends["no answers"]) / (ends["all labels"] - ends["no answers"])
    return share


def worth() -> str:
    """B-cubed F1 by set: the default, version 0.1's, and questions chosen with the labels."""
    found = result("worth")
    summary = found["summary"]
    lines = []
    for name in sorted({line["set"] for line in summary}):
        cells = []
        for budget in WORTH_BUDGETS:
            heights = [
                f"{line['bcubed_f1']:.2f}"
                for row in ("gain-v1", "gain", "label-seeing")
                for line in select(summary, set=name, row=row, noise=0.0, budget=budget)
            ]
            cells.append(" / ".join(heights))
        lines.append([name, *cells, *_under_noise(summary, name)])
    above = [
        f"{line['above gain-v1']:+.3f}"
        for budget in WORTH_BUDGETS
        for line in select(found["mean"], row="gain", noise=0.0, budget=budget)
    ]
    lines.append(["**mean above version 0.1**", *above, ""])
    heads = ("set", *(f"{budget:g} answers per image" for budget in WORTH_BUDGETS), "gain kept at 5 % wrong")
    return table(heads, lines, "worth")


def _under_noise(summary: Sequence[Row], name: str) -> Iterable[str]:
    """Share of the gain of 0.6 answers per image over none that is left with 5 % wrong answers."""
    rows = select(summary, set=name, row="gain")
    start, right, wrong = (
        next(line["bcubed_f1"] for line in select(rows, noise=noise, budget=budget))
        for noise, budget in ((0.0, 0.0), (0.0, 0.6), (0.05, 0.6))
    )
    yield f"{(wrong - start) / (right - start):.0%}" if right - start > LEAST_GAIN else "(no gain)"


def rivals() -> str:
    """Pairwise F1 of groups formed under the same answers, each method at its best setting."""
    rows = [row for row in result("groups_against_rivals")["rows"] if row["pairs"] in ("near", "none")]
    kinds = {
        "ours": lambda name: name.startswith("ours"),
        "DBSCAN, answers ignored": lambda name: name.startswith("DBSCAN") and "ignored" in name,
        "DBSCAN, merged by the answers": lambda name: name.startswith("DBSCAN") and "naive" in name,
        "DBSCAN, cleaned up by NP3": lambda name: name.startswith("DBSCAN") and "NP3" in name,
        "FINCH, cleaned up by NP3": lambda name: name.startswith("FINCH") and "NP3" in name,
    }
    budgets = (0, 1000, 2500, 5000, 8400)
    lines = []
    for kind, belongs in kinds.items():
        best = [
            max(row["pairwise_f1"] for row in select(rows, answers=answers) if belongs(row["method"]))
            for answers in budgets
        ]
        lines.append([kind, *(f"{value:.3f}" for value in best)])
    heads = ("groups formed by", *(f"{budget:,} answers" for budget in budgets))
    return table(heads, lines, "groups_against_rivals")


def errors() -> str:
    """What errors of the groups cost the model that learns from them."""
    names = {
        "groups": "the groups that 5,000 answers made",
        "groups, no wrong image": "without their wrong images",
        "groups, no fragment": "without their fragments",
        "all labels": "all labels",
    }
    lines = []
    for row in result("training_one_error_removed")["rows"]:
        quality = row["groups"]
        lines.append(
            [
                names[row["row"]],
                f"{row['rank1']:.1f}",
                f"{row['map']:.1f}",
                f"{quality['pairwise_precision']:.2f} / {quality['pairwise_recall']:.2f}",
            ]
        )
    lines.sort(key=lambda line: list(names.values()).index(line[0]))
    heads = ("trained on", "rank-1", "mAP", "precision / recall of the groups")
    return table(heads, lines, "training_one_error_removed")


def returns() -> str:
    """Mean return of the paper's reward over the first 5,000 answers, learning included."""
    rows = result("returns_by_selector")["rows"]
    names = {
        "random": "random",
        "nearest": "nearest",
        "farthest": "farthest",
        "entropy": "entropy",
        "dqn-mlp": "DQN, the paper's MLP",
        "dqn": "**DQN, graph policy**",
        "greedy": "greedy on the true reward (sees labels)",
    }
    lines = [
        [name, mean((row["return"] for row in select(rows, selector=selector)), 2)]
        for selector, name in names.items()
    ]
    return table(("selector", "return of a query"), lines, "returns_by_selector")


def catalogue() -> str:
    """Return and score of policies on the fixed tasks of each catalogue."""
    lines = []
    for row in result("catalogue_agent")["fixed tasks"]:
        score, above = row["score"], row.get("above")
        known = row["policy"] in ("nearest", "label-seeing")
        lines.append([
            f"`{row['id']}`", "**learned**" if row["policy"] == "learned" else row["policy"],
            f"{row['return']:.3f}",
            f"{score['mean']:.0f}" if known else f"{score['mean']:.2f} ± {score['half_width']:.2f}",
            f"{above['mean']:+.2f} ± {above['half_width']:.2f}" if above and not known else "",
        ])  # fmt: skip
    heads = ("id", "policy", "return", "score", "score above `expected-change`")
    return table(heads, lines, "catalogue_agent")


def agent() -> str:
    """The learned agent beside the rule, on the fixed tasks and on real features."""
    found = result("catalogue_agent")
    names = ("ReIDCatalogueTest-v0", "ReIDCatalogueSmallTest-v0", "ReIDCatalogueNoisyTest-v0")
    lines = []
    for policy in ("learned", "expected-change"):
        scores = [select(found["fixed tasks"], id=name, policy=policy)[0]["score"]["mean"] for name in names]
        (real,) = select(found["mean over sets"], policy=policy)
        lines.append([policy, *(f"{score:.2f}" for score in scores), f"{real['f1'][-1]:.3f}"])
    heads = ("chosen by", "unseen tasks: score", "small", "noisy", "real features: F1")
    return table(heads, lines, "catalogue_agent")


def designs() -> str:
    """Designs of the learned agent, each trained small, on tasks of training families."""
    lines = []
    for row in result("catalogue_designs")["rows"]:
        scores = (" / ".join(f"{score:.2f}" for score in row[part]) for part in ("score", "score changed"))
        above = row.get("above")
        difference = f"{above['mean']:+.3f} ± {above['half_width']:.3f}" if above else ""
        lines.append([row["design"], *scores, difference])
    heads = ("design", "score: plain / small / noisy", "cosines changed", "score above `gain`")
    return table(heads, lines, "catalogue_designs")


def catalogue_real() -> str:
    """The same environment over parts of real data sets."""
    found = result("catalogue_agent")["mean over sets"]
    lines = []
    for row in found:
        last = row["above rule"][-1] if "above rule" in row else None
        difference = f"{last['mean']:+.3f} ± {last['half_width']:.3f}" if last else ""
        lines.append([row["policy"], *(f"{value:.3f}" for value in row["f1"]), difference])
    heads = ("policy", "0", "0.05", "0.1", "0.3", "0.6", "at 0.6 above `expected-change`")
    return table(heads, lines, "catalogue_agent")


def images() -> str:
    """Selectors between images with the triplet refresh: whether a better return buys a better model."""
    rows = result("market_validation_selectors_on_images")["rows"]
    names = {
        "start": "start weights",
        "random": "random",
        "entropy": "entropy",
        "dqn": "DQN, graph policy",
        "all labels": "all labels",
    }
    lines = []
    for selector, name in names.items():
        found = select(rows, selector=selector)
        figures = (
            mean((row[column] for row in found), decimals, interval=False)
            for column, decimals in (("return", 2), ("rank1", 1), ("map", 1))
        )
        lines.append([name, *figures])
    return table(("selector", "return", "rank-1", "mAP"), lines, "market_validation_selectors_on_images")


def audit() -> str:
    """How often the audit's interval holds the truth."""
    lines = []
    for line in select(result("audit_coverage")["summary"], judged="audit"):
        lines.append(
            [
                f"{100 * line['noise']:.0f} %",
                f"{line['answers']:,}",
                line["measure"],
                f"{line['truth']:.3f}",
                f"{line['estimate']:.3f}",
                f"{line['holds']} of {line['runs']}",
            ]
        )
    heads = ("wrong answers", "answers", "measure", "truth", "mean estimate", "interval holds the truth")
    return table(heads, lines, "audit_coverage")


def start_features() -> str:
    """Label-free separation beside rank-1 and mAP, by network and image size."""
    lines = [
        [
            row["set"],
            f"{row['network']}, {row['size']}",
            f"{row['separation']:.1f}",
            f"{row['rank1']:.1f} / {row['map']:.1f}",
        ]
        for row in result("start_features")["rows"]
    ]
    return table(("set", "network", "separation", "rank-1 / mAP"), lines, "start_features")


def environment() -> str:
    """Speed of the environment."""
    found = result("environment_speed")
    goals = {name: goal["measured"] for name, goal in found["goals"].items()}
    steps, exponent = found["steps_per_second"], goals["kernel's exponent in n_s"]
    lines = [
        ["batched: answers a second", f"{steps['batched, SameStep, warm']:,.0f}"],
        [
            "batched ÷ `CartPole-v1` in `SyncVectorEnv` (steps a second)",
            f"{goals['batched by CartPole-v1 in SyncVectorEnv']:.1f}",
        ],
        [
            "batched ÷ our single environment in `SyncVectorEnv`",
            f"{goals['batched by our single in SyncVectorEnv']:.0f}",
        ],
        [
            "batched, without cached start graphs: answers a second",
            f"{steps['batched, SameStep, cold']:,.0f}",
        ],
        ["time of a step ÷ time of copying its observation", f"{goals['floor by batched']:.1f}"],
        ["exponent of the time of a step in `n_s`", f"{exponent:.2f}"],
        [
            "slowest ÷ fastest reset, 10³ to 10⁶ images",
            f"{goals['dearest by cheapest reset, by number of images']:.2f}",
        ],
    ]
    return table(("one thread, 256 sub-environments", "measured"), lines, "environment_speed")


def speed() -> str:
    """Speed of the parts around the environment."""
    crowd = result("annotation_server_load")["crowd"]
    jaccard = result("jaccard_speed_100k")["stages"]["Jaccard + linkage"]
    training = result("training_speed")
    soak = result("soak")
    memory = soak["samples"]["memory_mb"]
    lines = [
        [
            f"annotation server: answers a second from {crowd['people']} people at once",
            f"{crowd['answers_per_second']:.1f}",
        ],
        ["annotation server: 99th percentile of the waiting time", f"{crowd['p99_ms'] / 1000:.1f} s"],
        [
            f"annotation server: memory after {soak['settings']['minutes']:.0f} minutes of "
            f"{soak['settings']['people']} people, and its growth in half an hour",
            f"{memory[-1]:.0f} MB, {soak['memory_growth_percent_in_half_an_hour']:.1f} %",
        ],
        ["groups among 100,000 images (Jaccard similarities and linkage)", f"{jaccard['seconds']:.0f} s"],
        ["the same, memory", f"{jaccard['peak_mib'] / 1024:.1f} GiB"],
        [
            "training: images a second, OSNet-x0.25, 128x64",
            f"{training['images_per_second']['refresh']:.0f}",
        ],
        ["the same ÷ the network's bare training steps", f"{training['refresh_by']['network']:.2f}"],
    ]
    files = ("annotation_server_load", "soak", "jaccard_speed_100k", "training_speed")
    return table(("two cores", "measured"), lines, *files)


def learner() -> str:
    """Speed of the masked DQN beside Stable-Baselines3's DQN."""
    found = result("dqn_speed")
    names = {"mlp": "the paper's MLP", "graph": "graph network", "questions": "catalogue"}
    lines = [
        [
            names[row["network"]],
            row["gradient_transitions_per_answer"],
            f"{row['answers_per_cpu_second']['SB3']:,.0f}",
            f"{row['answers_per_cpu_second']['ours']:,.0f}",
            f"{row['ratio']['ours']:.2f}",
            f"{row['ratio']['ours, double']:.2f}",
            f"{row['bound']:.2f}",
        ]
        for row in found["rows"]
    ]
    lines.append(
        ["bytes of a transition in the replay", "", "", f"{found['replay_bytes_per_transition']:,.0f}"]
    )
    lines[-1] += [""] * 3
    heads = (
        f"answers a CPU second, {found['environments']} environments",
        "gradient samples an answer",
        "SB3's DQN",
        "ours",
        "ratio",
        "with Double DQN",
        "if all but the network took no time",
    )
    return table(heads, lines, "dqn_speed")


def demo() -> str:
    """Rendered pedestrians: the default way beside the paper's."""
    measures = (("rank1", 1), ("map", 1), ("pairwise_f1", 2))
    lines = [
        [row["selector"], f"{row['answers']:,}", *(mean([row[name]], places) for name, places in measures)]
        for row in result("demo_seed0")["rows"]
    ]
    heads = ("rendered pedestrians", "answers", "rank-1", "mAP", "pairwise F1 of the identities")
    return table(heads, lines, "demo_seed0")


TABLES: dict[str, Callable[[], str]] = {
    function.__name__: function
    for function in (
        headline,
        trained,
        recheck,
        noise,
        worth,
        rivals,
        errors,
        returns,
        catalogue,
        agent,
        catalogue_real,
        designs,
        images,
        audit,
        start_features,
        environment,
        speed,
        learner,
        demo,
    )
}
_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(path: Path) -> str:
    """The text of a page with its tables as the kept results give them."""
    benchmarks = "benchmarks" if path.parent == ROOT else "../benchmarks"

    def fill(block: re.Match[str]) -> str:
        return f"{block[1]}{TABLES[block[2]]().replace('BENCHMARKS', benchmarks)}\n{block[3]}"

    return _BLOCK.sub(fill, path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled(page), encoding="utf-8")
