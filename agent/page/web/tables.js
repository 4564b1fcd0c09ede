// Tables and lists of facts, changed in place.

import { element, say } from './dom.js';

// Columns are [title, class, cell of a row]; the first one names the row.
export function table(target, columns, rows) {
  if (!target.tHead) {
    const titles = columns.map(([title, kind]) => element('th', { scope: 'col', class: kind }, title));
    target.append(element('thead', {}, element('tr', {}, ...titles)), element('tbody'));
  }
  const body = target.tBodies[0];
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach((row, index) => {
    let line = body.rows[index];
    if (!line) {
      const cells = columns.map(([, kind], at) => element(at === 0 ? 'th' : 'td', { scope: at === 0 ? 'row' : null, class: kind }));
      line = element('tr', {}, ...cells);
      body.append(line);
    }
    columns.forEach(([, , cell], at) => {
      const [text, state] = [].concat(cell(row));
      say(line.cells[at], text);
      if (state) line.cells[at].dataset.state = state; else delete line.cells[at].dataset.state;
    });
  });
}

// Facts are [name, text, share of a whole or undefined].
export function facts(target, list) {
  while (target.children.length > list.length * 2) target.lastChild.remove();
  list.forEach(([name, text, share], index) => {
    let [term, told] = [target.children[index * 2], target.children[index * 2 + 1]];
    if (!told) {
      term = element('dt');
      told = element('dd', {}, element('span'));
      target.append(term, told);
    }
    say(term, name);
    say(told.lastChild, text);
    let meter = told.querySelector('meter');
    if (share === undefined) {
      meter?.remove();
    } else {
      if (!meter) {
        meter = element('meter', { min: 0, max: 1, high: 0.8, optimum: 0 });
        told.prepend(meter);
      }
      meter.setAttribute('aria-label', name);
      meter.value = share;
    }
  });
}
