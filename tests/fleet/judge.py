"""Holds results of a fleet against the truth: judge.py [--no-repeats] TRUTH RESULTS…, or - for the standard input.

Of each window the highest `rev` counts. Count, min and max are equal, sum, mean and variance to 1e-9, percentiles within the
bound of the sketch. Prints the largest error of each, and ends with 1 if a window is missing or wrong.
"""

import json
import sys

EXACT = ("count", "min", "max")
CLOSE = {"sum": 1e-9, "mean": 1e-9, "variance": 1e-9, "p50": 0.0101, "p95": 0.0101, "p99": 0.0101}


def main(truth_path, results, may_repeat):
    with open(truth_path) as file:
        truth = json.load(file)
    best, repeats, contents = {}, 0, {}
    for name in results:
        with sys.stdin if name == "-" else open(name) as file:
            for line in file:
                result = json.loads(line)
                site = result["labels"].get("site")
                key = f"{site} {result['field']} {result['start']}"
                content = contents.setdefault((result["id"], result["rev"]), line)
                repeats += content is not line
                if content != line:
                    print(f"two contents of {result['id']} rev {result['rev']}", file=sys.stderr)
                    return 1
                if site is not None and (key not in best or result["rev"] >= best[key]["rev"]):
                    best[key] = result
    wrong, worst = 0, {}
    for key, expected in truth.items():
        result = best.pop(key, None)
        errors = [] if result else ["missing"]
        for name in EXACT if result else ():
            if result.get(name) != expected[name]:
                errors.append(f"{name} {result.get(name)} instead of {expected[name]}")
        for name, bound in CLOSE.items() if result else ():
            error = abs(result[name] - expected[name]) / max(abs(expected[name]), 1e-300)
            worst[name] = max(worst.get(name, 0), error)
            if error > bound:
                errors.append(f"{name} {result[name]} instead of {expected[name]}")
        wrong += bool(errors)
        for error in errors:
            print(f"{key}: {error}", file=sys.stderr)
    for key in best:
        print(f"{key}: nobody told this", file=sys.stderr)
    figures = ", ".join(f"{name} {error:.1e}" for name, error in worst.items())
    print(f"{len(truth) - wrong} of {len(truth)} windows right; {repeats} repeats; largest relative errors: {figures}")
    return 1 if wrong or best or repeats and not may_repeat else 0


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--no-repeats"]
    sys.exit(main(words[0], words[1:], may_repeat="--no-repeats" not in sys.argv))
