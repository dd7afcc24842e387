/* The settings of an experiment: what is not saved, what counts, and what the list of events means for them. Everything
   is looked up when it is needed, because htmx replaces the form. The steps of augmentation are in augmentation.js. */
(() => {
  "use strict";
  const root = () => document.getElementById("training-settings");
  const form = () => document.getElementById("settings-form");
  let saved = {};
  let trainAfterSave = false;
  let isStale = false;

  /* What is in the form, as text; half-typed JSON is a change. The steps come later than the rest, and only when their
     part was unfolded: what is not there is not sent and stays as it is. */
  const snapshot = () => {
    try {
      const { augmentations = null, ...rest } = Studio.readForm(form());
      return { rest: JSON.stringify(rest), steps: JSON.stringify(augmentations) };
    } catch { return { rest: "unfinished", steps: "" }; }
  };
  const isUnsaved = () => {
    if (!form()?.querySelector("[data-save-bar]")) return false;
    const now = snapshot();
    return now.rest !== saved.rest || now.steps !== saved.steps;
  };

  const showState = (text = null) => {
    const bar = form()?.querySelector("[data-save-bar]");
    if (!bar) return;
    const unsaved = isUnsaved();
    bar.classList.toggle("is-unsaved", unsaved);
    bar.querySelector("[data-discard]").hidden = !unsaved;
    const state = bar.querySelector("[data-save-state]");
    const stale = "Changed elsewhere. Discard to see it.";
    const words = text || (unsaved ? (isStale ? stale : "Unsaved changes") : "All changes are saved");
    if (state.textContent !== words) state.textContent = words;
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
  const showWeights = () => {
    const isPretrained = valueOf("model.pretrained");
    const chosen = valueOf("model.backbone");
    for (const note of form().querySelectorAll("[data-weights-note]")) {
      note.hidden = !(isPretrained && note.dataset.weightsNote === chosen);
    }
  };
  const countChanges = () => {
    let total = 0;
    for (const section of form().querySelectorAll(".settings-section")) {
      const badge = section.querySelector("[data-section-changed]");
      if (!section.querySelector(".field")) { total += Number.parseInt(badge.textContent, 10) || 0; continue; }
      const fields = [...section.querySelectorAll(".field.is-changed")].filter((field) => !field.closest("[data-off]"));
      const number = fields.length + (Studio.countChangedChains?.(section) || 0);
      badge.hidden = number === 0;
      badge.textContent = `${number} changed`;
      total += number;
    }
    form().querySelector("[data-settings-changed]").textContent = total ? `${total} changed from the default` : "All at their defaults";
  };
  const update = () => {
    if (!form()) return;
    applyConditions();
    showProduct();
    showWeights();
    countChanges();
    showState();
  };
  const begin = () => {
    if (!form()) return;
    applyConditions();
    saved = snapshot();
    isStale = false;
    update();
  };

  /* The fragment again, with the parts open that were; never over something unsaved. */
  const refresh = () => {
    const section = root();
    if (section) htmx.ajax("GET", section.dataset.url, { source: section, target: section, swap: "outerHTML" });
  };
  /* An event may tell of our own save, or of what the form shows already. */
  const followServer = async () => {
    const section = root();
    if (!section || form().getAttribute("aria-busy") === "true") return;
    const answer = await fetch(section.dataset.api, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!answer?.ok || !section.isConnected) return;
    if ((await answer.json()).data.updated_at === section.dataset.updated) return;
    isStale = isUnsaved();
    if (isStale) showState(); else refresh();
  };
  let open = null;
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target?.id !== "training-settings" || event.detail.xhr.status >= 400) return;
    open = new Set([...root().querySelectorAll("details[open][id]")].map((item) => item.id));
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.elt?.id === "augmentation-editor") {
      Studio.renumberSteps();
      saved = { ...saved, steps: snapshot().steps };
      update();
    }
    if (event.detail.elt?.id !== "training-settings") return;
    for (const item of root().querySelectorAll("details[id]")) if (open) item.open = open.has(item.id);
    open = null;
    begin();
  });

  /* Not on change, which comes when a press elsewhere takes the focus: what moves then is missed by that press. */
  document.addEventListener("input", (event) => { if (form()?.contains(event.target)) update(); });
  document.addEventListener("steps:changed", update);
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-reset-all]")) {
      for (const field of form().querySelectorAll(".field.is-changed")) {
        if (!field.closest("[data-off]")) field.querySelector("[data-reset-field]")?.click();
      }
      event.target.closest("button").focus();
    }
    if (event.target.closest("[data-discard]")) {
      Studio.ask({ title: "Discard your changes?", text: "The form goes back to the saved settings.", action: "Discard", isDanger: true })
        .then((isYes) => { if (isYes) { saved = snapshot(); refresh(); } });
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
  document.addEventListener("form:success", (event) => {
    if (event.target !== form()) return;
    saved = snapshot();
    if (isStale) refresh();
    root().dataset.updated = event.detail.data.updated_at;
    update();
    if (trainAfterSave) { trainAfterSave = false; root().querySelector("[data-train]").click(); }
  });
  /* What was refused is shown where it is, also in a part that is folded. */
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.elt !== form() || event.detail.successful) return;
    trainAfterSave = false;
    for (const field of form().querySelectorAll("[aria-invalid]")) {
      for (let part = field.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
    }
    form().querySelector("[aria-invalid]")?.focus();
    showState("Not saved: see what is marked.");
  });
  window.addEventListener("beforeunload", (event) => { if (isUnsaved()) event.preventDefault(); });

  /* What others do to this experiment. Our own save is told as well, and then nothing is unsaved. */
  document.body.addEventListener("live:experiments", (event) => {
    const id = root()?.dataset.experiment;
    const TYPES = ["EXPERIMENT_STATUS", "RECORD_CHANGED"];
    if (event.detail.events.some((line) => TYPES.includes(line.type) && JSON.stringify(line.payload).includes(id))) followServer();
  });
  document.body.addEventListener("experiments-changed", () => { if (root() && !isUnsaved()) refresh(); });
  document.addEventListener("DOMContentLoaded", begin);

  Studio.settings = { isUnsaved };
})();
