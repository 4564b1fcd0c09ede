// What people see of an agent, in a real Chromium.

import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Agent, climate, history, sleep, wait } from './agent.mjs';

const require = createRequire(join(process.env.BROWSER_TOOLS, 'tools.js'));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const PICTURE = 'tests/data/page.png';
const PICTURE_BYTES_MAX = 150000;

const mode = process.argv[2];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });

async function step(name, deed) {
  const begun = Date.now();
  await deed();
  console.log(`ok  ${name} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
}

// A page whose mistakes are ours.
async function open(agent, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 900 }, ...options });
  const page = await context.newPage();
  page.mistakes = [];
  page.on('pageerror', (error) => page.mistakes.push(error.message));
  page.on('console', (message) => {
    // An agent that is away cannot be reached; all else is a mistake.
    if (message.type() === 'error' && !message.text().includes('ERR_')) page.mistakes.push(`${message.text()} ${message.location().url}`);
  });
  await page.goto(agent.url);
  return page;
}

const words = (page) => page.textContent('#chart-words');

async function choose(page, series) {
  await page.waitForFunction((name) => [...document.querySelector('#series').options].some((option) => option.value === name), series);
  await page.selectOption('#series', series);
  await page.waitForFunction((name) => document.querySelector('#chart').ariaLabel.startsWith(`Chart of ${name}: last`), series);
}

// The rows (pixels of the page) at which a colour of the page is in the plot, with how often.
const rows = (page, name) => page.evaluate((name) => {
  const canvas = document.querySelector('#chart canvas');
  const { data, width, height } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const wanted = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const found = {};
  for (let at = 0; at < data.length; at += 4) {
    const isIt = data[at + 3] > 200 && wanted.every((part, index) => Math.abs(data[at + index] - part) < 24);
    if (isIt) { const row = Math.floor(at / 4 / width); found[row] = (found[row] ?? 0) + 1; }
  }
  const over = document.querySelector('#chart .u-over');
  const scale = canvas.height / canvas.clientHeight;
  return { found, top: over.offsetTop * scale, height: over.clientHeight * scale };
}, name);

async function drawsRealData(page) {
  await choose(page, 'test/step');
  await page.selectOption('#span', '0');
  // A page that opens late sees the last window, too, which the history begins only.
  assert.match(await words(page), /last window of climate .*mean 20, from 20 to 20, (10|\d) readings/);
  await sleep(300);
  // From 10 to 20, and 8 % of that beyond.
  const { found, top, height } = await rows(page, '--mean');
  for (const [value, share] of [[20, 0.8 / 11.6], [10, 10.8 / 11.6]]) {
    const row = Math.round(top + share * height);
    const near = [-2, -1, 0, 1, 2].map((off) => found[row + off] ?? 0);
    assert.ok(Math.max(...near) > 50, `the windows of ${value} are not at row ${row}: ${JSON.stringify(found)}`);
  }
  const readings = await rows(page, '--reading');
  assert.ok(Object.keys(readings.found).length < height, 'the line of readings is no area');
  await choose(page, 'greenhouse/bed1/temp');
  await sleep(300);
  const alert = await rows(page, '--alert');
  assert.ok(Object.keys(alert.found).length > 0.9 * height, 'the alert stands from the top to the bottom');
}

async function liveReadings(page, agent) {
  await choose(page, 'pump/vibration');
  for (const value of [1.25, 7.5]) {
    await agent.send({ device: 'pump', vibration: value });
    await wait(`the reading ${value}`, async () => (await words(page)).startsWith(`last reading ${value} `), 3000);
  }
}

async function alertsInTime(page, agent) {
  const begun = Date.now();
  await agent.send({ device: 'greenhouse/bed2', temp: 41.5 });
  await page.waitForFunction(() => document.querySelector('#alerts').textContent.includes('41.5 is above 30'));
  const took = Date.now() - begun;
  assert.ok(took < 1000, `the alert took ${took} ms`);
  assert.match(await page.textContent('#alert-news'), /greenhouse\/bed2\/temp, 41.5 is above 30/);
  console.log(`    the alert took ${took} ms`);
  const first = page.locator('#alerts li').last();
  await first.locator('summary').click();
  const drawn = await first.locator('svg polyline').first().getAttribute('points');
  assert.ok(drawn.split(' ').length >= 20, drawn);
  assert.match(await first.locator('svg').getAttribute('aria-label'), /readings around the alert, from/);
}

async function survivesRestart(page, agent) {
  await choose(page, 'freezer/temp');
  await agent.kill('SIGKILL');
  await wait('the page to say so', async () => (await page.textContent('#state')).includes('no answer'));
  await agent.run();
  await wait('the page to be back', async () => (await page.textContent('#state')).includes('all is well'));
  await wait('new readings', async () => {
    await agent.send({ device: 'freezer', temp: -12.5 });
    return (await words(page)).startsWith('last reading -12.5 ');
  });
  assert.match(await page.textContent('#alerts'), /41.5 is above 30/, 'what was seen stays');
}

// Events of a week, as fast as the page takes them: what it keeps does not grow with the days.
async function holdsForAWeek(agent) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 900 } });
  const page = await context.newPage();
  const mistakes = [];
  page.on('pageerror', (error) => mistakes.push(error.message));
  await page.addInitScript(() => {
    window.EventSource = class extends EventTarget {
      constructor() {
        super();
        window.told = (kind, data) => this.dispatchEvent(new MessageEvent(kind, { data: JSON.stringify(data) }));
      }
      close() {}
    };
  });
  await page.goto(agent.url);
  await page.waitForFunction(() => window.told && document.querySelector('#series').value);
  const session = await context.newCDPSession(page);
  const kept = async () => {
    await session.send('HeapProfiler.collectGarbage');
    const [{ usedSize }, { nodes }] = [await session.send('Runtime.getHeapUsage'), await session.send('Memory.getDOMCounters')];
    return { bytes: usedSize, nodes };
  };
  const status = await (await fetch(`${agent.url}api/v1/status`)).json();
  const days = [];
  for (let day = 0; day < 7; day += 1) {
    await page.evaluate(async ([day, status]) => {
      const series = document.querySelector('#series').value;
      for (let at = 0; at < 86400; at += 150) {
        const time = status.now_ms + (day * 86400 + at) * 1000;
        const [number, mean] = [day * 576 + at / 150, 20 + Math.sin(at / 900)];
        const readings = Array.from({ length: 30 }, (_, part) => [time - 150000 + part * 5000, mean]);
        window.told('readings', { readings });
        window.told('summary', { kind: 'summary', series, stream: 'climate', start: time - 150000, end: time, mean, min: mean, max: mean, count: 30 });
        if (number % 5 === 0) {
          const alert = { kind: 'alert', id: `a${number}`, series, stream: 'climate', detector: 'threshold', severity: 'critical', reason: 'above', value: 40, time };
          window.told('alert', { ...alert, state: 'raised', evidence: readings });
          window.told('alert', { ...alert, state: 'cleared' });
        }
        if (number % 2 === 0) window.told('status', { ...status, now_ms: time });
        if (number % 60 === 0) await new Promise((drawn) => requestAnimationFrame(drawn));
      }
    }, [day, status]);
    days.push(await kept());
  }
  const [second, last] = [days[1], days[6]];
  console.log(`    ${days.map(({ bytes, nodes }) => `${(bytes / 1e6).toFixed(1)} MB and ${nodes} nodes`).join(', ')}`);
  assert.ok(last.bytes < second.bytes * 1.2 + 500000, 'memory grows with the days');
  assert.ok(last.nodes < second.nodes * 1.2 + 500, 'nodes grow with the days');
  assert.equal(await page.locator('#alerts li').count(), 200);
  assert.deepEqual(mistakes, []);
  await context.close();
}

const focused = (page) => page.evaluate(() => {
  const { id, tagName } = document.activeElement;
  return id || tagName.toLowerCase();
});

async function worksByKeyboard(page) {
  await page.reload();
  await page.waitForFunction(() => document.querySelector('#series').options.length > 4 && document.querySelector('#alerts li'));
  const tab = async (wanted) => {
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), wanted);
  };
  await page.evaluate(() => document.body.focus());
  await tab('a');
  await page.keyboard.press('Enter');
  assert.equal(await focused(page), 'main');
  await tab('search');
  await page.keyboard.type('step');
  await wait('the search', () => page.evaluate(() => [...document.querySelector('#series').options].map((one) => one.value).includes('test/step')));
  await page.waitForTimeout(400);
  await tab('series');
  await page.keyboard.press('End');
  await page.waitForFunction(() => document.querySelector('#chart').ariaLabel.startsWith('Chart of test/step: last'));
  await tab('span');
  await page.keyboard.press('Home');
  assert.equal(await page.inputValue('#span'), '60');
  await tab('summary');
  const visible = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(visible, 'solid', 'the focus can be seen');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.parentElement.open), true);
  await tab('button');
  const series = (await page.evaluate(() => document.activeElement.textContent)).replace('Show ', '');
  await page.keyboard.press('Enter');
  await page.waitForFunction((name) => document.querySelector('#chart').ariaLabel.startsWith(`Chart of ${name}: last`), series);
}

async function hasNoBarriers(page) {
  for (const [scheme, width] of [['light', 1100], ['dark', 1100], ['light', 360]]) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height: 900 });
    await sleep(300);
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => axe.run());
    const told = violations.map(({ id, impact, nodes }) => `${impact}: ${id}: ${nodes.map((node) => `${node.target} ${node.failureSummary}`).join('; ')}`);
    assert.deepEqual(told, [], `${scheme}, ${width} px wide`);
    const [whole, shown] = await page.evaluate(() => [document.scrollingElement.scrollWidth, innerWidth]);
    assert.ok(whole <= shown, `${whole} px do not fit into ${shown}`);
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 1100, height: 900 });
}

// Names and texts from outside stay text.
async function trustsNobody(page, agent) {
  const name = '"><img src=x onerror="window.stolen=1"><script>window.stolen=1</script>';
  await agent.send({ device: name, temp: 55 });
  await wait('the alert', async () => (await page.textContent('#alerts')).includes(name));
  await page.fill('#search', 'onerror');
  const feed = setInterval(() => agent.send({ device: name, temp: 56 }), 200);
  await choose(page, `${name}/temp`);
  clearInterval(feed);
  assert.equal(await page.evaluate(() => document.querySelectorAll('img, body script').length), 0);
  assert.equal(await page.evaluate(() => window.stolen), undefined);
  await page.fill('#search', '');
}

async function asksForTheToken() {
  const token = 'not-to-be-guessed-by-anybody';
  const agent = await Agent.start({ http: `token = "${token}"` });
  const refused = await fetch(agent.url);
  assert.equal(refused.status, 401);
  const page = await open(agent, { httpCredentials: { username: 'me', password: token } });
  await wait('the page', async () => (await page.textContent('#state')).includes('all is well'));
  assert.deepEqual(page.mistakes, []);
  await page.context().close();
  await agent.stop();
}

async function takePicture(page) {
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 1000, height: 1330 });
  await page.locator('#alerts li summary').last().click();
  await sleep(1500);
  await page.screenshot({ path: PICTURE });
  const { size } = statSync(PICTURE);
  assert.ok(size < PICTURE_BYTES_MAX, `${PICTURE} has ${size} bytes`);
  console.log(`    ${PICTURE}: ${size} bytes`);
}

async function look() {
  const begun = Date.now();
  const agent = await Agent.start();
  await history(agent);
  const first = Date.now();
  const page = await open(agent);
  await page.waitForFunction(() => document.querySelector('#chart').ariaLabel.includes(': last '));
  console.log(`    the first chart took ${Date.now() - first} ms`);
  const feed = setInterval(() => climate(Date.now()).filter(({ device }) => device.startsWith('green')).forEach((one) => agent.send(one)), 1000);
  if (mode !== 'picture') {
    await step('the chart draws real data', () => drawsRealData(page));
    await step('readings appear as they come', () => liveReadings(page, agent));
    await step('an alert appears within a second, with its evidence drawn', () => alertsInTime(page, agent));
    await step('nobody is kept out: axe-core, dark and light, a phone', () => hasNoBarriers(page));
    await step('it works by keyboard alone', () => worksByKeyboard(page));
    await step('names from outside stay text', () => trustsNobody(page, agent));
    await step('a week of events leaves no more than two days do', () => holdsForAWeek(agent));
    await step('it survives kill -9 of the agent', () => survivesRestart(page, agent));
  } else {
    await choose(page, 'greenhouse/bed1/temp');
    await sleep(35000);
    await step('the picture', () => takePicture(page));
  }
  clearInterval(feed);
  assert.deepEqual(page.mistakes, []);
  await agent.stop();
  if (mode === 'all') await step('it asks for the token', asksForTheToken);
  console.log(`all of it took ${((Date.now() - begun) / 1000).toFixed(0)} s`);
}

// What a browser that has never been here loads (bytes on the wire).
async function weight(agent) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  let bytes = 0;
  await session.send('Network.enable');
  session.on('Network.loadingFinished', (one) => { bytes += one.encodedDataLength; });
  await page.goto(agent.url);
  await page.waitForLoadState('load');
  await sleep(500);
  await context.close();
  return bytes;
}

// What 0, 1 and 10 open pages cost the agent at 1,000 readings a second of so many series.
async function measure(series) {
  const agent = await Agent.start({ more: '[limits]\nseries = 12000\n' });
  let sent = 0;
  const begun = Date.now();
  const feed = setInterval(() => {
    for (const due = ((Date.now() - begun) / 1000) * 1000; sent < due; sent += 1) agent.send({ device: `d${sent % series}`, temp: 20 + (sent % 70) / 10 });
  }, 5);
  await wait('all series', () => sent >= Math.max(3000, series), 60000);
  const pages = [];
  for (const count of [0, 1, 10]) {
    while (pages.length < count) {
      const first = Date.now();
      const page = await open(agent);
      await page.waitForFunction(() => document.querySelector('#chart').ariaLabel.includes(': last '));
      const took = Date.now() - first;
      if (pages.length === 0) console.log(`${series} series: the page weighs ${await weight(agent)} bytes, the first chart took ${took} ms`);
      pages.push(page);
    }
    await sleep(3000);
    const before = agent.costs();
    const from = [Date.now(), sent];
    await sleep(30000);
    const after = agent.costs();
    const seconds = (Date.now() - from[0]) / 1000;
    const percent = ((after.seconds - before.seconds) / seconds) * 100;
    console.log(`${series} series, ${count} pages: ${percent.toFixed(2)} % of a core, ${after.mib.toFixed(1)} MiB, ${((sent - from[1]) / seconds).toFixed(0)} readings/s`);
  }
  clearInterval(feed);
  for (const page of pages) await page.context().close();
  await agent.stop();
}

try {
  if (mode === 'measure') {
    await measure(100);
    await measure(10000);
  } else await look();
} finally {
  await browser.close();
}
process.exit(0);
