"""Whether results say the same: same.py EXPECTED RESULTS… Numbers to 1e-12, since a sum's last bit depends on its order."""

import json
import sys


def is_same(a, b):
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(is_same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(is_same, a, b))
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return abs(a - b) <= 1e-12 * max(abs(a), abs(b))
    return a == b


def results(name):
    with open(name) as lines:
        return {(result["id"]): result for result in map(json.loads, lines)}


expected = results(sys.argv[1])
for name in sys.argv[2:]:
    found = results(name)
    differing = [id for id in expected.keys() | found.keys() if not is_same(expected.get(id), found.get(id))]
    for id in sorted(differing)[:5]:
        print(f"{name}: {id}:\n  {json.dumps(found.get(id))[:400]}\n  instead of\n  {json.dumps(expected.get(id))[:400]}", file=sys.stderr)
    if differing or not expected:
        sys.exit(f"{name}: {len(differing)} of {len(expected)} results differ")
    print(f"{name}: {len(found)} results, all the same")
