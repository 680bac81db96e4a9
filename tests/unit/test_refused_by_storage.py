"""What a person reads when an object store refuses: what it is, what is safe and what to do."""

from __future__ import annotations

import pytest

from spark_monitor.commands.command import sentence_of

S3A = (
    "An error occurred while calling o75.load.\n: org.apache.hadoop.fs.s3a.AWSServiceThrottledException: getFileStatus on "
    "s3a://b/out/_delta_log: software.amazon.awssdk.services.s3.model.S3Exception: Slow Down (Service: S3, Status Code: 503)"
)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(S3A),
        OSError("When reading information for key 'a' in bucket 'b': AWS Error SLOW_DOWN during HeadObject operation"),
        OSError("Generic S3 error: <Error><Code>SlowDown</Code></Error>"),
        RuntimeError("com.azure.storage: ServerBusy, The server is busy."),
    ],
)
def test_a_store_that_answers_503_is_named_with_what_to_do(error: Exception) -> None:
    text = sentence_of(error)
    assert text.startswith("Storage refuses requests: ")
    assert text.endswith("its client's settings bound the retries.")
    assert "Run again when it responds" in text
    assert "\n" not in text


def test_other_errors_keep_their_kind() -> None:
    assert sentence_of(OSError("the disk 503 is full")) == "OSError: the disk 503 is full"
