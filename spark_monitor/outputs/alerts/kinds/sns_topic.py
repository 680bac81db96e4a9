"""A topic of Amazon SNS, whose ARN is the address; the rights are those of the job's own role."""

from __future__ import annotations

import re
from typing import Any

from spark_monitor.outputs.alerts.channel import ChannelError, channel_kind
from spark_monitor.outputs.alerts.message import Message

LONGEST_SUBJECT, LONGEST_BODY = 100, 200_000
"""What SNS takes: a subject of a hundred ASCII characters, and 256 KiB in all."""

SECONDS, ATTEMPTS = 10, 2
_TOPIC = re.compile(r"arn:[\w-]+:sns:(?P<region>[\w-]+):\d+:[\w.-]+")


@channel_kind("sns")
class TopicChannel:
    """A topic, standard or FIFO; a FIFO topic drops a repetition by the message's key."""

    def __init__(self, arn: str) -> None:
        parts = _TOPIC.fullmatch(arn)
        if parts is None:
            raise ChannelError("its address is no topic of SNS, such as arn:aws:sns:REGION:ACCOUNT:NAME.")
        try:
            import boto3
            from botocore.config import Config
        except ImportError:
            raise ChannelError('boto3 is not installed. Install it: pip install "spark-monitor[emr]".') from None
        limits = Config(connect_timeout=SECONDS, read_timeout=SECONDS, retries={"total_max_attempts": ATTEMPTS})
        self._arn = arn
        self._client = boto3.client("sns", region_name=parts["region"], config=limits)

    def send(self, message: Message) -> None:
        """Publish a message; ChannelError where the topic did not take it."""
        from botocore.exceptions import BotoCoreError, ClientError

        attributes = {"key": message.key, "severity": message.severity, "event": message.event}
        fifo = {"MessageGroupId": "spark_monitor", "MessageDeduplicationId": message.key} if self._arn.endswith(".fifo") else {}
        given: dict[str, Any] = {
            "TopicArn": self._arn,
            "Subject": _subject(message.title),
            "Message": message.body[:LONGEST_BODY],
            "MessageAttributes": {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()},
            **fifo,
        }
        try:
            self._client.publish(**given)
        except ClientError as error:
            raise ChannelError(f"it answered {error.response['Error']['Code']}.") from None
        except BotoCoreError as error:  # its words may hold the endpoint
            raise ChannelError(f"{type(error).__name__}.") from None


def _subject(title: str) -> str:
    """A title as SNS takes it.

    >>> _subject("[HIGH, new] wind＿speed")
    '[HIGH, new] wind?speed'
    """
    return title.encode("ascii", "replace").decode("ascii")[:LONGEST_SUBJECT]
