"""Whether those who are to be notified can be: the environment holds addresses, owners have one. Nothing is sent."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib.util import find_spec

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.preflight.columns import Finding
from spark_monitor.text.masking import mask_secrets

MAIL_VARIABLE = "SPARK_MONITOR_MAIL_URL"
SEVERITIES = ("low", "medium", "high", "critical")
BY_APPRISE = (None, "apprise")


def people_findings(config: MonitorConfig, environment: Mapping[str, str] | None = None) -> Iterator[Finding]:
    """Warnings: a run goes on without them, and tries again the next time."""
    people = config.people
    variables = os.environ if environment is None else environment
    if people.channels and find_spec("apprise") is None and any(one.kind in BY_APPRISE for one in people.channels.values()):
        yield _warning("people.channels", 'apprise is not installed. Install it: pip install "spark-monitor[alerts]".')
    for name, channel in people.channels.items():
        if not variables.get(channel.url_env, "").strip():
            yield _warning(
                f"people.channels.{name}.url_env", f"{channel.url_env} is not set here. Put the channel's address into it."
            )
    yield from _never_reached(config)
    yield from _actions(config, variables)
    yield from _links(config)
    receivers = {*(route.to for route in people.routes), *(people.digest.to if people.digest is not None else ())}
    for name in sorted(receivers & set(people.owners) - set(people.channels)):
        owner = people.owners[name]
        if owner.channel is not None and owner.channel not in people.channels:
            names = ", ".join(people.channels) or "none"
            yield _warning(f"people.owners.{name}.channel", f'"{owner.channel}" is no channel. Known: {names}.')
        elif owner.channel is None and not owner.email:
            yield _warning(f"people.owners.{name}", "it is to be notified, and has neither email nor channel. Give one of them.")
        elif owner.channel is None and not variables.get(MAIL_VARIABLE, "").strip():
            yield _warning(
                f"people.owners.{name}.email", f"{MAIL_VARIABLE} is not set here. Put the mail server's address there."
            )


def _never_reached(config: MonitorConfig) -> Iterator[Finding]:
    """Routes that fit no incident, messages that nobody gets, and actions that nothing will set off."""
    people = config.people
    owners = {*people.owners, *(rule.owner for rule in config.rules)}
    roles = {owner.role for owner in people.owners.values()}
    severities = {rule.severity for rule in config.rules}
    for position, route in enumerate(people.routes):
        if route.owner is not None and route.owner not in owners:
            problem = f'found "{route.owner}", whom neither people.owners nor a rule names: no incident will take this route'
            yield _warning(f"people.routes[{position}].owner", f"{problem}. Name the owner of a rule.")
        if route.role is not None and route.role not in roles:
            problem = f'found "{route.role}", which no owner has: no incident will take this route'
            yield _warning(f"people.routes[{position}].role", f"{problem}. Give an owner of people.owners this role.")
        if route.severity and severities and severities.isdisjoint(route.severity):
            problem = f"found {', '.join(route.severity)}, and no rule is as severe: no incident will take this route"
            there = ", ".join(sorted(severities, key=SEVERITIES.index))
            step = f"Rules are {there}; give one `severity: {route.severity[0]}`, or name theirs"
            yield _warning(f"people.routes[{position}].severity", f"{problem}. {step}.")
    if people.digest is not None and not people.digest.to:
        yield _warning("people.digest.to", "found no receiver: it is never sent. Name channels or owners, such as [digest].")
    if config.alerts.budget is not None and (people.digest is None or not people.digest.to):
        yield _warning(
            "alerts.budget", "what does not fit is in the digest alone, and none is sent. Name its receivers in people.digest."
        )


def _actions(config: MonitorConfig, variables: Mapping[str, str]) -> Iterator[Finding]:
    """Actions that nothing will set off, and those that cannot be taken."""
    ruled = {rule.metric for rule in config.rules}
    failing = {rule.metric for rule in config.rules if rule.fail is not None}
    for position, action in enumerate(config.people.actions):
        where, metric = f"people.actions[{position}]", action.when.metric
        if metric is not None and metric not in ruled:
            lack = f"no rule is about {metric}, so it has no verdict and the action is never taken"
            yield _warning(f"{where}.when.metric", f"{lack}. Add a rule for it.")
        elif metric is not None and action.when.verdict == "FAIL" and metric not in failing:
            lack = f"no rule about {metric} has a limit `fail`, so the action is never taken"
            yield _warning(f"{where}.when.verdict", f"{lack}. Give one, or write verdict: WARN.")
        for name in ("webhook", "databricks_job"):
            called = getattr(action.do, name)
            if called is not None and not variables.get(called.url_env, "").strip():
                yield _warning(f"{where}.do.{name}.url_env", f"{called.url_env} is not set here. Put the address into it.")
        for name in ("mlflow_tag", "mlflow_alias"):
            if getattr(action.do, name) is not None and config.outputs.mlflow is None:
                lack = "found, and the file has no outputs.mlflow, whose registry would be changed"
                yield _warning(f"{where}.do.{name}", f"{lack}. Name it, or remove the action.")


def _links(config: MonitorConfig) -> Iterator[Finding]:
    """Links of messages that hold a secret: it is masked wherever it leaves the process, so that the link leads nowhere."""
    for name in ("report_url", "mlflow_url"):
        address = getattr(config.people, name)
        if address is not None and mask_secrets(address) != address:
            problem = "found an address with what looks like a secret: messages show *** in its place, and the link does not open"
            yield _warning(f"people.{name}", f"{problem}. Name a page that opens without it, such as one behind a login.")


def _warning(where: str, sentence: str) -> Finding:
    return Finding(where, sentence, level="warning")
