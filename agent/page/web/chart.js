// The chart of one series: its readings as a line, its windows as bands with the number that stands for each, its alerts.

import { clock, count, find, say, value } from './dom.js';

// The most readings that are kept; of more the older half goes.
const READINGS_MAX = 20000;
const WINDOWS_MAX = 1000;

// The number that stands for a window: the first of these that it has. The agent chooses alike.
const SHOWN = ['mean', 'time_weighted_mean', 'p50', 'last', 'first', 'rate', 'increase', 'delta', 'sum', 'integral', 'time_on', 'count'];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// The marks of the time axis: seconds, minutes or days, by how far they are apart (s).
function marks(splits, apart) {
  return splits.map((at) => {
    const date = new Date(at * 1000);
    if (apart >= 86400) return date.toLocaleDateString('en-CA');
    return date.toLocaleTimeString('en-GB', apart < 60 ? {} : { hour: '2-digit', minute: '2-digit' });
  });
}

// Data this far behind the agent's clock are shown where they are.
const BEHIND = 120;

export class Chart {
  constructor(target) {
    this.target = target;
    this.span = 300;
    this.now = null;
    this.clear('');
    new ResizeObserver(() => this.resize()).observe(target);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.build());
  }

  clear(series) {
    this.series = series;
    this.unit = '';
    this.times = [];
    this.values = [];
    this.streams = new Map();
    this.stream = null;
    this.alerts = new Map();
    this.build();
  }

  // What the agent has kept of the series.
  fill(told) {
    this.unit = told.unit ?? '';
    for (const { stream, shows, windows } of told.windows) {
      const list = windows.map(([start, end, low, middle, high, number]) => ({ start, end, low, middle, high, number }));
      this.streams.set(stream, { shows, list });
      // Readings that were forwarded one by one are readings, and no windows.
      if (shows === 'value') list.forEach((one) => this.add([[one.start, one.middle]]));
    }
    this.stream ??= told.windows[0]?.stream ?? null;
    told.alerts.forEach((alert) => this.note(alert.raised, alert.cleared));
    this.draw();
  }

  add(readings) {
    for (const [time, reading] of readings) {
      const at = time / 1000;
      let place = this.times.length;
      while (place > 0 && this.times[place - 1] > at) place -= 1;
      if (this.times[place - 1] === at && this.values[place - 1] === reading) continue;
      this.times.splice(place, 0, at);
      this.values.splice(place, 0, reading);
    }
    if (this.times.length > READINGS_MAX) {
      this.times.splice(0, READINGS_MAX / 2);
      this.values.splice(0, READINGS_MAX / 2);
    }
  }

  // A summary that is just made.
  summary(told) {
    const shows = SHOWN.find((name) => typeof told[name] === 'number') ?? 'count';
    const known = this.streams.get(told.stream) ?? { list: [] };
    known.shows = shows;
    known.list = known.list.filter((one) => one.start !== told.start || one.end !== told.end);
    known.list.push({ start: told.start, end: told.end, low: told.min ?? null, middle: told[shows] ?? null, high: told.max ?? null, number: told.count ?? null });
    known.list.sort((one, other) => one.start - other.start);
    known.list.splice(0, known.list.length - WINDOWS_MAX);
    this.streams.set(told.stream, known);
    this.stream ??= told.stream;
  }

  note(raised, cleared) {
    for (const alert of [raised, cleared]) {
      if (!alert || alert.series !== this.series) continue;
      const known = this.alerts.get(alert.id) ?? {};
      if (alert.state === 'raised') known.from = alert.time; else known.to = alert.time;
      this.alerts.set(alert.id, known);
      if (this.alerts.size > 200) this.alerts.delete(this.alerts.keys().next().value);
    }
  }

  windows() {
    return this.streams.get(this.stream)?.list ?? [];
  }

  // From when to when it shows (s): what comes now, or else the newest there is.
  range() {
    const windows = this.windows();
    const newest = Math.max(this.times.at(-1) ?? -Infinity, (windows.at(-1)?.end ?? -Infinity) / 1000);
    const now = (this.now ?? Date.now()) / 1000;
    const end = Number.isFinite(newest) && newest < now - BEHIND ? newest : now;
    if (this.span > 0) return [end - this.span, end];
    const oldest = Math.min(this.times[0] ?? Infinity, (windows[0]?.start ?? Infinity) / 1000);
    return [Number.isFinite(oldest) ? Math.min(oldest, end - 10) : end - 300, end];
  }

  // The values of all that is in the range.
  heights() {
    const [from, to] = this.range();
    let [low, high] = [Infinity, -Infinity];
    const take = (one) => {
      if (one === null || one === undefined) return;
      low = Math.min(low, one);
      high = Math.max(high, one);
    };
    for (let at = this.times.length - 1; at >= 0 && this.times[at] >= from; at -= 1) take(this.values[at]);
    for (const one of this.windows()) {
      if (one.end / 1000 >= from && one.start / 1000 <= to) [one.low, one.middle, one.high].forEach(take);
    }
    if (!Number.isFinite(low)) return [0, 1];
    const room = (high - low) * 0.08 || Math.abs(high) * 0.05 || 1;
    return [low - room, high + room];
  }

  build() {
    this.plot?.destroy();
    const axis = { stroke: colour('--ink'), grid: { stroke: colour('--line'), width: 1 }, ticks: { stroke: colour('--line'), width: 1 } };
    const options = {
      ...this.room(),
      scales: { x: { time: true, range: () => this.range() }, y: { range: () => this.heights() } },
      axes: [{ ...axis, space: 80, values: (_, splits, index, space, apart) => marks(splits, apart) }, { ...axis, size: 60, values: (_, list) => list.map(value) }],
      series: [{}, { stroke: colour('--reading'), width: 1.25, spanGaps: true, points: { size: 4 } }],
      hooks: { drawClear: [(plot) => this.drawBands(plot)], draw: [(plot) => this.drawMiddles(plot)] },
      cursor: { drag: { x: false, y: false } },
      legend: { show: false },
    };
    this.plot = new uPlot(options, [this.times, this.values], this.target);
  }

  room() {
    return { width: Math.max(200, this.target.clientWidth), height: Math.max(160, this.target.clientHeight) };
  }

  resize() {
    this.plot.setSize(this.room());
  }

  draw() {
    // A reading that is alone in the range has neighbours beyond it: the line goes on to the edges.
    this.plot.setData([this.times, this.values]);
    this.describe();
  }

  drawBands(plot) {
    const { ctx } = plot;
    const { left, top, width, height } = plot.bbox;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    ctx.fillStyle = colour('--alert');
    ctx.globalAlpha = 0.14;
    for (const { from, to } of this.alerts.values()) {
      if (from === undefined) continue;
      const [x, end] = [plot.valToPos(from / 1000, 'x', true), to === undefined ? left + width : plot.valToPos(to / 1000, 'x', true)];
      ctx.fillRect(x, top, Math.max(2, end - x), height);
    }
    ctx.globalAlpha = 1;
    ctx.fillStyle = colour('--band');
    for (const one of this.windows()) {
      if (one.low === null || one.high === null) continue;
      const [x, end] = [one.start, one.end].map((time) => plot.valToPos(time / 1000, 'x', true));
      const [high, low] = [one.high, one.low].map((reading) => plot.valToPos(reading, 'y', true));
      ctx.fillRect(x, high, Math.max(1, end - x - 1), Math.max(1, low - high));
    }
    ctx.restore();
  }

  drawMiddles(plot) {
    const { ctx } = plot;
    const { left, top, width, height } = plot.bbox;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    ctx.fillStyle = colour('--alert');
    for (const { from } of this.alerts.values()) {
      if (from !== undefined) ctx.fillRect(Math.round(plot.valToPos(from / 1000, 'x', true)), top, 2 * devicePixelRatio, height);
    }
    ctx.strokeStyle = colour('--mean');
    ctx.lineWidth = 2.5 * devicePixelRatio;
    ctx.beginPath();
    for (const one of this.windows()) {
      if (one.middle === null || one.end === one.start) continue;
      const y = plot.valToPos(one.middle, 'y', true);
      ctx.moveTo(plot.valToPos(one.start / 1000, 'x', true), y);
      ctx.lineTo(plot.valToPos(one.end / 1000, 'x', true), y);
    }
    ctx.stroke();
    ctx.restore();
  }

  // The same in words, for those who do not see it.
  describe() {
    const { shows } = this.streams.get(this.stream) ?? {};
    const parts = [];
    if (this.values.length > 0) parts.push(`last reading ${value(this.values.at(-1))} ${this.unit} at ${clock(this.times.at(-1) * 1000)}`);
    const last = this.windows().at(-1);
    if (last && last.end > last.start) {
      const band = last.low !== null && last.high !== null ? `, from ${value(last.low)} to ${value(last.high)}` : '';
      const readings = last.number !== null ? `, ${count(last.number)} readings` : '';
      parts.push(`last window of ${this.stream} from ${clock(last.start)} to ${clock(last.end)}: ${shows} ${value(last.middle)}${band}${readings}`);
    }
    if (this.alerts.size > 0) parts.push(`alerts: ${this.alerts.size}`);
    const words = parts.join('; ').replaceAll('  ', ' ') || 'nothing has come of it yet';
    say(find('chart-words'), words);
    say(find('shows'), shows ?? 'mean');
    this.target.setAttribute('aria-label', `Chart of ${this.series || 'no series'}: ${words}`);
  }
}
