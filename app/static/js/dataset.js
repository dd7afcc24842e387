/* The island of the dataset page: follows imports, keeps filters and address together, shows one image in its dialog,
   and turns the table of classes into the mapping that is sent. Uploads are in dataset_upload.js. */
(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const content = () => byId("dataset-content");
  const pageUrl = () => content().dataset.url;

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
    if (content().dataset.state !== "dataset") leaveImage();
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

  /* The table of classes becomes {found: new name, or null}. */
  const readMapping = (table) => {
    const mapping = {};
    for (const row of table.querySelectorAll("[data-class]")) {
      const [name, leavesOut] = row.querySelectorAll("input");
      name.disabled = leavesOut.checked;
      if (leavesOut.checked) mapping[row.dataset.class] = null;
      else if (name.value.trim() && name.value.trim() !== row.dataset.class) mapping[row.dataset.class] = name.value.trim();
    }
    return mapping;
  };
  const keepMapping = (mapping) => {
    byId("check-form").querySelector("[data-class-mapping]").value = JSON.stringify(mapping);
    const options = document.querySelector("[data-import-options]");
    if (options) options.value = JSON.stringify({ ...JSON.parse(options.value), class_mapping: mapping });
  };
  document.addEventListener("input", (event) => {
    const table = event.target.closest?.("[data-mapping]");
    if (table) keepMapping(readMapping(table));
    /* A report is about one source; another source needs another look. */
    if (event.target.closest?.("#check-form") && event.target.name) forgetReport(event.target.name === "source_path");
  });
  /* A dry run that takes longer says how far it is; it is asked again until its report is there. */
  const CHECK_MS = 700;
  let checkTimer = null;
  const followCheck = () => {
    const url = byId("import-report").dataset.checkUrl;
    clearTimeout(checkTimer);
    checkTimer = setTimeout(() => {
      if (url && byId("import-report").dataset.checkUrl === url) htmx.ajax("GET", url, { target: "#import-report", swap: "outerHTML" });
    }, CHECK_MS);
  };
  const forgetReport = (isOther) => {
    const report = byId("import-report");
    const url = report.dataset.checkUrl;
    if (url) fetch(`/api/jobs/${url.split("/").at(-1)}/cancel`, { method: "POST", headers: { Accept: "application/json" } }).catch(() => {});
    delete report.dataset.checkUrl;
    report.replaceChildren();
    if (isOther) keepMapping({});
  };
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-check-again]")) byId("check-form").requestSubmit();
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target.id === "import-report" || event.detail.elt.id === "import-report") {
      if (byId("import-report").dataset.checkUrl) followCheck(); else byId("import-report").focus();
    }
    if (byId("image-detail").dataset.image) applyOverlay();
  });

  /* While the server is away it is asked again; a look that has been replaced is forgotten. */
  document.addEventListener("htmx:afterRequest", (event) => {
    const url = byId("import-report").dataset.checkUrl;
    if (!url || event.detail.pathInfo?.requestPath !== url || event.detail.successful) return;
    if (event.detail.xhr.status) forgetReport(false); else followCheck();
  });
  /* The import of an upload is a multipart form, which json-form does not read; its answer is JSON all the same. */
  document.addEventListener("htmx:configRequest", (event) => {
    const { elt, headers } = event.detail;
    if (elt.id === "import-form" && !elt.hasAttribute("hx-ext")) { delete headers["HX-Request"]; headers.Accept = "application/json"; }
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const { elt, xhr } = event.detail;
    if (elt.id !== "import-form" || elt.hasAttribute("hx-ext") || !event.detail.successful) return;
    Studio.followSuccess(elt, JSON.parse(xhr.responseText).data);
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
    /* Later: the form that began it is in the report, and still has to close its dialog. */
    body.addEventListener("import-begun", () => setTimeout(() => { byId("check-form").reset(); forgetReport(true); }));
    if (byId("image-detail").hasAttribute("data-is-shown")) Studio.openDialog("image-dialog");
    applyOverlay();
    noteGrid();
  });

  Studio.dataset = { forgetReport };
})();
