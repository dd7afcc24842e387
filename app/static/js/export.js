/* The dialog of a new export: options follow the format, two sides make an input shape. And copying what is to be run. */
(() => {
  "use strict";
  const chooseFormat = (form, name) => {
    for (const group of form.querySelectorAll("[data-export-options]")) {
      const isChosen = group.dataset.exportOptions === name;
      group.hidden = !isChosen;
      group.disabled = !isChosen;
    }
  };
  /* Both sides or none: one alone is refused by the form, beside the empty one. */
  const composeShape = (box) => {
    const [height, width] = ["height", "width"].map((side) => box.querySelector(`[data-export-side="${side}"]`));
    for (const [side, other] of [[height, width], [width, height]]) {
      side.setCustomValidity(side.value === "" && other.value !== "" ? "Enter both height and width, or leave both empty to use the training size." : "");
    }
    const shape = height.value && width.value ? JSON.stringify([1, 3, Number(height.value), Number(width.value)]) : "";
    box.querySelector('[name="options.input_shape"]').value = shape;
  };
  const copy = async (button) => {
    try {
      await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent.trim());
      Studio.toast({ text: "Copied" });
    } catch {
      getSelection().selectAllChildren(document.querySelector(button.dataset.copy));
      Studio.toast({ kind: "info", text: "Copying is not allowed here. The lines are selected: press Ctrl+C." });
    }
  };
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-export-format]")) chooseFormat(event.target.form, event.target.value);
  });
  document.addEventListener("input", (event) => {
    if (event.target.dataset.exportSide) composeShape(event.target.closest("[data-export-size]"));
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
  document.addEventListener("DOMContentLoaded", () => {
    if (document.querySelector("[data-export-dialog][data-open]")) Studio.openDialog("new-export");
  });
})();
