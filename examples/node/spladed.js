// A client made of the .proto files: `open` gives the services with calls that return
// promises, and `SpladedError` is what they reject with.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import grpc from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import protobuf from 'protobufjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

// What errors carry, as google/rpc/status.proto (which the contract imports) and
// error_details.proto have it on the wire; npm packages with those files weigh 37 MB and more.
const GOOGLE_RPC = 'google/rpc/status.proto';
protobuf.common(
  GOOGLE_RPC,
  messages({
    Status: {
      code: { type: 'int32', id: 1 },
      message: { type: 'string', id: 2 },
      details: { rule: 'repeated', type: 'Packed', id: 3 },
    },
    Packed: { type_url: { type: 'string', id: 1 }, value: { type: 'bytes', id: 2 } },
    ErrorInfo: { reason: { type: 'string', id: 1 }, domain: { type: 'string', id: 2 } },
    RetryInfo: { retry_delay: { type: 'Span', id: 1 } },
    Span: { seconds: { type: 'int64', id: 1 }, nanos: { type: 'int32', id: 2 } },
    BadRequest: { field_violations: { rule: 'repeated', type: 'FieldViolation', id: 1 } },
    FieldViolation: { field: { type: 'string', id: 1 }, description: { type: 'string', id: 2 } },
  }),
);

const root = new protobuf.Root();
root.resolvePath = (_, target) => (target === GOOGLE_RPC ? target : here(`../../protos/${target}`));
root.loadSync(['spladed/v1/encoder.proto', 'spladed/v1/index.proto'], {
  keepCase: true, // the field names of the contract, not camelCase
});
const contract = grpc.loadPackageDefinition(
  fromJSON(root.toJSON(), {
    keepCase: true,
    longs: String, // generations are 64 bits, more than a JavaScript number holds
    enums: String,
    defaults: true,
    oneofs: true,
  }),
);
const { rpc } = contract.google;

// Retries happen inside gRPC, for the calls and by the policy named in this file.
const SERVICE_CONFIG = readFileSync(here('../../docs/service-config.json'), 'utf8');

const CHANNEL_OPTIONS = {
  'grpc.service_config': SERVICE_CONFIG,
  // A request is kept to be sent again only up to this size, 1 MiB if nothing is said; this
  // is the server's max_request_bytes.
  'grpc.per_rpc_retry_buffer_size': 16 * 1024 * 1024,
  'grpc.retry_buffer_size': 64 * 1024 * 1024,
  // A restarted server is back within seconds; gRPC's own default waits up to 120.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
  // The server's max_reply_bytes is 4 MiB, gRPC's default, unless its operator raised it.
  'grpc.max_receive_message_length': 4 * 1024 * 1024,
};

/** A failed call: its gRPC status, and the server's reason, a constant to compare. */
export class SpladedError extends Error {
  constructor(call, { reason, field, retryAfterSeconds }) {
    super(call.details);
    this.name = 'SpladedError';
    this.code = call.code;
    this.status = grpc.status[call.code];
    this.reason = reason; // '' where the failure is not the server's: it never answered
    this.field = field; // '' where no field is at fault
    this.retryAfterSeconds = retryAfterSeconds; // undefined where waiting does not help
  }
}

/** The services of the server at `target`; every call may take `seconds`. */
export function open(target, { seconds = 10 } = {}) {
  const credentials = grpc.credentials.createInsecure();
  const { Encoder, Index } = contract.spladed.v1;
  const encoder = new Encoder(target, credentials, CHANNEL_OPTIONS);
  const index = new Index(target, credentials, CHANNEL_OPTIONS);
  return {
    encoder: promising(encoder, seconds),
    index: promising(index, seconds),
    close: () => [encoder, index].forEach((client) => client.close()),
  };
}

/** The rows of a SparseBatch, each as [term id, weight] pairs. */
export function rows({ indptr, indices, values }) {
  return indptr
    .slice(1)
    .map((stop, row) => range(indptr[row], stop).map((at) => [indices[at], values[at]]));
}

const range = (start, stop) => Array.from({ length: stop - start }, (_, step) => start + step);

/** The unary calls of a client as functions from a request to a promise of its reply. */
function promising(client, seconds) {
  const call = (method) => (request) =>
    new Promise((resolve, reject) => {
      const deadline = Date.now() + seconds * 1_000;
      client[method](request, { deadline }, (error, reply) =>
        error ? reject(new SpladedError(error, details(error))) : resolve(reply),
      );
    });
  return new Proxy(client, { get: (_, method) => call(method) });
}

/** Messages of google.rpc as the nested objects that protobufjs takes. */
function messages(fields) {
  const nested = Object.fromEntries(
    Object.entries(fields).map(([name, own]) => [name, { fields: own }]),
  );
  return { nested: { google: { nested: { rpc: { nested } } } } };
}

/** What the trailer `grpc-status-details-bin` tells: a google.rpc.Status of packed messages. */
function details(error) {
  const [trailer] = error.metadata.get('grpc-status-details-bin');
  const packed = trailer ? rpc.Status.deserialize(trailer).details : [];
  const unpack = (type) => {
    const found = packed.find(({ type_url }) => type_url.endsWith(`/google.rpc.${type}`));
    return found && rpc[type].deserialize(found.value);
  };
  const delay = unpack('RetryInfo')?.retry_delay;
  return {
    reason: unpack('ErrorInfo')?.reason ?? '',
    field: unpack('BadRequest')?.field_violations[0].field ?? '',
    retryAfterSeconds: delay && Number(delay.seconds) + delay.nanos / 1e9,
  };
}
