"""The container's steps, run without a container: what it copies, starts and asks itself."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from settings import (
    CHECKPOINT_NAME,
    CHECKPOINT_VARIABLE,
    HOSTS_VARIABLE,
    KEY_VARIABLE,
    PROXIES_VARIABLE,
    TRAINING_VARIABLE,
)
from tests.conftest import REPOSITORY
from tests.test_layers import CODE_FOLDERS

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())
README = (REPOSITORY / "README.md").read_text()
STEPS = re.findall(
    r"^(FROM|COPY|RUN|USER|ENV|EXPOSE|HEALTHCHECK|CMD|WORKDIR) (.*)$",
    re.sub(r"#.*\n", "", DOCKERFILE).replace("\\\n", " "),
    re.MULTILINE,
)

# `running_server` has its own way to start, so `conftest` does not see that this is a whole app.
pytestmark = pytest.mark.pages


def steps(kind: str) -> list[str]:
    return [text.strip() for name, text in STEPS if name == kind]


def test_it_installs_what_the_readme_installs() -> None:
    (command,) = re.findall(r"pip install (-r requirements\.txt)", README)
    assert any(command in step for step in steps("RUN"))
    needed = (REPOSITORY / "requirements.txt").read_text()
    for step in steps("RUN"):
        for pin in re.findall(r"torch==\S+", step):
            assert f"\n{pin}\n" in needed
    assert "python serve.py" in README


def test_the_pins_of_the_image_are_the_constraints_without_checksums(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "constraints.txt", tmp_path)
    (command,) = (step for step in steps("RUN") if step.startswith("sed"))
    subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    pins = [line for line in (tmp_path / "pins.txt").read_text().splitlines() if line[0] != "#"]
    assert len(pins) > 40 and all(re.fullmatch(r"[\w.-]+==\S+( ; .+)?", pin) for pin in pins)


def test_it_runs_as_nobody_special_and_checks_its_health() -> None:
    assert steps("USER") == ["app"] and STEPS.index(("USER", "app")) < len(STEPS) - 3
    assert len(steps("HEALTHCHECK")) == 1 and steps("EXPOSE") == ["8501"]
    assert f"{CHECKPOINT_VARIABLE}=/app/models/{CHECKPOINT_NAME}" in steps("ENV")[0]


def copied(folder: Path) -> None:
    """What `COPY . .` brings, by .dockerignore: nothing, but for what its lines with ! name."""
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    for pattern in (line[1:] for line in lines if line.startswith("!")):
        for path in REPOSITORY.glob(pattern):
            target = folder / path.relative_to(REPOSITORY)
            if path.is_dir():
                shutil.copytree(path, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)


def test_what_it_copies_is_the_program_and_no_secret(tmp_path: Path) -> None:
    copied(tmp_path)
    found = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    code = {
        path.relative_to(REPOSITORY)
        for folder in CODE_FOLDERS
        for path in [*REPOSITORY.glob("*.py"), *(REPOSITORY / folder.split(".")[0]).rglob("*.py")]
    }
    assert code <= found
    assert not [path for path in found if path.suffix in (".pth", ".zip") or "secret" in path.name]
    assert not [
        path for path in found if path.parts[0] == "ml-latest-small" and path.suffix == ".csv"
    ]


def test_what_it_starts_answers_its_own_health_check(tmp_path: Path) -> None:
    """In a copy of what the image would hold, with an environment of its own."""
    project = tmp_path / "app"
    copied(project)
    (start,), (check,) = steps("CMD"), steps("HEALTHCHECK")
    command, probe = json.loads(start), json.loads(check[check.index("[") :])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        TRAINING_VARIABLE: "off",
        CHECKPOINT_VARIABLE: str(tmp_path / "models" / "m.pth"),
    }
    process = subprocess.Popen(
        [sys.executable, *command[1:], "--server.port", port],
        cwd=project,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    asked = [sys.executable, *(part.replace("8501", port) for part in probe[1:])]
    try:
        deadline = time.monotonic() + 60
        while subprocess.run(asked, env=environment, capture_output=True).returncode:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.5)
    finally:
        process.kill()
        process.wait()
    assert subprocess.run(asked, env=environment, capture_output=True).returncode  # and not always


def test_the_proxy_and_the_app_know_each_other() -> None:
    app, proxy = (COMPOSE["services"][name] for name in ("app", "proxy"))
    assert app["environment"][TRAINING_VARIABLE] == "off"
    for variable in (HOSTS_VARIABLE, KEY_VARIABLE):
        assert variable in app["environment"]
    (network,) = COMPOSE["networks"]["inside"]["ipam"]["config"]
    assert app["environment"][PROXIES_VARIABLE] == network["subnet"]
    assert "ports" not in app  # reached through the proxy alone
    assert all(service["mem_limit"] for service in (app, proxy))
    volumes = [volume.split(":")[1] for volume in app["volumes"]]
    assert volumes == ["/app/ml-latest-small", "/app/models"]
    caddyfile = (REPOSITORY / proxy["volumes"][0].split(":")[0]).read_text()
    assert "respond /api/metrics 404" in caddyfile and "lb_policy cookie" in caddyfile


def test_the_documented_commands_of_the_container_exist() -> None:
    hosting = (REPOSITORY / "docs" / "hosting.md").read_text()
    commands = re.findall(r"^(?:\w+=\S+ )?docker compose (.+?)(?:\s+#.*)?$", hosting, re.MULTILINE)
    assert any(command.startswith("up") for command in commands)
    for command in commands:
        words = shlex.split(command)
        if words[0] == "run":
            rest = [word for word in words[1:] if word != "--rm"]
            assert rest[0] in COMPOSE["services"] and rest[1] == "python"
            target = rest[3].replace(".", "/") + ".py" if rest[2] == "-m" else rest[2]
            assert (REPOSITORY / target).exists(), target


@pytest.mark.skipif(not shutil.which("caddy"), reason="Caddy is not here")
def test_caddy_reads_its_file() -> None:
    command = ["caddy", "validate", "--adapter", "caddyfile", "--config", "deploy/Caddyfile"]
    environment = os.environ | {"SITE": "films.example.org", "APP": "app"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
