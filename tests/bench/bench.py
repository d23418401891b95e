"""Times the pipeline at several sizes, beside plain SQL in the same run; no test, no thresholds.

    make bench N="1000 10000 100000"        N is the number of people; they live in N / 4 households

For each N a registry is made by the demo generator once, and each run gets a copy of it and a process of its own.
Medians of three runs up to N = 100,000, of one above. Results: .run/bench/N.json and .run/bench/N.md.
"""

import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / ".run/bench"
TEMPLATE = "bench_template"
TARGETS = ("individual", "group")


def database(*arguments):
    subprocess.run([ROOT / "scripts/database.sh", *arguments], check=True, cwd=ROOT)


def runs_for(people):
    return int(os.environ.get("RUNS") or (3 if people <= 100_000 else 1))


def registry(people):
    """A database with so many people, made once for each state of the addons."""
    name = f"{TEMPLATE}_{people}"
    database("demo", name, str(max(people // 4, 1)))
    subprocess.run(["psql", "-q", "-d", name, "-c", "VACUUM ANALYZE"], check=True)
    return name


def run_pipeline(template, target):
    """One run on a copy of ``template``: what pipeline.py prints, by step."""
    name = "bench_run"
    database("copy", template, name)
    process = subprocess.run(
        [ROOT / "scripts/python", ROOT / "tests/bench/pipeline.py", name, target],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    database("drop", name)
    if process.returncode:
        raise SystemExit(f"the run on {template} ({target}) failed with status {process.returncode}")
    steps, extra = defaultdict(dict), {}
    for line in process.stdout.splitlines():
        if not line.startswith("{"):
            print(line)
            continue
        values = json.loads(line)
        if "step" in values:
            steps[values.pop("step")].update(values)
        else:
            extra.update(values)
    return dict(steps), extra


def run_import(people):
    """A file of so many people into an empty registry: what registrants.py prints, as a step."""
    name = "bench_run"
    database("base")
    database("copy", "g2p_base", name)
    process = subprocess.run(
        [ROOT / "scripts/python", ROOT / "tests/bench/registrants.py", name, str(people)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        check=True,
    )
    database("drop", name)
    figures = json.loads(process.stdout.splitlines()[-1])
    return {figures.pop("step"): figures}


def medians(runs):
    """Of each figure of each step the median over the runs."""
    result = {}
    for step in runs[0]:
        figures = defaultdict(list)
        for run in runs:
            for name, value in run[step].items():
                if value is not None:
                    figures[name].append(value)
        result[step] = {name: statistics.median(values) for name, values in figures.items()}
    return result


def table(steps):
    lines = [
        "| step | rows | seconds | rows/s | plain SQL, s | ratio | statements | peak MB |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for step, figures in steps.items():
        seconds, plain, rows = figures["seconds"], figures.get("plain_seconds"), figures.get("rows") or 0
        lines.append(
            f"| {step} | {rows:,.0f} | {seconds:.2f} | {rows / seconds:,.0f} | "
            f"{'' if plain is None else f'{plain:.2f}'} | {f'{seconds / plain:.1f}' if plain else ''} | "
            f"{figures['statements']:.0f} | {figures['peak_mb']:.0f} |"
        )
    seconds = sum(figures["seconds"] for figures in steps.values())
    plain = sum(figures.get("plain_seconds", 0) for figures in steps.values())
    lines.append(f"| **all** | | **{seconds:.2f}** | | **{plain:.2f}** | **{seconds / plain:.1f}** | | |")
    return "\n".join(lines)


def main(sizes):
    RESULTS.mkdir(parents=True, exist_ok=True)
    for people in sizes:
        template, report, result = registry(people), [f"## {people:,} people\n"], {"people": people}
        print(f"[bench] {people:,} people from a file", flush=True)
        result["import"] = medians([run_import(people) for _number in range(runs_for(people))])
        report.append(f"### Import of a file of registrants\n\n{table(result['import'])}\n")
        for target in TARGETS:
            runs = []
            for number in range(runs_for(people)):
                print(f"[bench] {people:,} people, {target} program, run {number + 1}", flush=True)
                steps, extra = run_pipeline(template, target)
                runs.append(steps)
            steps = medians(runs)
            result[target] = {"steps": steps, "runs": runs, **extra}
            report.append(
                f"### {target.capitalize()} program, median of {len(runs)} run{'s' * (len(runs) > 1)}\n\n{table(steps)}\n\n"
                f"The database grew by {extra['growth_mb']:,} MB.\n"
            )
        (RESULTS / f"{people}.json").write_text(json.dumps(result, indent=1))
        (RESULTS / f"{people}.md").write_text("\n".join(report))
        print("\n".join(report), flush=True)


if __name__ == "__main__":
    main([int(size.replace(",", "").replace("_", "")) for size in sys.argv[1:]])
