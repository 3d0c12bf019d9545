// Draws the tables of figures as charts. The table stays, for those who do not see drawings.
"use strict";

(() => {
  const drawn = new Map();
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const short = (value) => new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 }).format(value);
  const seconds = (value) => {
    if (value === 0) return "0";
    if (value < 1) return `${+(value * 1000).toPrecision(2)} ms`;
    if (value < 120) return `${+value.toFixed(1)} s`;
    return value < 7200 ? `${Math.round(value / 60)} m` : `${+(value / 3600).toFixed(1)} h`;
  };
  // Where an axis may have its lines: jobs are whole, and times are told in their own units.
  const wholes = Array.from({ length: 13 }, (_, power) => [1, 2, 5].map((part) => part * 10 ** power)).flat();
  const spans = [...[0.001, 0.01, 0.1].flatMap((part) => [part, 2 * part, 5 * part]), 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, ...wholes.map((part) => part * 3600)];
  const steps = { count: wholes, seconds: spans };

  const read = (figure) => {
    const heads = [...figure.querySelectorAll("th[data-series]")];
    const rows = [...figure.querySelectorAll("details tbody tr")];
    const x = rows.map((row) => Number(row.querySelector("[data-at]").dataset.at));
    const number = (cell) => (cell.dataset.value === "" ? null : Number(cell.dataset.value));
    const cells = rows.map((row) => [...row.querySelectorAll("td")].map(number));
    const columns = heads.map((_, index) => cells.map((row) => row[index]));
    return { names: heads.map((head) => head.textContent), kinds: heads.map((head) => head.dataset.series), data: [x, ...columns] };
  };

  // Stacked figures are drawn as sums, the last column at the bottom.
  const stack = (data) => {
    const [x, ...columns] = data;
    const total = x.map(() => 0);
    return [x, ...columns.toReversed().map((column) => column.map((value, index) => (total[index] += value || 0))).toReversed()];
  };

  // A figure between two gaps has no line; it is a point.
  const lonely = (plot, series) => {
    const values = plot.data[series];
    const gone = (at) => values[at] === null || values[at] === undefined;
    return values.flatMap((value, at) => (value !== null && gone(at - 1) && gone(at + 1) ? [at] : []));
  };

  // The figures of one moment beside the pointer, or the finger.
  const tooltip = (names, kinds, unit, raw) => {
    const box = document.createElement("div");
    box.className = "tip";
    box.hidden = true;
    const line = (word, value, kind) => {
      const row = document.createElement("div");
      if (kind) { const dot = document.createElement("i"); dot.style.background = color(`--${kind}`); row.append(dot); }
      row.append(`${word} `);
      const strong = document.createElement("b");
      strong.textContent = value;
      row.append(strong);
      return row;
    };
    const show = (plot) => {
      const { idx, left } = plot.cursor;
      box.hidden = idx === null || idx === undefined || left < 0;
      if (box.hidden) return;
      const at = new Date(raw()[0][idx] * 1000);
      const said = names.map((name, index) => {
        const value = raw()[index + 1][idx];
        return line(name, value === null || value === undefined ? "–" : unit(value), kinds[index]);
      });
      box.replaceChildren(line("", at.toLocaleString("sv", { dateStyle: "short", timeStyle: "short" })), ...said);
      const wide = plot.over.clientWidth;
      const room = box.offsetWidth + 12;
      box.style.left = `${left + room < wide ? left + 12 : Math.max(left - room, 0)}px`;
    };
    return { hooks: { init: (plot) => plot.over.append(box), setCursor: show } };
  };

  const options = (figure, names, kinds, stacked, raw) => {
    const unit = figure.dataset.unit === "seconds" ? seconds : short;
    const grid = { stroke: color("--line"), width: 1 };
    const axis = { stroke: color("--soft"), grid, ticks: { show: false }, font: "12px system-ui" };
    const filled = stacked || names.length === 1;
    return {
      width: Math.max(figure.clientWidth, 200), height: 190,
      cursor: { points: { size: 6 }, drag: { x: false, y: false }, y: false },
      legend: { show: names.length > 1, live: false },
      plugins: [tooltip(names, kinds, unit, raw)],
      scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] } },
      axes: [
        { ...axis, size: 44, space: 70, grid: { show: false }, values: [[86400, "{D} {MMM}", null, null, null, null, null, null, 1], [60, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1]] },
        { ...axis, size: 58, incrs: steps[figure.dataset.unit], values: (_, ticks) => ticks.map(unit) },
      ],
      series: [{}, ...names.map((label, index) => ({
        label, stroke: color(`--${kinds[index]}`), width: stacked ? 1 : 1.8,
        points: { show: true, size: 4, filter: (plot, series) => lonely(plot, series) },
        fill: filled ? color(`--${kinds[index]}`) + (stacked ? "55" : "2e") : undefined,
      }))],
      bands: stacked ? names.slice(1).map((_, index) => ({ series: [index + 1, index + 2] })) : [],
    };
  };

  const draw = (figure, anew) => {
    const { names, kinds, data } = read(figure);
    const canvas = figure.querySelector(".canvas");
    const stacked = "stacked" in figure.dataset;
    const shape = `${names} ${kinds} ${stacked} ${figure.dataset.unit}`;
    const before = drawn.get(canvas);
    if (before && !anew && before.shape === shape && data[0].length > 1) {
      before.raw = data;
      before.plot.setData(stacked ? stack(data) : data);
      return;
    }
    before?.plot.destroy();
    drawn.delete(canvas);
    if (data[0].length < 2) return;
    const found = { shape, raw: data };
    drawn.set(canvas, found);
    found.plot = new uPlot(options(figure, names, kinds, stacked, () => found.raw), stacked ? stack(data) : data, canvas);
  };

  const all = (anew) => {
    for (const [canvas, { plot }] of drawn) if (!canvas.isConnected) { plot.destroy(); drawn.delete(canvas); }
    for (const figure of document.querySelectorAll("figure.chart")) draw(figure, anew);
  };
  document.addEventListener("DOMContentLoaded", () => all(true));
  document.addEventListener("theme", () => all(true));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => all(true));
  document.addEventListener("htmx:after:settle", (event) => { if (event.target.id !== "live") all(false); });
  let soon = 0;
  let width = innerWidth;
  window.addEventListener("resize", () => {
    if (innerWidth === width) return; // a phone's address bar comes and goes
    width = innerWidth;
    clearTimeout(soon);
    soon = setTimeout(() => all(true), 150);
  });
})();
