"""Bills as sums by quarter of an hour, service, currency and tag: FOCUS exports, Databricks' usage at list prices, or columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

from spark_monitor.kernel.bill_plan import BILL
from spark_monitor.kernel.charges import QUARTER
from spark_monitor.sources.tables import beside, first_of, open_table, sql_of, text_sql, time_sql, type_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from spark_monitor.config.costs import CostsConfig

FOCUS, DATABRICKS = "focus", "databricks"
EXACT = "DECIMAL(38, 18)"
"""Amounts are summed as decimals, so that the order of rows changes no sum; billing tables have 18 places."""
QUANTITY, PRICE = "DECIMAL(22, 12)", "DECIMAL(15, 10)"
"""Their product has all of its places: that of longer decimals has six, of which a small charge is nothing."""


@dataclass(frozen=True)
class Bill:
    """Rows of ``time, until, service, currency, tag, amount``; an amount that cannot be read is NULL.

    A charge with an ``until`` is for the time until then and belongs to it in proportion, others to their time.
    """

    frame: DataFrame


def open_costs(spark: SparkSession, section: CostsConfig) -> Bill:
    """The bill as the section describes it."""
    frame = open_table(spark, section)
    if section.format == DATABRICKS:
        return _databricks(spark, frame, section)
    if section.format == FOCUS:
        return _focus(frame, section)
    selected = frame.where(section.where) if section.where else frame
    return _shaped(selected, section, section.time, section.cost, section.service, _currency(frame, section.currency))


def sums(bill: Bill, start: int, end: int) -> DataFrame:
    """The sums of a span of time (microseconds), as rows of the kernel; one aggregate."""
    moments = bill.frame.selectExpr(
        *("unix_micros(CAST(time AS TIMESTAMP)) AS micros", "unix_micros(CAST(until AS TIMESTAMP)) AS over"),
        *("service", "currency", "tag", "amount"),
    )
    # A period that ends before it begins, or at once, is none.
    timed = moments.withColumn("over", F.expr("CASE WHEN over > micros THEN over END"))
    near = timed.where(f"micros < {end} AND (micros >= {start} OR coalesce(over > {start}, false))")
    placed = near.selectExpr("*", f"micros - pmod(micros, {QUARTER}L) AS at", f"over + pmod(-over, {QUARTER}L) AS ends")
    spread = f"CASE WHEN ends - at > {QUARTER} THEN ends END"
    # Of a charge that does not begin or end with a quarter of an hour, what falls in its first and in its last one.
    shared = "CAST(CASE WHEN until IS NOT NULL THEN CAST(amount AS DOUBLE) * ({0}) / (over - micros) END AS {1})"
    parted = placed.selectExpr("*", f"{spread} AS until").selectExpr(
        *("at", "until", "service", "currency", "tag", "amount"),
        f"{shared.format(f'at + {QUARTER} - micros', EXACT)} AS first",
        f"{shared.format(f'over - until + {QUARTER}', EXACT)} AS last",
    )
    grouped = parted.groupBy("at", "until", "service", "currency", "tag")
    summed = grouped.agg(
        *(F.expr(f"CAST(sum({name}) AS DOUBLE)").alias(name) for name in ("amount", "first", "last")),
        F.count(F.lit(1)).alias("n"),
        F.expr("count_if(amount IS NULL)").alias("unread"),
    )
    return summed.withColumn("kind", F.lit(BILL))


def _focus(frame: DataFrame, section: CostsConfig) -> Bill:
    """FOCUS 1.x: what is invoiced (``BilledCost``) of each charge period, taxes and credits included.

    What is billed for a period belongs to it in proportion; a purchase, which is not amortised in ``BilledCost``, to its start.
    """
    selected = frame.where(section.where) if section.where else frame
    time = section.time or first_of(frame, "ChargePeriodStart") or "NULL"
    cost = section.cost or first_of(frame, "BilledCost", "EffectiveCost") or "NULL"
    service = section.service or first_of(frame, "ServiceName", "ServiceCategory") or "NULL"
    currency = _currency(frame, section.currency) if section.currency else first_of(frame, "BillingCurrency") or "NULL"
    return _shaped(selected, section, time, cost, service, currency, until=_charged_until(frame, section))


def _charged_until(frame: DataFrame, section: CostsConfig) -> str | None:
    """The end of a charge's period; none of purchases, nor where the file says itself when a charge counts."""
    end, category = first_of(frame, "ChargePeriodEnd"), first_of(frame, "ChargeCategory")
    if end is None or section.time is not None:
        return None
    at = time_sql(frame, end)
    return at if category is None else f"CASE WHEN NOT lower({text_sql(category)}) <=> 'purchase' THEN {at} END"


def _currency(frame: DataFrame, text: str | None) -> str:
    """The currency's column; a code that is no column, such as EUR or 'EUR', is the currency of every row."""
    if text is None:
        return "NULL"
    plain = text.strip("'\"")
    if text not in frame.columns and plain.isalpha() and len(plain) == 3:
        return f"'{plain.upper()}'"
    return sql_of(frame, text)


def _shaped(
    frame: DataFrame,
    section: CostsConfig,
    time: str | None,
    cost: str | None,
    service: str | None,
    currency: str,
    *,
    until: str | None = None,
) -> Bill:
    named = [_sql(frame, one) for one in (time, cost, service, section.tag)]
    return Bill(
        frame.selectExpr(
            f"{time_sql(frame, named[0])} AS time",
            f"{until or 'CAST(NULL AS TIMESTAMP)'} AS until",
            f"{text_sql(named[2])} AS service",
            f"upper({text_sql(currency)}) AS currency",
            f"{text_sql(named[3])} AS tag",
            f"{_amount(frame, named[1])} AS amount",
        )
    )


def _sql(frame: DataFrame, text: str | None) -> str:
    return text if text is not None and text.startswith("`") else sql_of(frame, text)


def _amount(frame: DataFrame, sql: str) -> str:
    """An amount as a decimal; NaN and strings that are no number are NULL."""
    kind = type_of(frame, sql)
    finite = f"CASE WHEN NOT isnan({sql}) THEN {sql} END" if isinstance(kind, T.FloatType | T.DoubleType) else sql
    return f"try_cast({finite} AS {EXACT})"


def _databricks(spark: SparkSession, frame: DataFrame, section: CostsConfig) -> Bill:
    """``system.billing.usage`` at the list price of each record's time; a record without a price is reported, never free."""
    usage = _once(frame.where(section.where) if section.where else frame)
    prices = open_table(spark, beside(section, "list_prices"))
    price = first_of(prices, "pricing")
    default = "pricing.effective_list.default" if price and "effective_list" in _fields(prices) else "pricing.default"
    # One price of a unit at a time: where a table lists it twice the greater one counts, so that no record is doubled.
    sku = ("sku_name", "cloud", "usage_unit", "currency_code")
    each = prices.where("price_start_time IS NOT NULL").groupBy(*sku, "price_start_time")
    once = each.agg(F.expr(f"max(CAST({default} AS {PRICE}))").alias("price"), F.max("price_end_time").alias("price_end_time"))
    # A price ends where the next one begins, whatever its own end says: of two at a time the newer one counts.
    following = f"lead(price_start_time) OVER (PARTITION BY {', '.join(sku)} ORDER BY price_start_time)"
    listed = once.withColumn("price_end_time", F.expr(f"least(price_end_time, {following})"))
    service = section.service or first_of(usage, "billing_origin_product", "sku_name") or "NULL"
    numbered = usage.selectExpr(
        "usage_start_time AS time",
        f"{first_of(usage, 'usage_end_time') or 'CAST(NULL AS TIMESTAMP)'} AS until",
        *("sku_name", "cloud", "usage_unit"),
        f"{text_sql(_sql(usage, service))} AS service",
        f"{text_sql(_sql(usage, section.tag))} AS tag",
        f"CAST(usage_quantity AS {QUANTITY}) AS quantity",
    )
    u, p = numbered.alias("u"), listed.alias("p")
    within = F.expr(
        "u.sku_name = p.sku_name AND u.cloud = p.cloud AND u.usage_unit = p.usage_unit AND u.time >= p.price_start_time "
        "AND (p.price_end_time IS NULL OR u.time < p.price_end_time)"
    )
    joined = u.join(p, on=within, how="left")
    amount = f"CAST(u.quantity * p.price AS {EXACT}) AS amount"
    return Bill(
        joined.selectExpr(
            "u.time AS time", "u.until AS until", "u.service AS service", "p.currency_code AS currency", "u.tag AS tag", amount
        )
    )


def _once(usage: DataFrame) -> DataFrame:
    """A record that lies there twice counts once; a correction is a record of another type."""
    key: list[str] = [
        name for name in ("record_id", "record_type", "usage_start_time", "usage_quantity") if name in usage.columns
    ]
    if "record_id" not in key:
        return usage
    return usage.where("record_id IS NULL").unionByName(usage.where("record_id IS NOT NULL").dropDuplicates(key))


def _fields(prices: DataFrame) -> tuple[str, ...]:
    kind = prices.schema["pricing"].dataType
    return tuple(kind.fieldNames()) if isinstance(kind, T.StructType) else ()
