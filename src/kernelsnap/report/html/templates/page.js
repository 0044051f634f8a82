'use strict';
(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const { cases, metrics } = JSON.parse(byId('data').textContent);
  // A row may be of several goldens: those of other targets that changed in the same way.
  const [NAME, ID, GROUP, STATUS, TARGETS, CAUSES, VERDICTS, TEST, BODY, SIZE, EFFECT] = Array(11).keys();
  const LISTED = 20;
  const WAYS = { any: '', improved: 'i', regressed: 'r' };
  const form = byId('filters');
  const groups = [...document.querySelectorAll('.group')];
  const titles = new Map([...form.querySelectorAll('[name=cause]')].map((box) => [box.value, box.nextElementSibling.textContent]));
  const words = cases.map((one) => [one[NAME], one[TEST], one[STATUS], ...one[TARGETS], ...one[CAUSES].map((name) => titles.get(name))].join(' ').toLowerCase());
  const placeOf = new Map(cases.map((one, index) => [one[ID], index]));
  const sizes = groups.map(() => 0);
  cases.forEach((one) => { sizes[one[GROUP]] += one[SIZE]; });
  const goldens = (indexes) => indexes.reduce((sum, index) => sum + cases[index][SIZE], 0);
  const everything = goldens([...cases.keys()]);
  const shownInFull = new Set();
  // What a browser may refuse: settings of a page that is a file, an address that was cut off.
  const attempt = (action) => { try { return action(); } catch { return null; } };
  const plural = (number, noun) => `${number.toLocaleString('en').replaceAll(',', ' ')} ${noun}${number === 1 ? '' : 's'}`;

  // The state of the page: what is filtered by, and the place that a link leads to. The address holds all of it.
  const state = { q: '', cause: [], target: [], metric: '', way: 'any', at: '' };

  const tests = {
    q: (one, index) => state.q.toLowerCase().split(/\s+/).every((word) => words[index].includes(word)),
    cause: (one) => !state.cause.length || state.cause.some((name) => one[CAUSES].includes(name)),
    target: (one) => !state.target.length || state.target.some((name) => one[TARGETS].includes(name)),
    metric: (one) => {
      if (!state.metric && !WAYS[state.way]) return true;
      const verdicts = state.metric ? [one[VERDICTS][metrics.indexOf(state.metric)]] : [...one[VERDICTS]];
      return verdicts.some((verdict) => (WAYS[state.way] || 'irc').includes(verdict));
    },
  };
  const passes = (index, except) => Object.entries(tests).every(([name, test]) => name === except || test(cases[index], index));
  const filtering = () => Boolean(state.q || state.cause.length || state.target.length || state.metric || WAYS[state.way]);

  function show() {
    const found = groups.map(() => []);
    cases.forEach((one, index) => { if (passes(index)) found[one[GROUP]].push(index); });
    const kept = new Set(found.flat());
    cases.forEach((one, index) => { if (one[BODY]) byId(one[ID]).hidden = !kept.has(index); });
    groups.forEach((group, number) => {
      group.hidden = !found[number].length;
      const all = sizes[number];
      const size = goldens(found[number]);
      group.querySelector('[data-size]').textContent = size === all ? plural(all, 'golden') : `${size} of ${plural(all, 'golden')}`;
      list(group, number, found[number].filter((index) => !cases[index][BODY]));
    });
    const shown = groups.filter((group) => !group.hidden).length;
    byId('count').textContent = filtering()
      ? `${goldens([...kept])} of ${plural(everything, 'golden')} in ${plural(shown, 'group')}`
      : `${plural(everything, 'golden')} in ${plural(groups.length, 'group')}`;
    byId('nothing').hidden = kept.size > 0 || !cases.length;
    form.querySelector('[type=reset]').hidden = !filtering();
    for (const [name, column] of [['cause', CAUSES], ['target', TARGETS]]) {
      const counts = new Map();
      cases.forEach((one, index) => { if (passes(index, name)) one[column].forEach((value) => counts.set(value, (counts.get(value) || 0) + (name === 'target' ? 1 : one[SIZE]))); });
      form.querySelectorAll(`[name=${name}]`).forEach((box) => {
        const count = counts.get(box.value) || 0;
        box.parentElement.querySelector('[data-count]').textContent = count;
        box.parentElement.classList.toggle('none', !count);
      });
    }
  }

  function element(name, text, attributes = {}) {
    const made = document.createElement(name);
    made.textContent = text;
    Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
    return made;
  }

  function list(group, number, members) {
    const place = group.querySelector('[data-others]');
    place.replaceChildren();
    if (!members.length) return;
    const rows = element('ul', '');
    const whole = shownInFull.has(number);
    for (const index of whole ? members : members.slice(0, LISTED)) {
      const one = cases[index];
      const row = element('li', '', { id: one[ID], tabindex: '-1' });
      row.append(element('span', one[NAME], { class: 'name' }));
      if (one[EFFECT]) row.append(element('span', one[EFFECT], { class: 'muted' }));
      if (one[STATUS] !== 'changed') row.append(element('span', one[STATUS], { class: 'tag' }));
      one[TARGETS].forEach((target) => row.append(element('span', target, { class: 'tag target' })));
      rows.append(row);
    }
    if (cases[members[0]][STATUS] === 'changed') {
      place.append(element('p', 'The same change, and its diff is left out of this file: add --full to have it here.'));
    }
    place.append(rows);
    if (!whole && members.length > LISTED) {
      const more = element('button', `Show ${plural(members.length - LISTED, 'more golden')}`, { type: 'button' });
      more.addEventListener('click', () => { shownInFull.add(number); list(group, number, members); });
      place.append(more);
    }
  }

  // Address: #q=…&cause=…&metric=…&at=place, or just #place.
  function read() {
    const text = location.hash.slice(1);
    const isPlace = text !== '' && !text.includes('=');
    const given = new URLSearchParams(isPlace ? '' : text);
    if (!isPlace) {
      Object.assign(state, { q: given.get('q') || '', cause: given.getAll('cause'), target: given.getAll('target'), metric: given.get('metric') || '', way: Object.hasOwn(WAYS, given.get('way')) ? given.get('way') : 'any' });
    }
    state.at = isPlace ? attempt(() => decodeURIComponent(text)) || text : given.get('at') || '';
    fill();
    show();
    if (state.at) go(state.at);
  }

  function write() {
    const given = new URLSearchParams();
    if (state.q) given.set('q', state.q);
    state.cause.forEach((name) => given.append('cause', name));
    state.target.forEach((name) => given.append('target', name));
    if (state.metric) given.set('metric', state.metric);
    if (WAYS[state.way]) given.set('way', state.way);
    if (state.at) given.set('at', state.at);
    const text = filtering() ? given.toString() : state.at;
    history.replaceState(null, '', text ? `#${text}` : location.pathname + location.search);
  }

  function fill() {
    if (filtering()) byId('filter-box').open = true;
    form.elements.q.value = state.q;
    form.querySelectorAll('[type=checkbox]').forEach((box) => { box.checked = state[box.name].includes(box.value); });
    if (!form.elements.metric) return;
    form.elements.metric.value = state.metric;
    form.elements.way.value = state.way;
  }

  function clear() {
    Object.assign(state, { q: '', cause: [], target: [], metric: '', way: 'any' });
    fill();
    changed();
  }

  function changed() {
    write();
    show();
  }

  // Lead to a place: through filters that hide it, lists that are cut, and details that are closed.
  function go(place) {
    const own = place.split('.')[0];
    const index = placeOf.get(own);
    if (index !== undefined && !passes(index)) clear();
    if (index !== undefined && !byId(own)) {
      shownInFull.add(cases[index][GROUP]);
      show();
    }
    const target = byId(place) || byId(own);
    if (!target) return;
    for (let at = target; at; at = at.parentElement) if (at.tagName === 'DETAILS') at.open = true;
    document.querySelectorAll('.here').forEach((old) => old.classList.remove('here'));
    target.classList.add('here');
    target.scrollIntoView();
    (target.querySelector('summary') || target).focus({ preventScroll: true });
  }

  function setView(view) {
    root.dataset.view = view === 'unified' ? 'unified' : 'split';
    document.querySelectorAll('.switch button').forEach((button) => button.setAttribute('aria-pressed', String(button.dataset.view === root.dataset.view)));
  }

  const THEMES = ['auto', 'light', 'dark'];
  function setTheme(theme) {
    if (theme === 'auto') delete root.dataset.theme; else root.dataset.theme = theme;
    byId('theme').textContent = `Theme: ${theme}`;
    attempt(() => localStorage.setItem('kernelsnap-theme', theme));
  }
  function nextTheme() {
    setTheme(THEMES[(THEMES.indexOf(root.dataset.theme || 'auto') + 1) % THEMES.length]);
  }

  function unfold(body) {
    const rows = body.querySelector('template').content;
    rows.querySelectorAll('tr').forEach((row) => {
      const copy = row.cells[1].cloneNode(true);
      row.cells[3].replaceChildren(...copy.childNodes);
    });
    body.className = 'same';
    body.replaceChildren(rows);
  }

  function zoom(button) {
    const svg = button.closest('.picture').querySelector('svg');
    const { width } = svg.viewBox.baseVal;
    const now = Number(svg.getAttribute('width')) / width;
    const step = Number(button.dataset.zoom);
    draw(svg, step ? Math.min(3, Math.max(0.1, now * (step > 0 ? 1.25 : 0.8))) : Math.min(1, svg.parentElement.clientWidth / width));
  }
  function draw(svg, scale) {
    const { width, height } = svg.viewBox.baseVal;
    svg.setAttribute('width', width * scale);
    svg.setAttribute('height', height * scale);
  }
  // A drawing that is too wide is shown smaller, but not too small to read. What is still outside is scrolled to, from
  // the first step on that changed.
  const SMALLEST = 0.65;
  const fitted = new WeakSet();
  function fit(details) {
    for (const svg of details.querySelectorAll('.canvas svg')) {
      const canvas = svg.parentElement;
      if (!canvas.clientWidth || fitted.has(svg)) continue;
      fitted.add(svg);
      draw(svg, Math.min(1, Math.max(SMALLEST, canvas.clientWidth / svg.viewBox.baseVal.width)));
      const box = svg.querySelector('.box:not(.unchanged, .renamed) .frame');
      if (!box) continue;
      const [here, all] = [box.getBoundingClientRect(), canvas.getBoundingClientRect()];
      bring(canvas, here.left - all.left - (all.width - here.width) / 2, here.top - all.top - 16);
    }
  }

  // Both sides are scrolled together: each to the same share of its way.
  const placed = new WeakSet();
  function bring(canvas, left, top) {
    const [x, y] = [canvas.scrollLeft, canvas.scrollTop];
    canvas.scrollTo(left, top);
    if (x !== canvas.scrollLeft || y !== canvas.scrollTop) placed.add(canvas);
  }
  function follow(event) {
    const canvas = event.target;
    if (!canvas.classList?.contains('canvas') || placed.delete(canvas)) return;
    const share = (at, whole, seen) => (whole > seen ? at / (whole - seen) : 0);
    const x = share(canvas.scrollLeft, canvas.scrollWidth, canvas.clientWidth);
    const y = share(canvas.scrollTop, canvas.scrollHeight, canvas.clientHeight);
    for (const other of canvas.closest('.pictures').querySelectorAll('.canvas')) {
      if (other !== canvas) bring(other, x * (other.scrollWidth - other.clientWidth), y * (other.scrollHeight - other.clientHeight));
    }
  }
  document.addEventListener('scroll', follow, true);

  // A step that is pointed at is shown on the other side, too: all that it was split into, or merged from.
  function twins(event) {
    const box = event.target.closest('.box');
    document.querySelectorAll('.twin').forEach((old) => old.classList.remove('twin'));
    if (!box) return;
    box.closest('.pictures').querySelectorAll('.box').forEach((one) => one.classList.toggle('twin', one.dataset.pair === box.dataset.pair));
  }
  document.addEventListener('mouseover', twins);
  document.addEventListener('focusin', twins);

  const summaries = () => [...document.querySelectorAll('.case:not([hidden]) > summary')].filter((one) => !one.closest('[hidden]'));
  let current = null;
  function move(by) {
    const all = summaries();
    if (!all.length) return;
    const now = document.activeElement.closest('.case')?.querySelector('summary') || current;
    const index = all.indexOf(now);
    const next = all[index < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, index + by))];
    current = next;
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: 'start' });
  }
  const currentCase = () => (document.activeElement.closest('.case') || current?.parentElement);

  const keys = {
    j: () => move(1), n: () => move(1), k: () => move(-1), p: () => move(-1),
    o: () => { const one = currentCase(); if (one) one.open = !one.open; },
    e: () => currentCase()?.querySelectorAll('.fold:has(template)').forEach(unfold),
    u: () => setView(root.dataset.view === 'split' ? 'unified' : 'split'),
    t: nextTheme,
    '/': () => { byId('filter-box').open = true; form.elements.q.focus(); form.elements.q.select(); },
    '?': () => byId('help').showModal(),
    Escape: () => { if (filtering()) clear(); },
  };
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || byId('help').open) return;
    if (event.target.matches('input[type=search], select')) {
      // A browser would clear the search.
      if (event.key === 'Escape') { event.preventDefault(); event.target.blur(); }
      return;
    }
    const action = Object.hasOwn(keys, event.key) ? keys[event.key] : null;
    if (!action) return;
    event.preventDefault();
    action();
  });

  document.addEventListener('click', (event) => {
    const button = event.target.closest('button, a[href^="#"]');
    if (!button) return;
    if (button.tagName === 'A') {
      const link = button.getAttribute('href').slice(1);
      if (link === 'changes') return;
      event.preventDefault();
      state.at = link;
      go(link);
      write();
    } else if (button.dataset.view) setView(button.dataset.view);
    else if (button.dataset.metric) {
      Object.assign(state, { metric: button.dataset.metric, way: button.dataset.way });
      fill();
      changed();
    } else if ('fold' in button.dataset) unfold(button.closest('tbody'));
    else if (button.dataset.zoom) zoom(button);
    else if ('clear' in button.dataset) clear();
  });
  // Text is copied from the side in which the selection starts.
  document.addEventListener('mousedown', (event) => {
    const cell = event.target.closest('.diff td:not(.n)');
    if (cell) cell.closest('table').dataset.copy = cell.cellIndex === 1 ? 'old' : 'new';
  });

  function take() {
    const values = new FormData(form);
    Object.assign(state, { q: values.get('q').trim(), cause: values.getAll('cause'), target: values.getAll('target'), metric: values.get('metric') || '', way: values.get('way') || 'any' });
    changed();
  }
  // Not every way of choosing from a list says both.
  form.addEventListener('input', take);
  form.addEventListener('change', take);
  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('reset', (event) => { event.preventDefault(); clear(); });
  byId('theme').addEventListener('click', nextTheme);
  byId('help-button').addEventListener('click', () => byId('help').showModal());
  byId('help').addEventListener('click', (event) => { if (event.target === byId('help')) byId('help').close(); });
  window.addEventListener('hashchange', read);
  document.addEventListener('toggle', (event) => { if (event.target.open) fit(event.target); }, true);

  const narrow = matchMedia('(max-width: 62rem)');
  // A narrow window has one column: of code, and of the page, where the filters would push the report out of sight.
  function arrange() {
    setView(narrow.matches ? 'unified' : 'split');
    byId('filter-box').open = !narrow.matches || filtering();
  }
  narrow.addEventListener('change', arrange);
  const theme = attempt(() => localStorage.getItem('kernelsnap-theme'));
  setTheme(THEMES.includes(theme) ? theme : 'auto');
  arrange();
  read();
  document.querySelectorAll('.case[open]').forEach(fit);
})();
