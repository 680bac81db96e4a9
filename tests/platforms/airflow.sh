#!/bin/sh
# Runs the DAGs of conf/airflow under a real Airflow in an environment of its own: every task of one run must succeed.
set -eu
cd "$(dirname "$0")/../.."
environment=.venv-airflow
[ -x "$environment/bin/airflow" ] || {
  .venv/bin/uv venv --quiet "$environment"
  VIRTUAL_ENV=$environment .venv/bin/uv pip install --quiet "apache-airflow>=2.10"
}
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
mkdir "$home/dags" "$home/monitors"
cp conf/airflow/spark_monitor_dags.py "$home/dags/"
printf 'monitor: loans\n' > "$home/monitors/loans.yaml"
printf 'monitor: fraud\n' > "$home/monitors/fraud one.yaml"
export AIRFLOW_HOME="$home" AIRFLOW__CORE__LOAD_EXAMPLES=False SPARK_MONITOR_DIR="$home/monitors"
export SPARK_MONITOR_COMMAND="echo spark-monitor" SPARK_MONITOR_REPORTS="$home"
bin=$PWD/$environment/bin
"$bin/airflow" db migrate > "$home/migrate.log" 2>&1
"$bin/airflow" dags test spark_monitor_loans 2026-01-02 > "$home/run.log" 2>&1
"$bin/airflow" dags test spark_monitor_fraud_one 2026-01-02 >> "$home/run.log" 2>&1
grep -q "spark-monitor run $home/monitors/loans.yaml --as-of 2026-01-02T00:00:00+00:00" "$home/run.log"
grep -q "spark-monitor check '$home/monitors/fraud one.yaml'" "$home/run.log"
succeeded=$(grep -c "new_state=success\|state=success" "$home/run.log")
echo "$("$bin/airflow" version): $succeeded states of success, 2 runs"
[ "$succeeded" -ge 6 ]
