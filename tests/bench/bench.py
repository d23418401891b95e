"""Times the product at several sizes, beside plain SQL in the same run; no test, no thresholds.

    make bench N="1000 10000 100000"        N is the number of people; they live in N / 4 households

For each N a registry is made by the demo generator once, and each run gets a copy of it and a process of its own.
Medians of three runs up to N = 100,000, of one above (RUNS=1 for one run everywhere). Results: .run/bench/N.json and N.md.
BENCH names the databases, by default `bench`: bench_run, bench_template_1000 …
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
NAME = os.environ.get("BENCH") or "bench"
RUN = f"{NAME}_run"
BASE = os.environ.get("BASE") or "g2p_base"
TARGETS = tuple((os.environ.get("TARGETS") or "individual group").split())


def say(text):
    print(f"[bench] {text}", flush=True)


def database(*arguments):
    subprocess.run([ROOT / "scripts/database.sh", *arguments], check=True, cwd=ROOT)


def script(name, *arguments):
    return [ROOT / "scripts/python", ROOT / "tests/bench" / name, *arguments]


def runs_for(people):
    return int(os.environ.get("RUNS") or (3 if people <= 100_000 else 1))


def registry(people):
    """A database with so many people, made once for each state of the addons."""
    name = f"{NAME}_template_{people}"
    database("demo", name, str(max(people // 4, 1)))
    subprocess.run(["psql", "-q", "-d", name, "-c", "VACUUM ANALYZE"], check=True)
    return name


def run_pipeline(template, target):
    """One run on a copy of ``template``: what pipeline.py prints, by step; its screens; how much the database grew."""
    database("copy", template, RUN)
    steps, screens, extra = defaultdict(dict), {}, {}
    process = subprocess.Popen(script("pipeline.py", RUN, target), stdout=subprocess.PIPE, text=True, cwd=ROOT)
    for line in process.stdout:
        if not line.startswith("{"):
            print(line, end="")
            continue
        values = json.loads(line)
        if "step" in values:
            step = values.pop("step")
            steps[step].update(values)
            plain = values.get("plain_seconds")
            say(
                f"  {step}: {values['seconds']:.2f} s"
                + (f", plain SQL {plain:.2f} s: {values['seconds'] / plain:.1f}" if plain else "")
            )
        elif "screen" in values:
            screens[values.pop("screen")] = values
        else:
            extra.update(values)
    status = process.wait()
    database("drop", RUN)
    if status:
        raise SystemExit(f"the run on {template} ({target}) failed with status {status}")
    return dict(steps), screens, extra


def run_import(people):
    """A file of so many people into an empty registry: what registrants.py prints, as a step."""
    database("base")
    database("copy", BASE, RUN)
    process = subprocess.run(
        script("registrants.py", RUN, str(people)), stdout=subprocess.PIPE, text=True, cwd=ROOT, check=True
    )
    database("drop", RUN)
    figures = json.loads(process.stdout.splitlines()[-1])
    return {figures.pop("step"): figures}


def run_targeting(template, people):
    """What the scripts of targeting print, each on a copy of ``template``: who is eligible, scores, duplicates."""
    figures = {}
    for name, *arguments in (("eligibility.py",), ("pmt.py", str(people // 4)), ("dedup.py",)):
        database("copy", template, RUN)
        process = subprocess.run(script(name, RUN, *arguments), stdout=subprocess.PIPE, text=True, cwd=ROOT, check=True)
        database("drop", RUN)
        for line in process.stdout.splitlines():
            if line.startswith("{"):
                values = json.loads(line)
                figures[values.pop("step")] = values
    return figures


def targeting_table(figures):
    lines = [
        "| step | rows | seconds | plain SQL, s | ratio | statements | peak MB | precision | recall |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for step, values in figures.items():
        seconds, plain, rows = values["seconds"], values.get("plain_seconds"), values.get("rows")
        shares = (f"{values[key]:.1%}" if key in values else "" for key in ("precision", "recall"))
        lines.append(
            f"| {step} | {'' if rows is None else f'{rows:,}'} | {seconds:.2f} | "
            f"{f'{plain:.2f}' if plain else ''} | {f'{seconds / plain:.1f}' if plain else ''} | "
            f"{values['statements']} | {values['peak_mb']} | {' | '.join(shares)} |"
        )
    return "\n".join(lines)


def run_workers(template, count):
    """Seconds that so many workers need for one and the same operation."""
    database("copy", template, RUN)
    subprocess.run(script("workers.py", RUN, "plan"), check=True, cwd=ROOT)
    workers = [
        subprocess.Popen(
            script("workers.py", RUN, "run"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        for _number in range(count)
    ]
    for worker in workers:
        if worker.stdout.readline() != "ready\n":
            raise SystemExit("a worker did not start")
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    figures = [json.loads(worker.communicate()[0].splitlines()[-1]) for worker in workers]
    database("drop", RUN)
    return {"seconds": max(figure["seconds"] for figure in figures), "rows": figures[0]["rows"]}


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
        seconds, plain, rows = figures["seconds"], figures.get("plain_seconds"), figures.get("rows")
        lines.append(
            f"| {step} | {'' if rows is None else f'{rows:,.0f}'} | {seconds:.2f} | "
            f"{f'{rows / seconds:,.0f}' if rows else ''} | "
            f"{'' if plain is None else f'{plain:.2f}'} | {f'{seconds / plain:.1f}' if plain else ''} | "
            f"{figures['statements']:.0f} | {figures['peak_mb']:.0f} |"
        )
    if len(steps) > 1:
        seconds = sum(figures["seconds"] for figures in steps.values())
        plain = sum(figures.get("plain_seconds", 0) for figures in steps.values())
        lines.append(f"| **all** | | **{seconds:.2f}** | | **{plain:.2f}** | **{seconds / plain:.1f}** | | |")
    return "\n".join(lines)


def screens_table(screens):
    rows = [f"| {name} | {values['milliseconds']:.0f} | {values['queries']:.0f} |" for name, values in screens.items()]
    return "\n".join(["| screen | ms | queries |", "|---|---:|---:|", *rows])


def measure(people):
    """Everything about one size: the figures, and the same as Markdown."""
    template, count = registry(people), runs_for(people)
    report, result = [f"## {people:,} people\n"], {"people": people}
    say(f"{people:,} people from a file")
    result["import"] = medians([run_import(people) for _number in range(count)])
    report.append(f"### Import of a file of registrants\n\n{table(result['import'])}\n")
    for target in TARGETS:
        runs, screens = [], []
        for number in range(count):
            say(f"{people:,} people, {target} program, run {number + 1} of {count}")
            steps, shown, extra = run_pipeline(template, target)
            runs.append(steps)
            screens.append(shown)
        steps, shown = medians(runs), medians(screens)
        result[target] = {"steps": steps, "runs": runs, "screens": shown, **extra}
        median = f"median of {count} runs" if count > 1 else "one run"
        report.append(
            f"### {target.capitalize()} program, two cycles, {median}\n\n{table(steps)}\n\n"
            f"The database grew by {extra['growth_mb']:,} MB.\n\n{screens_table(shown)}\n"
        )
    say(f"{people:,} people, targeting")
    result["targeting"] = run_targeting(template, people)
    report.append(f"### Targeting, one run\n\n{targeting_table(result['targeting'])}\n")
    say(f"{people:,} people, one worker and two")
    result["workers"] = {number: run_workers(template, number) for number in (1, 2)}
    one, two = (result["workers"][number]["seconds"] for number in (1, 2))
    report.append(
        f"*Import eligible registrants*, {result['workers'][1]['rows']:,} rows: one worker {one:.2f} s, "
        f"two workers {two:.2f} s, {one / two:.2f} × the throughput.\n"
    )
    return result, "\n".join(report)


def main(sizes):
    RESULTS.mkdir(parents=True, exist_ok=True)
    for people in sizes:
        result, report = measure(people)
        (RESULTS / f"{people}.json").write_text(json.dumps(result, indent=1))
        (RESULTS / f"{people}.md").write_text(report)
        print(report, flush=True)


if __name__ == "__main__":
    main([int(size.replace(",", "").replace("_", "")) for size in sys.argv[1:]])
