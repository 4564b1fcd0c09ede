// The log of alerts, newest first, each with its evidence drawn.

import { clock, drawing, element, find, say, span, value } from './dom.js';

const ALERTS_MAX = 200;

export class AlertLog {
  // `choose` shows a series in the chart.
  constructor(choose) {
    this.choose = choose;
    this.list = find('alerts');
    this.known = new Map();
  }

  // All that the agent has kept, newest first.
  fill(alerts) {
    [...alerts].reverse().forEach(({ raised, cleared, evidence }) => [raised, cleared, evidence].forEach((message) => message && this.take(message, false)));
  }

  // One message: of kind alert, or the evidence that followed one.
  take(message, isNews = true) {
    const id = message.kind === 'evidence' ? message.alert : message.id;
    let alert = this.known.get(id);
    if (!alert) {
      alert = { entry: element('li') };
      this.known.set(id, alert);
      this.list.prepend(alert.entry);
      while (this.list.children.length > ALERTS_MAX) this.list.lastChild.remove();
      if (this.known.size > ALERTS_MAX) this.known.delete(this.known.keys().next().value);
    }
    alert[message.kind === 'evidence' ? 'evidence' : message.state] = message;
    this.show(alert);
    find('alerts-none').hidden = true;
    if (isNews && message.kind === 'alert') {
      say(find('alert-news'), `${message.state === 'raised' ? 'Alert' : 'Alert over'}: ${message.series}, ${message.reason}`);
    }
  }

  show(alert) {
    const told = alert.raised ?? alert.cleared ?? alert.evidence;
    const isOpen = alert.entry.querySelector('details')?.open ?? false;
    const hadFocus = alert.entry.contains(document.activeElement);
    const state = alert.cleared ? 'cleared' : 'raised';
    const length = alert.raised && alert.cleared ? ` for ${span(alert.cleared.time - alert.raised.time)}` : '';
    const line = element('summary', {},
      element('span', { class: `badge ${state}` }, state),
      `${clock(told.time)}${length} · ${told.severity ?? ''} · ${told.series} · ${told.detector}: ${alert.raised?.reason ?? told.reason ?? ''}`);
    const show = element('button', { type: 'button' }, `Show ${told.series}`);
    show.addEventListener('click', () => this.choose(told.series));
    const facts = [alert.raised?.value !== undefined ? `value ${value(alert.raised.value)} ${told.unit ?? ''}` : null,
      alert.raised?.expected !== undefined ? `expected ${value(alert.raised.expected)}` : null,
      alert.raised?.score !== undefined ? `score ${value(alert.raised.score)}` : null,
      alert.cleared ? `cleared at ${clock(alert.cleared.time)}: ${alert.cleared.reason}` : 'not cleared yet'];
    const details = element('details', {}, line, element('p', { class: 'words' }, facts.filter(Boolean).join('; ')), evidence(alert), show);
    details.open = isOpen;
    alert.entry.replaceChildren(details);
    if (hadFocus) details.querySelector('summary').focus();
  }
}

// Lists of readings by series, whether an alert is about one or several.
function lists(told) {
  if (!told?.evidence) return [];
  return Array.isArray(told.evidence) ? [told.evidence] : Object.values(told.evidence);
}

// The readings before the alert, and those that followed, drawn one over the other.
function evidence(alert) {
  const [before, after] = [lists(alert.raised), lists(alert.evidence)];
  const all = [...before, ...after].flat();
  if (all.length < 2) return null;
  const [times, values] = [all.map(([time]) => time), all.map(([, reading]) => reading)];
  const [from, to] = [Math.min(...times), Math.max(...times)];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (time) => ((time - from) / (to - from || 1)) * 600;
  const y = (reading) => 96 - ((reading - low) / (high - low || 1)) * 92;
  const points = (list) => list.map(([time, reading]) => `${x(time).toFixed(1)},${y(reading).toFixed(1)}`).join(' ');
  const at = x(Math.min(Math.max(alert.raised?.time ?? to, from), to));
  const words = `${all.length} readings around the alert, from ${value(low)} to ${value(high)}, ${clock(from)} to ${clock(to)}`;
  return drawing('svg', { class: 'evidence', viewBox: '0 0 600 100', preserveAspectRatio: 'none', role: 'img', 'aria-label': words },
    drawing('title', {}, words),
    ...after.map((list) => drawing('polyline', { class: 'after', points: points(list) })),
    ...before.map((list) => drawing('polyline', { points: points(list) })),
    drawing('line', { x1: at, x2: at, y1: 0, y2: 100 }));
}
