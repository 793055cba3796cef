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
  const faded = (shade, share, into) => `color-mix(in srgb, ${shade} ${share}%, ${into})`;

  function inSeconds(value) {
    if (value < 1) return `${Math.round(value * 1000)} ms`;
    if (value < 60) return `${+value.toPrecision(3)} s`;
    const [unit, name, below, less] = value < 3600 ? [60, "m", 1, "s"] : [3600, "h", 60, "m"];
    const rest = Math.floor((value % unit) / below);
    return `${Math.floor(value / unit)} ${name}${rest ? ` ${rest} ${less}` : ""}`;
  }
  const inThousands = (value) => (value >= 10000 ? `${+(value / 1000).toPrecision(3)}k` : value.toLocaleString("en"));
  // At an axis, and where a figure is read off.
  const UNITS = {
    seconds: { axis: inSeconds, exact: inSeconds },
    dollars: { axis: (value) => `$${+value.toPrecision(3)}`, exact: (value) => `$${value.toFixed(value && value < 1 ? 4 : 2)}` },
    jobs: { axis: (value) => (Number.isInteger(value) ? inThousands(value) : ""), exact: (value) => value.toLocaleString("en") },
  };
  // Where a logarithmic axis is told, in seconds: round in the words that it is told in.
  const ROUND = [0.001, 0.01, 0.1, 1, 10, 60, 600, 3600, 36000, 360000];

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

  // Of bars, the highest are drawn first, and the lower ones over them.
  const inOrder = (plot, series) => (plot.kind === "bars" ? series.toReversed() : series);

  function data(plot) {
    return [plot.x, ...inOrder(plot, plot.kind === "lines" ? plot.series.map((each) => each.values) : stacked(plot.series))];
  }

  function line(plot, series) {
    const shade = resolved(series.colour);
    if (plot.kind === "stack") return { stroke: shade, width: 1, fill: faded(shade, 55, "transparent"), points: { show: false } };
    if (plot.kind === "bars") return { stroke: shade, width: 0, fill: faded(shade, 85, resolved("sheet")), paths: uPlot.paths.bars({ size: [0.8, 48], align: 1 }), points: { show: false } };
    const known = series.values.filter((value) => value != null).length;
    return { stroke: shade, width: 1.5, dash: series.dashed ? [4, 4] : undefined, points: { show: known < 24, size: 4 } };
  }

  function options(plot, box) {
    const { axis: say } = UNITS[plot.unit], width = plot.x.length > 1 ? plot.x[1] - plot.x[0] : 60;
    const axis = { stroke: resolved("soft"), grid: { stroke: resolved("line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    const splits = (_, __, least, most) => ROUND.filter((value) => value >= least && value <= most);
    return {
      width: box.clientWidth, height: box.clientHeight,
      series: [{}, ...inOrder(plot, plot.series).map((series) => line(plot, series))],
      bands: plot.kind === "stack" ? plot.series.slice(1).map((_, at) => ({ series: [at + 2, at + 1] })) : [],
      legend: { show: false },
      cursor: { points: { show: plot.kind === "lines", size: 5 }, y: false, drag: { x: true, y: false, setScale: false } },
      scales: {
        x: { time: true, range: (_, least, most) => [least, most + (plot.kind === "bars" ? width : 0)] },
        y: plot.log ? { distr: 3 } : { range: (_, __, most) => [0, Math.max(most * 1.05, 1e-9)] },
      },
      axes: [{ ...axis, space: 70, size: 26, values: (_, ticks) => moments(ticks) }, { ...axis, size: 58, values: (_, ticks) => ticks.map(say), space: 34, ...(plot.log ? { splits, filter: (_, all) => all } : {}) }],
      hooks: { setSelect: [(chart) => zoom(chart, box)], setCursor: [(chart) => point(chart, plot, box)] },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
    };
  }

  // Dragging over a chart narrows the view to that time, or leads to the jobs of it; the address says so.
  function zoom(chart, box) {
    if (chart.select.width < 8) return;
    const [from, to] = [0, chart.select.width].map((at) => chart.posToVal(chart.select.left + at, "x"));
    narrow(box, from, to);
  }

  function narrow(box, from, to) {
    const address = new URL(box.dataset.narrows || location.href, location.href);
    address.searchParams.set("since", new Date(from * 1000).toISOString().slice(0, 19) + "Z");
    address.searchParams.set("until", new Date(to * 1000).toISOString().slice(0, 19) + "Z");
    for (const gone of ["before", "after"]) address.searchParams.delete(gone);
    location.assign(address);
  }

  // What is read off where the pointer is, or where the arrow keys have gone.
  function point(chart, plot, box) {
    const tip = box.parentElement.querySelector(".tip");
    tip.hidden = !(chart.cursor.left >= 0) || chart.cursor.idx == null;
    if (tip.hidden) return;
    const pointed = chart.posToVal(chart.cursor.left, "x");
    const at = plot.kind === "bars" ? Math.max(0, plot.x.findLastIndex((begin) => begin <= pointed)) : chart.cursor.idx;
    const row = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });
    const told = plot.series.filter((each) => each.values[at] != null && (each.values[at] || plot.kind === "lines"));
    tip.replaceChildren(row("b", `${new Date(plot.x[at] * 1000).toISOString().slice(5, 16).replace("T", " ")} UTC`),
      ...told.toReversed().map((each) => row("div", `${each.label} ${UNITS[plot.unit].exact(each.values[at])}`)));
    const left = chart.cursor.left + chart.bbox.left / devicePixelRatio;
    tip.style.left = `${box.offsetLeft + (left > box.clientWidth / 2 ? left - tip.offsetWidth - 12 : left + 12)}px`;
    tip.style.top = `${box.offsetTop + 8}px`;
  }

  const STEPS = { ArrowLeft: (at) => at - 1, ArrowRight: (at) => at + 1, Home: () => 0, End: (_, last) => last };

  function step(event) {
    if (!drawn.has(event.currentTarget)) return;
    const { chart } = drawn.get(event.currentTarget), [x] = chart.data, last = x.length - 1;
    const at = chart.cursor.left >= 0 ? chart.cursor.idx : null;
    if (event.key === "Enter" && at != null) narrow(event.currentTarget, x[at], x[at] + (last ? x[1] - x[0] : 60));
    if (!STEPS[event.key]) return;
    event.preventDefault();
    const next = at == null ? last : Math.min(Math.max(STEPS[event.key](at, last), 0), last);
    // A bar begins where it is told of: one further is within it.
    chart.setCursor({ left: chart.valToPos(x[next], "x") + 1, top: 0 });
  }

  // With its arrows, which whoever reads a page aloud keeps for itself elsewhere.
  function listenTo(box) {
    Object.assign(box, { tabIndex: 0, role: "application" });
    box.addEventListener("keydown", step);
    box.addEventListener("blur", () => drawn.get(box)?.chart.setCursor({ left: -10, top: -10 }));
  }

  function draw(box) {
    const text = box.dataset.plot, before = drawn.get(box);
    if (before && before.text === text && before.width === box.clientWidth) return;
    const { left, top } = before?.chart.cursor ?? {};
    if (before) before.chart.destroy();
    const plot = JSON.parse(text);
    if (!box.clientWidth || !plot.x.length) { drawn.delete(box); return; }
    if (!box.hasAttribute("tabindex")) listenTo(box);
    const chart = new uPlot(options(plot, box), data(plot), box);
    drawn.set(box, { text, width: box.clientWidth, chart });
    if (left >= 0) chart.setCursor({ left, top });
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
