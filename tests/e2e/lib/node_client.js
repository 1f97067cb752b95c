// SPDX-License-Identifier: Apache-2.0
//
// node_client.js GET_URL FETCH_URL HTTP2_URL: one request each with https.get, fetch and http2.
// Prints "ready PID", waits for a line, reports the bodies' hashes and, of the HTTP/2 connection,
// what passed between the protocol and the TLS socket.
'use strict';
const crypto = require('crypto');
const http2 = require('http2');
const https = require('https');
const tls = require('tls');
const { Duplex } = require('stream');

const sha256 = (data) => crypto.createHash('sha256').update(data).digest('hex');

// A stream over a TLS socket that notes each byte.
class Counted extends Duplex {
  constructor(socket) {
    super();
    this.socket = socket;
    this.noted = { send: [], recv: [] };
    socket.on('data', (data) => {
      this.noted.recv.push(data);
      this.push(data);
    });
    socket.on('end', () => this.push(null));
    socket.on('error', () => this.destroy());
    socket.on('close', () => this.destroy());
  }
  _read() {}
  _write(data, encoding, done) {
    this.noted.send.push(data);
    this.socket.write(data, done);
  }
  _final(done) {
    this.socket.end(done);
  }
  account() {
    const sum = (all) => ({ bytes: Buffer.concat(all).length, sha256: sha256(Buffer.concat(all)) });
    return { send: sum(this.noted.send), recv: sum(this.noted.recv) };
  }
}

function body(stream) {
  return new Promise((done, failed) => {
    const all = [];
    stream.on('data', (data) => all.push(data));
    stream.on('end', () => done(sha256(Buffer.concat(all))));
    stream.on('error', failed);
  });
}

function get(url) {
  return new Promise((done, failed) => {
    https.get(url, (response) => body(response).then(done, failed)).on('error', failed);
  });
}

async function getHttp2(url) {
  const { hostname, port, pathname } = new URL(url);
  const socket = tls.connect({ host: hostname, port, ALPNProtocols: ['h2'] });
  await new Promise((done, failed) => socket.once('secureConnect', done).once('error', failed));
  const counted = new Counted(socket);
  const session = http2.connect(url, { createConnection: () => counted });
  const stream = session.request({ ':path': pathname });
  const got = await body(stream);
  const closed = new Promise((done) => socket.once('close', done));
  session.close();
  await closed;
  return [got, counted.account()];
}

async function main() {
  const [getUrl, fetchUrl, http2Url] = process.argv.slice(2);
  console.log('ready', process.pid);
  await new Promise((done) => process.stdin.once('data', done));
  const bodies = [await get(getUrl)];
  bodies.push(sha256(Buffer.from(await (await fetch(fetchUrl)).arrayBuffer())));
  const [got, end] = await getHttp2(http2Url);
  bodies.push(got);
  console.log(JSON.stringify({ pid: process.pid, bodies, ends: [end] }));
  process.exit(0);
}

main();
