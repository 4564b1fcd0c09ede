"""What scikit-learn says of made sets: coefficients, probabilities, accuracy. The sets are in the output, so that whoever
reads it needs nothing else."""

import json

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

# Few digits, so that the text is the number.
DIGITS = 3


def made(seed, rows, features, classes):
    """Classes of unequal size that overlap; features of unlike units."""
    random = np.random.default_rng(seed)
    shares = np.array([6.0] + [1.0] * (classes - 1))
    of = random.choice(classes, size=rows, p=shares / shares.sum())
    middles = random.normal(size=(classes, features)) * 1.2
    units = 10.0 ** random.integers(-1, 3, size=features)
    values = (middles[of] + random.normal(size=(rows, features))) * units + 5 * units
    return np.round(values, DIGITS), of


def case(seed, rows, features, classes):
    values, of = made(seed, rows, features, classes)
    fresh, of_fresh = made(seed, rows, features, classes)
    random = np.random.default_rng(seed + 1)
    fresh = np.round(fresh + random.normal(size=fresh.shape) * fresh.std(axis=0) * 0.5, DIGITS)
    scaler = StandardScaler().fit(values)
    scaled, unseen = scaler.transform(values), scaler.transform(fresh)
    logistic = LogisticRegression(class_weight="balanced", tol=1e-12, max_iter=100_000).fit(scaled, of)
    machine = LinearSVC(class_weight="balanced", dual=False, tol=1e-12, max_iter=1_000_000).fit(scaled, of)
    forest = RandomForestClassifier(100, max_depth=8, class_weight="balanced", random_state=1).fit(values, of)
    probabilities = logistic.predict_proba(unseen)
    return {
        "features": features,
        "classes": classes,
        "values": values.tolist(),
        "of": of.tolist(),
        "fresh": fresh.tolist(),
        "of_fresh": of_fresh.tolist(),
        "logistic": {
            "weights": logistic.coef_.tolist(),
            "biases": logistic.intercept_.tolist(),
            "says": logistic.predict(unseen).tolist(),
            "first": np.round(probabilities[:, 0], 9).tolist(),
        },
        "machine": {
            "weights": machine.coef_.tolist(),
            "biases": machine.intercept_.tolist(),
            "says": machine.predict(unseen).tolist(),
        },
        "forest": {"accuracy": float((forest.predict(fresh) == of_fresh).mean())},
        "areas": {
            "pr": average_precision_score(of_fresh == 0, probabilities[:, 0]),
            "roc": roc_auc_score(of_fresh == 0, probabilities[:, 0]),
        },
    }


print(json.dumps([case(1, 240, 4, 2), case(2, 300, 6, 3), case(3, 320, 3, 4)], separators=(",", ":")))
