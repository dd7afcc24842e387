/* The island of the dataset page: follows imports, keeps filters and address together, shows one image in its dialog.
   Uploads are in dataset_upload.js, the report of a check is in import_report.js. */
(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const content = () => byId("dataset-content");
  const pageUrl = () => content().dataset.url;

  /* An import that this page began is told when it is over: a short one is over before its beginning could be read. */
  let hasBegun = false;
  const tellEnd = () => {
    if (hasBegun) Studio.toast({ text: content().dataset.imported });
    hasBegun = false;
  };
  /* What an import, a removal or a new split changes is fetched again, with the address as it is. */
  let isRefreshing = false;
  const refresh = async () => {
    if (isRefreshing) return;
    isRefreshing = true;
    await new Promise((resolve) => setTimeout(resolve, 50));
    isRefreshing = false;
    const search = document.activeElement?.id === "image-search" ? document.activeElement : null;
    const typed = search && { value: search.value, start: search.selectionStart, end: search.selectionEnd };
    await htmx.ajax("GET", `${pageUrl()}/dataset-content${location.search}`, { target: "#dataset-content", swap: "outerHTML" });
    if (content().dataset.state !== "dataset") leaveImage(); else tellEnd();
    const again = typed && byId("image-search");
    if (again) { again.value = typed.value; again.focus(); again.setSelectionRange(typed.start, typed.end); }
  };
  const formatTime = (seconds) => (seconds < 90 ? `${Math.max(1, Math.round(seconds))} s left` : `${Math.round(seconds / 60)} min left`);
  let pace = null;
  const showProgress = (event) => {
    const panel = document.querySelector("[data-import-job]");
    const line = panel && event.detail.events.filter((item) => item.payload.job_id === panel.dataset.importJob).at(-1);
    if (!line) return;
    const { done, total, message } = line.payload;
    if (!pace || pace.message !== message) pace = { message, done, at: performance.now() };
    const perSecond = (done - pace.done) / ((performance.now() - pace.at) / 1000);
    const left = total && perSecond > 0 && performance.now() - pace.at > 2000 ? `, ${formatTime((total - done) / perSecond)}` : "";
    const bar = panel.querySelector("progress");
    if (total) { bar.max = total; bar.value = done; } else bar.removeAttribute("value");
    panel.querySelector(".progress__label").textContent = message || "Importing";
    panel.querySelector("[data-progress-text]").textContent = total ? `${done.toLocaleString("en")} of ${total.toLocaleString("en")}${left}` : `${done.toLocaleString("en")}`;
  };

  /* One image: its address is pushed when the dialog opens and replaced while one moves through the images.
     `shownGrid` is the address of the grid that lies under it. */
  let shownGrid = "";
  const showImage = async (href, isPushed) => {
    const url = new URL(href, location.href);
    await htmx.ajax("GET", `${pageUrl()}/image-detail${url.search}`, { target: "#image-detail", swap: "outerHTML", source: byId("image-dialog") });
    if (!byId("image-detail").dataset.image) return;
    const dialog = byId("image-dialog");
    if (isPushed && !dialog.open) history.pushState({ image: true }, "", url.pathname + url.search);
    else history.replaceState(history.state, "", url.pathname + url.search);
    Studio.openDialog("image-dialog", document.activeElement);
  };
  const addressWithout = (name) => {
    const url = new URL(location.href);
    url.searchParams.delete(name);
    return url.pathname + url.search;
  };
  const noteGrid = () => { shownGrid = addressWithout("image"); };
  const followAddress = () => {
    const image = new URL(location.href).searchParams.get("image");
    const dialog = byId("image-dialog");
    if (!image) { if (dialog.open) dialog.close(); return; }
    if (byId("image-detail").dataset.image !== image || !dialog.open) showImage(location.href, false);
  };
  /* Its dataset has gone: there is nothing to go back to either. */
  const leaveImage = () => {
    if (!byId("image-dialog").open) return;
    history.replaceState(null, "", addressWithout("image"));
    byId("image-dialog").close();
  };
  const applyOverlay = () => {
    const toggle = document.querySelector("[data-overlay-toggle]");
    if (!toggle) return;
    toggle.checked = !hidesOverlay;
    document.querySelector("[data-overlay-box]").classList.toggle("is-bare", hidesOverlay);
  };
  let hidesOverlay = false;

  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const link = event.target.closest("[data-image-link]");
    if (!link) return;
    event.preventDefault();
    showImage(link.href, true);
  });
  document.addEventListener("keydown", (event) => {
    if (!byId("image-dialog").open || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox]), select, textarea")) return;
    const link = document.querySelector(`[data-image-key="${event.key}"]`);
    if (!link) return;
    event.preventDefault();
    showImage(link.href, false);
  });
  document.addEventListener("dialog:close", (event) => {
    if (event.target.id !== "image-dialog" || !new URL(location.href).searchParams.has("image")) return;
    if (history.state?.image) history.back(); else history.replaceState(history.state, "", addressWithout("image"));
  });
  /* To and from an image nothing but its dialog changes; to another state of the grid htmx fetches the page. */
  window.addEventListener("popstate", (event) => {
    const isSameGrid = addressWithout("image") === shownGrid;
    noteGrid();
    if (event.state?.htmx && !isSameGrid) return;
    event.stopImmediatePropagation();
    followAddress();
  }, true);
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-overlay-toggle]")) return;
    hidesOverlay = !event.target.checked;
    applyOverlay();
  });

  /* Filters and grid. The form follows what links in the grid ask for, so that both say the same. */
  const syncFilters = () => {
    const form = byId("image-filters");
    if (!form) return;
    const values = new URL(location.href).searchParams;
    const subset = form.elements.subset;
    if (document.activeElement !== subset) subset.value = values.get("subset") || "";
    form.querySelector("[data-needs-split]").hidden = !form.elements.split.value;
    if (!form.elements.split.value) subset.value = "";
  };
  document.addEventListener("change", (event) => {
    if (event.target.id !== "filter-split") return;
    event.target.form.elements.subset.value = "";
  }, true);
  document.addEventListener("htmx:afterSwap", (event) => {
    const isPaged = event.detail.requestConfig?.elt.closest(".pagination");
    if (event.detail.target.id === "image-grid") {
      const grid = byId("image-grid");
      const status = document.querySelector("[data-grid-status]");
      if (status) status.textContent = grid.dataset.count;
      if (isPaged) grid.scrollIntoView({ block: "start" });
    }
  });
  document.addEventListener("htmx:pushedIntoHistory", () => { noteGrid(); syncFilters(); });
  /* What was chosen while the server was away is asked for when it is back. */
  let isFilterUnsent = false;
  document.addEventListener("htmx:sendError", (event) => { if (event.detail.requestConfig.elt.id === "image-filters") isFilterUnsent = true; });
  const sendFilters = () => {
    if (isFilterUnsent) byId("image-filters")?.requestSubmit();
    isFilterUnsent = false;
  };
  document.addEventListener("chart:select", (event) => {
    if (!event.target.closest("[data-class-chart]")) return;
    const form = byId("image-filters");
    form.elements.class.value = event.detail.label;
    form.requestSubmit();
  });

  document.addEventListener("htmx:afterSettle", () => {
    if (byId("image-detail").dataset.image) applyOverlay();
  });

  document.addEventListener("dialog:close", (event) => {
    if (event.target.id === "image-dialog") { byId("image-detail").removeAttribute("data-is-shown"); }
  });

  document.addEventListener("DOMContentLoaded", () => {
    const { body } = document;
    for (const name of ["live:dataset", "live:job-import", "live:splits", "dataset-cleared", "import-begun"]) body.addEventListener(name, refresh);
    body.addEventListener("live:JOB_PROGRESS", showProgress);
    body.addEventListener("server:back", sendFilters);
    body.addEventListener("dataset-cleared", () => { if (location.search) history.replaceState(null, "", location.pathname); noteGrid(); });
    body.addEventListener("import-begun", () => { hasBegun = true; });
    if (byId("image-detail").hasAttribute("data-is-shown")) Studio.openDialog("image-dialog");
    applyOverlay();
    noteGrid();
  });
})();
