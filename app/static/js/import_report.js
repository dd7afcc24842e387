/* The report of a check in the import dialog: follows a longer check, keeps the import options, and checks again with
   other ones when a button of the report asks for it. `options` of the check form is the one place that holds them. */
(() => {
  "use strict";
  const CHECK_MS = 700;
  const byId = (id) => document.getElementById(id);
  const report = () => byId("import-report");
  const form = () => byId("check-form");
  const store = () => form().querySelector("[data-check-options]");
  const dialog = () => byId("import-dialog");

  const readOptions = () => JSON.parse(store().value);
  const keepOptions = (options) => {
    store().value = JSON.stringify(options);
    const sent = document.querySelector("[data-import-options]");
    if (sent) sent.value = JSON.stringify({ ...JSON.parse(sent.value), ...options });
  };

  /* Another check of the same source: the place in the dialog, its open parts and the focus stay as they were. */
  let kept = null;
  const checkAgain = (change) => {
    keepOptions({ ...readOptions(), ...change });
    const open = ["report-choices", "report-classes"].filter((id) => byId(id)?.querySelector("details").open);
    kept = { scroll: dialog().scrollTop, id: document.activeElement?.id, open };
    form().requestSubmit();
  };
  const settle = () => {
    const place = kept;
    kept = null;
    if (report().dataset.options) store().value = report().dataset.options;
    if (!place) { report().focus(); return; }
    for (const id of place.open) { const details = byId(id)?.querySelector("details"); if (details) details.open = true; }
    const control = place.id && byId(place.id);
    (control || report()).focus({ preventScroll: true });
    dialog().scrollTop = place.scroll;
  };

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
  /* Annotation file and columns; an empty choice is null: it is detected. */
  const readChoices = (part) => {
    const change = {};
    const documents = part.querySelector("[data-choice-document]");
    if (documents) change.annotation_file = documents.value || null;
    const columns = [...part.querySelectorAll("[data-choice-column]")];
    const named = (role) => columns.filter((column) => column.value === role).map((column) => column.dataset.choiceColumn);
    /* Only what was chosen otherwise is sent: the rest is still detected. */
    const found = (role) => columns.filter((column) => [...column.options].some((option) => option.defaultSelected && option.value === role)).map((column) => column.dataset.choiceColumn);
    const isOther = (role) => JSON.stringify(named(role)) !== JSON.stringify(found(role));
    if (isOther("filename")) change.filename_column = named("filename")[0] ?? null;
    if (isOther("target")) change.target_columns = named("target").length ? named("target") : null;
    if (isOther("subset")) change.split_column = named("subset")[0] ?? ""; /* empty: a column that looks like one is not used */
    const ends = [...part.querySelectorAll("[data-scale-end]")];
    if (ends.some((input) => input.value !== input.defaultValue)) {
      const [min, max] = ends.map((input) => input.value.trim());
      change.pixel_scale = min === "" || max === "" ? null : { min: Number(min), max: Number(max) };
    }
    return change;
  };
  /* Columns of another file mean nothing: they are detected again. */
  const findBadEnd = (part) => {
    const ends = [...part.querySelectorAll("[data-scale-end]")];
    const unreadable = ends.find((input) => input.validity.badInput);
    if (unreadable) return { input: unreadable, text: "Enter a number, or leave the field empty." };
    const [min, max] = ends;
    const isTurned = min && min.value && max.value && Number(min.value) >= Number(max.value);
    return isTurned ? { input: max, text: `White must be greater than black (${min.value}).` } : null;
  };
  const applyChoices = (part) => {
    for (const input of part.querySelectorAll("[data-scale-end]")) Studio.clearFieldError(input);
    const bad = findBadEnd(part);
    if (bad) {
      part.closest("details").open = true;
      Studio.showFieldError(bad.input, bad.text);
      bad.input.focus();
      return;
    }
    const change = readChoices(part);
    const isOther = "annotation_file" in change && (change.annotation_file ?? "") !== (readOptions().annotation_file ?? "");
    if (isOther) Object.assign(change, { filename_column: null, target_columns: null, split_column: null });
    checkAgain(change);
  };

  /* The import button has the number of the preview, which no longer holds once something was changed below it.
     Other classes are sent with the import; another file, other columns or another range need a preview first. */
  const isEdited = (control) => {
    if (control.type === "checkbox") return control.checked !== control.defaultChecked;
    if (control.options) return control.selectedIndex !== Math.max(0, [...control.options].findIndex((option) => option.defaultSelected));
    return control.value !== control.defaultValue;
  };
  const hasEdited = (selector) => [...report().querySelectorAll(selector)].some(isEdited);
  const mustPreview = () => hasEdited("[data-choices] select, [data-choices] input");
  const labelImport = () => {
    const button = report().querySelector("#import-form [type=submit]");
    if (!button) return;
    const label = button.lastChild;
    button.dataset.label ??= label.textContent;
    label.textContent = mustPreview() ? "Preview the changes first" : hasEdited("[data-mapping] input") ? "Import with these classes" : button.dataset.label;
  };
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "import-form" || !mustPreview()) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    applyChoices(report().querySelector("[data-choices]"));
  }, true);

  /* A remedy about some classes leaves what was chosen for others. */
  const addTo = (options, change) => Object.fromEntries(Object.entries(change).map(([name, value]) => {
    const isObject = value !== null && typeof value === "object" && !Array.isArray(value);
    return [name, isObject ? { ...options[name], ...value } : value];
  }));
  const openPart = (part) => {
    const details = part.querySelector("details");
    details.open = true;
    part.scrollIntoView({ block: "nearest" });
    details.querySelector("summary").focus({ preventScroll: true });
  };

  /* Names of files and subsets are in one column each. */
  document.addEventListener("change", (event) => {
    const column = event.target;
    if (column.matches?.("[data-choice-column]") && ["filename", "subset"].includes(column.value)) {
      for (const other of document.querySelectorAll("[data-choice-column]")) if (other !== column && other.value === column.value) other.value = "unused";
    }
    if (report().contains(column)) labelImport();
    if (column.name === "source_format" && column.closest("#check-form") && report().dataset.options !== undefined) checkAgain({});
  });
  document.addEventListener("input", (event) => {
    const table = event.target.closest?.("[data-mapping]");
    if (table) keepOptions({ ...readOptions(), class_mapping: readMapping(table) });
    if (report().contains(event.target)) labelImport();
    /* A report is about one source; another source needs another check. */
    if (event.target.name === "source_path" && event.target.closest("#check-form")) forget(true);
  });
  document.addEventListener("click", (event) => {
    const setter = event.target.closest("[data-set-options]");
    if (setter) checkAgain(JSON.parse(setter.dataset.setOptions));
    const remedy = event.target.closest("[data-add-options]");
    if (remedy) {
      if (remedy.dataset.setFormat) form().elements.source_format.value = remedy.dataset.setFormat;
      checkAgain(addTo(readOptions(), JSON.parse(remedy.dataset.addOptions)));
    }
    const opener = event.target.closest("[data-open-part]");
    if (opener) openPart(byId(opener.dataset.openPart));
    if (event.target.closest("[data-check-again]")) checkAgain({});
    const apply = event.target.closest("[data-apply-choices]");
    if (apply) applyChoices(apply.closest("[data-choices]"));
  });

  /* A check that takes longer says how far it is; it is asked again until its report is there. */
  let checkTimer = null;
  let isChecking = false; /* another preview was asked for and is not answered yet */
  const askedBy = (event) => event.detail.requestConfig?.elt || event.detail.elt;
  const follow = () => {
    const url = report().dataset.checkUrl;
    clearTimeout(checkTimer);
    checkTimer = setTimeout(() => {
      if (url && report().dataset.checkUrl === url) htmx.ajax("GET", url, { target: "#import-report", swap: "outerHTML" });
    }, CHECK_MS);
  };
  const forget = (isOther) => {
    const url = report().dataset.checkUrl;
    if (url) fetch(`/api/jobs/${url.split("/").at(-1)}/cancel`, { method: "POST", headers: { Accept: "application/json" } }).catch(() => {});
    delete report().dataset.checkUrl;
    delete report().dataset.options;
    report().replaceChildren();
    if (isOther) store().value = "{}";
  };
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target.id !== "import-report" && event.detail.elt.id !== "import-report") return;
    if (report().dataset.checkUrl) follow(); else settle();
  });
  /* While the server is away it is asked again; a check that has been replaced is forgotten. */
  document.addEventListener("htmx:afterRequest", (event) => {
    const url = report().dataset.checkUrl;
    if (!url || event.detail.pathInfo?.requestPath !== url || event.detail.successful) return;
    if (isChecking) return;
    if (event.detail.xhr.status) forget(false); else follow();
  });
  /* The late answer of a preview that this page replaced, or is replacing, is neither shown nor complained about:
     it would be imported with options that are no longer those of the form. */
  document.addEventListener("htmx:beforeSwap", (event) => {
    const path = event.detail.pathInfo?.requestPath ?? "";
    if (event.detail.requestConfig?.verb !== "get" || !/\/import\/check\/[^/]+$/.test(path)) return;
    if (report().dataset.checkUrl === path && !isChecking) return;
    event.detail.shouldSwap = false;
    event.stopPropagation();
  }, true);

  /* What is imported is what the report says: while another report is on its way, this one cannot be imported. */
  const lockImport = (isLocked) => {
    const submit = document.querySelector("#import-form [type=submit]");
    if (isLocked) submit?.setAttribute("aria-disabled", "true"); else submit?.removeAttribute("aria-disabled");
  };
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (askedBy(event).id !== "check-form") return;
    isChecking = true;
    lockImport(true);
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (askedBy(event).id !== "check-form") return;
    isChecking = false;
    if (event.detail.successful) return;
    lockImport(false);
    if (report().dataset.checkUrl) follow();
  });

  /* The import of an upload is a multipart form, which json-form does not read; its answer is JSON all the same. */
  document.addEventListener("htmx:configRequest", (event) => {
    const { elt, headers } = event.detail;
    if (elt.id === "import-form" && !elt.hasAttribute("hx-ext")) { delete headers["HX-Request"]; headers.Accept = "application/json"; }
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const { xhr } = event.detail;
    const elt = askedBy(event);
    if (elt.id !== "import-form" || elt.hasAttribute("hx-ext") || !event.detail.successful) return;
    Studio.followSuccess(elt, JSON.parse(xhr.responseText).data);
  });
  document.addEventListener("DOMContentLoaded", () => {
    /* Later: the form that began it is in the report, and still has to close its dialog. */
    document.body.addEventListener("import-begun", () => setTimeout(() => { form().reset(); forget(true); }));
  });

  Studio.importReport = { forget };
})();
