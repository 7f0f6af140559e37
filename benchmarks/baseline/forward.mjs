// A telemetry extension that only forwards: the reference for measurements of the extension.
//
//   delivery --> receiver --> JSON.parse --> queue --on INVOKE, SHUTDOWN--> NDJSON over HTTP
//
// It uses only Node's own library. It buffers in memory without a bound, never retries, and loses
// its buffer in a crash, so its cost is the least cost of forwarding.

import http from "node:http";

const NAME = process.env.EXTENSION_NAME ?? "forward.mjs";
const PORT = Number(process.env.RECEIVER_PORT ?? 4243);
const FORWARD_TO = new URL(process.env.FORWARD_TO);
const [API_HOST, API_PORT] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const LABELS = {
  version: process.env.AWS_LAMBDA_FUNCTION_VERSION ?? "NA",
  region: process.env.AWS_REGION ?? "NA",
  logGroup: process.env.AWS_LAMBDA_FUNCTION_NAME ?? "NA",
  logStream: new Date().toISOString(),
};

let queue = [];

const receiver = http.createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    for (const event of JSON.parse(Buffer.concat(chunks).toString("utf8"))) queue.push(event);
    response.writeHead(200).end();
  });
});

function call(options, body) {
  return new Promise((resolve, reject) => {
    const request = http.request(options, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () =>
        resolve({ headers: response.headers, body: Buffer.concat(chunks).toString("utf8") }),
      );
    });
    request.on("error", reject);
    request.end(body);
  });
}

function api(method, path, headers, body = "") {
  const length = { "Content-Length": Buffer.byteLength(body) };
  const where = { host: API_HOST, port: API_PORT, method, path };
  return call({ ...where, headers: { ...headers, ...length } }, body);
}

async function forward() {
  if (queue.length === 0) return;
  const events = queue;
  queue = [];
  const lines = events.map(({ time, type, record }) =>
    JSON.stringify({ time, type, ...LABELS, record }),
  );
  const body = Buffer.from(lines.join("\n"));
  const headers = { "Content-Type": "application/x-ndjson", "Content-Length": body.length };
  const where = { host: FORWARD_TO.hostname, port: FORWARD_TO.port, path: FORWARD_TO.pathname };
  await call({ ...where, method: "POST", headers }, body);
}

async function main() {
  await new Promise((resolve) => receiver.listen(PORT, "0.0.0.0", resolve));
  const registered = await api(
    "POST",
    "/2020-01-01/extension/register",
    { "Lambda-Extension-Name": NAME },
    JSON.stringify({ events: ["INVOKE", "SHUTDOWN"] }),
  );
  const identity = {
    "Lambda-Extension-Identifier": registered.headers["lambda-extension-identifier"],
  };
  await api(
    "PUT",
    "/2022-07-01/telemetry",
    { ...identity, "Content-Type": "application/json" },
    JSON.stringify({
      schemaVersion: "2022-12-13",
      types: ["platform", "function"],
      buffering: { timeoutMs: 100, maxBytes: 262144, maxItems: 10000 },
      destination: { protocol: "HTTP", URI: `http://sandbox.localdomain:${PORT}` },
    }),
  );
  for (;;) {
    const { body } = await api("GET", "/2020-01-01/extension/event/next", identity);
    await forward();
    if (JSON.parse(body).eventType === "SHUTDOWN") process.exit(0);
  }
}

await main();
