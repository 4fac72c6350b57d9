// The thread pool of libuv and the worker threads of node: what each says is a line; the harness sorts them.
'use strict';
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const crypto = require('crypto'), dns = require('dns'), fs = require('fs'), zlib = require('zlib');
const { execFile } = require('child_process');

if (!isMainThread) {
  const shared = new Int32Array(workerData.shared);
  for (let i = 0; i < 20000; ++i) Atomics.add(shared, 0, 1);
  parentPort.on('message', (text) => {
    parentPort.postMessage(`worker ${workerData.number} got ${text}`);
    parentPort.close();
  });
} else {
  const shared = new SharedArrayBuffer(4);
  for (let i = 0; i < 8; ++i)
    crypto.pbkdf2('weft', `salt ${i}`, 5000, 16, 'sha256', (error, key) => console.log(`pbkdf2 ${i} ${key.toString('hex')}`));
  fs.readFile(__filename, (error, data) => console.log(`file ${data.length}`));
  fs.readFile('/nowhere', (error) => console.log(`file ${error.code}`));
  dns.lookup('localhost', { family: 4 }, (error, address) => console.log(`name ${address}`));
  zlib.gzip(Buffer.alloc(1 << 20, 'weft '), (error, packed) =>
    zlib.gunzip(packed, (failure, back) => console.log(`zlib ${back.length}`)));
  execFile('/bin/sh', ['-c', 'echo child; exit 3'], (error, out) => console.log(`child ${out.trim()} ${error.code}`));
  const wait = setInterval(() => {}, 5);
  let left = 4;
  for (let number = 0; number < 4; ++number) {
    const worker = new Worker(__filename, { workerData: { shared, number } });
    worker.on('message', (text) => console.log(text));
    worker.on('exit', (code) => {
      console.log(`worker ${number} ended with ${code}`);
      if (--left > 0) return;
      console.log(`shared ${new Int32Array(shared)[0]}`);
      clearInterval(wait);
    });
    worker.postMessage(`message ${number}`);
  }
}
