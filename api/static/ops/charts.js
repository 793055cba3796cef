// Draws every .plot from its data-plot, in the colours of the style sheet; api/dashboard/charts.py makes that.
"use strict";

const charts = (() => {
  const drawn = new Map();
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim() || "gray";
  // light-dark() is resolved only where it is used as a colour.
  const probe = document.createElement("span");
  probe.hidden = true;
  const resolved = (name) => {
    probe.style.color = `var(--${name})`;
    document.body.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value || colour(name);
  };
  const faded = (shade, share) => `color-mix(in srgb, ${shade} ${share}%, transparent)`;

  const inSeconds = (value) => {
    if (value == null) return "";
    if (value < 1) return `${Math.round(value * 1000)} ms`;
    if (value < 90) return `${+value.toPrecision(3)} s`;
    if (value < 5400) return `${Math.round(value / 60)} m`;
    return `${Math.round(value / 3600)} h`;
  };
  const inDollars = (value) => (value == null ? "" : `$${value >= 10 ? Math.round(value) : +value.toPrecision(2)}`);
  const inNumbers = (value) => (value == null ? "" : value >= 10000 ? `${+(value / 1000).toPrecision(3)}k` : `${value}`);
  const UNITS = { seconds: inSeconds, dollars: inDollars, jobs: inNumbers };

  // Of UTC, like all times here; the day where one begins.
  function moments(ticks) {
    const fine = ticks.length > 1 && ticks[1] - ticks[0] < 60;
    return ticks.map((tick) => {
      const at = new Date(tick * 1000).toISOString();
      return at.slice(11, 19) === "00:00:00" ? at.slice(5, 10) : at.slice(11, fine ? 19 : 16);
    });
  }

  function stacked(series) {
    const sums = [];
    return series.map((each) => each.values.map((value, at) => (sums[at] = (sums[at] || 0) + (value || 0))));
  }

  function data(plot) {
    return [plot.x, ...(plot.kind === "stack" ? stacked(plot.series) : plot.series.map((each) => each.values))];
  }

  function options(plot, box) {
    const soft = resolved("soft"), line = resolved("line"), say = UNITS[plot.unit];
    const tens = (_, __, least, most) => {
      const powers = [];
      for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(most)); power++) powers.push(10 ** power);
      return powers.filter((power) => power >= least && power <= most);
    };
    const axis = { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    const lines = plot.series.map((each) => {
      const shade = resolved(each.colour);
      const fill = plot.kind === "stack" ? faded(shade, 55) : undefined;
      const known = each.values.filter((value) => value != null).length;
      return { label: each.label, stroke: shade, width: plot.kind === "stack" ? 1 : 1.5, fill,
               dash: each.dashed ? [4, 4] : undefined, points: { show: known < 24 && plot.kind === "lines", size: 4 } };
    });
    const bands = plot.kind === "stack" ? plot.series.slice(1).map((_, at) => ({ series: [at + 2, at + 1] })) : [];
    return {
      width: box.clientWidth, height: box.clientHeight, series: [{}, ...lines], bands,
      legend: { show: false },
      cursor: { points: { size: 5 }, drag: { x: true, y: false, setScale: false } },
      scales: { x: { time: true }, y: plot.log ? { distr: 3 } : { range: (_, __, most) => [0, Math.max(most * 1.05, 1e-9)] } },
      axes: [{ ...axis, space: 70, size: 30, values: (_, ticks) => moments(ticks) }, { ...axis, size: 52, values: (_, ticks) => ticks.map(say), space: 34, ...(plot.log ? { splits: tens } : {}) }],
      hooks: { setSelect: [(chart) => zoom(chart)], setCursor: [(chart) => point(chart, plot, say, box)] },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
    };
  }

  // Dragging over a chart narrows the view to that time; the address says so.
  function zoom(chart) {
    if (chart.select.width < 8) return;
    const address = new URL(location.href);
    const [from, to] = [0, chart.select.width].map((at) => chart.posToVal(chart.select.left + at, "x"));
    address.searchParams.set("since", new Date(from * 1000).toISOString().slice(0, 19) + "Z");
    address.searchParams.set("until", new Date(to * 1000).toISOString().slice(0, 19) + "Z");
    for (const gone of ["window", "before", "after"]) address.searchParams.delete(gone);
    location.assign(address);
  }

  function point(chart, plot, say, box) {
    const at = chart.cursor.idx;
    box.title = at == null ? "" : [new Date(plot.x[at] * 1000).toISOString().slice(0, 16).replace("T", " ") + " UTC",
      ...plot.series.map((each) => `${each.label}: ${say(each.values[at]) || "–"}`)].join("\n");
  }

  function draw(box) {
    const text = box.dataset.plot, before = drawn.get(box);
    if (before && before.text === text && before.width === box.clientWidth) return;
    if (before) before.chart.destroy();
    const plot = JSON.parse(text);
    if (!box.clientWidth || !plot.x.length) { drawn.delete(box); return; }
    drawn.set(box, { text, width: box.clientWidth, chart: new uPlot(options(plot, box), data(plot), box) });
  }

  function redraw() {
    for (const box of drawn.keys()) if (!box.isConnected) { drawn.get(box).chart.destroy(); drawn.delete(box); }
    document.querySelectorAll(".plot").forEach(draw);
  }

  function recolour() {
    drawn.forEach((each) => (each.text = ""));
    redraw();
  }

  return { redraw, recolour };
})();
