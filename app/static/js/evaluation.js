/* The evaluation page: follows evaluations, keeps matrix, filters and grid together, moves by keyboard. */
(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const page = () => byId("evaluation");
  const hasModifier = (event) => event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
  const get = (path, target) => htmx.ajax("GET", path, { target, swap: "outerHTML", source: page() });
  /* The address may lack the experiment, which the page chose then: what is fetched again is of the same one. */
  const addressOf = (extra) => {
    const parameters = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(extra)) if (value) parameters.set(name, value);
    return `?${parameters}`;
  };
  const shownExperiment = () => byId("evaluation-report")?.dataset.version.split(".")[0];

  /* Another state of the evaluation: the server answers with nothing when this one is on the page already. */
  let isWaiting = false;
  let isGone = false;
  const refresh = async () => {
    if (!page() || isWaiting || isGone) return;
    isWaiting = true;
    await new Promise((resolve) => setTimeout(resolve, 60));
    isWaiting = false;
    if (page().dataset.hasReport === "no") { location.reload(); return; }
    const experiment = shownExperiment();
    await get(`${page().dataset.url}/evaluation-list${addressOf({ experiment })}`, "#evaluation-list");
    const report = byId("evaluation-report");
    if (report && !isGone) await get(`${page().dataset.url}/evaluation-report${addressOf({ experiment, seen: report.dataset.version })}`, "#evaluation-report");
  };
  /* Deleted elsewhere: the page of those that are left, with one word about it, rather than two refusals. */
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, requestConfig } = event.detail;
    if (xhr.status !== 404 || requestConfig.elt !== page() || Studio.readProblem(xhr).code !== "EXPERIMENT_NOT_FOUND") return;
    event.stopPropagation();
    event.detail.shouldSwap = false;
    if (isGone) return;
    isGone = true;
    Studio.keepToast({ kind: "info", text: "The experiment shown here was deleted." });
    location.assign(page().dataset.url);
  }, true);
  const refreshWhenCompleted = (event) => {
    const isMine = event.detail.events.some((line) => line.payload.status === "completed");
    if (page()?.dataset.hasReport === "yes" || isMine) refresh();
  };
  const showProgress = (event) => {
    const place = document.querySelector("[data-evaluation-progress]");
    const line = place && event.detail.events.filter((item) => item.payload.experiment_id === place.dataset.evaluationProgress).at(-1);
    if (!line) return;
    const { processed, total } = line.payload;
    const bar = place.querySelector("progress");
    bar.max = total;
    bar.value = processed;
    place.querySelector(".progress__label").textContent = "Evaluating";
    place.querySelector("[data-progress-text]").textContent = `${processed.toLocaleString("en")} of ${total.toLocaleString("en")} images`;
  };

  /* Matrix: one tab stop, arrow keys move between cells that have images; the filtered cell is marked. */
  const cellLinks = () => [...document.querySelectorAll("[data-matrix] td a")];
  const keyOf = (link) => new URL(link.href).searchParams.get("cell");
  const markCell = () => {
    const links = cellLinks();
    const chosen = byId("result-grid")?.dataset.cell || "";
    for (const link of links) {
      if (chosen && keyOf(link) === chosen) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  };
  const setTabStop = (link) => {
    for (const other of cellLinks()) other.tabIndex = other === link ? 0 : -1;
  };
  const prepareMatrix = () => {
    const links = cellLinks();
    if (links.length && !links.some((link) => link.tabIndex === -1)) setTabStop(links[0]);
    markCell();
  };
  const STEP = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
  const nextCell = (link, [down, right]) => {
    const rows = [...link.closest("tbody").rows];
    let row = rows.indexOf(link.closest("tr"));
    let column = link.closest("td").cellIndex;
    for (;;) {
      row += down;
      column += right;
      const cell = rows[row]?.cells[column];
      if (!cell || cell.tagName === "TH") return null;
      const found = cell.querySelector("a");
      if (found) return found;
    }
  };
  const moveInMatrix = (event) => {
    const link = event.target.closest?.("[data-matrix] td a");
    if (!link || !STEP[event.key] || hasModifier(event)) return false;
    event.preventDefault();
    const next = nextCell(link, STEP[event.key]);
    if (next) { setTabStop(next); next.focus(); next.scrollIntoView({ block: "nearest", inline: "nearest" }); }
    return true;
  };
  /* What any picture filters by takes the place of the filters before. */
  const showGrid = async (wish) => {
    const search = new URLSearchParams(wish);
    const sort = new URLSearchParams(location.search).get("sort");
    search.set("experiment", shownExperiment());
    if (sort) search.set("sort", sort);
    await get(`${page().dataset.url}/result-grid?${search}`, "#result-grid");
    byId("results").scrollIntoView({ block: "start" });
  };

  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || hasModifier(event)) return;
    const link = event.target.closest?.("[data-matrix] td a, [data-cell-link], [data-grid-link]");
    if (!link) return;
    event.preventDefault();
    if (link.closest("[data-matrix]")) setTabStop(link);
    showGrid(keyOf(link) ? { cell: keyOf(link) } : link.search);
  });
  /* How the pictures are shown is in the address as well, and what fetches the grid carries it along. */
  const VIEW = ["show", "scores", "value"];
  document.addEventListener("htmx:configRequest", ({ detail }) => {
    const wish = detail.elt.dataset?.view;
    if (wish) {
      const search = new URLSearchParams(location.search);
      const [name, value] = wish.split("=");
      if (value) search.set(name, value); else search.delete(name);
      detail.elt.setAttribute("hx-push-url", `${page().dataset.url}${search.size ? `?${search}` : ""}`);
    }
    if (!page() || !detail.path.startsWith(`${page().dataset.url}/result-grid`)) return;
    const [path, query] = detail.path.split("?");
    const asked = new URLSearchParams(query);
    const shown = new URLSearchParams(location.search);
    for (const name of VIEW) {
      asked.delete(name);
      detail.formData.delete(name);
      if (shown.get(name)) asked.set(name, shown.get(name));
    }
    detail.path = asked.size ? `${path}?${asked}` : path;
  });
  document.addEventListener("keydown", (event) => {
    if (moveInMatrix(event) || hasModifier(event) || event.target.matches?.("input, select, textarea, [tabindex='0'][role='region']")) return;
    if (document.querySelector("dialog[open]")) return;
    const link = document.querySelector(`[data-result-key="${CSS.escape(event.key)}"]`);
    if (!link) return;
    event.preventDefault();
    link.click();
  });
  document.addEventListener("chart:select", (event) => {
    const filters = event.target.closest("[data-chart-filters]")?.dataset.chartFilters;
    const wish = filters && JSON.parse(filters)[event.detail.series]?.[event.detail.index];
    if (wish) showGrid(wish);
    const place = event.target.closest("[data-value-pictures]");
    if (!place || event.detail.series !== "images") return;
    const names = JSON.parse(place.dataset.pointNames);
    location.assign(place.dataset.imageUrl + encodeURIComponent(names[event.detail.index]));
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    prepareMatrix();
    const asked = event.detail.requestConfig?.elt;
    if (asked?.closest?.("#result-grid .pagination")) byId("results")?.scrollIntoView({ block: "start" });
  });
  document.addEventListener("error", (event) => {
    if (event.target.matches?.(".result img")) event.target.hidden = true; /* the image is gone, its result is not */
  }, true);

  document.addEventListener("DOMContentLoaded", () => {
    prepareMatrix();
    const chosen = document.querySelector("#evaluation-list [aria-current]");
    if (chosen) byId("evaluation-list").scrollTop = chosen.offsetTop - byId("evaluation-list").offsetTop - 48;
    const { body } = document;
    for (const name of ["live:job-evaluate", "live:RECORD_CHANGED", "evaluation-changed"]) body.addEventListener(name, refresh);
    body.addEventListener("live:EXPERIMENT_STATUS", refreshWhenCompleted);
    body.addEventListener("live:EVALUATION_PROGRESS", showProgress);
  });
})();
