// The page of an agent: it follows the agent's events and shows them. It changes nothing.

import { AlertLog } from './alerts.js';
import { Chart } from './chart.js';
import { clock, count, element, find, say, size, span, value } from './dom.js';
import { MESSAGES, READINGS, flow } from './flow.js';
import { SeriesChoice } from './series.js';
import { facts, table } from './tables.js';

// Without a word for so long the agent counts as silent (ms); it speaks every second.
const SILENT = 5000;
const AGAIN = 2000;

// How often a place on a card can be written, as its makers promise for the cheap ones.
const CYCLES = 1000;
const DAY = 86400000;

const chart = new Chart(find('chart'));
const choice = new SeriesChoice(show);
const log = new AlertLog((name) => { choice.choose(name); find('series').focus(); });
let [stream, heard, version, seriesCount] = [null, 0, null, null];

const ago = (status, moment) => (moment === null || moment === undefined ? '–' : span(status.now_ms - moment));

function unused(counts) {
  const names = ['late', 'filtered', 'invalid', 'future', 'refused', 'repeated', 'unselected', 'dropped'];
  return names.filter((name) => counts[name]).map((name) => `${name} ${count(counts[name])}`).join(', ');
}

const SOURCES = [
  ['Source', '', (one) => one.name],
  ['State', '', (one) => (one.up === null ? ['starting', 'wait'] : one.up ? ['up', 'good'] : ['down', 'bad'])],
  ['Readings', 'number', (one) => count(one.readings.received)],
  ['per s', 'number', (one) => (one.rate === null ? '–' : value(Number(one.rate.toFixed(1))))],
  ['Last', 'number', (one) => one.last],
  ['Not used', 'long', (one) => [unused(one.readings), one.up === false ? one.last_error ?? '' : ''].filter(Boolean).join('; ')],
];

const OUTPUTS = [
  ['Output', '', (one) => one.name],
  ['State', '', (one) => (one.up ? ['up', 'good'] : ['down', 'bad'])],
  ['Since', 'number', (one) => one.since],
  ['Waiting', 'number', (one) => count(one.waiting)],
  ['Oldest', 'number', (one) => one.oldest],
  ['Done in', 'number', (one) => span(one.drain_ms)],
  ['Why', 'long', (one) => [one.one_at_a_time, one.up ? null : one.last_error].filter(Boolean).join('; ')],
];

const STREAMS = [
  ['Stream', '', (one) => one.name],
  ['Readings', 'number', (one) => count(one.readings.received)],
  ['Summarised', 'number', (one) => count(one.readings.summarised)],
  ['In windows', 'number', (one) => count(one.readings.in_windows)],
  ['Not used', 'long', (one) => unused(one.readings)],
];

// How long the card lasts at today's pace, in words.
function life({ writes, device }) {
  const written = writes.device_today_bytes ?? writes.today_bytes;
  const by = writes.device_today_bytes === null ? 'by the agent alone' : 'by all programs';
  if (device.counted_today_ms < 600000) return 'known after ten minutes';
  const daily = (written / device.counted_today_ms) * DAY;
  if (!device.size_bytes) return `${size(daily)} a day ${by}; the size of the device is not known`;
  const years = (device.size_bytes * CYCLES) / Math.max(1, daily) / 365.25;
  const told = years > 100 ? 'more than 100 years' : `${value(Number(years.toPrecision(2)))} years`;
  return `${told}, for ${size(daily)} a day ${by} on ${size(device.size_bytes)} that can be written ${CYCLES} times over`;
}

function paced(pace) {
  if (!pace) return 'none yet';
  const age = pace.age_ms === undefined ? '' : `${span(pace.age_ms)} ago, `;
  const allowed = pace.allowed_ms === null ? '' : `; daily_writes allows one in ${span(pace.allowed_ms)}`;
  return `${age}one in ${span(pace.every_ms)}${allowed}`;
}

function showStatus(status) {
  // Another program than the one that this page is of.
  if (version !== null && version !== status.version) location.reload();
  version = status.version;
  const down = [...status.sources.filter((one) => one.up === false), ...status.outputs.filter((one) => !one.up)];
  const isWell = status.trouble.length === 0 && down.length === 0;
  document.title = `${isWell ? '' : '! '}${status.agent} – Headwater`;
  say(find('agent'), status.agent);
  say(find('state'), isWell ? 'all is well' : `${[...status.trouble, ...down].length} to look at`);
  find('state').dataset.state = isWell ? 'good' : 'wait';
  const memory = status.memory.max_bytes === null ? '' : ` of ${size(status.memory.max_bytes)}`;
  const lines = [`Headwater ${status.version}`, `up ${span(status.up_ms)}`, `${count(status.series)} series`, `memory ${size(status.memory.resident_bytes)}${memory}`];
  while (find('facts').children.length < lines.length) find('facts').append(element('li'));
  lines.forEach((line, index) => say(find('facts').children[index], line));
  const troubles = [...status.trouble, ...down.map((one) => `${one.name} is down: ${one.last_error ?? 'not connected yet'}`)];
  find('troubles').hidden = troubles.length === 0;
  if (JSON.stringify(troubles) !== find('trouble-list').dataset.told) {
    find('trouble-list').dataset.told = JSON.stringify(troubles);
    find('trouble-list').replaceChildren(...troubles.map((what) => element('li', {}, what)));
  }
  table(find('sources'), SOURCES, status.sources.map((one) => ({ ...one, last: ago(status, one.last_reading_ms) })));
  table(find('outputs'), OUTPUTS, status.outputs.map((one) => ({ ...one, since: ago(status, one.since_ms), oldest: ago(status, one.oldest_ms) })));
  table(find('streams'), STREAMS, status.streams);
  flow('readings', 'received', READINGS, status.readings);
  flow('messages', 'made', MESSAGES, status.messages);
  showSafety(status);
  chart.now = status.now_ms;
  chart.draw();
  showStreams();
  if (seriesCount !== status.series) {
    seriesCount = status.series;
    choice.refresh();
  }
}

function showSafety(status) {
  const { buffer, writes } = status;
  facts(find('storage'), [
    ['Written today', `${size(writes.today_bytes)} of ${size(writes.daily_bytes)} that are allowed`, writes.today_bytes / Math.max(1, writes.daily_bytes)],
    ['By all programs', size(writes.device_today_bytes)],
    ['The card lasts', life(status)],
    ['Buffer on disk', `${size(buffer.disk_bytes)} of ${size(buffer.max_bytes)}${buffer.disk_error ? `; ${buffer.disk_error}` : ''}`, buffer.disk_bytes / Math.max(1, buffer.max_bytes)],
    ['Buffer in memory', `${size(buffer.memory_bytes)}, ${count(buffer.waiting)} messages wait`],
  ]);
  facts(find('clock'), [
    ['Time', status.clock.synced ? `known: ${clock(status.now_ms)}` : 'not known yet: what has no time of its own is held'],
    ['Run began', clock(status.started_ms)],
    ['Checkpoint', paced(status.checkpoint)],
    ...(status.sync ? [['Journal synced', paced(status.sync)]] : []),
    ['Alerts held back', count(status.suppressed)],
  ]);
}

// A choice of windows, where several streams have the series.
function showStreams() {
  const [list, names] = [find('stream'), [...chart.streams.keys()]];
  find('stream-label').hidden = names.length < 2;
  if (names.join('\n') !== [...list.options].map((option) => option.value).join('\n')) {
    list.replaceChildren(...names.map((name) => element('option', { value: name }, name)));
  }
  list.value = chart.stream ?? '';
}

// Shows a series: what is kept of it, then what comes.
async function show(name) {
  chart.clear(name);
  follow(name);
  const answer = await fetch(`api/v1/series/${encodeURIComponent(name)}`).catch(() => null);
  if (answer?.ok && chart.series === name) chart.fill(await answer.json());
  chart.describe();
  showStreams();
}

// Follows the agent's events, those of one series among them.
function follow(name) {
  stream?.close();
  const mine = new EventSource(name === null ? 'api/v1/events' : `api/v1/events?series=${encodeURIComponent(name)}`);
  stream = mine;
  let opened = 0;
  mine.addEventListener('open', () => {
    opened += 1;
    // The connection was lost, and perhaps the agent is another one.
    if (opened > 1 && mine === stream) begin();
  });
  const on = (kind, take) => mine.addEventListener(kind, (event) => {
    heard = Date.now();
    if (mine === stream) take(JSON.parse(event.data));
  });
  on('status', showStatus);
  on('readings', ({ readings }) => { chart.add(readings); chart.draw(); });
  on('summary', (told) => { chart.summary(told); chart.draw(); });
  on('reading', (told) => chart.add([[told.time, told.value]]));
  on('alert', (told) => { log.take(told); chart.note(told); chart.draw(); });
  on('evidence', (told) => log.take(told));
  mine.addEventListener('error', () => {
    // A browser gives up when it is refused; the agent may be back soon.
    if (mine.readyState === EventSource.CLOSED && mine === stream) setTimeout(() => mine === stream && begin(), AGAIN);
  });
}

// Begins anew: the agent may have been started again meanwhile.
async function begin() {
  const answer = await fetch('api/v1/alerts').catch(() => null);
  if (answer?.ok) log.fill((await answer.json()).alerts);
  const before = choice.name;
  await choice.refresh();
  // Without a choice the list has made one, if there is any series.
  if (before) show(before); else if (!choice.name) follow(null);
}

setInterval(() => {
  const silent = Date.now() - heard;
  if (heard > 0 && silent > SILENT) {
    say(find('state'), `no answer for ${span(silent)}`);
    find('state').dataset.state = 'bad';
    // A connection may be dead without a word.
    if (silent > 4 * SILENT && stream) { heard = Date.now() - SILENT; begin(); }
  }
}, 1000);

find('span').addEventListener('change', (event) => { chart.span = Number(event.target.value); chart.draw(); });
find('stream').addEventListener('change', (event) => { chart.stream = event.target.value; chart.draw(); });
begin();
