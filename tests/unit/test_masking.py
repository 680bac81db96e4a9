"""No secret leaves the process, whatever form it has; what is no secret stays readable."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest

from spark_monitor.commands.options import SessionOptions
from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.preflight.columns import Finding
from spark_monitor.store.ledger import masked
from spark_monitor.text.masking import first_line, mask_secrets

CANARY = "C4n4rySecretVa1ue"
FORMS = (
    f"postgresql://ann:{CANARY}@db:5432/x",
    f"https://user:{CANARY}@host/path?x=1",
    f"https://ann:p/{CANARY}@host/path",
    f"https://ann:p@{CANARY}@host/path",
    f"https://{CANARY}@github.com/org/repository",
    f"s3a://AKIDEXAMPLE:{CANARY}@bucket/table",
    f"s3a:/AKIDEXAMPLE:{CANARY}@bucket/monitor.yaml",
    f"https:/ann:{CANARY}@host/monitor.yaml",
    f"s3a://KEY:a/b+{CANARY}/c@bucket/table",
    f"s3n://KEY:123/{CANARY}@bucket",
    f"cannot read 's3a://KEY:{CANARY}@bucket/t': denied",
    f"wasbs://user:{CANARY}@account.blob.core.windows.net",
    f"https://account.blob.core.windows.net/c?sv=2024-01-01&sig={CANARY}&se=2030",
    f"https://b.s3.amazonaws.com/k?X-Amz-Credential=a&X-Amz-Signature={CANARY}&X-Amz-Security-Token={CANARY}",
    f"jdbc:sqlserver://host:1433;database=x;user=sa;password={CANARY};encrypt=true",
    f"jdbc:postgresql://host/db?user=ann&password={CANARY}",
    f"jdbc:mysql://ann:{CANARY}@host/db",
    f"jdbc:oracle:thin:scott/{CANARY}@//host:1521/x",
    f"jdbc:databricks://host:443/default;AuthMech=3;UID=token;PWD={CANARY}",
    f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={CANARY}==;EndpointSuffix=core.windows.net",
    f"spark.hadoop.fs.s3a.secret.key={CANARY}",
    f"fs.azure.account.key.account.dfs.core.windows.net account_key: {CANARY}",
    f"Authorization: Bearer {CANARY}",
    f"authorization: {CANARY}",
    f"X-Api-Key: {CANARY}",
    f"Proxy-Authorization: Basic {CANARY}",
    f'{{"access_token": "{CANARY}", "expires": 3600}}',
    f"{{'password': '{CANARY}'}}",
    f"DATABRICKS_TOKEN={CANARY}",
    f'export AWS_SECRET_ACCESS_KEY="{CANARY} x"',
    f"password: {CANARY}",
    f"the password is {CANARY}",
    f"https://hooks.slack.com/services/T0001/B0001/{CANARY}",
    f"https://discord.com/api/webhooks/1234/{CANARY}",
    f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.{CANARY}",
    f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n-----END RSA PRIVATE KEY-----",
    f"spark.hadoop.fs.azure.account.key.store1.dfs.core.windows.net={CANARY}==",
    f"{{'fs.azure.account.key.store1.blob.core.windows.net': '{CANARY}=='}}",
    f"exited with 1: load --password {CANARY} --api-key '{CANARY} {CANARY}'",
    f"('fs.s3a.secret.key', '{CANARY}')",
    f"<name>fs.s3a.secret.key</name><value>{CANARY}</value>",
    f"<password>{CANARY}</password>",
    f"fs.azure.sas.container.account.blob.core.windows.net={CANARY}",
    f"fs.azure.sas.fixed.token.account.dfs.core.windows.net={CANARY}",
    f"jdbc:bigquery://https://host;OAuthPvtKey={CANARY};",
    f"google_application_credentials_json={CANARY}",
    f"ALTER USER ann IDENTIFIED BY '{CANARY}'",
    f"client_secret: {CANARY}",
    f"refresh_token: {CANARY}",
    f"token: {CANARY}",
    f"password => {CANARY}",
    f"api_key -> '{CANARY}'",
    f"pass={CANARY}",
    f"user=ann pass: {CANARY}",
    f"curl -u ann:{CANARY} https://host",
    f"curl --proxy-user=ann:{CANARY} https://host",
    f"Authorization: token {CANARY}",
    f"Authorization: Digest username=ann, response={CANARY}",
    f"PRIVATE-TOKEN: {CANARY}",
    f"Cookie: theme=dark; session={CANARY}",
    f"https://hooks.zapier.com/hooks/catch/1/{CANARY}/",
    f"https://chat.example.com/hooks/{CANARY}",
    f"https://events.pagerduty.com/integration/{CANARY}/enqueue",
    f"tgram://123456:{CANARY}/chat",
    f"slack://TokenA/TokenB/{CANARY}/#channel",
    f"https://host/login?next=https%3A%2F%2Fann%3A{CANARY}%40host",
    f"https://host/login?next=password%3D{CANARY}%26x",
)
WHOLE = (
    "AKIAIOSFODNN7EXAMPLE",
    "dapi0123456789abcdef0123456789abcdef",
    "ghp_0123456789abcdefghijklmnopqrstuvwxyzAB",
    "xoxb-123456789012-abc",
    "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
)
HARMLESS = (
    "abfss://container@account.dfs.core.windows.net/path",
    "s3a://bucket/path/to/table",
    "https://host:8080/path@v1",
    "https://medium.com/@ann/page",
    "file:///data/ann@work/table",
    "file:/data/ann@work/table",
    "dbfs:/Volumes/main/ann@work/table",
    "C:/Users/a:b@work/table",
    "flights.yaml: rules[2].key: this key is missing. It is required.",
    "Syntax error at or near 'x': unexpected token.",
    'slices[0]: "slice_key" is no column; keys are unique',
    "percent_null of wind_speed is 12.3 % (11.0 to 13.7), above 5 %.",
    "--max-tokens 100 --password --user ann",
    "token: unexpected end of input",
    "pass: 12, fail: 3",
    "columns ('id', 'api_key', 'name')",
    "keys ('secret_key', 'store')",
    "https%3A%2F%2Fhost%2Fpath%40v1",
    "a webhook://path and the hooks/ directory",
    "--user ann --max-tokens=100",
)


@pytest.mark.parametrize("text", FORMS)
def test_a_secret_is_masked_in_every_form(text: str) -> None:
    masked = mask_secrets(text)
    assert CANARY not in masked
    assert "***" in masked
    assert mask_secrets(masked).count(CANARY) == 0


@pytest.mark.parametrize("secret", WHOLE)
def test_keys_of_well_known_services_are_masked_wherever_they_stand(secret: str) -> None:
    assert secret not in mask_secrets(f"denied for {secret}.")


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert mask_secrets(text) == text


@pytest.mark.parametrize("name", ["MY_API_KEY", "client_secret", "CI_JOB_TOKEN", "DB_PASSWORD", "SLACK_WEBHOOK"])
def test_values_of_secret_environment_variables_are_masked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "tr/ee bark 77")
    assert mask_secrets("found tr/ee bark 77 and tr%2Fee%20bark%2077") == "found *** and ***"


def test_short_values_of_the_environment_do_not_garble_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_TOKEN", "no")
    assert mask_secrets("no rows") == "no rows"


def test_the_first_line_of_an_error_and_a_finding_are_masked() -> None:
    text = f"cannot open s3a://KEY:{CANARY}@bucket/t"
    assert first_line(OSError(text)) == "cannot open s3a://***@bucket/t"
    assert str(Finding("predictions.path", text)) == "predictions.path: cannot open s3a://***@bucket/t"


def test_texts_of_errors_are_masked_in_the_ledger() -> None:
    given = masked({"error": f"s3a://K:{CANARY}@b/t", "status": "FAILED"})
    assert CANARY not in given["error"]


def test_a_run_s_configuration_is_masked_and_its_hash_is_not_the_environment_s(monkeypatch: pytest.MonkeyPatch) -> None:
    config = MonitorConfig.model_validate(
        {
            "monitor": "m",
            "model": {"name": "m", "task": "none"},
            "predictions": {"path": f"s3a://K:{CANARY}@bucket/t", "id": "id", "time": "at"},
            "baseline": {"table": "t", "where": "customer_key = 'quietly'"},
            "windows": {"every": "1 day"},
            "outputs": {"schema": "s"},
        }
    )
    before = config.config_hash()
    monkeypatch.setenv("SOME_TOKEN", "quietly")
    assert CANARY not in str(config.public_dict()) + repr(config)
    assert config.config_hash() == before


SECRET_SETTINGS = (
    "spark.hadoop.fs.s3a.secret.key",
    "spark.hadoop.fs.azure.account.key.account.dfs.core.windows.net",
    "spark.hadoop.javax.jdo.option.ConnectionPassword",
    "spark.ssl.keyStorePassword",
    "spark.kubernetes.authenticate.driver.oauthToken",
    "spark.authenticate.secret",
)


@pytest.mark.parametrize("name", SECRET_SETTINGS)
def test_the_value_of_a_secret_setting_of_spark_is_masked_wherever_it_stands(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spark_monitor.text.masking._REMEMBERED", set())
    value = f"{CANARY}/of+{name}"
    assert CANARY in mask_secrets(f"nobody knows the key {value}")

    SessionOptions.read(None, None, [f"{name}={value}", "spark.sql.shuffle.partitions=2000000"])

    assert CANARY not in mask_secrets(f"denied for {value}; in an address {quote(value, safe='')}")
    assert mask_secrets("2000000 partitions") == "2000000 partitions"


@pytest.mark.parametrize("name", ["DB_PASS", "DB_PWD", "GITHUB_PAT", "SENTRY_DSN", "STORAGE_CONNECTION_STRING", "KEY_PASSPHRASE"])
def test_so_is_that_of_a_variable_of_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, CANARY)
    assert CANARY not in mask_secrets(f"denied for {CANARY}")


@pytest.mark.parametrize("name", ["PWD", "OLDPWD", "PATH", "COMPASS", "PASSAGE"])
def test_the_value_of_a_variable_that_is_no_secret_stays_readable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "/srv/monitors")
    assert mask_secrets("/srv/monitors/a.yaml") == "/srv/monitors/a.yaml"


UNBROKEN = (
    "k",
    "A_",
    "--a",
    "eyJ-",
    "x-",
    "KEY_",
    "token",
    "account.key.",
    '"a',
    "jdbc:oracle:x:",
    "password ",
    "://",
    "-----BEGIN ",
)


@pytest.mark.parametrize("part", UNBROKEN)
def test_a_text_of_a_hundred_thousand_letters_is_masked_at_once(part: str) -> None:
    text = part * (100_000 // len(part))
    before = time.process_time()
    mask_secrets(text)
    assert time.process_time() - before < 5  # a quadratic search of it takes minutes
