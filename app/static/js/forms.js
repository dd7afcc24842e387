/* State of fields that the server need not know: changed from the defaults, value of a slider, files over a drop zone. */
(() => {
  "use strict";
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  const currentValue = (field, input) => (
    input.type === "radio" ? Studio.readValue(field.querySelector("input:checked") || input) : Studio.readValue(input));

  const mark = (field) => {
    const input = field.querySelector("[name]");
    if (!input) return;
    let isChanged = true;
    try { isChanged = !same(currentValue(field, input), JSON.parse(field.dataset.default)); } catch { /* unfinished text */ }
    field.classList.toggle("is-changed", isChanged);
    countChanges(field.closest("form") || field.closest("[data-fields]"));
  };
  const countChanges = (form) => {
    const counter = form?.querySelector("[data-changed-count]");
    if (!counter) return;
    const number = form.querySelectorAll(".field.is-changed").length;
    counter.textContent = number === 0 ? "All settings have their default values" : `${number} changed from the defaults`;
  };
  const reset = (field) => {
    const value = JSON.parse(field.dataset.default);
    for (const input of field.querySelectorAll("[name]")) {
      if (input.type === "checkbox") input.checked = Boolean(value);
      else if (input.type === "radio") input.checked = input.value === String(value);
      else if (input.dataset.type === "json") input.value = JSON.stringify(value);
      else input.value = Array.isArray(value) ? value.join(", ") : value ?? "";
      input.dispatchEvent(new Event("input", { bubbles: true }));
      input.dispatchEvent(new Event("change", { bubbles: true }));
    }
    field.querySelector("[name]").focus();
  };
  const showOutput = (input) => {
    const output = input.type === "range" && input.closest(".field")?.querySelector("output");
    if (output) output.textContent = `${input.value}${output.dataset.unit || ""}`;
  };
  const listFiles = (input) => {
    const text = input.closest(".file-drop")?.querySelector("[data-file-names]");
    if (!text) return;
    const names = [...input.files].map((file) => file.name);
    text.textContent = names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
  };

  document.addEventListener("input", (event) => {
    showOutput(event.target);
    const field = event.target.closest?.(".field[data-default]");
    if (field) mark(field);
  });
  document.addEventListener("change", (event) => { if (event.target.type === "file") listFiles(event.target); });
  document.addEventListener("reset", (event) => setTimeout(() => {
    for (const input of event.target.elements) showOutput(input);
    for (const field of event.target.querySelectorAll(".field[data-default]")) mark(field);
  }));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-reset-field]");
    if (button) reset(button.closest(".field"));
  });
  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => event.target.closest?.(".file-drop")?.classList.add("is-over"));
  }
  for (const name of ["dragleave", "drop", "dragend"]) {
    document.addEventListener(name, (event) => event.target.closest?.(".file-drop")?.classList.remove("is-over"));
  }
  /* A file that misses the zone would otherwise replace the page. */
  for (const name of ["dragover", "drop"]) {
    window.addEventListener(name, (event) => {
      if (event.dataTransfer?.types.includes("Files") && !event.target.closest?.(".file-drop")) event.preventDefault();
    });
  }
  /* Tabs within a page: arrows move, Home and End jump. */
  const selectTab = (tab) => {
    for (const other of tab.closest('[role="tablist"]').querySelectorAll('[role="tab"]')) {
      const isSelected = other === tab;
      other.setAttribute("aria-selected", String(isSelected));
      other.tabIndex = isSelected ? 0 : -1;
      document.getElementById(other.getAttribute("aria-controls")).hidden = !isSelected;
    }
  };
  document.addEventListener("click", (event) => {
    const tab = event.target.closest('[role="tab"]');
    if (tab) selectTab(tab);
  });
  document.addEventListener("keydown", (event) => {
    const tab = event.target.closest?.('[role="tab"]');
    if (!tab || !["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) return;
    const tabs = [...tab.closest('[role="tablist"]').querySelectorAll('[role="tab"]')];
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const index = step ? (tabs.indexOf(tab) + step + tabs.length) % tabs.length : event.key === "Home" ? 0 : tabs.length - 1;
    event.preventDefault();
    tabs[index].focus();
    selectTab(tabs[index]);
  });

  const start = (root) => { for (const form of root.querySelectorAll("form, [data-fields]")) countChanges(form); };
  document.addEventListener("DOMContentLoaded", () => {
    start(document);
    /* scrollIntoView would make the tab the place where the Tab key continues, and skip all that is above it. */
    const tab = document.querySelector('.project-tabs [aria-current="page"]');
    const row = tab?.closest(".project-tabs");
    if (row) row.scrollLeft += tab.getBoundingClientRect().left - row.getBoundingClientRect().left - (row.clientWidth - tab.offsetWidth) / 2;
  });
  document.addEventListener("htmx:load", (event) => start(event.detail.elt.parentElement || document));

  Studio.markField = mark;
})();
