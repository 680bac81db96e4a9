"""Who is notified, how and when: the sections `people` and `alerts`. Addresses of channels come from the environment alone."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from spark_monitor.config.file import describe, problems, unknown_name
from spark_monitor.config.types import Every, MetricName, Number, Section, Text, YesOrNo, quoted
from spark_monitor.diagnosis.findings import KINDS

Severity = Literal["low", "medium", "high", "critical"]
Role = Literal["data_scientist", "engineer", "product", "executive"]


def _names(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _budget(text: str) -> str:
    if not re.fullmatch(r"[1-9]\d{0,5} per (day|week|month)", text):
        raise problems(("", f"found {describe(text)}. Allowed: a number per day, week or month, such as 5 per week."))
    return text


def _times(text: str) -> str:
    match = re.fullmatch(r"([1-9]\d{0,2}) of ([1-9]\d{0,2})", text)
    if match is None or int(match[1]) > int(match[2]):
        raise problems(("", f"found {describe(text)}. Allowed: m of the last n windows, such as 2 of 3."))
    return text


def _kind(text: str) -> str:
    if text not in KINDS:
        raise unknown_name("kind of incident", text, list(KINDS))
    return text


def _variable(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text):
        raise problems(("", "found no name of an environment variable. Put the address into one and write its name."))
    return text


Names = Annotated[tuple[Text, ...], BeforeValidator(_names)]
Kind = Annotated[Text, AfterValidator(_kind)]
Variable = Annotated[Text, AfterValidator(_variable)]
"""An environment variable that holds an address: what is written in its place may be a secret, so it is never repeated."""

Times = Annotated[Text, AfterValidator(_times)]
Budget = Annotated[Text, AfterValidator(_budget)]


class AlertsConfig(Section):
    """How much detail a person gets."""

    budget: Budget | None = Field(default=None, description="such as 5 per week; what does not fit is in the digest")
    fdr: Number | None = Field(default=None, gt=0, lt=1, description="a false discovery rate between 0 and 1, such as 0.05")


class OwnerConfig(Section):
    """Who owns a problem."""

    email: Text | None = Field(default=None, description="an e-mail address")
    role: Role | None = Field(default=None, description="data_scientist, engineer, product or executive")
    channel: Text | None = Field(default=None, description="the channel that reaches this owner")


class ChannelConfig(Section):
    """Where messages go; its address stands in an environment variable."""

    url_env: Variable = Field(description="the environment variable that holds the address, such as SPARK_MONITOR_ONCALL_URL")
    kind: Text | None = Field(default=None, description="apprise, or what another kind of channel is called")
    quiet: Text | None = Field(default=None, description="hours without messages in the monitor's zone, such as 22:00-07:00")

    @model_validator(mode="after")
    def _hours_of_a_day(self) -> Self:
        if self.quiet is not None and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d", self.quiet):
            raise problems(("quiet", f'found "{self.quiet}". Allowed: two times of day, such as 22:00-07:00.'))
        return self


class RouteConfig(Section):
    """Which incidents go to whom: all that is given must hold."""

    severity: Annotated[tuple[Severity, ...], BeforeValidator(_names)] = Field(default=(), description="[high, critical]")
    owner: Text | None = Field(default=None, description="the owner of the incident")
    role: Role | None = Field(default=None, description="the role of its owner")
    kind: Annotated[tuple[Kind, ...], BeforeValidator(_names)] = Field(
        default=(), description="kinds of incidents, such as [unit_change, missing]"
    )
    to: Text = Field(description="a channel, or an owner who has an e-mail address")


class DigestConfig(Section):
    """The summary that comes by itself."""

    every: Every = Field(default="1 week", description="how often, such as 1 week")
    to: Names = Field(default=(), description="channels or owners, such as [digest]")


class ConditionConfig(Section):
    """When an action is taken."""

    metric: MetricName | None = Field(default=None, description="the metric whose verdict decides")
    verdict: Literal["WARN", "FAIL"] = Field(default="FAIL", description="WARN or FAIL")
    kind: Kind | None = Field(default=None, description="a kind of incident")
    for_: Times | None = Field(default=None, alias="for", description="m of the last n windows, such as 2 of 2")

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        if (self.metric is None) == (self.kind is None):
            problem = "neither `metric` nor `kind`" if self.kind is None else "both `metric` and `kind`"
            raise problems(("", f"found {problem}. Allowed: one of them, a metric with its verdict or a kind of incident."))
        beside = [key for key, name in (("verdict", "verdict"), ("for", "for_")) if name in self.model_fields_set]
        if self.kind is not None and beside:
            raise problems((beside[0], "found beside `kind`. It is about a metric's verdicts: remove it, or name a metric."))
        return self


class WebhookConfig(Section):
    """An address that is called."""

    url_env: Variable = Field(description="the environment variable that holds the address")


class DoConfig(Section):
    """What an action does."""

    webhook: WebhookConfig | None = Field(default=None, description="{url_env: RETRAIN_URL}")
    mlflow_tag: dict[Text, Text] | None = Field(default=None, description="tags of the model version, such as {status: failing}")
    mlflow_alias: Text | None = Field(default=None, description="an alias that is set on the model version")
    databricks_job: WebhookConfig | None = Field(default=None, description="{url_env: JOB_URL}")

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        keys = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(keys) != 1:
            raise problems(("", f"found {quoted(keys) or 'nothing'}. Allowed: one of {', '.join(type(self).model_fields)}."))
        if self.mlflow_tag == {}:
            raise problems(("mlflow_tag", "found no tags. Allowed: tags and their values, such as {status: failing}."))
        return self


class ActionConfig(Section):
    """What is done when something happens."""

    when: ConditionConfig = Field(description="{metric: ..., verdict: FAIL, for: 2 of 2}")
    do: DoConfig = Field(description="{webhook: {url_env: ...}}")


class PeopleConfig(Section):
    """Owners, channels, routes between them, the digest and the actions."""

    owners: dict[Text, OwnerConfig] = Field(default={}, description="{delays-team: {email: ..., role: data_scientist}}")
    channels: dict[Text, ChannelConfig] = Field(default={}, description="{oncall: {url_env: SPARK_MONITOR_ONCALL_URL}}")
    routes: tuple[RouteConfig, ...] = Field(default=(), description="[{severity: [high, critical], to: oncall}]")
    digest: DigestConfig | None = Field(default=None, description="{every: 1 week, to: [digest]}")
    actions: tuple[ActionConfig, ...] = Field(default=(), description="[{when: {...}, do: {...}}]")
    report_url: Text | None = Field(default=None, description="the address of the report, for links in messages")
    mlflow_url: Text | None = Field(default=None, description="the address of MLflow's pages, for links in messages")
    spelled: YesOrNo = Field(default=True, description="true or false: whether names from the data appear in messages")

    @model_validator(mode="after")
    def _routes_lead_somewhere(self) -> Self:
        receivers = [*self.channels, *self.owners]
        for place, route in enumerate(self.routes):
            if route.to not in receivers:
                raise problems(
                    (f"routes[{place}].to", f'found "{route.to}". Allowed: {", ".join(receivers) or "a channel or owner"}.')
                )
        for name in self.digest.to if self.digest is not None else ():
            if name not in receivers:
                raise problems(("digest.to", f'found "{name}". Allowed: {", ".join(receivers) or "a channel or owner"}.'))
        return self
