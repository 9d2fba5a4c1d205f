"""The wiring: configuration in, a running server out. The one file that knows all rooms."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import uvloop

from spladed import __version__
from spladed.bundle import BUILTIN
from spladed.config import Config
from spladed.encoder.encoder import Encoder
from spladed.encoder.engine import Engine
from spladed.errors import Mismatch
from spladed.index.collections import Collections
from spladed.index.upkeep import Upkeep
from spladed.ort import available_threads
from spladed.rpc import exposure
from spladed.rpc.admin_service import AdminService
from spladed.rpc.bundles import Bundles
from spladed.rpc.encoder_service import EncoderService
from spladed.rpc.encoding import Encoding, Encodings
from spladed.rpc.index_service import IndexService
from spladed.rpc.server import RpcServer
from spladed.rpc.threads import Threads
from spladed.settings import EncoderConfig
from spladed.watch.collections import IndexCollector
from spladed.watch.http import HttpPort
from spladed.watch.metrics import Metrics
from spladed.watchdog import watch_engines

__all__ = ["serve"]

_LOG = logging.getLogger("spladed")


def serve(config: Config) -> None:
    """Serves until SIGTERM, SIGINT or Admin.Drain, then drains."""
    _take_all_files()
    uvloop.run(_serve(config))


async def _serve(config: Config) -> None:
    stopping, ready = _stop_signals(), threading.Event()
    metrics = Metrics(__version__)
    http = _open_http(config, metrics, ready)
    try:
        collections = _open_collections(config)
        try:
            await _run(config, collections, stopping, metrics, ready)
        finally:
            if collections is not None:
                collections.close()
    finally:
        if http is not None:
            http.close()


async def _run(
    config: Config,
    collections: Collections | None,
    stopping: asyncio.Event,
    metrics: Metrics,
    ready: threading.Event,
) -> None:
    tokenizing = _threads("tokenize", config.encoder.tokenizer_threads)
    readers = config.index.search_threads or available_threads()
    reading = _threads("read", readers)
    writing = _threads("write", config.index.write_threads)
    threads = Threads(reading, writing, readers)
    make = partial(_make_encoding, config, metrics, tokenizing, asyncio.get_running_loop())
    encodings = Encodings([make("", config.server.bundle or BUILTIN)])
    metrics.watch_waiting(lambda: sum(each.engine.waiting_tokens for each in encodings.all()))
    bundles = Bundles(encodings, collections, config.server.bundles, make)
    try:
        server = _mounted(config, encodings, collections, threads, stopping, bundles, metrics)
        await _serve_until(stopping, server, encodings, config, ready)
        if collections is not None:  # first: whoever compacts or waits for a merge gives up
            await asyncio.to_thread(collections.close)
        for pool in (tokenizing, reading, writing):
            await asyncio.to_thread(pool.shutdown)
    finally:
        await bundles.close()


def _mounted(
    config: Config,
    encodings: Encodings,
    collections: Collections | None,
    threads: Threads,
    stopping: asyncio.Event,
    bundles: Bundles,
    metrics: Metrics,
) -> RpcServer:
    """The services on a server that has its port."""
    index = None
    if collections is not None:
        index = IndexService(collections, encodings, threads, config.limits, metrics)
        metrics.registry.register(IndexCollector(collections))
    return RpcServer(
        config,
        encoder=EncoderService(encodings, config.limits),
        index=index,
        admin=AdminService(
            encodings, collections, threads, stopping, config.server.backups, bundles
        ),
        watch=metrics,
    )


async def _serve_until(
    stopping: asyncio.Event,
    server: RpcServer,
    encodings: Encodings,
    config: Config,
    ready: threading.Event,
) -> None:
    for warning in exposure.warnings(config.server.listen, config.security):
        _LOG.warning("%s", warning)

    def set_serving(serving: bool) -> None:
        server.set_serving(serving)
        (ready.set if serving else ready.clear)()

    def engines() -> list[Engine]:
        return [each.engine for each in encodings.all()]

    await server.start()
    set_serving(True)
    _write_port(config.server.port_file, server.port)
    _LOG.info("serving %s on port %d", encodings.get("", "bundle").name, server.port)
    async with _watched(engines, config.encoder.hang_seconds, lambda: set_serving(False)):
        await stopping.wait()
        ready.clear()
        _LOG.info("draining, at most %g s", config.server.drain_seconds)
        await server.stop(config.server.drain_seconds)


@asynccontextmanager
async def _watched(
    engines: Callable[[], list[Engine]], seconds: float, stop_serving: Callable[[], None]
) -> AsyncIterator[None]:
    watching = asyncio.create_task(watch_engines(engines, seconds, stop_serving))
    try:
        yield
    finally:
        watching.cancel()


def _open_http(config: Config, metrics: Metrics, ready: threading.Event) -> HttpPort | None:
    """The HTTP port, open before anything is loaded: a process that starts is alive."""
    if not config.server.http_listen:
        return None
    versions = {"spladed": __version__, "bundle": config.server.bundle or BUILTIN}
    http = HttpPort(config.server.http_listen, metrics, ready.is_set, versions)
    _LOG.info("figures on port %d", http.port)
    return http


def _open_collections(config: Config) -> Collections | None:
    """The collections of a data folder; one that is broken is logged and keeps none back."""
    if not config.server.data:
        return None
    settings = config.index
    upkeep = Upkeep(
        flush_documents=settings.flush_documents,
        flush_bytes=settings.flush_bytes,
        stall_seconds=settings.stall_seconds,
    )
    collections = Collections.open(Path(config.server.data), upkeep=upkeep)
    for name, error in collections.failures().items():
        _LOG.error("collection %s is not served: %s", name, error.message)
    return collections


def _make_encoding(
    config: Config,
    metrics: Metrics,
    tokenizing: Executor,
    loop: asyncio.AbstractEventLoop,
    name: str,
    folder: str | Path,
) -> Encoding:
    """A bundle, loaded and proven, and the threads that run it; an empty name is its own."""
    settings, encoder = config.encoder, _load_encoder(config.encoder, folder)
    engine = Engine(
        encoder.run,
        replace(encoder.policy, max_query_batches=settings.max_query_batches),
        notify=loop.call_soon_threadsafe,
        max_waiting_tokens=settings.max_waiting_tokens,
        max_document_batch_ms=settings.max_document_batch_ms,
        parallel_batches=encoder.setup.parallel_batches,
        observe=metrics.ran,
    )
    name = name or encoder.bundle.manifest.name
    return Encoding(name, encoder, engine, tokenizing, config.limits, metrics)


def _load_encoder(settings: EncoderConfig, folder: str | Path) -> Encoder:
    return Encoder.load(
        folder,
        device=settings.device,
        threads=settings.threads,
        parallel_batches=settings.parallel_batches,
        max_batch_tokens=settings.max_batch_tokens,
        spinning=settings.spinning,
        tuning=settings.tuning,
    )


def _threads(name: str, count: int) -> Executor:
    return ThreadPoolExecutor(count, thread_name_prefix=f"spladed-{name}")


def _take_all_files() -> None:
    """As many descriptors as the system allows: each connection takes one. The usual limit of
    1,024 is for programs that use select, and Go's runtime lifts it likewise."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _stop_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


def _write_port(path: str, port: int) -> None:
    """Puts the port into a file at once and whole, for whoever waits for it to appear."""
    if not path:
        return
    temporary = Path(f"{path}.{os.getpid()}")
    try:
        temporary.write_text(f"{port}\n", "ascii")
        temporary.replace(path)
    except OSError as error:
        raise Mismatch(
            f"cannot write the port file {path}: {error.strerror}; choose another with --port-file",
            reason="PORT_FILE",
            field="server.port_file",
        ) from error
