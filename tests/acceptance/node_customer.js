// A customer as one would write it in Node without a framework; the limit is that of Express.
// `node node_customer.js FILE` prints its port and serves until its standard input ends.
const fs = require('fs');
const http = require('http');
const querystring = require('querystring');

const LIMIT = 100 * 1024;
const file = fs.openSync(process.argv[2], 'a');

const server = http.createServer((request, response) => {
  if (Number(request.headers['content-length']) > LIMIT) {
    response.writeHead(413);
    response.end('request entity too large');
    request.resume();
    return;
  }
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const form = querystring.parse(Buffer.concat(parts).toString());
    const reports = JSON.parse(form.voice_status);
    fs.writeSync(file, reports.map((r) => JSON.stringify([r.sid, r.mobile, r.uid, r.error_msg]) + '\n').join(''));
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
    response.end('SUCCESS');
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit(0));
process.stdin.resume();
