"""Recording spans with OpenTelemetry, and exporting them by OTLP over HTTP.

Its SDK reads the standard variables itself: where to export, which requests to sample, the service's name.
"""

import os
import threading

import anyio
import anyio.to_thread
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chat import __version__
from chat.tracing.tracing import NO_SPAN, Span, Tracing, Value, trace_in

CLOSE_SECONDS = 1.0  # for the last spans; a collector that is away must not delay the shutdown

_KINDS = {
    "internal": trace.SpanKind.INTERNAL,
    "server": trace.SpanKind.SERVER,
    "producer": trace.SpanKind.PRODUCER,
    "consumer": trace.SpanKind.CONSUMER,
}
_PROPAGATOR = TraceContextTextMapPropagator()


class ExportedTracing(Tracing):
    """Records spans and exports them in a thread of its own."""

    is_on = True

    def __init__(self) -> None:
        ours = Resource({"service.name": "simplechat", "service.version": __version__, "process.pid": os.getpid()})
        # A worker process ends by a signal, not by an exit that the SDK would notice; `close` exports the last spans.
        self._provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("chat", __version__)

    def begin(self, name: str, parent: str = "", *, of: str = "internal", started_at: float | None = None) -> Span:
        context = _PROPAGATOR.extract({"traceparent": parent}) if trace_in(parent) else None
        start = None if started_at is None else int(started_at * 1e9)
        span = self._tracer.start_span(name, context, _KINDS[of], start_time=start)
        return _Recorded(span) if span.is_recording() else NO_SPAN

    async def close(self) -> None:
        closing = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        closing.start()
        await anyio.to_thread.run_sync(closing.join, CLOSE_SECONDS)


class _Recorded:
    def __init__(self, span: trace.Span) -> None:
        self._span = span
        found = span.get_span_context()
        self.trace = f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"

    def end(self, name: str = "", *, failed: bool = False, attributes: dict[str, Value] | None = None) -> None:
        if name:
            self._span.update_name(name)
        if failed:
            self._span.set_status(trace.StatusCode.ERROR)
        self._span.set_attributes(attributes or {})
        self._span.end()
