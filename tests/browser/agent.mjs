// A real agent with its page, sensors over UDP and files as output.

import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// Waits until `is_it` gives something, for so long.
export async function wait(what, isIt, within = 30000) {
  const end = Date.now() + within;
  for (;;) {
    const found = await isIt();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await sleep(20);
  }
}

// A port that nobody listens at, below those that the system gives to whoever asks for any.
async function freePort() {
  for (;;) {
    const port = 20000 + Math.floor(Math.random() * 12000);
    const isFree = await new Promise((done) => {
      const server = createServer().on('error', () => done(false));
      server.listen(port, '127.0.0.1', () => server.close(() => done(true)));
    });
    if (isFree) return port;
  }
}

export class Agent {
  static async start({ more = '', http = '' } = {}) {
    const agent = new Agent();
    agent.dir = mkdtempSync(join(tmpdir(), 'headwater-page-'));
    [agent.port, agent.source] = [await freePort(), await freePort()];
    agent.url = `http://127.0.0.1:${agent.port}/`;
    writeFileSync(join(agent.dir, 'headwater.toml'), `
[agent]
id = "greenhouse-7"
state_dir = "${agent.dir}/state"
checkpoint = "2s"
[http]
listen = "127.0.0.1:${agent.port}"
${http}
[sources.field]
type = "udp"
listen = "127.0.0.1:${agent.source}"
format = "json"
series = "{device}/{field}"
time = "ts"
time_else = "arrival"
[streams.air]
series = ["*/hum"]
window = { type = "tumbling", size = "10s" }
[streams.climate]
series = ["*/temp", "*/step", "*/vibration"]
window = { type = "tumbling", size = "10s" }
lateness = "1s"
[[streams.climate.detectors]]
type = "threshold"
above = 30.0
clear = 28.0
per_hour = 0
severity = "critical"
evidence = { before = 40, after = 20 }
[outputs.archive]
type = "file"
path = "${agent.dir}/out/{date}-{n}.jsonl"
${more}`);
    agent.socket = createSocket('udp4');
    await agent.run();
    return agent;
  }

  async run() {
    const arguments_ = ['run', '--config', join(this.dir, 'headwater.toml')];
    this.process = spawn(process.env.HEADWATER_BIN, arguments_, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.log = '';
    this.process.stderr.on('data', (text) => { this.log += text; });
    this.ended = new Promise((done) => this.process.on('exit', done));
    await wait('the agent to listen', () => this.log.includes('listening at'));
  }

  send(record) {
    return new Promise((done) => this.socket.send(JSON.stringify(record), this.source, '127.0.0.1', done));
  }

  async kill(signal) {
    this.process.kill(signal);
    await this.ended;
  }

  async stop() {
    await this.kill('SIGTERM');
    this.socket.close();
  }

  // Processor time so far (s), and resident memory (MiB).
  costs() {
    const stat = readFileSync(`/proc/${this.process.pid}/stat`, 'utf8').split(') ')[1].split(' ');
    const status = readFileSync(`/proc/${this.process.pid}/status`, 'utf8');
    return { seconds: (Number(stat[11]) + Number(stat[12])) / 100, mib: Number(/VmRSS:\s+(\d+)/.exec(status)[1]) / 1024 };
  }
}

// A greenhouse: five minutes of readings before `now`, then one a second.
export function climate(ts) {
  const t = ts / 1000;
  const round = (value) => Math.round(value * 100) / 100;
  const noise = (seed) => Math.sin(t * 12.9898 + seed) * Math.cos(t * 78.233 + seed);
  const bed1 = 24.6 + 3.2 * Math.sin(t / 57) + 0.35 * noise(1);
  return [
    { ts, device: 'greenhouse/bed1', temp: round(bed1), hum: round(61 - 4 * Math.sin(t / 57) + noise(2)) },
    { ts, device: 'greenhouse/bed2', temp: round(21.5 + 2.4 * Math.sin(t / 57 - 0.6) + 0.3 * noise(3)) },
    { ts, device: 'freezer', temp: round(-18.2 + 0.5 * Math.sin(t / 23) + 0.2 * noise(4)) },
    { ts, device: 'pump', vibration: round(1.1 + 0.3 * Math.abs(noise(5))) },
  ];
}

export async function history(agent, seconds = 300) {
  const now = Date.now();
  for (let back = seconds; back > 0; back -= 1) {
    const sun = back > 150 && back < 170 ? 9.5 : 0;
    for (const record of climate(now - back * 1000)) {
      if (record.device === 'greenhouse/bed1') record.temp = Math.round((record.temp + sun) * 100) / 100;
      await agent.send(record);
    }
    // Ten and twenty: where they are drawn is known.
    await agent.send({ ts: now - back * 1000, device: 'test', step: back > seconds / 2 ? 10 : 20 });
    if (back % 20 === 0) await sleep(5);
  }
}
