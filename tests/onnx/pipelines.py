"""Pipelines of scikit-learn as people train them, each with the data that it is fitted to."""

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
)
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline as chain
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC, SVR, LinearSVC, NuSVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

FEATURES = 5
SCALES = np.array([1, 10, 100, 0.1, 1])
OFFSETS = np.array([0, 5, 50, 0, 0])


def rows(count, seed):
    """Rows like those of a machine: a few features of different sizes."""
    drawn = np.random.default_rng(seed).normal(size=(count, FEATURES)) * SCALES + OFFSETS
    return drawn.astype(np.float32)


X = rows(400, 1)
VALUE = X[:, 0] + X[:, 1] / 10 + np.sin(X[:, 2] / 50)
TWO = (VALUE > 0.5).astype(int)
THREE = np.digitize(VALUE, [0, 1])
NAMED = np.array(["ok", "cavitation", "leak"])[THREE]
GAPS = X.copy()
GAPS[np.random.default_rng(2).random(X.shape) < 0.1] = np.nan


def scaled(model):
    return chain(StandardScaler(), model)


# Name, pipeline, features, labels. Those of the first list are what the guide promises.
PROMISED = {
    "logistic-2": (scaled(LogisticRegression()), X, TWO),
    "logistic-3": (scaled(LogisticRegression()), X, THREE),
    "logistic-named": (scaled(LogisticRegression()), X, NAMED),
    "logistic-minmax": (chain(MinMaxScaler(), LogisticRegression()), X, TWO),
    "logistic-robust": (chain(RobustScaler(), LogisticRegression()), X, TWO),
    "logistic-maxabs": (chain(MaxAbsScaler(), LogisticRegression()), X, NAMED),
    "logistic-norm": (chain(Normalizer(), LogisticRegression()), X, TWO),
    "logistic-gaps": (chain(SimpleImputer(), StandardScaler(), LogisticRegression()), GAPS, NAMED),
    "logistic-median": (chain(SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression()), GAPS, TWO),
    "logistic-best": (chain(StandardScaler(), SelectKBest(k=3), LogisticRegression()), X, NAMED),
    "logistic-pca": (chain(StandardScaler(), PCA(3), LogisticRegression()), X, TWO),
    "linear-svm-2": (scaled(LinearSVC()), X, TWO),
    "linear-svm-3": (scaled(LinearSVC()), X, NAMED),
    "svm-linear-2": (scaled(SVC(kernel="linear", probability=True, random_state=1)), X, TWO),
    "svm-linear-3": (scaled(SVC(kernel="linear", probability=True, random_state=1)), X, NAMED),
    "svm-rbf-2": (scaled(SVC(probability=True, random_state=1)), X, TWO),
    "svm-rbf-3": (scaled(SVC(probability=True, random_state=1)), X, NAMED),
    "svm-raw-3": (scaled(SVC()), X, NAMED),
    "svm-value": (scaled(SVR()), X, VALUE),
    "svm-outlier": (scaled(OneClassSVM(nu=0.1)), X, None),
    "tree-2": (DecisionTreeClassifier(max_depth=5, random_state=1), X, TWO),
    "tree-3": (DecisionTreeClassifier(max_depth=5, random_state=1), X, NAMED),
    "forest-2": (RandomForestClassifier(20, max_depth=6, random_state=1), X, TWO),
    "forest-3": (RandomForestClassifier(20, max_depth=6, random_state=1), X, NAMED),
    "forest-scaled": (scaled(RandomForestClassifier(20, max_depth=6, random_state=1)), X, NAMED),
    "forest-gaps": (RandomForestClassifier(20, max_depth=6, random_state=1), GAPS, NAMED),
    "forest-extra": (ExtraTreesClassifier(20, max_depth=6, random_state=1), X, NAMED),
    "forest-large": (RandomForestClassifier(120, max_depth=8, random_state=1), X, NAMED),
    "forest-value": (RandomForestRegressor(20, max_depth=6, random_state=1), X, VALUE),
    "tree-value": (DecisionTreeRegressor(max_depth=5, random_state=1), X, VALUE),
    "boosting-2": (GradientBoostingClassifier(n_estimators=20, random_state=1), X, TWO),
    "boosting-3": (GradientBoostingClassifier(n_estimators=20, random_state=1), X, NAMED),
    "boosting-value": (GradientBoostingRegressor(n_estimators=20, random_state=1), X, VALUE),
    "histogram-2": (HistGradientBoostingClassifier(max_iter=20, random_state=1), GAPS, TWO),
    "histogram-3": (HistGradientBoostingClassifier(max_iter=20, random_state=1), GAPS, NAMED),
    "histogram-value": (HistGradientBoostingRegressor(max_iter=20, random_state=1), X, VALUE),
    "mlp-2": (scaled(MLPClassifier((8,), max_iter=300, random_state=1)), X, TWO),
    "mlp-tanh-3": (scaled(MLPClassifier((8, 4), activation="tanh", max_iter=300, random_state=1)), X, NAMED),
    "mlp-logistic-3": (scaled(MLPClassifier((8,), activation="logistic", max_iter=300, random_state=1)), X, NAMED),
    "mlp-value": (scaled(MLPRegressor(hidden_layer_sizes=(8,), max_iter=300, random_state=1)), X, VALUE),
    "isolation": (IsolationForest(n_estimators=20, random_state=1), X, None),
    "isolation-scaled": (scaled(IsolationForest(n_estimators=20, random_state=1)), X, None),
    "linear-value": (scaled(LinearRegression()), X, VALUE),
}

# What runs too.
OTHERS = {
    "polynomial": (chain(PolynomialFeatures(2), StandardScaler(), LogisticRegression(max_iter=5000)), X, TWO),
    "power": (chain(PowerTransformer(), LogisticRegression()), X, TWO),
    "quantile": (chain(QuantileTransformer(n_quantiles=50), LogisticRegression()), X, TWO),
    "ridge": (scaled(RidgeClassifier()), X, NAMED),
    "descent": (scaled(SGDClassifier(loss="log_loss", random_state=1)), X, NAMED),
    "svm-raw-2": (scaled(SVC()), X, TWO),
    "svm-polynomial": (scaled(SVC(kernel="poly", probability=True, random_state=1)), X, NAMED),
    "svm-sigmoid": (scaled(SVC(kernel="sigmoid", probability=True, random_state=1)), X, NAMED),
    "svm-nu": (scaled(NuSVC(nu=0.1, probability=True, random_state=1)), X, NAMED),
    "ada": (AdaBoostClassifier(n_estimators=10, random_state=1), X, NAMED),
    "bagging": (BaggingClassifier(n_estimators=5, random_state=1), X, NAMED),
    "stack": (
        StackingClassifier(
            [("a", scaled(LogisticRegression())), ("b", DecisionTreeClassifier(max_depth=3, random_state=1))]
        ),
        X,
        NAMED,
    ),
    "bayes": (GaussianNB(), X, NAMED),
    "calibrated": (CalibratedClassifierCV(LinearSVC(), cv=2), X, NAMED),
    "one-vs-rest": (OneVsRestClassifier(scaled(LogisticRegression())), X, NAMED),
}
