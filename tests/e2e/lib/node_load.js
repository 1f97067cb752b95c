// SPDX-License-Identifier: Apache-2.0
//
// node_load.js PORT COUNT METHOD...: so many requests, the methods and sizes in turn, over a few
// connections that are kept alive. Prints "ready PID" and waits for a line.
'use strict';
const https = require('https');

const SIZES = [0, 1, 4095, 16385, 100000];
const [port, count, ...methods] = process.argv.slice(2);
const agent = new https.Agent({ keepAlive: true, maxSockets: 6 });

function ask(number) {
  const method = methods[number % methods.length];
  const data = method === 'POST' ? Buffer.alloc(1 + ((number * 41) % 20000), String(number)) : null;
  const path = `/${SIZES[number % SIZES.length]}?node=${number}`;
  const headers = data ? { 'Content-Length': data.length } : {};
  return new Promise((done, failed) => {
    const request = https.request({ host: '127.0.0.1', port, path, method, headers, agent });
    request.on('response', (response) => {
      response.on('error', failed);
      response.on('end', done);
      response.resume();
    });
    request.on('error', failed);
    request.end(data);
  });
}

async function main() {
  console.log('ready', process.pid);
  await new Promise((done) => process.stdin.once('data', done));
  await Promise.all([...Array(Number(count)).keys()].map(ask));
  agent.destroy();
  console.log(JSON.stringify({ pid: process.pid }));
  process.exit(0);
}

main();
