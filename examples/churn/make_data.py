"""Writes churn.csv: 900 invented customers, with categories and missing values. Run it again to get the same file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd


def customers(count: int = 900, seed: int = 0) -> pd.DataFrame:
    """Customers with a target `churned` that depends on their plan, tenure, fee and calls, and on chance."""
    draw = np.random.default_rng(seed)
    plan = draw.choice(["basic", "plus", "premium"], count, p=[0.5, 0.3, 0.2])
    region = draw.choice(["north", "south", "east", "west"], count)
    tenure = draw.gamma(2.0, 14.0, count).round(1)
    fee = (np.select([plan == "basic", plan == "plus"], [19.0, 39.0], 79.0) + draw.normal(0, 4, count)).round(2)
    calls = draw.poisson(1.5, count)
    risk = 1.2 * (plan == "basic") - 0.09 * tenure + 0.9 * calls - 0.012 * fee + 0.6
    churned = np.where(draw.random(count) < 1 / (1 + np.exp(-1.6 * risk)), "yes", "no")
    table = pd.DataFrame(
        {
            "customer_id": np.arange(10_000, 10_000 + count),
            "plan": plan,
            "region": region,
            "tenure_months": tenure,
            "monthly_fee": fee,
            "support_calls": calls,
            "churned": churned,
        }
    )
    table.loc[draw.random(count) < 0.08, "monthly_fee"] = np.nan
    table.loc[draw.random(count) < 0.05, "region"] = np.nan
    return table


if __name__ == "__main__":
    customers().to_csv(Path(__file__).parent / "churn.csv", index=False)
