// Elements and words. What comes from outside only ever becomes text or the value of an attribute.

export const find = (id) => document.getElementById(id);

const SVG = 'http://www.w3.org/2000/svg';

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const element = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);

export const drawing = (tag, attributes = {}, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);

// Sets a text only where it differs, so that nobody loses their place, or hears it twice.
export function say(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

export function count(number) {
  return number === null || number === undefined ? '–' : Number(number).toLocaleString('en');
}

export function value(number) {
  if (number === null || number === undefined || Number.isNaN(number)) return '–';
  return Number(Number(number).toPrecision(6)).toLocaleString('en', { maximumSignificantDigits: 6 });
}

export function size(bytes) {
  if (bytes === null || bytes === undefined) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  let left = bytes;
  while (left >= 1024 && at < units.length - 1) { left /= 1024; at += 1; }
  return `${left < 10 && at > 0 ? left.toFixed(1) : Math.round(left)} ${units[at]}`;
}

// A length of time in its two largest units.
export function span(ms) {
  if (ms === null || ms === undefined) return '–';
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  const parts = [];
  let left = ms;
  for (const [scale, unit] of [[86400000, 'd'], [3600000, 'h'], [60000, 'min'], [1000, 's']]) {
    const whole = Math.floor(left / scale);
    if (whole > 0 || parts.length > 0) parts.push([whole, unit]);
    left -= whole * scale;
  }
  return parts.slice(0, 2).filter(([whole]) => whole > 0).map(([whole, unit]) => `${whole} ${unit}`).join(' ');
}

export function clock(ms) {
  if (ms === null || ms === undefined) return '–';
  const date = new Date(ms);
  const time = date.toLocaleTimeString('en-GB');
  return date.toDateString() === new Date().toDateString() ? time : `${date.toLocaleDateString('en-CA')} ${time}`;
}
