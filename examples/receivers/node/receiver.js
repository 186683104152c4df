// npm install && PORT=8080 DATA=/var/reports node receiver.js
// Takes the body as it is: express.urlencoded refuses more than 100 kB, a full push can have 280.
const express = require('express')
const fs = require('fs')

const file = fs.openSync(`${process.env.DATA}/reports.jsonl`, 'a+')
const stored = fs.readFileSync(file)
let size = stored.lastIndexOf('\n') + 1
fs.ftruncateSync(file, size) // a line that a crash has torn
const lines = stored.subarray(0, size).toString().split('\n').filter(Boolean)
const sids = new Set(lines.map((line) => JSON.parse(line).sid))

// Takes encodings off until the text is JSON: senders encode once, twice or three times.
function understood(text) {
  for (let round = 0; round < 5; round++) {
    try {
      // A sid of 64 bits does not survive being a number.
      return [JSON.parse(text.replace(/"sid"\s*:\s*(-?\d+)/g, '"sid":"$1"'))].flat()
    } catch {
      // With %20 for a space, + means plus.
      text = decodeURIComponent(text.includes('%20') ? text : text.replaceAll('+', ' '))
    }
  }
  throw new Error('no JSON')
}

// Appends the reports that are new; returns when they are on disk.
function store(reports) {
  const fresh = new Map(reports.filter(({ sid }) => !sids.has(sid)).map((each) => [each.sid, each]))
  const text = [...fresh.values()].map((each) => JSON.stringify(each) + '\n').join('')
  try {
    fs.appendFileSync(file, text)
    fs.fsyncSync(file)
  } catch (error) {
    fs.ftruncateSync(file, size) // they come again as a whole
    throw error
  }
  size += Buffer.byteLength(text)
  for (const sid of fresh.keys()) sids.add(sid)
}

const app = express()
app.use(express.raw({ type: () => true, limit: '8mb' }))
app.use((request, response) => {
  if (request.method !== 'POST') throw Object.assign(new Error('only POST'), { status: 405 })
  let reports
  try {
    reports = understood(/(?:^|&)voice_status=([^&]*)/.exec(request.body.toString())[1])
    if (!reports.every(({ sid }) => sid && typeof sid === 'string')) throw new Error('no sid')
  } catch (error) {
    throw Object.assign(error, { status: 400 })
  }
  store(reports)
  response.type('text').send('SUCCESS')
})
app.use((error, request, response, next) =>
  response.status(error.status ?? 500).type('text').send(error.message))
app.listen(Number(process.env.PORT), '127.0.0.1')
