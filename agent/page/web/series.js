// Which series is shown: a search, a list of what it finds, and the choice.

import { element, find } from './dom.js';

const LIST_MAX = 200;

// Where the address of the page has the series; it may name other places of the page.
const PLACE = '#series=';

function named() {
  if (!location.hash.startsWith(PLACE)) return '';
  try {
    return decodeURIComponent(location.hash.slice(PLACE.length));
  } catch {
    return '';
  }
}

export class SeriesChoice {
  // `chosen` is called with the name of a series.
  constructor(chosen) {
    this.chosen = chosen;
    this.list = find('series');
    this.asked = 0;
    this.name = named();
    this.known = '';
    find('controls').addEventListener('submit', (event) => event.preventDefault());
    this.list.addEventListener('change', () => this.choose(this.list.value));
    addEventListener('hashchange', () => named() && named() !== this.name && this.choose(named()));
    let pause;
    find('search').addEventListener('input', () => {
      clearTimeout(pause);
      pause = setTimeout(() => this.refresh(), 250);
    });
  }

  // Shows a series, and keeps it in the address of the page.
  choose(name) {
    if (!name) return;
    this.name = name;
    history.replaceState(null, '', PLACE + encodeURIComponent(name));
    if (![...this.list.options].some((option) => option.value === name)) this.list.prepend(element('option', { value: name }, name));
    this.list.value = name;
    this.chosen(name);
  }

  // Asks the agent for the series that the search finds.
  async refresh() {
    this.asked += 1;
    const mine = this.asked;
    const words = find('search').value;
    const answer = await fetch(`api/v1/series?limit=${LIST_MAX}&q=${encodeURIComponent(words)}`).catch(() => null);
    if (!answer?.ok || mine !== this.asked) return;
    const { series, total } = await answer.json();
    const names = series.map((one) => one.series).sort();
    const current = this.name;
    if (current && !names.includes(current)) names.unshift(current);
    const options = names.map((name) => element('option', { value: name }, name));
    if (total > series.length) options.push(element('option', { disabled: '' }, `${total - series.length} more: write a part of the name`));
    const told = JSON.stringify([names, total]);
    // Nobody loses their place in a list that is open.
    if (told !== this.known) {
      this.known = told;
      this.list.replaceChildren(...options);
      this.list.value = current;
    }
    if (!current && names.length > 0) this.choose(names[0]);
  }
}
