/* The editor of augmentations: order by drag and by buttons, adding, removing, and a preview on the user's own images.
   A chain is a list of steps and a hidden field with their names; the fields of a step are named by its place. */
(() => {
  "use strict";
  const form = () => document.getElementById("settings-form");
  const chains = () => [...(form()?.querySelectorAll("[data-chain]") || [])];
  const stepsOf = (chain) => [...chain.querySelectorAll(".step")];
  const isLocked = (element) => Boolean(element.closest("fieldset[disabled]"));
  const say = (text) => { form().querySelector("[data-steps-status]").textContent = text; };

  const renumber = () => {
    for (const chain of chains()) {
      const subset = chain.dataset.chain;
      const steps = stepsOf(chain);
      steps.forEach((step, index) => {
        for (const field of step.querySelectorAll("[name]")) {
          field.name = `augmentations.${subset}.${index}.params.${field.name.split(".").at(-1)}`;
        }
        summarize(step);
      });
      chain.querySelector("[data-skeleton]").value = JSON.stringify(steps.map((step) => ({ name: step.dataset.step, params: {} })));
    }
  };
  /* The parameters in a few words, so that a folded step says what it does. */
  const summarize = (step) => {
    const target = step.querySelector("[data-step-summary]");
    if (!target) return;
    const words = [...step.querySelectorAll(".field")].map((field) => {
      const input = field.querySelector("[name]");
      const value = input.type === "checkbox" ? (input.checked ? "on" : "off") : input.value;
      return value === "" ? "" : `${field.querySelector(".field__label").firstChild.textContent.trim().toLowerCase()} ${value}`;
    });
    target.textContent = words.filter(Boolean).join(" · ");
  };
  /* A chain counts once however much of it was changed, as in the server's number while the section is closed. */
  const countChangedChains = (section) => [...section.querySelectorAll("[data-chain]")].filter((chain) => (
    chain.querySelector(".field.is-changed")
    || JSON.stringify(JSON.parse(chain.dataset.defaultNames)) !== JSON.stringify(stepsOf(chain).map((step) => step.dataset.step)))).length;
  const changed = () => {
    renumber();
    form().dispatchEvent(new CustomEvent("steps:changed", { bubbles: true }));
    drawSoon();
  };
  const place = (step) => stepsOf(step.closest("[data-chain]")).indexOf(step) + 1;
  const describe = (step) => `transform ${place(step)} of ${stepsOf(step.closest("[data-chain]")).length}`;

  const move = (step, by) => {
    const other = by < 0 ? step.previousElementSibling : step.nextElementSibling;
    if (!other) return;
    if (by < 0) other.before(step); else other.after(step);
    changed();
    say(`${step.dataset.title} is now ${describe(step)}.`);
    /* At an end the button that was pressed is gone. */
    const wanted = step.querySelector(`[data-step-move="${by}"]`);
    const target = getComputedStyle(wanted).visibility === "hidden" ? step.querySelector(`[data-step-move="${-by}"]`) : wanted;
    (getComputedStyle(target).visibility === "hidden" ? step.querySelector("[data-step-remove]") : target).focus();
  };
  const remove = (step) => {
    const chain = step.closest("[data-chain]");
    const next = step.nextElementSibling || step.previousElementSibling;
    step.remove();
    changed();
    say(`${step.dataset.title} was removed.`);
    (next?.querySelector("[data-step-remove]") || chain.querySelector("[data-dialog-open]")).focus();
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-step-move], [data-step-remove]");
    if (!button || isLocked(button)) return;
    const step = button.closest(".step");
    if (button.dataset.stepRemove !== undefined) remove(step);
    else move(step, Number(button.dataset.stepMove));
  });
  document.addEventListener("input", (event) => {
    const step = event.target.closest?.(".step");
    if (step) { summarize(step); drawSoon(); }
    else if (/image_size|resize_mode|split_name/.test(event.target.name || "")) drawSoon();
  });
  /* Steps that came from the server: one at the end, or a whole chain. */
  document.addEventListener("htmx:afterSettle", (event) => {
    const source = event.detail.requestConfig?.elt;
    if (!source?.matches?.("[data-step-add], [data-chain-reset]")) return;
    changed();
    if (source.dataset.stepAdd) {
      const step = stepsOf(form().querySelector(`[data-chain="${source.dataset.stepAdd}"]`)).at(-1);
      source.closest("dialog")?.close();
      say(`${step.dataset.title} was added as ${describe(step)}.`);
      (step.querySelector("summary") || step.querySelector("[data-step-remove]")).focus();
    } else say("The transforms were reset to defaults.");
  });

  /* Drag by the handle; the buttons do the same for everyone. */
  let dragged = null;
  const clearTargets = () => {
    for (const step of document.querySelectorAll(".step")) step.classList.remove("is-target-above", "is-target-below", "is-dragged");
  };
  const isUpperHalf = (step, event) => {
    const box = step.getBoundingClientRect();
    return event.clientY < box.top + box.height / 2;
  };
  document.addEventListener("dragstart", (event) => {
    const handle = event.target.closest?.(".step__handle");
    if (!handle) return;
    if (isLocked(handle)) { event.preventDefault(); return; }
    dragged = handle.closest(".step");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.dataset.title);
    event.dataTransfer.setDragImage(dragged, 10, 10);
    dragged.classList.add("is-dragged");
  });
  document.addEventListener("dragover", (event) => {
    const step = dragged && event.target.closest?.(".step");
    if (!step || step.parentElement !== dragged.parentElement) return;
    event.preventDefault();
    clearTargets();
    dragged.classList.add("is-dragged");
    if (step !== dragged) step.classList.add(isUpperHalf(step, event) ? "is-target-above" : "is-target-below");
  });
  document.addEventListener("drop", (event) => {
    const step = dragged && event.target.closest?.(".step");
    if (!step || step === dragged || step.parentElement !== dragged.parentElement) return;
    event.preventDefault();
    if (isUpperHalf(step, event)) step.before(dragged); else step.after(dragged);
    changed();
    say(`${dragged.dataset.title} is now ${describe(dragged)}.`);
  });
  document.addEventListener("dragend", () => { dragged = null; clearTargets(); });

  /* The preview. Once asked for, it follows what is changed; the last answer wins. */
  const SLOW_MS = 700;
  const GATHER_MS = 400;
  let isShown = false;
  let seed = 0;
  let asked = 0;
  let timer = null;
  const preview = () => form()?.querySelector("[data-preview]");
  const readChain = () => {
    const box = preview();
    if (box.parentElement.querySelector("fieldset[disabled]")) return JSON.parse(box.dataset.saved);
    const data = Studio.readForm(form());
    const { image_size: imageSize, resize_mode: resizeMode } = data.hyperparameters;
    return { split_name: data.split_name, entries: data.augmentations.train, val: data.augmentations.val, image_size: imageSize, resize_mode: resizeMode };
  };
  const status = (text) => { preview().querySelector("[data-preview-status]").textContent = text; };
  const showImages = ({ images, width, height, skipped }) => {
    const tiles = images.map(({ filename, source_name: sourceName, data_url: url }) => {
      const name = sourceName || filename;
      const image = Object.assign(document.createElement("img"), { src: url, alt: `${name} after these transforms` });
      const box = Object.assign(document.createElement("div"), { className: "tile__image" });
      const item = Object.assign(document.createElement("li"), { className: "tile", title: name });
      box.append(image);
      item.append(box);
      return item;
    });
    preview().querySelector("[data-preview-tiles]").replaceChildren(...tiles);
    const unread = Object.values(skipped);
    status(`Variation ${seed}: ${images.length} training images, ${width} × ${height} px for the model.${unread.length ? ` ${unread.length} cannot be read: ${unread[0]}` : ""}`);
  };
  const showRefusal = (problem) => {
    const own = { entries: "augmentations.train", val: "augmentations.val" };
    const places = { image_size: "hyperparameters.image_size", resize_mode: "hyperparameters.resize_mode" };
    const details = (Array.isArray(problem.details) ? problem.details : []).map(({ field: path, message }) => {
      const [first, ...rest] = path.split(".");
      return { field: [places[first] || own[first] || first, ...rest].join("."), message };
    });
    for (const { field: name, message } of details) {
      const field = form().querySelector(`[name="${CSS.escape(name)}"]:not([type=hidden])`);
      const text = field?.closest(".field")?.querySelector(".field__error");
      if (!text) continue;
      field.setAttribute("aria-invalid", "true");
      Object.assign(text, { textContent: message, hidden: false });
      for (let part = field.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
    }
    status(`No preview. ${Studio.problemText({ message: problem.message, details })}`);
  };
  const draw = async () => {
    const number = asked += 1;
    const box = preview();
    const button = box.querySelector("[data-preview-draw]");
    let body;
    try { body = { ...readChain(), seed }; } catch { status("No preview: a size must be one number, or [height, width]."); return; }
    button.setAttribute("aria-busy", "true");
    const slow = setTimeout(() => status("Starting the preview. The first one takes a few seconds."), SLOW_MS);
    try {
      const answer = await fetch(box.dataset.preview, {
        method: "POST", headers: { "Content-Type": "application/json", Accept: "application/json" }, body: JSON.stringify(body),
      });
      const { data, error } = await answer.json();
      if (number !== asked || !preview()) return;
      if (answer.ok) showImages(data); else showRefusal(error);
    } catch {
      if (number === asked && preview()) status("No preview: the server is not responding.");
    } finally {
      clearTimeout(slow);
      if (number === asked) button.removeAttribute("aria-busy");
    }
  };
  const drawSoon = () => {
    if (!isShown || !preview()) return;
    clearTimeout(timer);
    timer = setTimeout(draw, GATHER_MS);
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-preview-draw]");
    if (!button || button.getAttribute("aria-busy") === "true") return;
    isShown = true;
    seed += 1;
    button.lastChild.textContent = "Show another variation";
    draw();
  });
  document.addEventListener("htmx:afterSettle", (event) => { if (event.detail.elt?.id === "augmentation-editor") isShown = false; });

  Object.assign(Studio, { renumberSteps: renumber, countChangedChains });
})();
