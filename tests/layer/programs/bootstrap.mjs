// A function in Node without a library: the Runtime API in a loop.
import http from "node:http";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");

function call(method, path, body) {
  const headers = body === undefined ? {} : { "Content-Length": Buffer.byteLength(body) };
  const options = { host, port, method, headers, path: `/2018-06-01/runtime/invocation/${path}` };
  return new Promise((resolve, reject) => {
    const request = http.request(options, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => {
        resolve({ headers: response.headers, body: Buffer.concat(chunks).toString() });
      });
    });
    request.on("error", reject);
    request.end(body);
  });
}

for (;;) {
  const next = await call("GET", "next");
  const requestId = next.headers["lambda-runtime-aws-request-id"];
  const ours = Object.values(process.env).filter((value) => value.includes("/opt/otlp2parquet"));
  console.log(`from node ${next.body} ${ours.length}`);
  await call("POST", `${requestId}/response`, next.body);
}
