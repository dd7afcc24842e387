/* The settings of an experiment: what is not saved, what counts, and what others do to it meanwhile. Everything is looked
   up when it is needed, because htmx replaces the form. The steps of augmentation are in augmentation.js. */
(() => {
  "use strict";
  const root = () => document.getElementById("training-settings");
  const form = () => document.getElementById("settings-form");
  let base = {}; /* what the server has of what stands in the form */
  let sent = {};
  let shownName = "";
  let elsewhere = ""; /* what others did, in words, while something is unsaved here */
  let trainAfterSave = false;
  let isDiscarding = false;
  let isLeaving = false;
  let isAskedAgain = false;

  /* Settings stand in areas, {model: {dropout: 0.1}, split_name: "main"}; the server merges areas by key, so only what
     differs is sent, and two tabs that change different settings both keep theirs. */
  const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
  const isSame = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  const pathsOf = (settings) => Object.entries(settings).flatMap(([area, values]) => (
    isObject(values) ? Object.keys(values).map((key) => `${area}.${key}`) : [area]));
  const valueAt = (settings, path) => path.split(".").reduce((at, key) => at?.[key], settings);
  const put = (settings, path, value) => {
    const [area, key] = path.split(".");
    if (key === undefined) settings[area] = value;
    else settings[area] = { ...settings[area], [key]: value };
  };
  const findChanges = (now) => {
    const changes = {};
    for (const path of pathsOf(now)) {
      const value = valueAt(now, path);
      if (!isSame(value, valueAt(base, path))) put(changes, path, value);
    }
    return changes;
  };
  /* What a record lacks of the parameters of a step is at its default in the form. */
  const agrees = (ours, theirs) => {
    if (theirs === undefined) return true;
    if (Array.isArray(ours) && Array.isArray(theirs)) return ours.length === theirs.length && ours.every((item, index) => agrees(item, theirs[index]));
    if (isObject(ours) && isObject(theirs)) return Object.keys(ours).every((key) => agrees(ours[key], theirs[key]));
    return isSame(ours, theirs);
  };
  /* What cannot be read, half-typed JSON, is a change that cannot be sent. */
  const readNow = () => { try { return Studio.readForm(form()); } catch { return null; } };
  /* Also what has no effect now, so that switching it on is no change of its value. */
  const readAll = () => {
    const off = [...form().querySelectorAll("[data-off] [name]")];
    for (const field of off) field.disabled = false;
    try { return Studio.readForm(form()); } finally { for (const field of off) field.disabled = true; }
  };
  const isUnsaved = () => {
    if (isLeaving || !form()?.querySelector("[data-save-bar]")) return false;
    const now = readNow();
    return !now || pathsOf(findChanges(now)).length > 0;
  };

  /* The bar comes up over what is being typed in where that is at the end of the window. */
  const uncover = (bar) => {
    const field = document.activeElement;
    if (!form().contains(field) || bar.contains(field)) return;
    if (field.getBoundingClientRect().bottom > bar.getBoundingClientRect().top) field.scrollIntoView({ block: "nearest" });
  };
  const showState = (text = null) => {
    const bar = form()?.querySelector("[data-save-bar]");
    if (!bar) return;
    const unsaved = isUnsaved();
    bar.classList.toggle("is-unsaved", unsaved);
    bar.querySelector("[data-discard]").hidden = !unsaved;
    const state = bar.querySelector("[data-save-state]");
    const words = text || (unsaved ? elsewhere || "Unsaved changes" : "All changes are saved");
    if (state.textContent !== words) state.textContent = words;
    if (unsaved) uncover(bar);
    for (const element of root().querySelectorAll("[data-when-unsaved]")) element.hidden = !unsaved;
    const train = root().querySelector("[data-train]");
    if (train) train.lastChild.textContent = unsaved ? "Save and train" : "Train";
  };

  /* Fields that have an effect with some choices only: the condition comes from the schema. */
  const valueOf = (name) => {
    const fields = [...form().querySelectorAll(`[name="${CSS.escape(name)}"]`)];
    const field = fields.find((item) => item.type !== "radio" || item.checked);
    return field && Studio.readValue(field);
  };
  const applyConditions = () => {
    for (const part of form().querySelectorAll("[data-condition]")) {
      const { when, unless } = JSON.parse(part.dataset.condition);
      const has = ([name, values]) => values.includes(valueOf(name));
      const counts = Object.entries(when).every(has) && !Object.entries(unless).some(has);
      part.toggleAttribute("data-off", !counts);
      for (const field of part.querySelectorAll("[name]")) field.disabled = !counts;
    }
  };
  const showProduct = () => {
    for (const output of form().querySelectorAll("[data-product]")) {
      output.textContent = output.dataset.product.split(" ").reduce((product, name) => {
        const fields = [...form().querySelectorAll(`[name="${CSS.escape(name)}"]`)];
        const isList = name.endsWith("[]");
        return product * (isList ? fields.filter((field) => field.checked).length : Number(fields[0].value));
      }, 1);
    }
  };
  /* What is wrong with the settings as they stand here, saved or not. */
  const CHECK_PAUSE_MS = 300;
  const CHECK_AGAIN_MS = 1500;
  let checkTimer = null;
  let checked = 0;
  const showChecks = async () => {
    const box = document.getElementById("run-checks");
    if (!box) return;
    checked += 1;
    const number = checked;
    /* What cannot be saved is told when it is saved; what was said of earlier values may be wrong now. */
    const now = form().checkValidity() && readNow();
    if (!now) { box.hidden = true; return; }
    const headers = { "Content-Type": "application/json", "HX-Request": "true" };
    const body = JSON.stringify({ changes: findChanges(now) });
    const answer = await fetch(`${root().dataset.api}/checks`, { method: "POST", headers, body }).catch(() => null);
    if (!answer?.ok) return;
    const text = await answer.text();
    if (number !== checked || !box.isConnected) return;
    if (text.includes(" data-invalid>")) { box.hidden = true; return; }
    const hadFocus = box.contains(document.activeElement);
    const wasOpen = box.querySelector("details")?.open;
    htmx.swap(box, text, { swapStyle: "outerHTML" });
    const fresh = document.getElementById("run-checks");
    const notes = fresh.querySelector("details");
    if (notes && wasOpen) notes.open = true;
    if (hadFocus) fresh.focus({ preventScroll: true });
    followPending();
  };
  const askChecks = (delay = CHECK_PAUSE_MS) => { clearTimeout(checkTimer); checkTimer = setTimeout(showChecks, delay); };
  const followPending = () => { if (document.querySelector("#run-checks[data-pending]")) askChecks(CHECK_AGAIN_MS); };
  for (const name of ["settings-saved", "checks-changed", "live:splits", "live:dataset"]) document.body.addEventListener(name, () => askChecks());
  /* A press on a fix saves it; while something is unsaved it goes into the form, where it is saved with the rest. */
  const fillIn = (change) => {
    for (const path of pathsOf(change)) {
      const value = valueAt(change, path);
      for (const field of form().querySelectorAll(`[name="${CSS.escape(path)}"]`)) {
        if (field.type === "checkbox") field.checked = value;
        else field.value = Array.isArray(value) ? value.join(", ") : value;
        field.dispatchEvent(new Event("input", { bubbles: true }));
      }
    }
    askChecks(0);
  };
  document.addEventListener("click", (event) => {
    const fix = event.target.closest("#run-checks [hx-patch]");
    if (!fix || !isUnsaved()) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    fillIn(JSON.parse(fix.getAttribute("hx-vals")));
  }, true);
  /* A file of weights that was downloaded on another computer. */
  const addWeights = async (button, file) => {
    button.setAttribute("aria-busy", "true");
    const data = new FormData();
    data.append("file", file);
    const answer = await fetch("/api/weights", { method: "POST", body: data, headers: { Accept: "application/json" } }).catch(() => null);
    button.removeAttribute("aria-busy");
    const content = await answer?.json().catch(() => null);
    const details = Array.isArray(content?.error?.details) ? content.error.details : [];
    if (answer?.ok) Studio.toast({ text: `Added ${content.data.file}` });
    else Studio.toast({ kind: "error", text: content?.error ? Studio.problemText({ ...content.error, details }) : "The server is not responding. Nothing was added." });
    askChecks(0);
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-add-weights]");
    if (!button || button.getAttribute("aria-busy") === "true") return;
    const input = Object.assign(document.createElement("input"), { type: "file", accept: ".pth" });
    input.addEventListener("change", () => { if (input.files[0]) addWeights(button, input.files[0]); });
    input.click();
  });
  const countChanges = () => {
    let total = 0;
    for (const section of form().querySelectorAll(".settings-section")) {
      const badge = section.querySelector("[data-section-changed]");
      if (!section.querySelector(".field")) { total += Number.parseInt(badge.textContent, 10) || 0; continue; }
      const fields = [...section.querySelectorAll(".field.is-changed")].filter((field) => !field.closest("[data-off], [data-chain]"));
      const number = fields.length + (Studio.countChangedChains?.(section) || 0);
      badge.hidden = number === 0;
      badge.textContent = `${number} changed`;
      total += number;
    }
    form().querySelector("[data-settings-changed]").textContent = total ? `${total} changed from the defaults` : "All settings have their default values";
  };
  const update = () => {
    if (!form()) return;
    applyConditions();
    showProduct();
    countChanges();
    showState();
  };
  const showName = (name) => {
    const heading = root().querySelector("h2");
    if (heading.textContent !== name) heading.textContent = name;
    root().setAttribute("aria-label", `Settings of ${name}`);
    if (document.title.startsWith(`${shownName} · `)) document.title = name + document.title.slice(shownName.length);
    shownName = name;
  };
  const begin = () => {
    if (!form()) return;
    const { textContent } = root().querySelector("h2");
    shownName ||= textContent;
    showName(textContent);
    applyConditions();
    base = readAll();
    elsewhere = "";
    update();
    followPending();
  };

  /* The fragment again, with the parts open that were; never over something unsaved. Asked for by the page, because what
     an element asks for itself is not swapped while it says the same, and here it takes back what was typed. */
  const refresh = () => {
    const section = root();
    if (section) htmx.ajax("GET", section.dataset.url, { target: section, swap: "outerHTML" });
  };
  const labelOf = (path) => {
    if (path.startsWith("augmentations.")) return "Augmentation";
    const field = form().querySelector(`[name="${CSS.escape(path)}"], [name="${CSS.escape(path)}[]"]`)?.closest(".field");
    return field?.querySelector(".field__label")?.firstChild.textContent.trim() || path;
  };
  const listLabels = (paths) => {
    const labels = [...new Set(paths.map(labelOf))];
    return labels.slice(0, 3).join(", ") + (labels.length > 3 ? ` and ${labels.length - 3} more` : "");
  };
  /* The record as it is now: after a save of ours, or after a change of someone else. */
  const follow = (record) => {
    const section = root();
    section.dataset.updated = record.updated_at;
    showName(record.name);
    const about = section.querySelector("[data-description]");
    about.textContent = record.description || "";
    about.hidden = !record.description;
    const changed = pathsOf(base).filter((path) => !agrees(valueAt(base, path), valueAt(record, path)));
    const hasMoved = record.status !== section.dataset.status;
    if (!hasMoved && !changed.length) return;
    if (!isUnsaved()) { refresh(); return; }
    const ours = findChanges(readNow() || {});
    const both = changed.filter((path) => valueAt(ours, path) !== undefined && !agrees(valueAt(ours, path), valueAt(record, path)));
    if (hasMoved) elsewhere = `Changed elsewhere: this experiment is now ${record.status}. Discard your changes to see it.`;
    else if (both.length) elsewhere = `Changed elsewhere too: ${listLabels(both)}. Save to keep yours, Discard to use theirs.`;
    else elsewhere = `Changed elsewhere: ${listLabels(changed)}. Saving keeps both changes.`;
    showState();
  };
  const followServer = async () => {
    const section = root();
    if (!section) return;
    if (form().getAttribute("aria-busy") === "true") { isAskedAgain = true; return; }
    const answer = await fetch(section.dataset.api, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!answer?.ok || !section.isConnected) return;
    const { data } = await answer.json();
    if (data.updated_at > section.dataset.updated) follow(data);
  };
  /* Deleted in another tab: the same words as for an address that is wrong. */
  const showGone = () => {
    const hadFocus = document.activeElement?.closest(".training__settings, .training__results");
    for (const part of document.querySelectorAll(".training__settings, .training__results")) part.replaceChildren();
    for (const dialog of document.querySelectorAll("#experiment-rename-dialog[open], #experiment-deletion-dialog[open]")) dialog.close();
    const notice = document.getElementById("experiment-gone");
    notice.hidden = false;
    if (hadFocus || document.activeElement === document.body) notice.focus();
  };
  let open = null;
  let focusedName = "";
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target?.id !== "training-settings" || event.detail.xhr.status >= 400) return;
    /* Typed while the answer was on its way. */
    if (isUnsaved() && !isDiscarding) { event.detail.shouldSwap = false; followServer(); return; }
    focusedName = (form().contains(document.activeElement) && document.activeElement.name) || "";
    open = new Set([...root().querySelectorAll("details[open][id]")].map((item) => item.id));
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.elt?.id === "augmentation-editor") {
      Studio.renumberSteps();
      Object.assign(base, Studio.readForm({ elements: form().querySelectorAll("#augmentation-editor [name]") }));
      update();
    }
    if (event.detail.elt?.id !== "training-settings") return;
    for (const item of root().querySelectorAll("details[id]")) if (open) item.open = open.has(item.id);
    open = null;
    begin();
    const alike = focusedName ? [...form().querySelectorAll(`[name="${CSS.escape(focusedName)}"]`)] : [];
    (alike.find((field) => field.checked) || alike[0])?.focus({ preventScroll: true });
  });

  /* Not on change, which comes when a press elsewhere takes the focus: what moves then is missed by that press. */
  document.addEventListener("input", (event) => { if (form()?.contains(event.target)) { update(); askChecks(); } });
  document.addEventListener("steps:changed", () => { update(); askChecks(); });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-reset-all]")) {
      for (const field of form().querySelectorAll(".field.is-changed")) {
        if (!field.closest("[data-off]")) field.querySelector("[data-reset-field]")?.click();
      }
      event.target.closest("button").focus();
    }
    if (event.target.closest("[data-discard]")) {
      Studio.ask({ title: "Discard your changes?", text: "The settings return to their saved values.", action: "Discard changes", isDanger: true })
        .then((isYes) => { if (isYes) { isDiscarding = true; trainAfterSave = false; refresh(); } });
    }
  });
  /* Train with something unsaved: save, then train; nothing is trained that was refused. */
  document.addEventListener("click", (event) => {
    const train = event.target.closest("[data-train]");
    if (!train || !isUnsaved()) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    trainAfterSave = true;
    form().requestSubmit();
  }, true);
  htmx.defineExtension("changed-only", {
    encodeParameters(xhr, parameters, element) {
      if (element !== form()) return null;
      xhr.overrideMimeType("text/json");
      sent = findChanges(readNow());
      return JSON.stringify(sent);
    },
  });
  document.addEventListener("submit", (event) => {
    if (event.target !== form()) return;
    if (event.submitter) trainAfterSave = false; /* "Save" was pressed, not what tries again */
    if (readNow()) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    trainAfterSave = false;
    const broken = [...form().elements].filter((field) => { try { return field.name && Studio.readValue(field) && false; } catch { return true; } });
    const exampleOf = (field) => (field.defaultValue.startsWith("[") ? field.defaultValue : "[224, 192]");
    const details = broken.map((field) => ({ field: field.name, message: `Enter one number, or a list such as ${exampleOf(field)}.` }));
    Studio.showProblem(form(), { message: "Please correct:", details });
    showRefusal();
  }, true);
  document.addEventListener("form:success", (event) => {
    if (event.target.closest("#experiment-deletion")) isLeaving = true;
    if (event.target !== form()) return;
    for (const path of pathsOf(sent)) put(base, path, valueAt(sent, path));
    elsewhere = "";
    if (trainAfterSave) { trainAfterSave = false; update(); root().querySelector("[data-train]").click(); }
    follow(event.detail.data);
    update();
  });
  /* What was refused is shown where it is, also in a part that is folded. */
  const showRefusal = () => {
    const marked = [...form().querySelectorAll("[aria-invalid]")];
    for (const field of marked) {
      for (let part = field.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
    }
    marked[0]?.focus();
    showState(marked.length ? "Not saved: correct the marked settings." : "Not saved: see the message above the settings.");
  };
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.target?.id === "training-settings" && event.detail.elt === document.body) isDiscarding = false;
    if (event.detail.elt !== form()) return;
    if (isAskedAgain) { isAskedAgain = false; followServer(); }
    if (event.detail.successful) return;
    /* What tries again later still wants to train. */
    if (event.detail.xhr.status === 0) { showState(`Not saved${trainAfterSave ? " and not trained" : ""}: the server is not responding.`); return; }
    trainAfterSave = false;
    showRefusal();
  });
  window.addEventListener("beforeunload", (event) => { if (isUnsaved()) event.preventDefault(); });

  /* What others do to this experiment. Our own save is told as well, and then nothing is unsaved. */
  document.body.addEventListener("live:experiments", (event) => {
    const id = root()?.dataset.experiment;
    if (!id || isLeaving) return;
    const TYPES = ["EXPERIMENT_STATUS", "RECORD_CHANGED"];
    const lines = event.detail.events.filter((line) => TYPES.includes(line.type) && [line.payload.id, line.payload.experiment_id].includes(id));
    if (lines.some((line) => line.payload.change === "deleted")) showGone();
    else if (lines.length) followServer();
  });
  document.body.addEventListener("experiments-changed", () => { if (root() && !isUnsaved()) refresh(); });
  document.addEventListener("DOMContentLoaded", begin);

  Studio.settings = { isUnsaved };
})();
