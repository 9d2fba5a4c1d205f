"""The files of deploy/ name things that exist: settings, options, files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from spladed.config import load_config

DEPLOY = Path(__file__).parents[2] / "deploy"
SETTING = re.compile(r"\b(SPLADED_[A-Z_]+)\b(?:[=:]\s*\"?|, value: \"?)([^\s\"},\\]+)")


def documents() -> Iterator[tuple[str, Any]]:
    for path in sorted(DEPLOY.rglob("*.yaml")):
        for each in yaml.safe_load_all(path.read_text("utf-8")):
            yield str(path.relative_to(DEPLOY)), each


def test_every_yaml_file_is_one() -> None:
    names = {name for name, _ in documents()}
    assert len(names) == 8
    assert all(each for _, each in documents())


@pytest.mark.parametrize(
    "file", ["Dockerfile", "Dockerfile.gpu", "kubernetes/encoders.yaml", "kubernetes/index.yaml"]
)
def test_settings_in_the_environment_are_known(file: str) -> None:
    found = dict(SETTING.findall((DEPLOY / file).read_text("utf-8")))
    assert found
    load_config(environment=found)  # raises for a key that is none


def test_pods_are_alike_where_they_should_be() -> None:
    pods = {
        each["kind"]: each["spec"]["template"]["spec"]
        for name, each in documents()
        if name.startswith("kubernetes") and "template" in each.get("spec", {})
    }
    assert set(pods) == {"Deployment", "StatefulSet"}
    for pod in pods.values():
        (container,) = pod["containers"]
        assert pod["terminationGracePeriodSeconds"] > load_config().server.drain_seconds
        assert pod["securityContext"]["runAsNonRoot"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["readinessProbe"]["grpc"]["port"] == 50051


def test_an_index_is_one_of_its_kind() -> None:
    (index,) = [each for _, each in documents() if each.get("kind") == "StatefulSet"]
    assert index["spec"]["replicas"] == 1


@pytest.mark.parametrize("file", ["Dockerfile", "Dockerfile.gpu"])
def test_what_an_image_copies_is_there(file: str) -> None:
    text = (DEPLOY / file).read_text("utf-8")
    for source in re.findall(r"^COPY (\S+) ", text, re.MULTILINE):
        assert (DEPLOY.parent / source).exists(), source


def test_compose_names_files_that_are_there() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    mounts = [each for service in compose["services"].values() for each in service["volumes"]]
    local = [each.partition(":")[0] for each in mounts if each.startswith("./")]
    assert local
    for each in local:
        assert (DEPLOY / each).exists(), each
