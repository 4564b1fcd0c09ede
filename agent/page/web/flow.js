// An account as a flow: what came in on the left, what became of it on the right. Both sides have the same height.

import { count, drawing, find, say } from './dom.js';

const HEIGHT = 190;
const GAP = 8;
const LEAST = 3;
const LINE = 19;

// `parts` are [name, class]; the first is always shown.
export function flow(id, whole, parts, counts) {
  const all = counts[whole] ?? 0;
  const shown = parts.map(([name, kind]) => ({ name, kind, count: counts[name] ?? 0 }));
  const sum = shown.reduce((total, part) => total + part.count, 0);
  const present = shown.filter((part, index) => part.count !== 0 || index === 0);
  const words = present.map((part) => `${count(part.count)} ${part.name.replace('_', ' ')}`).join(' + ');
  const balance = sum === all ? 'it adds up' : `${count(all - sum)} are missing`;
  say(find(`${id}-sum`), `${count(all)} ${whole} = ${words}: ${balance}`);
  draw(find(`${id}-flow`), `${count(all)} ${whole}`, all, present);
}

function draw(target, title, all, parts) {
  const height = Math.max(HEIGHT, parts.length * (LINE + GAP));
  const room = height - GAP * (parts.length - 1);
  const heights = parts.map((part) => Math.max(LEAST, all > 0 ? (room * Math.max(0, part.count)) / all : 0));
  const scale = Math.min(1, room / heights.reduce((total, one) => total + one, 0));
  let svg = target.querySelector('svg');
  if (!svg) {
    svg = drawing('svg', { 'aria-hidden': 'true' });
    target.append(svg);
  }
  svg.setAttribute('viewBox', `0 0 460 ${height + 4}`);
  const drawn = [];
  let [left, right, labels] = [(height - room) / 2, 0, -LINE];
  parts.forEach((part, index) => {
    const high = heights[index] * scale;
    const curve = `M14 ${left}C150 ${left} 130 ${right} 266 ${right}V${right + high}C130 ${right + high} 150 ${left + high} 14 ${left + high}Z`;
    drawn.push(drawing('path', { class: `stream ${part.kind}`, d: curve }));
    drawn.push(drawing('rect', { class: part.kind, x: 266, y: right, width: 12, height: high }));
    labels = Math.max(labels + LINE, right + high / 2 + 4);
    drawn.push(drawing('text', { x: 286, y: labels }, `${part.name.replace('_', ' ')} ${count(part.count)}`));
    left += high;
    right += high + GAP;
  });
  drawn.push(drawing('rect', { class: 'fate-0', x: 2, y: (height - room) / 2, width: 12, height: left - (height - room) / 2 }));
  drawn.push(drawing('text', { x: 20, y: height / 2 + 4 }, title));
  svg.replaceChildren(...drawn);
}

export const READINGS = [
  ['summarised', 'fate-1'], ['in_windows', 'fate-2'], ['late', 'fate-3'], ['filtered', 'fate-4'], ['invalid', 'fate-5'],
  ['future', 'fate-3'], ['refused', 'fate-5'], ['repeated', 'fate-6'], ['unselected', 'fate-6'],
];

export const MESSAGES = [['delivered', 'fate-1'], ['waiting', 'fate-2'], ['thinned', 'fate-4'], ['lost', 'fate-5']];
