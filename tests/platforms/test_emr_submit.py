"""The script that submits monitors to EMR, against moto's S3, EMR Serverless and EMR."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from moto import mock_aws

PROJECT = Path(__file__).parents[2]
REGION, BUCKET = "eu-central-1", "monitors-bucket"
ROLE = "arn:aws:iam::123456789012:role/monitor"


@pytest.fixture
def submit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("submit", PROJECT / "conf" / "emr" / "submit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    package = tmp_path / "spark_monitor-0.1.0-py3-none-any.whl"
    package.write_bytes(b"a wheel")
    monkeypatch.setattr(module, "wheel", lambda: package)
    return module


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with mock_aws():
            boto3.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
            yield boto3


def test_a_serverless_run_finds_its_files_and_the_delta_of_the_platform(submit: ModuleType, aws: Any, tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("monitor: a")
    arguments = ["serverless", "--bucket", BUCKET, "--role", ROLE, "--environment", f"s3://{BUCKET}/environment.tar.gz"]
    run = submit.main([*arguments, str(tmp_path)])
    keys = {entry["Key"] for entry in aws.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]}
    assert {f"spark_monitor/{name}" for name in ("a.yaml", "b.yaml", "run_monitor.py")} <= keys
    client = aws.client("emr-serverless")
    [application] = client.list_applications()["applications"]
    found = client.get_job_run(applicationId=application["id"], jobRunId=run)["jobRun"]
    driver = found["jobDriver"]["sparkSubmit"]
    assert driver["entryPoint"] == f"s3://{BUCKET}/spark_monitor/run_monitor.py"
    assert driver["entryPointArguments"] == ["run", "a.yaml", "b.yaml", "--fail-on", "never"]
    assert "delta-spark.jar" in driver["sparkSubmitParameters"]
    assert "environment.tar.gz#environment" in driver["sparkSubmitParameters"]
    assert found["executionRole"] == ROLE
    submit.main([*arguments, str(tmp_path)])
    assert len(client.list_applications()["applications"]) == 1


def test_a_step_on_a_cluster_is_a_spark_submit(submit: ModuleType, aws: Any, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("monitor: a")
    client = aws.client("emr")
    nodes = {"MasterInstanceType": "m5.xlarge", "InstanceCount": 1, "KeepJobFlowAliveWhenNoSteps": True}
    cluster = client.run_job_flow(Name="c", ReleaseLabel="emr-7.9.0", Instances=nodes)["JobFlowId"]
    step = submit.main(["ec2", "--bucket", BUCKET, "--cluster", cluster, str(tmp_path / "a.yaml")])
    found = client.describe_step(ClusterId=cluster, StepId=step)["Step"]
    assert found["Config"]["Jar"] == "command-runner.jar"
    assert found["Config"]["Args"][:3] == ["spark-submit", "--deploy-mode", "cluster"]
    assert found["Config"]["Args"][-4:] == ["run", "a.yaml", "--fail-on", "never"]


def test_a_directory_without_monitors_is_said(submit: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no monitor's file"):
        submit.monitor_files([str(tmp_path)])
