/* Native dialogs opened and closed by attributes: data-dialog-open="id", data-dialog-close. The browser keeps the focus
   inside and closes on Escape; the focus goes back to what opened it. */
(() => {
  "use strict";
  const openers = new WeakMap();

  const open = (id, opener = document.activeElement) => {
    const dialog = document.getElementById(id);
    if (!dialog || dialog.open) return;
    openers.set(dialog, opener);
    for (const form of dialog.querySelectorAll("form[data-reset-on-open]")) form.reset();
    dialog.showModal();
    dialog.dispatchEvent(new CustomEvent("dialog:open", { bubbles: true }));
  };
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog-open]");
    if (opener && opener.getAttribute("aria-disabled") !== "true") { event.preventDefault(); open(opener.dataset.dialogOpen, opener); }
    const closer = event.target.closest("[data-dialog-close]");
    if (closer) closer.closest("dialog")?.close(closer.value || "");
  });
  /* A press outside closes what holds nothing that could be lost. */
  document.addEventListener("pointerdown", (event) => {
    const dialog = event.target;
    if (!(dialog instanceof HTMLDialogElement) || dialog.dataset.dismissable === undefined) return;
    const box = dialog.getBoundingClientRect();
    const isInside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    if (!isInside) dialog.close();
  });
  document.addEventListener("close", (event) => {
    if (!(event.target instanceof HTMLDialogElement)) return;
    const opener = openers.get(event.target);
    if (opener?.isConnected) opener.focus();
    event.target.dispatchEvent(new CustomEvent("dialog:close", { bubbles: true }));
  }, true);
  /* What cannot be done now does nothing, by mouse or by key; the reason beside it says why. */
  document.addEventListener("click", (event) => {
    if (!event.target.closest('[aria-disabled="true"]')) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);

  Studio.openDialog = open;
})();
