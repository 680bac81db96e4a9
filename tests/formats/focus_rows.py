"""Writes ``focus.csv`` beside it: a bill as FOCUS 1.0 has it, all columns there, in which ``focus-validator`` finds no fault.

``ResourceID`` and ``ChargeType`` are what release 1.0.0 of the validator calls ``ResourceId`` and asks for beside
``ChargeCategory``. It must be started where it is installed, since it looks for its list of currencies beside itself.
"""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

FILE = Path(__file__).parent / "focus.csv"
START, DAYS = datetime(2024, 1, 1, tzinfo=UTC), 10
SERVICES = (("Virtual Machines", "Compute", 12.5), ("Object Storage", "Storage", 1.25))


def timestamp(day: int) -> str:
    """A day's first timestamp as FOCUS writes it."""
    return f"{START + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}"


def row(day: int, service: str, category: str, cost: float, charge: str = "Usage") -> dict[str, str]:
    """One charge of a day."""
    amount = f"{cost:.4f}"
    return {
        "AvailabilityZone": "eu-central-1a",
        "BilledCost": amount,
        "BillingAccountId": "account-1001",
        "BillingAccountName": "Example",
        "BillingCurrency": "EUR",
        "BillingPeriodEnd": "2024-02-01T00:00:00Z",
        "BillingPeriodStart": "2024-01-01T00:00:00Z",
        "ChargeCategory": charge,
        "ChargeClass": "",
        "ChargeDescription": f"{service} of the day",
        "ChargeFrequency": "Usage-Based" if charge == "Usage" else "One-Time",
        "ChargePeriodEnd": timestamp(day + 1),
        "ChargePeriodStart": timestamp(day),
        "ChargeType": charge,
        "CommitmentDiscountCategory": "",
        "CommitmentDiscountId": "",
        "CommitmentDiscountName": "",
        "CommitmentDiscountStatus": "",
        "CommitmentDiscountType": "",
        "ConsumedQuantity": "24.0" if charge == "Usage" else "",
        "ConsumedUnit": "Hours" if charge == "Usage" else "",
        "ContractedCost": amount,
        "ContractedUnitPrice": f"{cost / 24:.6f}",
        "EffectiveCost": amount,
        "InvoiceIssuer": "Example Cloud",
        "ListCost": amount,
        "ListUnitPrice": f"{cost / 24:.6f}",
        "PricingCategory": "Standard",
        "PricingQuantity": "24.0",
        "PricingUnit": "Hours",
        "Provider": "Example Cloud",
        "Publisher": "Example Cloud",
        "RegionId": "eu-central-1",
        "RegionName": "Frankfurt",
        "ResourceID": f"r-{service[:2].lower()}",
        "ResourceName": service,
        "ResourceType": category,
        "ServiceCategory": category,
        "ServiceName": service,
        "SkuId": f"sku-{category.lower()}",
        "SkuPriceId": f"price-{category.lower()}",
        "SubAccountId": "ml",
        "SubAccountName": "ml",
        "Tags": json.dumps({"team": "delays" if category == "Compute" else "data"}),
    }


def main() -> None:
    """Write the file anew: what two services cost every day, and a credit."""
    rows = [row(day, *service) for day in range(DAYS) for service in SERVICES]
    rows.append(row(4, "Virtual Machines", "Compute", -5.0, charge="Credit"))
    with FILE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
