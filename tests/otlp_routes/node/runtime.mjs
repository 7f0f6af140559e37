// The Runtime API in a loop, as AWS's client of Node has it, which needs a compiler to install.

import http from 'node:http';
import { handler } from './index.mjs';

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');

function call(method, path, body) {
  const headers = body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) };
  const options = { host, port, method, headers, path: `/2018-06-01/runtime/invocation/${path}` };
  return new Promise((resolve, reject) => {
    const request = http.request(options, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => {
        resolve({ headers: response.headers, body: Buffer.concat(chunks).toString() });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

for (;;) {
  const next = await call('GET', 'next');
  const awsRequestId = next.headers['lambda-runtime-aws-request-id'];
  process.env._X_AMZN_TRACE_ID = next.headers['lambda-runtime-trace-id'];
  const answer = await handler(JSON.parse(next.body), { awsRequestId });
  await call('POST', `${awsRequestId}/response`, JSON.stringify(answer));
}
