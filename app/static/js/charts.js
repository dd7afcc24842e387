/* Draws <figure data-chart> from the JSON in that attribute (app/api/pages/charts.py), in the colours of the theme, and keeps a
   table of the same numbers. Studio.charts.get(id) gives {append, replace, chart}. Needs Chart.js. */
(() => {
  "use strict";
  const charts = new Map();
  const MAX_LABEL = 18; /* letters of a class beside its bar */
  const NUM_COLOURS = 8;
  const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
  const long = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
  /* Values far from 0, like seconds since 1970, differ in their last digits. */
  const format = { format: (value) => (Math.abs(value) >= 1e4 && Math.abs(value) < 1e15 ? long : short).format(value) };
  /* As in metric_text.py. */
  const showMetric = (value) => {
    const size = Math.abs(value);
    if (size >= 100 || !Number.isFinite(value)) return format.format(value);
    if (size > 0 && size < 0.1) return value.toPrecision(3);
    return value.toFixed(size < 10 ? 3 : 2);
  };
  /* The lines of a chart are losses and metrics; bars may be counts. */
  const showValue = (spec, value) => (spec.type === "line" ? showMetric(value) : format.format(value));

  /* Numbers along an axis: as many digits as tell them apart, none that are only rounding. */
  const SMALLEST_SHARE = 1e-10;
  const tiny = new Intl.NumberFormat("en", { notation: "scientific", maximumSignificantDigits: 4 });
  const labelTick = (value, index, ticks) => {
    const largest = Math.max(...ticks.map((tick) => Math.abs(tick.value)));
    const step = ticks.length > 1 ? Math.abs(ticks[1].value - ticks[0].value) : largest;
    if (Math.abs(value) < step * 1e-6) return "0";
    if (largest >= 1e15 || largest < 1e-4) return tiny.format(value);
    /* One digit more than the step has before its first, because steps may be 0.25. */
    const digits = Math.min(12, Math.max(0, 1 - Math.floor(Math.log10(step) + 1e-9)));
    return new Intl.NumberFormat("en", { maximumFractionDigits: digits }).format(value);
  };
  /* Values that differ by rounding only would get an axis of steps that no label can tell apart. */
  const widen = (scale) => {
    const largest = Math.max(Math.abs(scale.min), Math.abs(scale.max));
    if (!(scale.max - scale.min < largest * SMALLEST_SHARE)) return;
    scale.min -= largest * 0.05;
    scale.max += largest * 0.05;
  };

  /* Tokens are light-dark() pairs; what they come to is only known from an element that uses them. */
  const colourOf = (token, alpha = 1) => {
    const probe = document.createElement("span");
    probe.hidden = true;
    probe.style.color = `var(${token})`;
    document.body.append(probe);
    const [r, g, b] = getComputedStyle(probe).color.match(/[\d.]+/g);
    probe.remove();
    return `rgb(${r} ${g} ${b} / ${alpha})`;
  };
  const seriesColour = (spec, index, alpha) => colourOf(`--series-${((spec.colour ?? index) % NUM_COLOURS) + 1}`, alpha);

  const dataset = (spec, series, index) => {
    const isBar = spec.type === "bar";
    const isScatter = spec.type === "scatter";
    return {
      label: series.name,
      data: isBar ? series.values : series.points.map(([x, y]) => ({ x, y })),
      type: spec.type,
      borderDash: series.is_dashed ? [6, 4] : [],
      borderWidth: isBar ? 0 : 2,
      pointRadius: series.is_marker ? 6 : isScatter ? 3 : series.points && series.points.length > 60 ? 0 : 2,
      pointHitRadius: 8,
      showLine: !isScatter && !series.is_marker,
      spanGaps: true,
      tension: 0,
      maxBarThickness: 28,
      /* A dashed series among clouds is a line to compare with. */
      ...(isScatter && series.is_dashed ? { showLine: true, pointRadius: 0 } : {}),
    };
  };
  /* A line is shown in the legend as the stroke that it is, whole or dashed; everything else as a square. */
  const legendItems = (chart) => Chart.defaults.plugins.legend.labels.generateLabels(chart).map((item) => {
    const { borderColor, borderDash, showLine, type } = chart.data.datasets[item.datasetIndex];
    const isLine = type !== "bar" && showLine;
    return { ...item, ...(isLine ? { lineDash: borderDash, lineWidth: 2, strokeStyle: borderColor, pointStyle: "line" } : { lineWidth: 0, pointStyle: "rect" }) };
  });
  /* A name that is too long would lose its beginning at the edge; the tooltip and the table have all of it. */
  const shorten = (label) => {
    const letters = [...String(label)];
    return letters.length > MAX_LABEL ? `${letters.slice(0, MAX_LABEL - 1).join("")}…` : label;
  };
  const axis = (title, extra = {}) => ({
    title: { display: Boolean(title), text: title || "" },
    ticks: { maxRotation: 0, autoSkipPadding: 12 },
    ...extra,
  });
  const configure = (spec, figure) => {
    const category = axis(spec.x_title, {
      stacked: spec.is_stacked,
      grid: { display: false },
      ticks: { maxRotation: 0, autoSkipPadding: 12, callback(value) { return shorten(this.getLabelForValue(value)); } },
    });
    const value = axis(spec.y_title, {
      stacked: spec.is_stacked,
      type: "linear",
      ticks: { maxRotation: 0, autoSkipPadding: 12, callback: labelTick },
      afterDataLimits: widen,
      min: spec.y_min ?? undefined,
      max: spec.y_max ?? undefined,
    });
    const x = spec.type === "bar" ? category : axis(spec.x_title, { type: "linear", bounds: spec.type === "line" ? "data" : "ticks", ticks: { precision: spec.type === "line" ? 0 : undefined, maxRotation: 0, callback: labelTick }, ...(spec.type === "line" ? {} : { afterDataLimits: widen }) });
    const isSideways = spec.type === "bar" && spec.is_horizontal;
    return {
      type: spec.type,
      data: { labels: spec.labels || undefined, datasets: spec.series.map((series, index) => dataset(spec, series, index)) },
      options: {
        animation: false,
        responsive: true,
        maintainAspectRatio: false,
        indexAxis: isSideways ? "y" : "x",
        interaction: { mode: spec.type === "line" ? "index" : "nearest", intersect: spec.type !== "line", axis: isSideways ? "y" : "x" },
        scales: isSideways ? { x: value, y: category } : { x, y: value },
        plugins: {
          colors: { enabled: false },
          legend: { display: spec.series.length > 1, position: "bottom", labels: { usePointStyle: true, pointStyleWidth: 24, boxHeight: 10, generateLabels: legendItems } },
          tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${showValue(spec, isSideways ? item.parsed.x : item.parsed.y)}` } },
        },
        onClick: (event, items, chart) => {
          if (!items.length) return;
          const { datasetIndex, index } = items[0];
          const detail = { series: chart.data.datasets[datasetIndex].label, index, label: chart.data.labels?.[index] };
          figure.dispatchEvent(new CustomEvent("chart:select", { bubbles: true, detail }));
        },
      },
    };
  };
  /* `chart` is a chart or what one is made from: bars keep their first colours unless told so before. */
  const paint = (chart, spec) => {
    const ink = colourOf("--ink-soft");
    const line = colourOf("--line");
    chart.data.datasets.forEach((item, index) => {
      const series = spec.series[index];
      item.borderColor = seriesColour(series, index);
      item.backgroundColor = seriesColour(series, index, spec.type === "scatter" ? 0.6 : 1);
    });
    for (const scale of Object.values(chart.options.scales)) {
      scale.ticks.color = ink;
      scale.title.color = ink;
      scale.grid = { ...scale.grid, color: line };
      scale.border = { color: line };
    }
    chart.options.plugins.legend.labels.color = ink;
    chart.options.font = { family: getComputedStyle(document.body).fontFamily, size: 12 };
  };

  /* The same numbers as a table, made when it is opened. */
  const cell = (tag, text, isNumber) => {
    const element = document.createElement(tag);
    element.textContent = text;
    if (isNumber) element.className = "is-number";
    if (tag === "th") element.scope = "col";
    return element;
  };
  const cloudsOf = (spec) => spec.series.filter((series) => !series.is_dashed);
  /* The one cloud of a scatter is named after its axis: its legend says what the points are, not what they measure. */
  const headingsOf = (spec) => {
    if (spec.type !== "scatter") return spec.series.map((series) => series.name);
    const clouds = cloudsOf(spec);
    return clouds.length === 1 ? [spec.y_title || clouds[0].name] : clouds.map((series) => series.name);
  };
  const rowsOf = (spec) => {
    if (spec.type === "bar") return spec.labels.map((label, index) => [label, ...spec.series.map((series) => series.values[index])]);
    /* Images can have the same true value, so each point is a row; a line to compare with is none. */
    if (spec.type === "scatter") {
      const clouds = cloudsOf(spec);
      return clouds.flatMap((series, index) => series.points.map(([x, y]) => [x, ...clouds.map((_, at) => (at === index ? y : null))])).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    }
    const byX = new Map();
    spec.series.forEach((series, index) => {
      for (const [x, y] of series.points) {
        if (!byX.has(x)) byX.set(x, new Array(spec.series.length).fill(null));
        byX.get(x)[index] = y;
      }
    });
    return [...byX].sort((a, b) => a[0] - b[0]).map(([x, values]) => [x, ...values]);
  };
  const writeTable = ({ figure, spec }) => {
    const details = figure.querySelector("details");
    if (!details?.open) return;
    const table = document.createElement("table");
    table.className = "table";
    const head = table.createTHead().insertRow();
    head.append(cell("th", spec.x_title || ""), ...headingsOf(spec).map((name) => cell("th", name, true)));
    const body = table.createTBody();
    for (const [first, ...values] of rowsOf(spec)) {
      const row = body.insertRow();
      row.append(cell("td", typeof first === "number" ? format.format(first) : first), ...values.map((value) => cell("td", value === null ? "" : showValue(spec, value), true)));
    }
    details.querySelector("[data-chart-table]").replaceChildren(table);
  };

  const draw = (figure) => {
    if (charts.get(figure.id)?.figure === figure) return;
    charts.get(figure.id)?.chart.destroy();
    const spec = JSON.parse(figure.dataset.chart);
    const configuration = configure(spec, figure);
    paint(configuration, spec);
    const entry = { figure, spec, chart: new Chart(figure.querySelector("canvas"), configuration) };
    charts.set(figure.id, entry);
    figure.querySelector("details")?.addEventListener("toggle", () => writeTable(entry));
    figure.dataset.drawn = "";
  };
  /* Adds a point to a series by its name; a new x goes to the end, a known one is replaced. */
  const append = (entry, name, x, y) => {
    const index = entry.spec.series.findIndex((series) => series.name === name);
    if (index < 0) return;
    const points = entry.spec.series[index].points;
    const at = points.findIndex((point) => point[0] === x);
    if (at < 0) points.push([x, y]); else points[at] = [x, y];
    entry.chart.data.datasets[index].data = points.map(([px, py]) => ({ x: px, y: py }));
    entry.chart.update("none");
    writeTable(entry);
  };
  const replace = (entry, spec) => {
    entry.spec = spec;
    const configuration = configure(spec, entry.figure);
    paint(configuration, spec);
    entry.chart.data = configuration.data;
    entry.chart.options = configuration.options;
    entry.chart.update();
    writeTable(entry);
  };
  const get = (id) => {
    const entry = charts.get(id);
    if (!entry) return null;
    return {
      chart: entry.chart,
      spec: entry.spec,
      append: (name, x, y) => append(entry, name, x, y),
      replace: (spec) => replace(entry, spec),
    };
  };
  const scan = (root) => {
    for (const [id, entry] of charts) if (!entry.figure.isConnected) { entry.chart.destroy(); charts.delete(id); }
    for (const figure of root.querySelectorAll("figure[data-chart]")) draw(figure);
    if (root.matches?.("figure[data-chart]")) draw(root);
  };

  document.addEventListener("DOMContentLoaded", () => scan(document));
  document.addEventListener("htmx:load", (event) => scan(event.detail.elt));
  document.addEventListener("theme:changed", () => { for (const entry of charts.values()) replace(entry, entry.spec); });

  Studio.charts = { get, colourOf, showMetric };
})();
