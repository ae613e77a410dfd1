"""Two JSON files of a bench, old and new: which rows changed by more than the resolution of either.

Each file holds ratios against an opponent measured in the same run, so a slower machine or a busier hour cancels.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import geometric_mean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    args = parser.parse_args()
    old, new = (json.loads(path.read_text()) for path in (args.old, args.new))
    if old["title"] != new["title"]:
        raise SystemExit(f"different benches: {old['title']!r} and {new['title']!r}")
    if old["machine"] != new["machine"]:
        print(f"different machines or settings:\n  {old['machine']}\n  {new['machine']}")
    resolved = max(old["resolution"], new["resolution"])
    before = {row["name"]: row for row in old["rows"]}
    changes: dict[str, list[float]] = {}
    width = max(len(row["name"]) for row in new["rows"])
    for row in new["rows"]:
        if row["name"] not in before:
            print(f"{row['name']:{width}}  new")
            continue
        for opponent, pair in row.items():
            was = before[row["name"]].get(opponent)
            if not isinstance(pair, dict) or was is None:
                continue
            change = pair["ratio"] / was["ratio"]
            changes.setdefault(opponent, []).append(change)
            apart = pair["low"] > was["high"] or pair["high"] < was["low"]
            mark = "" if not apart or abs(change - 1) <= resolved else "  faster" if change > 1 else "  SLOWER"
            print(f"{row['name']:{width}}  {opponent:>12}  {was['ratio']:6.2f} -> {pair['ratio']:6.2f}  "
                  f"{change:5.2f}x{mark}")
    for opponent, values in changes.items():
        print(f"geometric mean against {opponent}: {geometric_mean(values):.3f}x (resolution {resolved:.1%})")


if __name__ == "__main__":
    main()
