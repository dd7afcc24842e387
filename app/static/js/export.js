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
  /* Both sides or none: one alone takes the other's number, which the person sees. */
  const composeShape = (box, edited) => {
    const [height, width] = ["height", "width"].map((side) => box.querySelector(`[data-export-side="${side}"]`));
    const other = edited === height ? width : height;
    if (edited.value !== "" && other.value === "") other.value = edited.value;
    if (edited.value === "") other.value = "";
    const shape = height.value && width.value ? JSON.stringify([1, 3, Number(height.value), Number(width.value)]) : "";
    box.querySelector('[name="options.input_shape"]').value = shape;
  };
  const copy = async (button) => {
    try {
      await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent.trim());
      Studio.toast({ text: "Copied" });
    } catch {
      getSelection().selectAllChildren(document.querySelector(button.dataset.copy));
      Studio.toast({ kind: "info", text: "The browser does not let this page copy. The lines are selected: press Ctrl+C." });
    }
  };
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-export-format]")) chooseFormat(event.target.form, event.target.value);
    const box = event.target.closest("[data-export-size]");
    if (box && event.target.dataset.exportSide) composeShape(box, event.target);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
  document.addEventListener("DOMContentLoaded", () => {
    if (document.querySelector("[data-export-dialog][data-open]")) Studio.openDialog("new-export");
  });
})();
