"""Messages to topics of SNS, against moto: taken once, dropped by a FIFO topic when repeated, refused with a sentence."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from spark_monitor.config.people import PeopleConfig
from spark_monitor.outputs.alerts.channel import ChannelError
from spark_monitor.outputs.alerts.channels import open_channel
from spark_monitor.outputs.alerts.message import Message

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from moto import mock_aws

REGION = "eu-central-1"
PEOPLE = PeopleConfig.model_validate({"channels": {"oncall": {"url_env": "TOPIC", "kind": "sns"}}})
MESSAGE = Message("[HIGH, new] flights: wind＿speed has moved " + "x" * 200, "body\nReference: k", "k", "high")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with mock_aws():
            yield


def subscribed(name: str) -> tuple[str, str]:
    """A topic and a queue that gets its messages."""
    fifo = {"FifoTopic": "true"} if name.endswith(".fifo") else {}
    topic = boto3.client("sns", REGION).create_topic(Name=name, Attributes=fifo)["TopicArn"]
    queues = boto3.client("sqs", REGION)
    kind = {"FifoQueue": "true"} if fifo else {}
    queue = queues.create_queue(QueueName=name, Attributes=kind)["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    boto3.client("sns", REGION).subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return topic, queue


def received(queue: str) -> list[dict[str, Any]]:
    found = boto3.client("sqs", REGION).receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in found]


@pytest.mark.parametrize(("name", "times"), [("oncall", 2), ("oncall.fifo", 1)])
def test_a_message_reaches_a_topic_and_a_fifo_topic_drops_its_repetition(aws: None, name: str, times: int) -> None:
    topic, queue = subscribed(name)
    channel = open_channel("oncall", PEOPLE, {"TOPIC": topic})

    channel.send(MESSAGE)
    channel.send(MESSAGE)

    messages = received(queue)
    assert len(messages) == times
    assert messages[0]["Message"] == MESSAGE.body
    assert messages[0]["Subject"].startswith("[HIGH, new] flights: wind?speed has moved x")
    assert len(messages[0]["Subject"]) == 100
    assert messages[0]["MessageAttributes"]["key"]["Value"] == "k"


def test_a_topic_that_is_not_there_refuses_with_a_sentence(aws: None) -> None:
    channel = open_channel("oncall", PEOPLE, {"TOPIC": f"arn:aws:sns:{REGION}:123456789012:gone"})

    with pytest.raises(ChannelError, match=r"^it answered NotFound(Exception)?\.$"):
        channel.send(MESSAGE)


def test_an_address_that_is_no_topic_is_refused() -> None:
    with pytest.raises(ChannelError, match="no topic of SNS"):
        open_channel("oncall", PEOPLE, {"TOPIC": "https://example.org"})
