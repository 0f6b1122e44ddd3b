"""The team's pipeline: imputation, one-hot categories, scaling, logistic regression. Nothing here knows of pytest-mlspec."""

from __future__ import annotations

from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NUMBERS = ["tenure_months", "monthly_fee", "support_calls"]
CATEGORIES = ["plan", "region"]


def churn_pipeline(C: float = 1.0) -> Pipeline:
    """An unfitted pipeline from a customer table to the probability of churn."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    categories = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    return make_pipeline(
        make_column_transformer((numbers, NUMBERS), (categories, CATEGORIES)),
        LogisticRegression(C=C),
    )
