"""docker-compose.yml and Dockerfile: no secrets, nothing started that is not there, nothing open that need not be."""

import re

import pytest
from django.core.management import get_commands

from tests.containers import COMPOSE, DOCKERFILE, NotSet, services, stages, written

from .tree import ROOT

SECRETS = dict.fromkeys(("POSTGRES_PASSWORD", "REDIS_PASSWORD", "SECRET_KEY", "EVIDENCE_SECRET"), "0123")
OPTIONAL_SECRETS = {"METRICS_TOKEN", "SENTRY_DSN", "EMAIL_URL", "HF_TOKEN"}
ONCE = {"prepare"}  # ends when it is done
ENV_EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
SETTINGS = (ROOT / "config/settings.py").read_text(encoding="utf-8").split('"""')[1]
DOCUMENTED = set(re.findall(r"\b([A-Z][A-Z_]+)=", SETTINGS))
OF_LIBRARIES = {
    "OMP_NUM_THREADS": "numpy, scipy and torch: how many threads",
    "HF_HOME": "huggingface_hub: where models of the hub are kept",
    "HF_TOKEN": "huggingface_hub: for models that one must ask for",
    "CUDA_VISIBLE_DEVICES": "torch: which GPU",
    "WEB_CONCURRENCY": "gunicorn: how many processes",
}
NOT_FOR_CONTAINERS = {
    "DATA": "set in the Dockerfile",
    "HOST": "gunicorn's own argument says it",
    "PORT": "that of the host, in Compose's ports",
    "FIXTURES": "read by `manage.py up` only",
    "DEBUG": "never on a server",
}


def ours() -> dict[str, dict]:
    """Services that run our own images."""
    return {name: service for name, service in written().items() if "build" in service}


def given() -> set[str]:
    return {key for service in ours().values() for key in service["environment"]}


@pytest.mark.parametrize("missing", SECRETS)
def test_without_a_secret_nothing_starts_and_it_is_named(missing):
    with pytest.raises(NotSet, match=f"^set {missing}, see .env.example$"):
        services({name: value for name, value in SECRETS.items() if name != missing})


def test_no_secret_has_a_value_in_a_file():
    assert set(re.findall(r"\$\{(\w+):\?", COMPOSE)) == set(SECRETS)
    assert all(f"\n{name}=\n" in ENV_EXAMPLE for name in SECRETS)
    assert [name for name in OPTIONAL_SECRETS if re.search(rf"\$\{{{name}(?!:-\}})", COMPOSE)] == []
    assert [name for name in {*SECRETS, *OPTIONAL_SECRETS} if name in DOCKERFILE] == []


def test_the_file_with_secrets_reaches_neither_git_nor_an_image():
    assert "/.env" in (ROOT / ".gitignore").read_text().splitlines()
    assert ".*" in (ROOT / ".dockerignore").read_text().splitlines()


def test_every_variable_of_the_example_is_one_that_compose_reads():
    names = re.findall(r"^(?:# )?([A-Z_]+)=", ENV_EXAMPLE, flags=re.MULTILINE)
    assert set(names) - set(re.findall(r"\$\{(\w+)", COMPOSE)) == {"COMPOSE_PROFILES"}  # by Compose itself


def test_every_variable_given_to_a_container_is_one_that_something_reads():
    assert given() - DOCUMENTED == set(OF_LIBRARIES) - {"HF_HOME"}
    assert "ENV HF_HOME=" in DOCKERFILE


def test_every_documented_setting_reaches_a_container_or_is_not_for_one():
    assert DOCUMENTED - given() == set(NOT_FOR_CONTAINERS)


def test_every_command_names_a_program_and_a_management_command_that_are_there():
    for name in ours():
        command = " ".join(services(SECRETS)[name].command)
        assert re.match(r"(python|gunicorn|sh) ", command), command
        for subcommand in re.findall(r"manage\.py (\w+)", command):
            assert subcommand in get_commands()
        for module in re.findall(r"python:(\S+)", command):
            assert (ROOT / f"{module.replace('.', '/')}.py").is_file()


def test_every_service_that_stays_has_a_health_check_and_comes_back():
    for name, service in written().items():
        if name in ONCE:
            assert (service["restart"], service["healthcheck"]) == ("no", {"disable": True})
        else:
            assert service["restart"] == "unless-stopped"
            assert services(SECRETS)[name].check


def test_every_service_is_confined():
    for service in written().values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["mem_limit"] and service["pids_limit"]
        assert service["logging"]["options"]["max-size"]


def test_no_service_runs_as_root():
    assert {service["user"] for service in written().values() if "build" not in service} == {"postgres", "redis"}
    for target in ("web", "worker"):
        assert re.findall(r"^USER (.+)$", stages()[target], flags=re.MULTILINE) == ["1000"]


def test_only_the_site_is_reached_from_outside_and_only_from_its_host():
    assert {name: service.get("ports") for name, service in written().items() if "ports" in service} == {
        "web": ["127.0.0.1:${PORT:-8000}:8000"]
    }


def test_every_target_is_a_stage_and_the_site_has_no_torch():
    targets = {service["build"]["target"] for service in ours().values()}
    assert targets == {"web", "worker"}
    assert targets <= set(stages())
    assert "engine.txt" not in stages()["web"]
    assert "engine.txt" in stages()["worker"]


def test_every_folder_a_container_writes_to_is_a_volume_or_in_memory():
    for name, service in written().items():
        mounted = [volume.split(":")[1] for volume in service.get("volumes", []) if isinstance(volume, str)]
        mounted += [folder.split(":")[0] for folder in service["tmpfs"]]
        assert ("/tmp" in mounted) and (name not in ours() or "/data" in mounted), name


def test_a_worker_can_only_read_its_models():
    for name in ("worker", "worker-gpu"):
        (models,) = (volume for volume in written()[name]["volumes"] if isinstance(volume, dict))
        assert (models["target"], models["read_only"]) == ("/models", True)
        assert services(SECRETS)[name].environment["MODELS"] == "/models"


def test_which_workers_a_machine_has_is_a_profile():
    profiles = {name: service["profiles"] for name, service in written().items() if "profiles" in service}
    assert profiles == {"worker": ["cpu"], "worker-gpu": ["gpu"]}
    assert "\nCOMPOSE_PROFILES=cpu\n" in ENV_EXAMPLE


def test_only_with_its_profile_a_gpu_is_asked_for():
    gpu = written()["worker-gpu"]
    assert gpu["deploy"]["resources"]["reservations"]["devices"][0]["driver"] == "nvidia"
    assert gpu["environment"]["DEVICE"] == "cuda"
