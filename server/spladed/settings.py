"""The settings of a server, one small dataclass a section, validated where it is built.

Units stand in the names, the reasons for the defaults beside them. `config` reads them from a
file, the environment and flags.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from spladed.errors import InvalidInput

__all__ = [
    "ConnectionsConfig",
    "EncoderConfig",
    "IndexConfig",
    "Limits",
    "SecurityConfig",
    "ServerConfig",
    "wrong",
]


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """[server]: where it listens and what it serves.

    listen:        HOST:PORT; port 0 takes a free one. Loopback by default: without keys and
                   certificates ([security]) whoever reaches the port may do everything, so
                   being reachable is a decision.
    bundle:        "builtin", or a bundle folder
    bundles:       folder below which Admin.LoadBundle names further ones; empty refuses it, since
                   a bundle is as large as its caller likes. What is loaded so is forgotten when the
                   server ends
    data:          folder of the collections; empty serves encoding alone
    backups:       folder below which Admin.Backup puts its copies, not within `data`; empty
                   refuses them, since a caller chooses the name and fills the disk. One that
                   was cut by a kill leaves a folder .making-NAME-... there, of no use
    http_listen:   HOST:PORT of /metrics, /healthz, /readyz and /version; empty serves none. It
                   has neither TLS nor keys: bind it where only collectors reach it
    port_file:     written with the port once the server is ready; empty writes none
    drain_seconds: what calls in hand get after SIGTERM. Kubernetes kills after 30.
    log_level:     "debug", "info", "warning" or "error"
    """

    listen: str = "127.0.0.1:50051"
    bundle: str = "builtin"
    bundles: str = ""
    data: str = ""
    backups: str = ""
    http_listen: str = ""
    port_file: str = ""
    drain_seconds: float = 20.0
    log_level: str = "info"

    def __post_init__(self) -> None:
        _address("server.listen", self.listen)
        if self.http_listen:
            _address("server.http_listen", self.http_listen)
        _at_least("server.drain_seconds", self.drain_seconds, 0)
        if self.log_level not in ("debug", "info", "warning", "error"):
            raise wrong("server.log_level", self.log_level, "debug, info, warning or error")
        if self.data and self.backups and _is_within(self.backups, self.data):
            expected = "a folder that is not within server.data, where folders are collections"
            raise wrong("server.backups", self.backups, expected)


@dataclass(frozen=True, slots=True)
class Limits:
    """[limits]: what one call may not exceed.

    max_texts:         in a request
    max_text_bytes:    UTF-8, of one text; 256 KiB is some 60,000 tokens, a hundred times
                       what a model reads
    max_request_bytes: of a request's message
    max_reply_bytes:   of a reply's message; 4 MiB is what gRPC clients accept unasked
    max_hits:          k of a search
    max_documents:     in an Upsert; ids in a Delete, Get or Explain
    default_deadline_seconds: of a unary call whose caller set none, so that forgotten work
                       ends; Compact, Backup and LoadBundle, which take as long as their files
                       are large, have none. gRPC's own default is for ever, Envoy's 15 s for a
                       route; five minutes is above what a full request takes a BERT on two cores
    """

    max_texts: int = 1_024
    max_text_bytes: int = 262_144
    max_request_bytes: int = 16_777_216
    max_reply_bytes: int = 4_194_304
    max_hits: int = 10_000
    max_documents: int = 1_024
    default_deadline_seconds: float = 300.0

    def __post_init__(self) -> None:
        for each in fields(self):
            _at_least(f"limits.{each.name}", getattr(self, each.name), 1)


@dataclass(frozen=True, slots=True)
class SecurityConfig:
    """[security]: who may speak with the server. All are paths of files that are read again
    when they change, within a second; while a new one is wrong, the log says so and what was
    read before holds.

    certificate: the server's, in PEM, with the chain to its authority; with its `key`. Empty
                 speaks in clear
    key:         the certificate's, in PEM, without a password
    client_ca:   authorities, in PEM; a client must show a certificate from one of them (mTLS)
    api_keys:    keys with their scopes, as `spladed key new` makes them; a call must bring one.
                 Empty lets everybody do everything
    """

    certificate: str = ""
    key: str = ""
    client_ca: str = ""
    api_keys: str = ""

    def __post_init__(self) -> None:
        if bool(self.certificate) != bool(self.key):
            name, other = ("key", "certificate") if self.certificate else ("certificate", "key")
            raise wrong(f"security.{name}", "", f"a file, since security.{other} is given")
        if self.client_ca and not self.certificate:
            expected = "nothing, or security.certificate and security.key beside it"
            raise wrong("security.client_ca", self.client_ca, expected)


@dataclass(frozen=True, slots=True)
class ConnectionsConfig:
    """[connections]: what a peer's connections may cost. Seconds of 0 switch a rule off.

    max_connections:    at once; further ones are closed when they come
    max_metadata_bytes: of a call's headers; 16 KiB is gRPC's own hard limit, and here the only
                        one: gRPC's soft limit of 8 KiB refuses at random between the two
    handshake_seconds:  from a connection's start until it speaks HTTP/2; gRPC's default of 120
                        holds what says nothing for two minutes
    min_ping_seconds:   how often clients may ping, calls or none; those behind load balancers
                        do, and gRPC's default (300) hangs up on them. etcd's minimum is 5 too
    ping_seconds:       how often the server pings a silent connection. gRPC's default is two
                        hours, for which a machine that vanished would keep its calls and chunks
    ping_timeout_seconds: for the answer, then the connection is closed; gRPC's default
    max_idle_seconds:   without a call, then a connection is closed, and clients connect anew
                        with their next call. An hour, as Envoy has it
    max_age_seconds:    of a connection; off, since a single server gains nothing. Behind several,
                        300 spreads clients anew (gRPC draws each up to a tenth more or less)
    max_age_grace_seconds: for the calls that an aged connection still has; then they end, so
                        streams must be resumed by their clients, as ours do
    """

    max_connections: int = 10_000
    max_metadata_bytes: int = 16_384
    handshake_seconds: float = 20.0
    min_ping_seconds: float = 5.0
    ping_seconds: float = 60.0
    ping_timeout_seconds: float = 20.0
    max_idle_seconds: float = 3_600.0
    max_age_seconds: float = 0.0
    max_age_grace_seconds: float = 60.0

    def __post_init__(self) -> None:
        _at_least("connections.max_connections", self.max_connections, 1)
        _at_least("connections.max_metadata_bytes", self.max_metadata_bytes, 1_024)
        for name in ("handshake_seconds", "ping_timeout_seconds"):
            _at_least(f"connections.{name}", getattr(self, name), 0.1)
        for each in fields(self):
            _at_least(f"connections.{each.name}", getattr(self, each.name), 0)


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """[encoder]: the device and the batches.

    Where threads, parallel_batches or max_batch_tokens is 0, it is what `spladed tune` stored
    for this machine and bundle, else what stands there.

    device:             "cpu"
    threads:            of onnxruntime, for all batches together; else the cores of this process
    parallel_batches:   batches that run side by side and share the threads; else 1
    spinning:           whether idle threads burn their core instead of sleeping. A query alone is
                        answered a little sooner; tokenization, gRPC and searches lose the cores.
    max_batch_tokens:   rows x padded length of one batch; else 4,096
    max_document_batch_ms: what a batch of documents may take while queries flow, judged by past
                        batches; a single long text may take longer. 50 ms is within what a person
                        takes for at once (100 ms), for a query that finds such a batch running;
                        the built-in model loses nothing by it
    max_query_batches:  batches of queries in a row while documents wait
    max_waiting_tokens: what may wait; beyond it calls get RESOURCE_EXHAUSTED
    tokenizer_threads:  calls that tokenize side by side
    hang_seconds:       after which a batch is taken for hung: its callers are answered, and the
                        process ends with code 70. A full batch of a large model takes some tens of
                        seconds on two cores
    tuning:             folder in which `spladed tune` keeps what it found; empty is the bundle's
                        own, or for the built-in one `spladed/tuning` in the user's cache folder
    """

    device: str = "cpu"
    threads: int = 0
    parallel_batches: int = 0
    spinning: bool = False
    max_batch_tokens: int = 0
    max_document_batch_ms: float = 50.0
    max_query_batches: int = 8
    max_waiting_tokens: int = 1_048_576
    tokenizer_threads: int = 1
    hang_seconds: float = 300.0
    tuning: str = ""

    def __post_init__(self) -> None:
        for name in ("threads", "parallel_batches", "max_batch_tokens"):
            _at_least(f"encoder.{name}", getattr(self, name), 0)
        for name in ("max_query_batches", "max_waiting_tokens", "tokenizer_threads"):
            _at_least(f"encoder.{name}", getattr(self, name), 1)
        _at_least("encoder.max_document_batch_ms", self.max_document_batch_ms, 1)
        _at_least("encoder.hang_seconds", self.hang_seconds, 1)


@dataclass(frozen=True, slots=True)
class IndexConfig:
    """[index]: threads of the index, and when what it holds in memory becomes a file.

    search_threads:  searches, gets and explains side by side; 0 takes the cores
    write_threads:   upserts and deletes side by side; those of one collection share an fsync.
                     Of them one is taken by a compaction or backup while it lasts.
    flush_documents: of a collection's buffer, at which it is written to a segment file; until
                     then they are in memory, and read back with every start
    flush_bytes:     likewise; 64 MiB is RocksDB's write_buffer_size
    stall_seconds:   what a write waits for flushes and merges that are behind it, before it is
                     refused with WRITES_AHEAD; below the 30 s that clients wait, so that they
                     hear why
    kernel_cache:    folder that keeps compiled kernels from start to start, 3 MB for each
                     version and kind of processor; others must not be able to write to it,
                     since its code is run. Empty is `spladed` in the user's cache folder. It
                     may be read-only once it is filled (`spladed index compile`)
    """

    search_threads: int = 0
    write_threads: int = 4
    flush_documents: int = 32_768
    flush_bytes: int = 67_108_864
    stall_seconds: float = 20.0
    kernel_cache: str = ""

    def __post_init__(self) -> None:
        _at_least("index.search_threads", self.search_threads, 0)
        for name in ("write_threads", "flush_documents", "flush_bytes"):
            _at_least(f"index.{name}", getattr(self, name), 1)
        _at_least("index.stall_seconds", self.stall_seconds, 0.001)


def _address(name: str, found: str) -> None:
    host, _, port = found.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise wrong(name, found, "HOST:PORT, as 127.0.0.1:50051")


def _at_least(name: str, value: float, least: float) -> None:
    if value < least:
        raise wrong(name, value, f"at least {least:g}")


def _is_within(path: str, folder: str) -> bool:
    return Path(path).resolve().is_relative_to(Path(folder).resolve())


def wrong(name: str, found: object, expected: str) -> InvalidInput:
    """The error of a setting."""
    return InvalidInput(
        f"{name} is {found!r}; expected {expected}", reason="CONFIG", field=name.rpartition(" ")[2]
    )
