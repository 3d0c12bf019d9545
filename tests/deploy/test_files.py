"""The files in docs/deploy work as they stand: their queries run, their commands exist."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pgqueue.cli.worker import worker
from pgqueue.metrics.catalogue import ALL
from tests.support.jobs import Connection, enqueue, value

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "docs" / "deploy"
METRIC = re.compile(r"\bpgqueue_\w+")
PROMTOOL = shutil.which("promtool")
SYSTEMD = shutil.which("systemd-analyze")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed (Debian: the package prometheus)"
)
VARIABLES = {
    "$__rate_interval": "5m",
    "$__interval": "'1 minute'",
    "$__timeFrom()": "now() - interval '1 hour'",
    "$__timeTo()": "now()",
    "$queue": "default",
}


def read(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all(read(name)))


def board(name: str) -> Any:
    return json.loads(read(f"grafana/{name}.json"))


def targets(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every query of a dashboard, with the title of its panel."""
    for panel in board(name)["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target


def exposed() -> set[str]:
    """The names of all series that a worker exposes."""
    found: set[str] = set()
    for metric in ALL:
        ends = ("_bucket", "_count", "_sum") if metric.kind == "histogram" else ("",)
        found |= {metric.full_name + end for end in ends}
    return found


def promtool(*arguments: str, cwd: Path | None = None) -> None:
    assert PROMTOOL is not None
    ran = subprocess.run([PROMTOOL, *arguments], cwd=cwd, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def parsed(command: list[str]) -> dict[str, Any]:
    """A command line of the worker as the program reads it. Fails where it would refuse it."""
    assert command[:2] == ["pgqueue", "worker"]
    own = [part for part in command[2:] if not part.startswith("--app=")]
    return worker.make_context("worker", own).params


# Prometheus


@needs_promtool
def test_promtool_takes_the_alerts() -> None:
    promtool("check", "rules", str(DEPLOY / "prometheus/alerts.yml"))


@needs_promtool
def test_the_alerts_fire_when_they_should(tmp_path: Path) -> None:
    shutil.copy(DEPLOY / "prometheus/alerts.yml", tmp_path)
    shutil.copy(Path(__file__).parent / "firing.yml", tmp_path)
    promtool("test", "rules", "firing.yml", cwd=tmp_path)


@pytest.mark.parametrize("name", ["prometheus/alerts.yml", "grafana/pgqueue-prometheus.json"])
def test_every_metric_that_is_asked_for_is_exposed(name: str) -> None:
    asked = set(METRIC.findall(read(name)))
    assert len(asked) > 5
    assert asked <= exposed()


def test_every_metric_is_on_the_dashboard_or_has_a_reason() -> None:
    asked = set(METRIC.findall(read("grafana/pgqueue-prometheus.json")))
    left_out = {metric.full_name for metric in ALL if not any(metric.full_name in a for a in asked)}
    assert left_out == {
        *("pgqueue_queue_paused", "pgqueue_queue_limit"),  # an operator's own settings
        "pgqueue_cron_last_success_timestamp_seconds",  # only where such jobs are kept
    }


def test_alerts_name_recipes_and_commands_that_there_are() -> None:
    (alerts,) = documents("prometheus/alerts.yml")
    page = (ROOT / "docs/how-to/incidents.md").read_text(encoding="utf-8").lower()
    for rule in alerts["groups"][0]["rules"]:
        told = rule["annotations"]["description"]
        for recipe in re.findall(r"Recipe: ([\w ]+),", told):
            assert f"\n## {recipe}\n" in page, recipe


# Grafana


@needs_promtool
def test_the_expressions_of_the_dashboard_are_promql(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": _filled(target["expr"])}
        for number, (_, target) in enumerate(targets("pgqueue-prometheus"))
    ]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", str(path))


@pytest.mark.parametrize("name", ["pgqueue-prometheus", "pgqueue-postgres"])
def test_a_dashboard_is_complete(name: str) -> None:
    found = board(name)
    ids = [panel["id"] for panel in found["panels"]]
    assert len(set(ids)) == len(ids)
    assert found["uid"] == name
    for panel in found["panels"]:
        assert panel["title"]
        assert panel["description"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert {"x", "y", "w", "h"} == set(panel["gridPos"])


def test_every_query_of_the_dashboard_runs(connection: Connection) -> None:
    enqueue(connection)
    ran = []
    for title, target in targets("pgqueue-postgres"):
        rows = connection.execute(_filled_sql(target["rawSql"]).encode()).fetchall()
        ran.append((title, len(rows)))
    assert ("Queues", 1) in ran
    variables = board("pgqueue-postgres")["templating"]["list"]
    (query,) = [variable["query"] for variable in variables if variable["type"] == "query"]
    assert value(connection, query) == "default"


def _filled(text: str) -> str:
    for name, put in VARIABLES.items():
        text = text.replace(name, put)
    assert "$" not in text, text
    return text


def _filled_sql(text: str) -> str:
    """With what Grafana puts in the place of its macros."""
    text = re.sub(r"\$__timeFilter\((\w+)\)", r"\1 BETWEEN now() - interval '1 h' AND now()", text)
    group = r"date_bin(interval '1 minute', \1, timestamptz '2000-01-01') AS \"time\""
    text = re.sub(r"\$__timeGroupAlias\((\w+), \$__interval\)", group.replace('\\"', '"'), text)
    return _filled(text.replace("$queue", "'default'"))


# KEDA and Kubernetes


def test_keda_asks_what_there_is(connection: Connection) -> None:
    (scaled,) = documents("keda/scaledobject.yaml")
    (trigger,) = scaled["spec"]["triggers"]
    enqueue(connection, queue="email")
    assert value(connection, trigger["metadata"]["query"]) == 1
    assert int(trigger["metadata"]["targetQueryValue"]) > 0
    (deployment,) = documents("kubernetes/worker.yaml")
    assert scaled["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]


def test_the_pod_fits_its_worker() -> None:
    (deployment,) = documents("kubernetes/worker.yaml")
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    options = parsed(container["command"])
    assert pod["spec"]["terminationGracePeriodSeconds"] >= options["grace"] + 15
    (port,) = container["ports"]
    assert port["containerPort"] == options["health_port"]
    assert options["health_host"] == "0.0.0.0"
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == str(options["health_port"])
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("liveness", "readiness")}
    assert probes == {
        "liveness": {"path": "/livez", "port": port["name"]},
        "readiness": {"path": "/readyz", "port": port["name"]},
    }
    selector = deployment["spec"]["selector"]["matchLabels"]
    assert selector.items() <= pod["metadata"]["labels"].items()
    (schema,) = pod["spec"]["initContainers"]
    assert schema["command"] == ["pgqueue", "migrate", "status", "--check"]


# systemd and Docker


def test_the_unit_fits_its_worker() -> None:
    unit = dict(re.findall(r"^(\w+)=(.*)$", read("systemd/pgqueue-worker.service"), re.MULTILINE))
    program, *arguments = shlex.split(unit["ExecStart"])
    options = parsed([Path(program).name, *arguments])
    assert float(unit["TimeoutStopSec"]) >= options["grace"] + 15
    assert unit["ExecStartPre"].endswith("pgqueue migrate status --check")


@pytest.mark.skipif(SYSTEMD is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    assert SYSTEMD is not None
    program = Path(sys.executable).with_name("pgqueue")
    text = read("systemd/pgqueue-worker.service")
    assert text.count("/srv/shop/.venv/bin/pgqueue ") == 2
    path = tmp_path / "pgqueue-worker.service"
    path.write_text(text.replace("/srv/shop/.venv/bin/pgqueue ", f"{program} "))
    ran = subprocess.run([SYSTEMD, "verify", str(path)], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")


def test_the_image_starts_a_worker_and_asks_it() -> None:
    text = read("docker/Dockerfile").replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found = [(line.split()[0], line.partition(" ")[2]) for line in lines]
    known = {
        "FROM",
        "RUN",
        "WORKDIR",
        "COPY",
        "USER",
        "ENV",
        "STOPSIGNAL",
        "EXPOSE",
        "HEALTHCHECK",
        "CMD",
    }
    assert {name for name, _ in found} == known
    instructions = dict(found)
    options = parsed(json.loads(instructions["CMD"]))
    assert str(options["health_port"]) == instructions["EXPOSE"]
    asks = json.loads(instructions["HEALTHCHECK"].partition(" CMD ")[2])
    assert asks[:2] == ["python", "-c"]
    compile(asks[2], "healthcheck", "exec")
    assert f"http://127.0.0.1:{options['health_port']}/livez" in asks[2]
