from __future__ import annotations

import re
from pathlib import Path

import pytest

from spladed.client.client import Client
from spladed.config import Access, client_access, kernel_cache, load_config, set_kernel_cache
from spladed.errors import InvalidInput, NotFound
from spladed.index.upkeep import Upkeep
from spladed.rpc.key_file import read_keys


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(tmp_path: Path) -> None:
    file = tmp_path / "spladed.toml"
    file.write_text('[encoder]\nthreads = 2\nmax_batch_tokens = 100\n[server]\nbundle = "x"\n')
    config = load_config(
        file,
        flags={"encoder.threads": 4, "server.listen": None},
        environment={
            "SPLADED_ENCODER_THREADS": "3",
            "SPLADED_ENCODER_MAX_BATCH_TOKENS": "200",
            "SPLADED_SERVER_DRAIN_SECONDS": "1.5",
            "SPLADED_TARGET": "not of any section",
        },
    )
    assert config.encoder.threads == 4
    assert config.encoder.max_batch_tokens == 200
    assert config.server.bundle == "x"
    assert config.server.drain_seconds == 1.5
    assert config.server.listen == "127.0.0.1:50051"


BAD_FILES = {
    "[server]\nlisten = 5": "server.listen is 5; expected a value of type str",
    "[sever]\nlisten = 'x'": "expected one of the sections [server]",
    "[server]\nlistne = 'x'": "expected one of listen",
    "[server]\nlisten = 'localhost'": "expected HOST:PORT",
    "[server]\nlisten = 'h:99999'": "expected HOST:PORT",
    "[encoder]\nmax_document_batch_ms = 0": "max_document_batch_ms is 0.0; expected at least 1",
    "[encoder]\nparallel_batches = -1": "encoder.parallel_batches is -1; expected at least 0",
    "[limits]\nmax_texts = 0": "limits.max_texts is 0; expected at least 1",
    "[limits]\nmax_texts = true": "expected a value of type int",
    "[server]\nlog_level = 'loud'": "debug, info, warning or error",
    "[security]\ncertificate = 'c'": "security.key is ''; expected a file, since security.cert",
    "[security]\nkey = 'c'": "security.certificate is ''; expected a file, since security.key is",
    "[security]\nclient_ca = 'c'": "security.client_ca is 'c'; expected nothing, or security.cert",
    "[connections]\nmax_connections = 0": "connections.max_connections is 0; expected at least 1",
    "[connections]\nmax_metadata_bytes = 9": "is 9; expected at least 1024",
    "[connections]\nmax_age_seconds = -1": "max_age_seconds is -1.0; expected at least 0",
    "[connections]\nhandshake_seconds = 0": "handshake_seconds is 0.0; expected at least 0.1",
    "[limits]\ndefault_deadline_seconds = 0": "is 0.0; expected at least 1",
    "[index]\nflush_documents = 0": "index.flush_documents is 0; expected at least 1",
    "[index]\nflush_bytes = -1": "index.flush_bytes is -1; expected at least 1",
    "[index]\nstall_seconds = 0": "index.stall_seconds is 0.0; expected at least 0.001",
    "[server]\ndata = 'd'\nbackups = 'd/e'": "server.backups is 'd/e'; expected a folder that is",
    "[server]\ndata = './d'\nbackups = 'x/../d'": "expected a folder that is not within",
    "[server\n": "is not TOML",
    "server = 3": "expected one of the sections",
}


@pytest.mark.parametrize("text", BAD_FILES)
def test_a_wrong_file_is_named_with_what_is_expected(text: str, tmp_path: Path) -> None:
    file = tmp_path / "spladed.toml"
    file.write_text(text)
    with pytest.raises(InvalidInput) as caught:
        load_config(file, environment={})
    assert BAD_FILES[text] in caught.value.message


def test_a_wrong_variable_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"SPLADED_ENCODER_THREADS is 'many'; expected a number"):
        load_config(environment={"SPLADED_ENCODER_THREADS": "many"})
    with pytest.raises(InvalidInput, match=r"encoder\.thread is 'thread'; expected one of device"):
        load_config(environment={"SPLADED_ENCODER_THREAD": "1"})


def test_a_variable_is_true_or_false() -> None:
    assert load_config(environment={"SPLADED_ENCODER_SPINNING": "true"}).encoder.spinning
    assert not load_config(environment={"SPLADED_ENCODER_SPINNING": "false"}).encoder.spinning
    with pytest.raises(InvalidInput, match=r"SPLADED_ENCODER_SPINNING is '1'; expected true or"):
        load_config(environment={"SPLADED_ENCODER_SPINNING": "1"})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"nowhere\.toml"):
        load_config(tmp_path / "nowhere.toml", environment={})


def test_what_it_prints_it_reads_back(tmp_path: Path) -> None:
    flags = {"index.flush_documents": 7, "server.data": "d", "server.backups": "d-backups"}
    config = load_config(flags=flags, environment={"SPLADED_INDEX_STALL_SECONDS": "1.5"})
    assert (config.index.flush_documents, config.index.stall_seconds) == (7, 1.5)
    file = tmp_path / "spladed.toml"
    file.write_text(config.to_toml())
    assert load_config(file, environment={}) == config


DEPLOYMENT = Path(__file__).parents[2].joinpath("docs/deployment.md").read_text("utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", DEPLOYMENT, re.S)


def test_what_the_page_on_deployment_says_is_taken(tmp_path: Path) -> None:
    security, keys, connections = BLOCKS
    file = tmp_path / "file.toml"
    file.write_text(security)
    assert load_config(file, environment={}).security.client_ca == "/etc/spladed/clients.pem"
    file.write_text(connections)
    assert load_config(file, environment={}) == load_config(environment={})
    file.write_text(keys)
    assert len(read_keys(str(file))) == 1


def test_the_environment_of_a_client_is_no_section_of_the_server() -> None:
    environment = {
        "SPLADED_API_KEY": "k",
        "SPLADED_TLS_AUTHORITY": "system",
        "SPLADED_TLS_SERVER_NAME": "n",
    }
    assert load_config(environment=environment) == load_config(environment={})
    expected = Access(api_key="k", authority="system", server_name="n")
    assert client_access(environment) == expected
    assert client_access({}) == Access()


def test_the_indexs_defaults_are_those_of_the_library() -> None:
    """But for how long writes wait: a server's callers have deadlines."""
    config, upkeep = load_config(environment={}).index, Upkeep()
    assert config.flush_documents == upkeep.flush_documents
    assert config.flush_bytes == upkeep.flush_bytes
    assert config.stall_seconds < Client("127.0.0.1:1").timeout_seconds


def test_kernels_are_kept_where_it_is_said_else_in_the_users_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "SPLADED_INDEX_KERNEL_CACHE"
    home = Path.home() / ".cache" / "spladed"
    assert kernel_cache({name: "/k", "XDG_CACHE_HOME": "/x"}) == Path("/k")
    assert kernel_cache({name: "k"}) == Path.cwd() / "k"
    assert kernel_cache({name: "", "XDG_CACHE_HOME": "/x"}) == Path("/x/spladed")
    assert kernel_cache({"XDG_CACHE_HOME": "relative"}) == kernel_cache({}) == home
    monkeypatch.setenv(name, "/before")
    assert set_kernel_cache("/k") == kernel_cache() == Path("/k")
    assert load_config().index.kernel_cache == "/k"
