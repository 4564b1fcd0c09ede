"""Compares the evaluator with onnxruntime and scikit-learn: compare.py JUDGE [--vectors FOLDER] [NAME...].

JUDGE is the program of agent/onnx/examples/judge.rs. A pipeline passes when every score is within 1e-5 of onnxruntime's (of
the score where that is above 1), the chosen class is the same unless two scores are as near, and scikit-learn's scores
are within 1e-5 too, or as near as onnxruntime comes to them.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import onnx
import onnxruntime
import pipelines
from skl2onnx import convert_sklearn, to_onnx
from skl2onnx.common.data_types import FloatTensorType

warnings.filterwarnings("ignore")
onnxruntime.set_default_logger_severity(4)
NEAR = 1e-5

# Kept as vectors for the tests of the crate: one of each kind, small.
KEPT = [
    "logistic-2", "logistic-named", "logistic-gaps", "linear-svm-3", "svm-rbf-2", "svm-rbf-3", "svm-value",
    "svm-outlier", "tree-2", "boosting-2", "boosting-3", "histogram-2", "mlp-2", "mlp-tanh-3", "isolation-small",
    "forest-small", "named-columns", "doubles", "ensemble-value",
]  # fmt: skip


def plain_attributes():
    """skl2onnx 1.20 hands on numbers of numpy's types for HistGradientBoosting, which onnx refuses; make them plain."""
    make = onnx.helper.make_attribute

    def of_plain(key, value, *rest, **more):
        if isinstance(value, (list, tuple)):
            value = [item.item() if isinstance(item, np.generic) else item for item in value]
            if key != "nodes_values" and any(isinstance(item, bool) for item in value):
                value = [int(item) for item in value]
        return make(key, value, *rest, **more)

    onnx.helper.make_attribute = of_plain


def export(model, features):
    target = {"": 21, "ai.onnx.ml": 3}
    last = model[-1] if hasattr(model, "steps") else model
    # Without an option skl2onnx asks LinearSVC for a map, which that does not know.
    options = {id(last): {"raw_scores": True}} if type(last).__name__ == "LinearSVC" else None
    return to_onnx(model, np.zeros((1, features), np.float32), target_opset=target, options=options)


def ensemble(forest, features):
    """The trees of a regression forest as `TreeEnsemble` (ai.onnx.ml 5), which skl2onnx does not write."""
    lists = {name: [] for name in ["features", "splits", "true", "false", "trueleafs", "falseleafs"]}
    roots, weights = [], []
    for tree in (one.tree_ for one in forest.estimators_):
        inner = [at for at in range(tree.node_count) if tree.children_left[at] >= 0]
        base, places = len(lists["features"]), {at: number for number, at in enumerate(inner)}
        roots.append(base)
        for at in inner:
            split = np.float32(tree.threshold[at])
            lists["features"].append(int(tree.feature[at]))
            lists["splits"].append(split if split <= tree.threshold[at] else np.nextafter(split, np.float32(-np.inf)))
            for side, child in [("true", tree.children_left[at]), ("false", tree.children_right[at])]:
                lists[side + "leafs"].append(int(child not in places))
                lists[side].append(base + places[child] if child in places else len(weights))
                if child not in places:
                    weights.append(tree.value[child].item() / len(forest.estimators_))
    make, kinds = onnx.helper, onnx.TensorProto
    tensor = lambda name, kind, values: make.make_tensor(name, kind, [len(values)], values)  # noqa: E731
    node = make.make_node(
        "TreeEnsemble",
        ["X"],
        ["Y"],
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function=1,
        post_transform=0,
        tree_roots=roots,
        nodes_featureids=lists["features"],
        nodes_splits=tensor("splits", kinds.FLOAT, [float(split) for split in lists["splits"]]),
        nodes_modes=tensor("modes", kinds.UINT8, [0] * len(lists["features"])),
        nodes_truenodeids=lists["true"],
        nodes_falsenodeids=lists["false"],
        nodes_trueleafs=lists["trueleafs"],
        nodes_falseleafs=lists["falseleafs"],
        leaf_targetids=[0] * len(weights),
        leaf_weights=tensor("weights", kinds.FLOAT, weights),
    )
    info = make.make_tensor_value_info
    ends = [info("X", kinds.FLOAT, [None, features])], [info("Y", kinds.FLOAT, [None, 1])]
    opsets = [make.make_opsetid("", 21), make.make_opsetid("ai.onnx.ml", 5)]
    return make.make_model(make.make_graph([node], "trees", *ends), opset_imports=opsets, ir_version=10)


def boosters():
    """Classifiers of xgboost and LightGBM, as `onnxmltools` converts them."""
    from lightgbm import LGBMClassifier
    from onnxmltools import convert_lightgbm, convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType as Floats
    from xgboost import XGBClassifier

    p = pipelines
    start = [("X", Floats([None, p.FEATURES]))]
    for name, model, y, convert in [
        ("xgboost-2", XGBClassifier(n_estimators=20, max_depth=4), p.TWO, convert_xgboost),
        ("xgboost-3", XGBClassifier(n_estimators=20, max_depth=4), p.THREE, convert_xgboost),
        ("lightgbm-2", LGBMClassifier(n_estimators=20, verbose=-1), p.TWO, convert_lightgbm),
        ("lightgbm-3", LGBMClassifier(n_estimators=20, verbose=-1), p.NAMED, convert_lightgbm),
    ]:
        model.fit(p.X, y)
        exported = lambda m=model, c=convert: c(m, initial_types=start, target_opset=15)  # noqa: E731
        yield name, model, exported, "float"


def cases():
    from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import LogisticRegression

    p = pipelines
    for name, (model, x, y) in {**p.PROMISED, **p.OTHERS}.items():
        model.fit(x) if y is None else model.fit(x, y)
        yield name, model, (lambda model=model: export(model, p.FEATURES)), "float"
    small = RandomForestClassifier(5, max_depth=4, random_state=1).fit(p.X, p.NAMED)
    yield "forest-small", small, lambda: export(small, p.FEATURES), "float"
    flat = RandomForestRegressor(5, max_depth=4, random_state=1).fit(p.X, p.VALUE)
    yield "ensemble-value", flat, lambda: ensemble(flat, p.FEATURES), "float"
    few = IsolationForest(n_estimators=5, max_samples=32, random_state=1).fit(p.X)
    yield "isolation-small", few, lambda: export(few, p.FEATURES), "float"
    named = p.scaled(LogisticRegression()).fit(p.X, p.NAMED)
    columns = [(f"pump_{c}_mean", FloatTensorType([None, 1])) for c in "abcde"]
    yield "named-columns", named, lambda: convert_sklearn(named, initial_types=columns), "columns"
    yield from boosters()
    doubles = p.scaled(RandomForestClassifier(5, max_depth=4, random_state=1)).fit(p.X.astype(float), p.TWO)
    yield "doubles", doubles, lambda: to_onnx(doubles, p.X[:1].astype(float), target_opset=17), "double"


def table(outputs):
    """Labels and scores of onnxruntime, whatever form they have."""
    labels, scores = None, None
    for output in outputs:
        if isinstance(output, list):
            keys = list(output[0])
            scores = np.array([[row[key] for key in keys] for row in output], float)
        elif output.dtype.kind in "iUO" and output.size == len(output):
            labels = output.reshape(-1)
        else:
            scores = output.reshape(len(output), -1).astype(float)
    return labels, scores


def of_runtime(path, x, kind):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    results = []
    for row in x:
        if kind == "columns":
            feeds = {value.name: row[at : at + 1].reshape(1, 1) for at, value in enumerate(session.get_inputs())}
        else:
            feeds = {"X": row.reshape(1, -1).astype(float if kind == "double" else np.float32)}
        results.append(table(session.run(None, feeds)))
    labels = [None if label is None else str(label[0]) for label, _ in results]
    return labels, np.vstack([scores for _, scores in results])


def of_sklearn(model, x, raw):
    x = x.astype(float)
    if not hasattr(model, "classes_"):
        score = model.decision_function if hasattr(model, "decision_function") else model.predict
        return score(x).reshape(len(x), 1)
    if raw or not hasattr(model, "predict_proba"):
        score = model.decision_function(x)
        return np.column_stack([-score, score]) if score.ndim == 1 else score
    return model.predict_proba(x)


def of_ours(judge, path, x):
    rows = "\n".join(",".join(repr(float(v)) for v in row) for row in x)
    run = subprocess.run([judge, path], input=rows, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"{path}: {run.stderr}")
    lines = [line.split(",") for line in run.stdout.splitlines()]
    return [line[0] for line in lines], np.array([[float(v) for v in line[1:]] for line in lines])


def distance(a, b):
    """The largest difference, relative above 1; both NaN, or infinite alike, is none."""
    with np.errstate(invalid="ignore"):
        apart = np.abs(a - b) / np.maximum(1, np.abs(b))
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    return np.where(same, 0, np.where(np.isnan(apart), np.inf, apart))


def judged(scores):
    """How far the best score is from the second."""
    if scores.shape[1] < 2:
        return np.abs(scores[:, 0])
    ordered = np.sort(scores, axis=1)
    return ordered[:, -1] - ordered[:, -2]


def strange():
    """Far values and gaps: what no training has seen."""
    drawn = np.random.default_rng(4)
    far = pipelines.rows(60, 5) * drawn.choice([1e3, 1e6, -1e6], size=(60, pipelines.FEATURES))
    holes = pipelines.rows(60, 6)
    holes[drawn.random(holes.shape) < 0.3] = np.nan
    return np.vstack([far, holes, np.zeros((1, pipelines.FEATURES))]).astype(np.float32)


def main(arguments):
    judge, *rest = arguments
    vectors = None
    if rest[:1] == ["--vectors"]:
        vectors, rest = pathlib.Path(rest[1]), rest[2:]
    plain_attributes()
    ordinary, odd = pipelines.rows(500, 3), strange()
    failed = []
    print(f"{'pipeline':18} {'bytes':>7} {'runtime':>9} {'far, gaps':>9} {'sklearn':>9} {'runtime to sklearn':>18}")
    with tempfile.TemporaryDirectory() as folder:
        for name, model, exported, kind in cases():
            if rest and name not in rest:
                continue
            path = f"{folder}/{name}.onnx"
            try:
                pathlib.Path(path).write_bytes(exported().SerializeToString())
            except Exception as error:
                print(f"{name:18} is not exported: {str(error).splitlines()[0][:60]}")
                failed.append(name)
                continue
            runtime_labels, runtime = of_runtime(path, ordinary, kind)
            labels, ours = of_ours(judge, path, ordinary)
            odd_labels, odd_runtime = of_runtime(path, odd, kind)
            odd_ours_labels, odd_ours = of_ours(judge, path, odd)
            sklearn = of_sklearn(model, ordinary, raw=name.startswith("svm-raw"))
            shape = runtime.shape == ours.shape == sklearn.shape
            d = [distance(ours, runtime).max(), distance(odd_ours, odd_runtime).max()] if shape else [np.inf, np.inf]
            d += [distance(ours, sklearn).max(), distance(runtime, sklearn).max()] if shape else [np.inf, np.inf]
            if name == "svm-raw-2":
                # onnxruntime exchanges the two scores, against its own label; scikit-learn does not.
                d[0], d[1] = distance(ours[:, ::-1], runtime).max(), distance(odd_ours[:, ::-1], odd_runtime).max()
                d[3] = 0
            clear = np.concatenate([judged(runtime), judged(odd_runtime)]) > NEAR
            pairs = zip(runtime_labels + odd_labels, labels + odd_ours_labels)
            wrong = [at for at, (a, b) in enumerate(pairs) if a is not None and a != b and clear[at]]
            # scikit-learn's 64 bits and onnxruntime's 32 differ where a threshold lies between; nobody can be nearer.
            ok = not wrong and d[0] <= NEAR and d[1] <= NEAR and d[2] <= max(NEAR, 1.01 * d[3])
            size = pathlib.Path(path).stat().st_size
            note = "" if ok else f"  FAILED{f', {len(wrong)} labels' if wrong else ''}"
            print(f"{name:18} {size:7} {d[0]:9.1e} {d[1]:9.1e} {d[2]:9.1e} {d[3]:18.1e}{note}", flush=True)
            if not ok:
                failed.append(name)
            if vectors and name in KEPT:
                keep(vectors, name, path, ordinary[:20], odd[::6], kind)
    if failed:
        raise SystemExit(f"not as onnxruntime or scikit-learn: {', '.join(failed)}")


def keep(folder, name, path, ordinary, odd, kind):
    x = np.vstack([ordinary, odd])
    labels, scores = of_runtime(path, x, kind)

    def plain(number):
        return float(number) if np.isfinite(number) else repr(float(number))

    rows = [
        {"features": [plain(v) for v in row], "label": label, "scores": [plain(v) for v in score]}
        for row, label, score in zip(x, labels, scores)
    ]
    (folder / f"{name}.onnx").write_bytes(pathlib.Path(path).read_bytes())
    text = ",\n".join(json.dumps(row) for row in rows)
    (folder / f"{name}.json").write_text(f"[\n{text}\n]\n")


main(sys.argv[1:])
