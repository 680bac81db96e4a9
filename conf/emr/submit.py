"""Runs the monitors of an S3 directory on EMR, Serverless or on EC2: uploads what is needed, submits, and says what to look at.

    python conf/emr/submit.py serverless --bucket my-bucket --role arn:aws:iam::123456789012:role/monitor monitors/
    python conf/emr/submit.py ec2 --bucket my-bucket --cluster j-2AXXXXXXGAPLF monitors/

Needs boto3 (the extra ``emr``). The wheel comes from `make wheel`, the packed environment from the command in docs/platforms.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
ENTRY = PROJECT / "jobs" / "run_monitor.py"
APPLICATION = "spark_monitor"
RELEASE = "emr-7.9.0"
DELTA_JARS = "/usr/share/aws/delta/lib/delta-spark.jar,/usr/share/aws/delta/lib/delta-storage.jar"
GLUE = "com.amazonaws.glue.catalog.metastore"
SETTINGS = {
    "spark.jars": DELTA_JARS,
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.hadoop.hive.metastore.client.factory.class": f"{GLUE}.AWSGlueDataCatalogHiveClientFactory",
}
"""Delta Lake as EMR ships it, and AWS Glue as the catalog."""


def upload(s3: Any, bucket: str, prefix: str, files: Sequence[Path]) -> dict[str, str]:
    """Put files under a prefix of a bucket; their addresses by name."""
    addresses = {}
    for file in files:
        key = f"{prefix}/{file.name}"
        s3.upload_file(str(file), bucket, key)
        addresses[file.name] = f"s3://{bucket}/{key}"
    return addresses


def monitor_files(places: Sequence[str]) -> list[Path]:
    """The YAML files that are named, or that lie in directories that are named."""
    found = [file for place in map(Path, places) for file in (sorted(place.glob("*.y*ml")) if place.is_dir() else [place])]
    missing = [str(file) for file in found if not file.is_file()]
    if missing or not found:
        raise SystemExit(f"{', '.join(missing) or ' '.join(places)}: no monitor's file. Name YAML files, or a directory of them.")
    return found


def wheel() -> Path:
    """The newest wheel that `make wheel` built."""
    built = sorted((PROJECT / "dist").glob("spark_monitor-*.whl"), key=lambda file: file.stat().st_mtime)
    if not built:
        raise SystemExit("dist/: no wheel of spark_monitor. Run `make wheel` first.")
    return built[-1]


def spark_parameters(addresses: dict[str, str], environment: str | None) -> list[str]:
    """spark-submit's parameters: settings, the wheel, the monitors' files beside the driver, the packed environment."""
    package = next(address for name, address in addresses.items() if name.endswith(".whl"))
    files = [address for name, address in addresses.items() if name.endswith((".yaml", ".yml"))]
    parameters = ["--py-files", package, "--files", ",".join(files)]
    settings = dict(SETTINGS)
    if environment is not None:
        settings |= {
            "spark.archives": f"{environment}#environment",
            "spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON": "./environment/bin/python",
            "spark.emr-serverless.driverEnv.PYSPARK_PYTHON": "./environment/bin/python",
            "spark.executorEnv.PYSPARK_PYTHON": "./environment/bin/python",
        }
    for name, value in settings.items():
        parameters += ["--conf", f"{name}={value}"]
    return parameters


def application(client: Any, name: str) -> str:
    """The id of the Serverless application of that name, made where there is none."""
    pages = client.list_applications()["applications"]
    known = [one["id"] for one in pages if one["name"] == name and one["state"] not in ("TERMINATED", "STOPPING")]
    if known:
        return str(known[0])
    made = client.create_application(name=name, releaseLabel=RELEASE, type="SPARK")
    return str(made["applicationId"])


def submit_serverless(clients: dict[str, Any], options: argparse.Namespace, addresses: dict[str, str]) -> str:
    """Start a job run of the application; its id."""
    serverless = clients["emr-serverless"]
    number = application(serverless, options.application)
    run = serverless.start_job_run(
        applicationId=number,
        executionRoleArn=options.role,
        name=APPLICATION,
        jobDriver={
            "sparkSubmit": {
                "entryPoint": addresses[ENTRY.name],
                "entryPointArguments": ["run", *local_names(addresses), "--fail-on", options.fail_on],
                "sparkSubmitParameters": " ".join(spark_parameters(addresses, options.environment)),
            }
        },
        configurationOverrides={
            "monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": f"s3://{options.bucket}/{options.prefix}/logs/"}}
        },
    )
    return str(run["jobRunId"])


def submit_ec2(clients: dict[str, Any], options: argparse.Namespace, addresses: dict[str, str]) -> str:
    """Add a step to a running cluster; its id."""
    submit = ["spark-submit", "--deploy-mode", "cluster", *spark_parameters(addresses, options.environment)]
    arguments = [*submit, addresses[ENTRY.name], "run", *local_names(addresses), "--fail-on", options.fail_on]
    step = {
        "Name": APPLICATION,
        "ActionOnFailure": "CONTINUE",
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": arguments},
    }
    return str(clients["emr"].add_job_flow_steps(JobFlowId=options.cluster, Steps=[step])["StepIds"][0])


def local_names(addresses: dict[str, str]) -> list[str]:
    """The monitors' files as the driver finds them: --files puts them beside it."""
    return sorted(name for name in addresses if name.endswith((".yaml", ".yml")))


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Run monitors on EMR.")
    commands = parser.add_subparsers(dest="kind", required=True)
    for kind in ("serverless", "ec2"):
        command = commands.add_parser(kind)
        command.add_argument("monitors", nargs="+", help="YAML files, or directories of them")
        command.add_argument("--bucket", required=True, help="the S3 bucket that files and logs go to")
        command.add_argument("--prefix", default="spark_monitor", help="where in the bucket")
        command.add_argument("--environment", help="the packed environment on S3, s3://.../environment.tar.gz")
        command.add_argument("--fail-on", default="never", choices=("warn", "fail", "never"))
        command.add_argument("--region", default=None)
    commands.choices["serverless"].add_argument("--role", required=True, help="the job's role")
    commands.choices["serverless"].add_argument("--application", default=APPLICATION)
    commands.choices["ec2"].add_argument("--cluster", required=True, help="the cluster's id, j-...")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> str:
    """Upload and submit; prints and returns the id of what was started."""
    import boto3

    options = parsed(sys.argv[1:] if arguments is None else arguments)
    names = ("s3", "emr-serverless" if options.kind == "serverless" else "emr")
    clients = {name: boto3.client(name, region_name=options.region) for name in names}
    files = [ENTRY, wheel(), *monitor_files(options.monitors)]
    addresses = upload(clients["s3"], options.bucket, options.prefix, files)
    submit = submit_serverless if options.kind == "serverless" else submit_ec2
    number = submit(clients, options, addresses)
    print(f"started {number}; its results are in the tables that the monitors' files name, logs in s3://{options.bucket}")
    return number


if __name__ == "__main__":
    main()
