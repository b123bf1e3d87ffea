"""`make evidence-fuzz`: 30,000 damaged files, what became of each format, and the memory that it took."""

from __future__ import annotations

import resource
import sys
from collections import Counter, defaultdict

from .fuzz import outcomes


def main(count: int) -> int:
    """Print a table; 1 if anything but our own error was raised."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for name, outcome in outcomes(count, seed=2):
        found[name][outcome] += 1
    print("| file | read | refused | anything else |\n|---|---|---|---|")
    for name, counts in found.items():
        others = {outcome: number for outcome, number in counts.items() if outcome not in ("read", "refused")}
        print(f"| {name} | {counts['read']} | {counts['refused']} | {others or 'nothing'} |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{count:,} files; most memory of the process {peak:,.0f} MB")
    return int(any(set(counts) - {"read", "refused"} for counts in found.values()))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 30_000))
